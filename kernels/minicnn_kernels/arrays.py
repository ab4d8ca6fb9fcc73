"""The array type that kernels take and return, where an array lives, and what an optimiser's arrays must share."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DTypeError, ShapeError

Array = NDArray[Any]


def on_device(x: Any) -> bool:
    """Whether ``x`` is an array in a GPU's memory (CuPy's), not NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> on_device(np.zeros(3))
    False
    """
    return not isinstance(x, np.ndarray) and hasattr(type(x), "__cuda_array_interface__")


def namespace(x: Any) -> ModuleType:
    """NumPy, or CuPy for an array on a device: where functions are looked up that make new arrays.

    Functions of existing arrays need no namespace: ``np.exp(x)`` and ``np.concatenate((x, y))`` go to CuPy by NumPy's
    own protocols (``__array_ufunc__``, ``__array_function__``) when the arrays are CuPy's.

    Examples
    --------
    >>> import numpy as np
    >>> namespace(np.zeros(3)).__name__
    'numpy'
    """
    if not on_device(x):
        return np
    from .cuda.runtime import cupy

    return cupy()


def address(x: Any) -> int:
    """Where an array starts, in the memory of its device."""
    return int(x.ctypes.data) if isinstance(x, np.ndarray) else int(x.data.ptr)


def check_step(params: list[Array], grads: list[Array], *states: list[Array] | None) -> None:
    """Refuse a gradient or a state that has another shape or element type than its parameter.

    Raises
    ------
    ShapeError, DTypeError
        With both shapes or types, before anything is changed.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.zeros(3, np.float32)
    >>> check_step([w], [np.ones_like(w)], None)  # no momentum
    >>> try:
    ...     check_step([w], [np.ones(2, np.float32)])
    ... except ShapeError as error:
    ...     print(str(error).partition(";")[0])
    the gradient of a parameter of shape (3,) has the shape (2,)
    """
    shapes, kinds = [param.shape for param in params], [param.dtype for param in params]
    for arrays in (grads, *(state for state in states if state is not None)):
        if [x.shape for x in arrays] == shapes and [x.dtype for x in arrays] == kinds:
            continue
        what, fix = "the optimiser's state", "a new optimiser, or del optimizer.state[parameter]"
        if arrays is grads:
            what, fix = "the gradient", "compute the gradient anew"
        fix = f"they must be equal. Was the parameter given other data meanwhile? Fix: {fix}"
        for param, x in zip(params, arrays, strict=True):
            if x.shape != param.shape:
                raise ShapeError(f"{what} of a parameter of shape {param.shape} has the shape {x.shape}; {fix}")
            if x.dtype != param.dtype:
                raise DTypeError(f"{what} of a parameter of type {param.dtype} has the type {x.dtype}; {fix}")
