"""Reading and writing by index, as CuPy does it: whole numbers wrap round, and a mask makes the host wait."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import ndarray
from .calls import blocks_of, call, unwrapped
from .streams import host_waits, perform


def _parts(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def is_mask(part: Any) -> bool:
    return isinstance(part, (np.ndarray, ndarray)) and part.dtype.kind == "b" and part.ndim > 0


def prepared(a: np.ndarray, key: Any) -> Any:
    """The key with index arrays taken modulo the length of their axis: CuPy wraps them, and says nothing."""
    parts, axis, result = _parts(key), 0, []
    taken = sum(_axes(part) for part in parts)
    for part in parts:
        if part is Ellipsis:
            axis += a.ndim - taken
        elif isinstance(part, list):
            part = np.asarray(part) if part else np.empty(0, np.intp)
        if is_mask(part):
            host_waits("a boolean index")
        elif isinstance(part, np.ndarray) and part.dtype.kind in "iu":
            length = a.shape[axis] if axis < a.ndim else 1
            part = part.astype(np.int64) % length if length else part
        axis += _axes(part)
        result.append(part)
    return tuple(result)


def _axes(part: Any) -> int:
    """How many axes a part of a key takes."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if is_mask(part) else 1


def sent(key: Any) -> tuple[Any, ...]:
    """The parts of a key; lists and NumPy arrays among them are copied to the device."""
    from .host import array

    return tuple(
        array(part if np.size(part) or isinstance(part, np.ndarray) else np.empty(0, np.intp))
        if isinstance(part, (list, np.ndarray)) and np.ndim(part)
        else part
        for part in _parts(key)
    )


def read(x: ndarray, key: Any) -> ndarray:
    """``x[key]``: a view for whole numbers and slices, else new."""
    parts = sent(key)
    result: ndarray = call("ndarray.__getitem__", lambda a, k: a[prepared(a, k)], (x, parts), {}, mixed=True)
    return result


def assign(to: ndarray, key: Any, value: Any) -> None:
    """``to[key] = value``."""
    if isinstance(value, (list, tuple)):
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.ndim:
        raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
    key = sent(key)
    owners: list[ndarray] = []
    a = unwrapped(to, owners, "ndarray.__setitem__")
    parts = tuple(unwrapped(part, owners, "ndarray.__setitem__", mixed=True) for part in _parts(key))
    source = unwrapped(value, owners, "ndarray.__setitem__")
    if any(is_mask(part) for part in parts) and isinstance(value, ndarray) and value.ndim:
        host_waits("an assignment of an array by a boolean index")
    masks = any(is_mask(part) for part in parts)

    def work() -> None:
        a[parts if masks else prepared(a, parts)] = source

    if not masks:
        shape = a[prepared(a, parts)].shape
        np.broadcast_to(source, shape)  # refuses here what a replay would refuse
    perform(work, blocks_of(*owners), "library calls")


def scatter_add(a: ndarray, slices: Any, value: Any) -> None:
    """``cupyx.scatter_add``: every contribution counts, also of equal indices. Atomic, so in no fixed order."""
    owners: list[ndarray] = []
    to = unwrapped(a, owners, "scatter_add")
    parts = tuple(unwrapped(part, owners, "scatter_add", mixed=True) for part in _parts(slices))
    source = unwrapped(value, owners, "scatter_add")
    perform(lambda: np.add.at(to, prepared(to, parts), source), blocks_of(*owners), "library calls")
