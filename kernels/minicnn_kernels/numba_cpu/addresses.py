"""Arrays by their identities: how one compiled loop works on any number of arrays.

A compiled function takes a fixed list of arguments, and each array costs about 1 us to hand over; asking NumPy for the
address of its memory takes as long. A loop over hundreds of arrays takes one table instead, with the ``id`` of each
(0.05 us): the address of the object, in which the address of the memory comes right after the header of every object.
(NumPy's binary interface has that fixed, and Numba itself reads the objects so.) Whoever makes the table keeps the
arrays alive.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from ..arrays import HEADER, Array
from .jit import JIT, parallel, serial, share


@intrinsic
def pointer(typing_context, address, like):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(types.uintp, like), generate


@serial
def _read(address, like):  # type: ignore[no-untyped-def]
    return carray(pointer(np.uintp(address), like), (1,))[0]


def _read_in_python(address: int, like: Array) -> Any:
    part: Any = (ctypes.c_char * like.itemsize).from_address(int(address))
    return np.ndarray((1,), like.dtype, part)[0]


read: Any = _read if JIT else _read_in_python
"""``read(address, like)``: the number, of the type of ``like``, at an address."""

WORD = np.dtype(np.intp).itemsize
_INT, _WORD = np.empty(0, np.intc), np.empty(0, np.intp)


@serial
def _elements(identity, start, count, like):  # type: ignore[no-untyped-def]
    memory = read(identity + HEADER, _WORD)
    return carray(pointer(np.uintp(memory + start * like.itemsize), like), (count,))


def _elements_in_python(identity: int, start: int, count: int, like: Array) -> Array:
    memory = int(read(int(identity) + HEADER, _WORD))
    part: Any = (ctypes.c_char * (int(count) * like.itemsize)).from_address(memory + int(start) * like.itemsize)
    return np.ndarray((int(count),), like.dtype, part)


elements: Any = _elements if JIT else _elements_in_python
"""``elements(identity, start, count, like)``: ``count`` numbers, of the type of ``like``, from number ``start`` on."""


@parallel
def _bounds(thread, identities, itemsize, bounds):  # type: ignore[no-untyped-def]
    for i in share(thread, len(identities)):
        array = identities[i] + HEADER  # the address, the number of axes, the shape's address, the strides' address
        first = read(array, _WORD)
        shape, strides = read(array + 2 * WORD, _WORD), read(array + 3 * WORD, _WORD)
        last, empty = first + itemsize, False
        for axis in range(read(array + WORD, _INT)):
            length = read(shape + axis * WORD, _WORD)
            way = (length - 1) * read(strides + axis * WORD, _WORD)
            first, last, empty = first + min(way, 0), last + max(way, 0), empty or length == 0
        bounds[i, 0], bounds[i, 1] = first, first if empty else last


def overlapping(written: list[Array], others: list[Array]) -> bool:
    """Whether a piece of memory that is written is also that of another array, written or not; all of one type.

    What lies between the first byte of an array and its last counts as its own, so that two that interleave overlap.
    """
    bounds = np.empty((len(written) + len(others), 2), np.intp)
    _bounds(np.fromiter(map(id, written + others), np.intp, len(bounds)), written[0].itemsize, bounds)
    mine, rest = bounds[: len(written)], bounds[len(written) :]
    mine = mine[mine[:, 0].argsort()]
    if (mine[:-1, 1] > mine[1:, 0]).any():
        return True
    neighbour = mine[:, 0].searchsorted(rest[:, 1]) - 1  # the last one that begins before the end of the other array
    return bool((mine[neighbour, 1] > rest[:, 0])[neighbour >= 0].any())
