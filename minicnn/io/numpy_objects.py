"""What the names of NumPy in a pickle stand for: scalars and arrays of plain numbers, rebuilt by us."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CheckpointError
from .pickle_machine import Name


class ElementType:
    """``numpy.dtype('f8', False, True)`` in a pickle; the byte order comes later, with BUILD."""

    def __init__(self, code: Any = None, align: Any = False, copy: Any = False) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"b1|[iu][1248]|f[248]", code):
            raise CheckpointError("the file holds a NumPy array of something else than plain numbers")
        self.dtype = np.dtype(code)

    def build(self, state: Any) -> None:
        """Take the byte order from NumPy's state tuple."""
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise CheckpointError("the file holds a NumPy element type in an unknown form")
        if state[2:5] != (None, None, None):
            raise CheckpointError("the file holds a NumPy array of records")
        self.dtype = self.dtype.newbyteorder(state[1])


def _numbers(kind: Any, data: Any, count: int) -> NDArray[Any]:
    """The ``count`` numbers in ``data``, in this machine's byte order."""
    if isinstance(data, str):
        data = data.encode("utf-8")  # a byte string of Python 2 that happened to be text
    if not isinstance(kind, ElementType) or not isinstance(data, bytes) or len(data) != count * kind.dtype.itemsize:
        raise CheckpointError("the file holds a NumPy value whose data do not fit its type and shape")
    return np.frombuffer(data, kind.dtype).astype(kind.dtype.newbyteorder("="))


class NumpyObjects:
    """The names of NumPy, and the arrays that still wait for their content."""

    def __init__(self) -> None:
        self._empty: dict[int, NDArray[Any]] = {}
        self.names = {
            "numpy.dtype": ElementType,
            "numpy.ndarray": None,
            "numpy.core.multiarray.scalar": self._scalar,
            "numpy._core.multiarray.scalar": self._scalar,
            "numpy.core.multiarray._reconstruct": self._reconstruct,
            "numpy._core.multiarray._reconstruct": self._reconstruct,
        }

    def build(self, target: Any, state: Any) -> bool:
        """Give ``target`` its state if it is one of ours, and say whether it was."""
        if isinstance(target, ElementType):
            target.build(state)
            return True
        if id(target) not in self._empty:
            return False
        self._fill(self._empty.pop(id(target)), state)
        return True

    def _scalar(self, kind: Any, data: Any) -> np.generic:
        return _numbers(kind, data, 1)[0]  # type: ignore[no-any-return]

    def _reconstruct(self, subtype: Any, shape: Any, code: Any) -> NDArray[Any]:
        if not isinstance(subtype, Name) or subtype.name != "numpy.ndarray":
            raise CheckpointError("the file holds a NumPy array of a special kind")
        array = np.ndarray(0, np.uint8)
        self._empty[id(array)] = array
        return array

    def _fill(self, array: NDArray[Any], state: Any) -> None:
        _, shape, kind, fortran, data = state
        if not isinstance(shape, tuple) or any(type(size) is not int or size < 0 for size in shape):
            raise CheckpointError("the file holds a NumPy array of an impossible shape")
        numbers = _numbers(kind, data, math.prod(shape)).reshape(shape)  # checks the number of dimensions
        array.__setstate__((1, shape, numbers.dtype, bool(fortran), numbers.tobytes()))  # type: ignore[arg-type]
