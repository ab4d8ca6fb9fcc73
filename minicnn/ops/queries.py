"""Questions about tensors and types, and what follows from several shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dtypes
from ..core.errors import ShapeError
from ..core.tensor import Size, Tensor
from .operands import check_broadcast


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a tensor.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.is_tensor(minicnn.zeros(1)), minicnn.is_tensor([0.0])
    (True, False)
    """
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """Number of elements.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.numel(minicnn.zeros(2, 3))
    6
    """
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floating-point numbers.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.is_floating_point(minicnn.tensor([1]))
    False
    """
    return input.is_floating_point()


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes have together.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.broadcast_shapes((2, 1), (3,))
    minicnn.Size([2, 3])
    """
    try:
        return Size(np.broadcast_shapes(*(tuple(s) if not isinstance(s, int) else s for s in shapes)))
    except ValueError:
        raise ShapeError(f"broadcast_shapes: the shapes {', '.join(map(str, shapes))} cannot be broadcast") from None


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape; views.

    Examples
    --------
    >>> import minicnn
    >>> a, b = minicnn.broadcast_tensors(minicnn.zeros(2, 1), minicnn.zeros(3))
    >>> a.shape, b.shape
    (minicnn.Size([2, 3]), minicnn.Size([2, 3]))
    """
    check_broadcast("broadcast_tensors", *tensors)
    shape = np.broadcast_shapes(*(t._array.shape for t in tensors))
    return tuple(t.expand(shape) for t in tensors)


def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """The type of an operation on two tensors or numbers.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.result_type(minicnn.tensor([1, 2], dtype=minicnn.int32), 1.0)
    minicnn.float32
    """
    return dtypes.from_numpy_dtype(
        dtypes.result_dtype(*(v._array if isinstance(v, Tensor) else v for v in (tensor1, tensor2)))
    )


def promote_types(type1: Any, type2: Any) -> dtypes.dtype:
    """The smallest type that holds both.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.promote_types(minicnn.int64, minicnn.float16)
    minicnn.float16
    """
    return dtypes.from_numpy_dtype(dtypes.promote(dtypes.as_dtype(type1).numpy, dtypes.as_dtype(type2).numpy))


def finfo(dtype: Any = None) -> Any:
    """Limits of a floating type (``eps``, ``max``, ``min``, ``tiny`` ...), as NumPy tells them.

    Examples
    --------
    >>> import minicnn
    >>> float(minicnn.finfo(minicnn.float32).eps)
    1.1920928955078125e-07
    """
    return np.finfo(dtypes.get_default_dtype().numpy if dtype is None else dtypes.as_dtype(dtype).numpy)


def iinfo(dtype: Any) -> Any:
    """Limits of an integer type (``min``, ``max``).

    Examples
    --------
    >>> import minicnn
    >>> minicnn.iinfo(minicnn.uint8).max
    255
    """
    return np.iinfo(dtypes.as_dtype(dtype).numpy)
