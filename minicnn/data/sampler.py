"""Samplers: in which order, and how often, the samples of a dataset are visited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from ..core.random import Generator, default_generator
from .randomness import permutation

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base of all samplers: an iterable of indices (or of lists of indices), with a length.

    Subclasses write ``__iter__`` and, where the number is known, ``__len__``.

    Examples
    --------
    >>> class Backwards(Sampler):
    ...     def __init__(self, data):
    ...         self.data = data
    ...     def __iter__(self):
    ...         return iter(range(len(self.data) - 1, -1, -1))
    ...     def __len__(self):
    ...         return len(self.data)
    >>> list(Backwards("abc"))
    [2, 1, 0]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise TypeError(f"{type(self).__name__} needs a method __iter__(self) that yields indices")


class SequentialSampler(Sampler[int]):
    """0, 1, ..., n - 1.

    Parameters
    ----------
    data_source : sized
        The dataset.

    Examples
    --------
    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """All indices in random order, or random draws with replacement.

    Parameters
    ----------
    data_source : sized
        The dataset.
    replacement : bool, default False
        Draw each index anew from all of them, so that some come twice.
    num_samples : int, optional
        How many to draw; the size of the dataset unless given. Without
        replacement, more than that starts a new permutation.
    generator : Generator, optional
        What to draw from; the generator of ``minicnn.manual_seed`` unless given.

    Examples
    --------
    >>> sorted(RandomSampler("abcd"))
    [0, 1, 2, 3]
    >>> len(list(RandomSampler("abcd", replacement=True, num_samples=6)))
    6
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement must be True or False; got {replacement!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if num_samples is None and len(data_source) == 0:
            raise ValueError(
                "RandomSampler: the dataset is empty, there is nothing to shuffle; check how it was loaded"
            )
        _check_count("RandomSampler", "num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many indices one pass gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, count = len(self.data_source), self.num_samples
        if self.replacement:
            return iter((self.generator or default_generator).numpy.integers(n, size=count).tolist())
        order = permutation(n, self.generator)
        while len(order) < count:
            order += permutation(n, self.generator)
        return iter(order[:count])

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order.

    Parameters
    ----------
    indices : sequence of int
        Which samples to visit.
    generator : Generator, optional
        What to draw from; the generator of ``minicnn.manual_seed`` unless given.

    Examples
    --------
    >>> sorted(SubsetRandomSampler([4, 8, 15]))
    [4, 8, 15]
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        return iter([self.indices[i] for i in permutation(len(self.indices), self.generator)])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Index i with probability ``weights[i] / sum(weights)``: a cure for unbalanced classes.

    Parameters
    ----------
    weights : sequence of float
        One weight per sample, zero or more; they need not sum to 1.
    num_samples : int
        How many indices to draw.
    replacement : bool, default True
        Whether an index may come twice.
    generator : Generator, optional
        What to draw from; the generator of ``minicnn.manual_seed`` unless given.

    Examples
    --------
    >>> list(WeightedRandomSampler([0, 0, 1], num_samples=4))
    [2, 2, 2, 2]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_count("WeightedRandomSampler", "num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"WeightedRandomSampler: replacement must be True or False; got {replacement!r}")
        self.weights = np.asarray(weights, np.float64)  # (n,)
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator
        if self.weights.ndim != 1:
            raise ValueError(
                f"WeightedRandomSampler: weights must be one-dimensional, one number per sample; "
                f"got shape {self.weights.shape}"
            )
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all() and self.weights.sum() > 0):
            raise ValueError(
                "WeightedRandomSampler: weights must be finite, not negative, and not all zero; got "
                f"smallest {self.weights.min(initial=0):g}, sum {self.weights.sum():g}"
            )
        possible = np.count_nonzero(self.weights)
        if not replacement and num_samples > possible:
            raise ValueError(
                f"WeightedRandomSampler: cannot draw {num_samples} samples without replacement from {possible} "
                "that have a weight above zero; use replacement=True or a smaller num_samples"
            )

    def __iter__(self) -> Iterator[int]:
        rng = (self.generator or default_generator).numpy
        probabilities = self.weights / self.weights.sum()
        return iter(rng.choice(len(probabilities), self.num_samples, self.replacement, probabilities).tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Groups the indices of another sampler into lists of ``batch_size``.

    Parameters
    ----------
    sampler : Sampler or iterable
        Where the indices come from.
    batch_size : int
        Indices per list.
    drop_last : bool
        Leave out the last list if it is shorter than ``batch_size``.

    Examples
    --------
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=True))
    [[0, 1], [2, 3]]
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_count("BatchSampler", "batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: drop_last must be True or False; got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        return batches(iter(self.sampler), self.batch_size, self.drop_last)

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def batches(items: Iterator[Any], batch_size: int, drop_last: bool) -> Iterator[list[Any]]:
    """Lists of ``batch_size`` consecutive items; the last may be shorter."""
    while batch := list(islice(items, batch_size)):
        if len(batch) == batch_size or not drop_last:
            yield batch


def _check_count(where: str, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value <= 0:
        raise ValueError(f"{where}: {name} must be a positive integer; got {value!r}")
