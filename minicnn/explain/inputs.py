"""What the model is called with: given sizes become tensors of noise, given data are copied."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from reprlib import repr as short
from typing import Any

import numpy as np

from ..core import dtype as dtypes
from ..core.device import check_device
from ..core.tensor import Tensor, from_numpy
from ..nn import Module

EXPECTED = (
    "expected (C, H, W) as (3, 224, 224), a batch (N, C, H, W) as (1, 3, 224, 224), features (F,) or (N, F), or a list "
    "of such sizes for several inputs"
)
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def arguments(
    model: Module, input_size: Any, input_data: Any, batch_size: int | None, dtype: Any, device: Any
) -> Arguments:
    """Positional and named arguments for the model.

    Raises
    ------
    ValueError
        If the sizes make no sense, or not exactly one of size and data is given.
    """
    members = [*model.parameters(), *model.buffers()]
    where = check_device(device) if device is not None or not members else members[0].device
    if (input_size is None) == (input_data is None):
        given = "both" if input_data is not None else "none of them"
        raise ValueError(f"summary: give either input_size or input_data; got {given}. For input_size, {EXPECTED}")
    kind = None if dtype is None else dtypes.as_dtype(dtype).numpy
    if input_data is not None:
        if batch_size is not None:
            raise ValueError("summary: batch_size is for input_size; input_data has its own batch")
        copied = _copied(input_data, kind, where)
        if isinstance(copied, dict):
            return (), copied
        return (tuple(copied) if isinstance(copied, (list, tuple)) else (copied,)), {}
    if kind is None:
        floating = (p._array.dtype for p in model.parameters() if p.is_floating_point())
        kind = next(floating, dtypes.get_default_dtype().numpy)
    return tuple(_noise(shape, kind).to(where) for shape in sizes(input_size, batch_size)), {}


def sizes(input_size: Any, batch_size: int | None = None) -> list[tuple[int, ...]]:
    """The shapes of all inputs, with the batch.

    Examples
    --------
    >>> sizes((3, 224, 224))
    [(1, 3, 224, 224)]
    >>> sizes([(1, 28, 28), (10,)], batch_size=2)
    [(2, 1, 28, 28), (2, 10)]
    """
    data = _data_in(input_size)
    if data is not None:
        shape = tuple(data.shape)
        raise ValueError(
            f"summary: input_size is for sizes; got a {type(data).__name__} of shape {shape}. "
            f"Fix: summary(model, input_data=x), or its size alone, summary(model, {shape})"
        )
    several = _is_sequence(input_size) and len(input_size) > 0 and all(map(_is_sequence, input_size))
    return [_with_batch(size, batch_size) for size in (input_size if several else [input_size])]


def one_size(given: tuple[Any, ...]) -> TypeError:
    """The error when there is more than one positional argument after the model."""
    if all(isinstance(n, int) for n in given):
        return TypeError(f"summary: the size is one tuple. Fix: summary(model, {given})")
    return TypeError(
        f"summary: expected the model and input_size, and all else by name, as batch_size=4; got {len(given) - 1} more "
        "after input_size. Several inputs are one list: input_size=[(3, 32, 32), (10,)] or input_data=[x, y]"
    )


def _data_in(value: Any) -> Any:
    """The first tensor or array in it, or None."""
    if getattr(value, "ndim", 0):
        return value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return next((found for found in map(_data_in, inside) if found is not None), None)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _with_batch(size: Any, batch_size: int | None) -> tuple[int, ...]:
    try:
        numbers = tuple(index(n) for n in size)
        batch = None if batch_size is None else index(batch_size)
    except TypeError:
        numbers, batch = (), None
    if not 1 <= len(numbers) <= 4 or min(numbers) < 1 or any(isinstance(n, bool) for n in size):
        raise ValueError(f"summary: input_size={short(size)}: {EXPECTED}; all sizes are integers of at least 1")
    if len(numbers) % 2:
        numbers = (1 if batch is None else batch, *numbers)
    elif batch is not None and batch != numbers[0]:
        raise ValueError(
            f"summary: input_size={numbers} is a batch of {numbers[0]} already, but batch_size={batch}. "
            f"Fix: input_size={numbers[1:]}, batch_size={batch}"
        )
    if numbers[0] < 1:
        raise ValueError(f"summary: batch_size must be at least 1; got {batch_size}")
    return numbers


def _noise(shape: tuple[int, ...], kind: Any) -> Tensor:
    """Numbers that are the same in every run, and not taken from the program's own random numbers."""
    numbers = np.random.default_rng(0).random(shape, dtype=np.float32)
    return from_numpy((numbers * (1 if kind.kind == "f" else 2)).astype(kind))


def _copied(data: Any, kind: Any, where: Any) -> Any:
    """The data on a device, in memory of their own: a first layer that works in place must not change the caller's."""
    if isinstance(data, dict):
        return {name: _copied(value, kind, where) for name, value in data.items()}
    if isinstance(data, (list, tuple)) and not hasattr(data, "_fields"):
        return type(data)(_copied(value, kind, where) for value in data)
    if isinstance(data, np.ndarray):
        data = from_numpy(data)
    if not isinstance(data, Tensor):
        return data
    other = kind if kind is not None and data.is_floating_point() else None
    return data.detach().to(where, other, copy=True)
