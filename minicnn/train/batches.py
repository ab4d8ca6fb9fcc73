"""Batches as the loop needs them: from which one on, which part is the input, on which device."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from ..core.tensor import Tensor, from_numpy
from ..data import DataLoader, Dataset


def check_data(data: Any, who: str) -> Any:
    """Return ``data`` if it gives batches, again and again."""
    if isinstance(data, Dataset):
        raise TypeError(
            f"{who}: expected batches; got the dataset {type(data).__name__}, which gives single samples. "
            "Fix: DataLoader(dataset, batch_size=32), and shuffle=True for training"
        )
    if isinstance(data, (Tensor, np.ndarray)) or not isinstance(data, Iterable):
        raise TypeError(
            f"{who}: expected a DataLoader, or another iterable of batches (inputs, targets); got a "
            f"{type(data).__name__}. Fix: DataLoader(TensorDataset(inputs, targets), batch_size=32)"
        )
    if isinstance(data, Iterator):
        raise TypeError(
            f"{who}: a {type(data).__name__} is empty after one pass, and every epoch is a pass. Fix: a DataLoader, "
            "or a list of batches"
        )
    return data


def count_batches(data: Any) -> int | None:
    """How many batches one pass has, if that can be known."""
    try:
        return len(data)
    except TypeError:  # a stream
        return None


def count_samples(data: Any) -> int | None:
    """How many samples the dataset behind ``data`` has, if that can be known."""
    try:
        return len(data.dataset)
    except (AttributeError, TypeError):
        return None


def batches_from(data: Any, start: int) -> Generator[Any, None, None]:
    """A pass without its first ``start`` batches, which draws its order before this returns. To be closed."""
    if isinstance(data, DataLoader):
        begun = data.batches_from(start)
    else:
        begun = iter(data)
        for _ in islice(begun, start):
            pass
    return (batch for batch in begun)


def loader_state(data: Any) -> dict[str, Any] | None:
    """State of what ``data`` draws from: of a DataLoader, or of an iterable that has the same two methods."""
    known = hasattr(data, "state_dict") and hasattr(data, "load_state_dict")
    return data.state_dict() if known else None


def set_loader_state(data: Any, state: dict[str, Any] | None) -> None:
    """Let ``data`` draw as it did from there on."""
    if state is not None:
        data.load_state_dict(state)


@contextmanager
def kept_order(data: Any) -> Iterator[None]:
    """What is read in the block does not change the order of later passes."""
    state = loader_state(data)
    try:
        yield
    finally:
        set_loader_state(data, state)


def split_batch(batch: Any, who: str) -> tuple[Any, Any]:
    """The batch as (inputs, targets)."""
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        what = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else f"a {type(batch).__name__}"
        raise TypeError(
            f"{who}: every batch must be a pair (inputs, targets); got {what}. "
            "Fix: return (image, label) from the dataset's __getitem__, or pair them in the loader's collate_fn"
        )
    return as_tensor(batch[0]), as_tensor(batch[1])


def inputs_of(batch: Any) -> Any:
    """The inputs of a batch that may have targets or not."""
    return as_tensor(batch[0] if isinstance(batch, (tuple, list)) and batch else batch)


def as_tensor(value: Any) -> Any:
    """An array as a tensor; anything else as it is."""
    return from_numpy(value) if isinstance(value, np.ndarray) else value


def samples_in(inputs: Any, targets: Any) -> int:
    """How many samples a batch has: the first of inputs and targets that is a tensor tells, or has tensors by name."""
    for part in (inputs, targets):
        while isinstance(part, Mapping):
            part = next(iter(part.values()))
        if isinstance(part, Tensor) and part.ndim:
            return len(part)
    return len(inputs)  # a list of samples


def moved(value: Any, device: Any) -> Any:
    """A tensor, or those in lists, tuples and dicts, on the device; anything else, and without a device, as it is."""
    if device is None:
        return value
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {key: moved(part, device) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [moved(part, device) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def on_host(value: Any) -> Any:
    """A tensor's numbers as a NumPy array; anything else as it is."""
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value
