"""The array type that kernels take and return, where an array lives, and what an optimiser's arrays must share."""

from __future__ import annotations

import sys
from ctypes import c_size_t
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DTypeError, ShapeError

Array = NDArray[Any]
HEADER = object.__basicsize__  # bytes of every object; in NumPy's arrays the address of the memory comes right after it


def on_device(x: Any) -> bool:
    """Whether ``x`` is an array in a GPU's memory (CuPy's), not NumPy's.

    Nothing is imported to find out: where there is such an array, CuPy has been imported.

    Examples
    --------
    >>> import numpy as np
    >>> on_device(np.zeros(3))
    False
    """
    if isinstance(x, np.ndarray):
        return False
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(x, cupy.ndarray)


def namespace(x: Any) -> ModuleType:
    """NumPy, or CuPy for an array on a device: where functions are looked up that NumPy does not hand on.

    Most need no namespace. Functions of existing arrays, ``np.exp(x)`` and ``np.concatenate((x, y))``, go to CuPy by
    NumPy's own protocols (``__array_ufunc__``, ``__array_function__``) when the arrays are CuPy's, and so do those that
    make new arrays if they are told of one: ``np.zeros(3, x.dtype, like=x)``, ``np.full_like(x, 0, shape=3)``.

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


def sent(values: Any, like: Any, dtype: Any = None) -> Any:
    """Numbers of the host as an array where ``like`` is: a copy on a GPU, which a CUDA graph cannot record.

    Examples
    --------
    >>> import numpy as np
    >>> sent([1, 2], np.zeros(3))
    array([1, 2])
    """
    if on_device(like) and not on_device(values):
        from .cuda.runtime import check_may_send

        check_may_send()
    return np.asarray(values, dtype, like=like)


def is_array(x: Any) -> bool:
    """Whether ``x`` is an array, of NumPy or on a device.

    Examples
    --------
    >>> is_array(np.zeros(3)), is_array([0, 0, 0])
    (True, False)
    """
    return isinstance(x, np.ndarray) or on_device(x)


def as_array(x: Any) -> Any:
    """``x`` as an array: of NumPy, for its scalars and for Python's numbers too; one on a device stays there.

    Examples
    --------
    >>> as_array(np.float32(2)).shape
    ()
    """
    return x if is_array(x) else np.asarray(x)


def on_host(x: Any) -> Any:
    """The elements of ``x`` as a NumPy array: a copy of an array on a device, which waits for it; others as they are.

    Examples
    --------
    >>> on_host(np.arange(2))
    array([0, 1])
    """
    return x.get() if on_device(x) else x


def device_index(x: Any) -> int | None:
    """The number of the GPU in whose memory ``x`` lies; None for NumPy's arrays.

    Examples
    --------
    >>> device_index(np.arange(2)) is None
    True
    """
    return int(x.device.id) if on_device(x) else None


def writable(x: Any) -> bool:
    """Whether the elements of ``x`` may be written, each in a place of its own. (CuPy has no such flag.)

    Examples
    --------
    >>> writable(np.zeros(3)), writable(np.broadcast_to(np.zeros(1), 3))
    (True, False)
    """
    if isinstance(x, np.ndarray):
        return x.flags.writeable
    reach = x.itemsize  # bytes from the first element to behind the last, along the axes so far
    for stride, size in sorted((stride, size) for stride, size in zip(x.strides, x.shape, strict=True) if size > 1):
        if stride < reach:
            return False
        reach += stride * (size - 1)
    return True


def address(x: Any) -> int:
    """Where the first element of ``x`` lies, in the memory of the host or of its device.

    Examples
    --------
    >>> a = np.zeros(3)
    >>> address(a[1:]) - address(a)
    8
    """
    if isinstance(x, np.ndarray):
        return c_size_t.from_address(id(x) + HEADER).value  # an eighth of the time of x.ctypes.data
    return int(x.data.ptr)


def as_strided(x: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """The memory of ``x`` seen with another shape and other strides, a view: NumPy's function, or CuPy's.

    Examples
    --------
    >>> as_strided(np.arange(4), (3, 2), (8, 8)).tolist()  # all neighbours
    [[0, 1], [1, 2], [2, 3]]
    """
    return namespace(x).lib.stride_tricks.as_strided(x, shape, strides)


def largest(x: Any, axis: int | tuple[int, ...]) -> Any:
    """The largest numbers of ``x`` along the axes, which remain with size 1; -inf of none.

    Examples
    --------
    >>> largest(np.ones((2, 3)), 1).tolist(), largest(np.ones((2, 0)), 1).tolist()
    ([[1.0], [1.0]], [[-inf], [-inf]])
    """
    if x.size:
        return x.max(axis=axis, keepdims=True)
    axes = {a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))}
    return np.full_like(x, -np.inf, shape=[1 if i in axes else n for i, n in enumerate(x.shape)])


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
