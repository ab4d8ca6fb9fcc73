"""From a list of samples to one batch."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ShapeError
from ..core.tensor import Tensor, from_numpy


def default_collate(batch: Sequence[Any]) -> Any:
    """Put samples together into a batch, one new first dimension in front.

    ==============================  =============================================
    samples                         batch
    ==============================  =============================================
    tensors or arrays (C, H, W)     one tensor (N, C, H, W)
    int, bool, float                a tensor (N,) of int64, bool, float64
    tuples or lists                 a list with one batch per position
    namedtuples, dicts              the same with one batch per field
    str, bytes                      the sequence as it is
    ==============================  =============================================

    Parameters
    ----------
    batch : sequence
        The samples, all of one kind.

    Returns
    -------
    Any
        The batch, as in the table.

    Raises
    ------
    ShapeError
        If the samples differ in shape or length.
    TypeError
        If samples cannot be put together, PIL images for example.

    Examples
    --------
    >>> import numpy as np
    >>> images, labels = default_collate([(np.zeros((1, 28, 28)), 7), (np.ones((1, 28, 28)), 2)])
    >>> tuple(images.shape), labels.tolist()
    ((2, 1, 28, 28), [7, 2])
    """
    first = batch[0]
    if isinstance(first, (Tensor, np.ndarray)):
        return _stack(batch)
    if isinstance(first, np.generic) and first.dtype.kind in "biuf":
        return from_numpy(np.array(batch))
    if isinstance(first, (bool, int, float)):
        _check_kind(batch, (bool, int, float))
        return from_numpy(np.array(batch))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _like_mapping(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if isinstance(first, Sequence):
        return _collate_sequences(batch)
    raise TypeError(_cannot(first, 0))


def default_convert(sample: Any) -> Any:
    """What a loader with ``batch_size=None`` does to a sample: arrays become tensors, the rest stays.

    Examples
    --------
    >>> import numpy as np
    >>> type(default_convert({"image": np.zeros(3)})["image"]).__name__
    'Tensor'
    """
    if isinstance(sample, (np.ndarray, np.generic)) and sample.dtype.kind in "biuf":
        return from_numpy(np.array(sample))
    if isinstance(sample, Mapping):
        return _like_mapping(sample, {key: default_convert(value) for key, value in sample.items()})
    if isinstance(sample, Sequence) and not isinstance(sample, (str, bytes)):
        return _like_sequence(sample, [default_convert(value) for value in sample])
    return sample


def pinned(batch: Any) -> Any:
    """A batch with its tensors in pinned memory."""
    if isinstance(batch, Tensor):
        return batch.pin_memory()
    if isinstance(batch, Mapping):
        return _like_mapping(batch, {key: pinned(value) for key, value in batch.items()})
    if isinstance(batch, Sequence) and not isinstance(batch, (str, bytes)):
        return _like_sequence(batch, [pinned(value) for value in batch])
    return batch


def _stack(batch: Sequence[Any]) -> Tensor:
    """Tensors or arrays of one shape, along a new first axis."""
    _check_kind(batch, (Tensor, np.ndarray, np.generic))
    arrays: list[NDArray[Any]] = [
        np.asarray(sample.cpu() if isinstance(sample, Tensor) and sample.is_cuda else sample) for sample in batch
    ]
    for i, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise ShapeError(
                f"cannot stack the samples of this batch: sample 0 has shape {arrays[0].shape}, "
                f"sample {i} has shape {array.shape}. One batch needs one shape: give every image the same size in "
                "the dataset's transform (Resize((h, w)), CenterCrop(size)), pad in a collate_fn of your own, "
                "or use batch_size=1"
            )
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"cannot make a tensor of sample {i}, an array of type {array.dtype}; convert it to numbers"
            )
    return from_numpy(np.stack(arrays))


def _collate_sequences(batch: Sequence[Any]) -> Any:
    """One batch per position."""
    first = batch[0]
    for i, sample in enumerate(batch):
        if not isinstance(sample, Sequence):
            raise TypeError(f"sample 0 of this batch is a {type(first).__name__}, but {_cannot(sample, i)}")
        if len(sample) != len(first):
            raise ShapeError(
                f"cannot put the samples of this batch together: sample 0 has {len(first)} elements, sample {i} has "
                f"{len(sample)}. Return the same number from every __getitem__, or pass a collate_fn of your own"
            )
    columns = [default_collate(column) for column in zip(*batch, strict=True)]
    return _like_sequence(first, columns)


def _like_sequence(example: Sequence[Any], values: list[Any]) -> Any:
    """``values`` in the type of ``example``; a plain tuple becomes a list, as in PyTorch."""
    if isinstance(example, tuple):
        return type(example)(*values) if hasattr(example, "_fields") else values
    try:
        return type(example)(values)  # type: ignore[call-arg]
    except TypeError:  # range, for example, is not built from a list
        return values


def _like_mapping(example: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """``values`` in the type of ``example`` (kept by copying, so that a defaultdict keeps its factory)."""
    try:
        if isinstance(example, MutableMapping):
            clone = copy(example)
            clone.update(values)
            return clone
        return type(example)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def _check_kind(batch: Sequence[Any], kinds: tuple[type, ...]) -> None:
    for i, sample in enumerate(batch):
        if not isinstance(sample, kinds):
            raise TypeError(f"sample 0 of this batch is a {type(batch[0]).__name__}, but {_cannot(sample, i)}")


def _cannot(sample: Any, i: int) -> str:
    """Why a sample does not go into a batch, and what to do."""
    kind = type(sample)
    if kind.__module__.partition(".")[0] == "PIL":
        return (
            f"sample {i} is a PIL image, and a batch is made of tensors: add transforms.ToTensor() at the end of the "
            "dataset's transform"
        )
    if sample is None:
        return f"sample {i} is None: does the dataset's __getitem__ (or a transform) lack a return?"
    return (
        f"sample {i} is a {kind.__module__}.{kind.__qualname__}; a batch is made of tensors, arrays, numbers, strings, "
        "tuples, lists and dicts of them. Return one of these, or pass a collate_fn of your own"
    )
