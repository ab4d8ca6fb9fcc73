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

from ..arrays import Array
from .jit import JIT, serial

HEADER = object.__basicsize__


@intrinsic
def _pointer(typing_context, address, like):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(types.uintp, like), generate


_WORD = np.empty(0, np.uintp)


@serial
def _elements(identity, start, count, like):  # type: ignore[no-untyped-def]
    memory = carray(_pointer(np.uintp(identity + HEADER), _WORD), (1,))[0]
    return carray(_pointer(np.uintp(memory + start * like.itemsize), like), (count,))


def _elements_in_python(identity: int, start: int, count: int, like: Array) -> Array:
    memory = ctypes.c_void_p.from_address(int(identity) + HEADER).value or 0
    part: Any = (ctypes.c_char * (int(count) * like.itemsize)).from_address(memory + int(start) * like.itemsize)
    return np.ndarray((int(count),), like.dtype, part)


elements: Any = _elements if JIT else _elements_in_python
"""``elements(identity, start, count, like)``: ``count`` numbers, of the type of ``like``, from number ``start`` on."""
