"""Questions about tensors and types, and what follows from several shapes."""

from __future__ import annotations

from typing import Any, NamedTuple

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


class FloatLimits(NamedTuple):
    """Limits of a floating type, as Python numbers."""

    bits: int
    eps: float
    max: float
    min: float
    tiny: float
    smallest_normal: float
    resolution: float
    dtype: str


class IntLimits(NamedTuple):
    """Limits of an integer type."""

    bits: int
    max: int
    min: int
    dtype: str


def finfo(dtype: Any = None) -> FloatLimits:
    """Limits of a floating type: ``bits``, ``eps``, ``max``, ``min``, ``tiny``, ``smallest_normal``, ``resolution``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.finfo(minicnn.float32).eps
    1.1920928955078125e-07
    """
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if not kind.is_floating_point:
        raise dtypes.DTypeError(f"finfo: expected a floating type; got {kind}. Fix: iinfo({kind})")
    f = np.finfo(kind.numpy)
    eps, top, bottom, tiny = (float(v) for v in (f.eps, f.max, f.min, f.tiny))
    return FloatLimits(f.bits, eps, top, bottom, tiny, tiny, 10.0**-f.precision, kind.name)


def iinfo(dtype: Any) -> IntLimits:
    """Limits of an integer type: ``bits``, ``max``, ``min``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.iinfo(minicnn.uint8).max
    255
    """
    kind = dtypes.as_dtype(dtype)
    if kind.numpy.kind not in "iu":
        raise dtypes.DTypeError(f"iinfo: expected an integer type; got {kind}. Fix: finfo({kind})")
    i = np.iinfo(kind.numpy)
    return IntLimits(i.bits, int(i.max), int(i.min), kind.name)
