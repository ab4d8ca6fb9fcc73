"""Tensors on memory that others have already: arrays of NumPy, of CuPy and of whoever speaks DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np
from minicnn_kernels.arrays import is_array, on_device

from ..core import dtype as dtypes
from ..core.device import CPU, check_device, cupy, device_of
from ..core.tensor import Tensor, from_numpy
from .creation import tensor

CPU_MEMORY = 1  # as DLPack calls it


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """``data`` as a tensor, without copying where the memory can be shared.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.ones(2)
    >>> minicnn.as_tensor(x) is x
    True
    """
    if isinstance(data, Tensor):
        return data if dtype is None and device is None else data.to(device, dtype)  # type: ignore[no-any-return]
    if is_array(data) and (dtype is None or dtypes.as_dtype(dtype) == data.dtype):
        where = device_of(data) if device is None and on_device(data) else check_device(device)
        if where == device_of(data):
            return from_numpy(data) if where == CPU else from_device(data)
    return tensor(data, dtype=dtype, device=device)


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """``obj`` as a tensor: shares memory if it can, unless ``copy=True``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.asarray([1, 2])
    tensor([1, 2])
    """
    return tensor(obj, dtype=dtype, device=device) if copy else as_tensor(obj, dtype, device)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor on the memory of another library's array, handed over by the DLPack protocol.

    Examples
    --------
    >>> import minicnn
    >>> import numpy as np
    >>> minicnn.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    if ext_tensor.__dlpack_device__()[0] == CPU_MEMORY:
        return from_numpy(np.from_dlpack(ext_tensor))
    check_device("cuda")
    return from_device(cupy().from_dlpack(ext_tensor))


def from_device(array: Any) -> Tensor:
    """The tensor on the memory of a CuPy array."""
    dtypes.from_numpy_dtype(array.dtype)
    t = Tensor._wrap(array)
    t._versions.exposed = t._versions.address_known = True
    return t
