"""Cutting a dataset into parts at random."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ShapeError
from ..core.random import Generator, default_generator
from .dataset import ConcatDataset, Dataset, Subset, TensorDataset
from .randomness import permutation

T_co = TypeVar("T_co", covariant=True)


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset[T_co]]:
    """Cut a dataset into random, disjoint parts.

    Parameters
    ----------
    dataset : Dataset
        The whole, n samples.
    lengths : sequence of int or of float
        Sizes that sum to n, or fractions f that sum to 1: part i then gets
        ``floor(f[i] * n)`` samples, and what is left goes one each to the first parts.
    generator : Generator, optional
        What to draw from; the generator of ``minicnn.manual_seed`` unless given.

    Returns
    -------
    list of Subset

    Raises
    ------
    ValueError
        If the lengths sum neither to n nor to 1.

    Examples
    --------
    >>> train, validation = random_split(range(10), [0.75, 0.25])
    >>> len(train), len(validation)
    (8, 2)
    """
    sizes = _sizes("random_split", lengths, len(dataset))  # type: ignore[arg-type]
    return _cut(dataset, permutation(sum(sizes), generator), sizes)


def stratified_split(
    dataset: Dataset[T_co], lengths: Sequence[float], generator: Generator | None = None, targets: Any = None
) -> list[Subset[T_co]]:
    """Cut a dataset into random, disjoint parts that all have about the same share of every class.

    Sample number k of the n_c of its class, in random order, gets the place (k + 1/2) / n_c; the parts are consecutive
    pieces of all samples in the order of their places. So every part has ``size / n * n_c`` samples of class c, give or
    take one, and the sizes are those of :func:`random_split`.

    Parameters
    ----------
    dataset : Dataset
        The whole, n samples.
    lengths : sequence of int or of float
        Sizes that sum to n, or fractions that sum to 1.
    generator : Generator, optional
        What to draw from; the generator of ``minicnn.manual_seed`` unless given.
    targets : sequence of n class numbers, optional
        ``dataset.targets`` unless given, or the last tensor of a TensorDataset; also through Subset and ConcatDataset.

    Returns
    -------
    list of Subset

    Raises
    ------
    ValueError
        If the lengths sum neither to n nor to 1, or the classes are not known.

    Warns
    -----
    UserWarning
        If a class has fewer samples than there are parts.

    Examples
    --------
    >>> labels = [0] * 80 + [1] * 20
    >>> train, validation = stratified_split(range(100), [0.75, 0.25], targets=labels)
    >>> sum(labels[i] for i in train), sum(labels[i] for i in validation)
    (15, 5)
    """
    n = len(dataset)  # type: ignore[arg-type]
    sizes = _sizes("stratified_split", lengths, n)
    classes = targets_of(dataset) if targets is None else np.asarray(targets)
    if classes.shape != (n,):
        raise ShapeError(f"stratified_split: expected one class number for each of {n} samples; got {classes.shape}")
    rng = (generator or default_generator).numpy
    order = rng.permutation(n)
    _, numbers, counts = np.unique(classes[order], return_inverse=True, return_counts=True)
    rare = int((counts < sum(size > 0 for size in sizes)).sum())
    if rare:
        warnings.warn(
            f"stratified_split: {rare} of {len(counts)} classes have fewer samples than there are parts, so some parts "
            "have none of them",
            stacklevel=2,
        )
    rank = np.empty(n, np.int64)
    by_class = np.argsort(numbers, kind="stable")
    rank[by_class] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    place = (rank + 0.5) / counts[numbers]
    return _cut(dataset, order[np.argsort(place, kind="stable")].tolist(), sizes)


def targets_of(dataset: Any) -> NDArray[Any]:
    """The class numbers (n,) of a dataset that knows them."""
    if isinstance(dataset, Subset):
        return targets_of(dataset.dataset)[list(dataset.indices)]
    if isinstance(dataset, ConcatDataset):
        return np.concatenate([targets_of(part) for part in dataset.datasets])
    found = dataset.tensors[-1] if isinstance(dataset, TensorDataset) else getattr(dataset, "targets", None)
    if found is None:
        raise ValueError(
            f"stratified_split: {type(dataset).__name__} has no attribute targets, so its classes are not known. "
            "Fix: targets=[label for _, label in dataset]"
        )
    return np.asarray(found)


def _cut(dataset: Dataset[T_co], order: list[int], sizes: list[int]) -> list[Subset[T_co]]:
    return [Subset(dataset, order[end - size : end]) for end, size in zip(accumulate(sizes), sizes, strict=True)]


def _sizes(who: str, lengths: Sequence[float], n: int) -> list[int]:
    """Sizes as whole numbers that sum to n."""
    total = sum(lengths)
    if math.isclose(total, 1) and total <= 1:
        return _sizes_of_fractions(who, lengths, n)
    if total == n and all(length == int(length) >= 0 for length in lengths):
        return [int(length) for length in lengths]
    raise ValueError(
        f"{who}: the lengths must sum to the size of the dataset, {n}, or be fractions that sum to 1; "
        f"{' + '.join(map(str, lengths))} = {total:g}"
    )


def _sizes_of_fractions(who: str, fractions: Sequence[float], n: int) -> list[int]:
    """floor(f * n), the remainder handed out one each from the front."""
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"{who}: fraction {i} is {fraction}; fractions lie between 0 and 1")
    sizes = [math.floor(n * fraction) for fraction in fractions]
    for i in range(n - sum(sizes)):
        sizes[i % len(sizes)] += 1
    for i, size in enumerate(sizes):
        if size == 0:
            warnings.warn(f"{who}: part {i} is empty ({fractions[i]} of {n} samples)", stacklevel=4)
    return sizes
