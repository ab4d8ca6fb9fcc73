"""Sorting, running sums and products, counting."""

from __future__ import annotations

from typing import Any

import numpy as np
from minicnn_kernels.arrays import as_array

from ..core.errors import DTypeError, ShapeError
from ..core.function import Function
from ..core.tensor import Tensor
from .extremes import named, pick
from .operands import cast, normalize_axis
from .reductions import Reduction, accumulator

SORT, TOPK, MEDIAN, KTHVALUE = named("sort"), named("topk"), named("median"), named("kthvalue")


def _order(x: Any, axis: int, descending: bool) -> Any:
    """Indices that sort ``x``, equal elements in their order; NaN counts as the largest."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    backwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(backwards, axis)


def _sorted(kind: Any, operation: str, input: Tensor, dim: int, descending: bool, count: int | None = None) -> Any:
    axis = normalize_axis(operation, dim, input.ndim)
    x = np.atleast_1d(input._array)
    if count is not None and not 0 <= count <= x.shape[axis]:
        raise ShapeError(f"{operation}: k must lie in [0, {x.shape[axis]}], the size of dim {axis}; got {count}")
    places = np.take(_order(x, axis, descending), np.arange(x.shape[axis] if count is None else count, like=x), axis)
    return pick(kind, input, places.reshape(()) if input.ndim == 0 else places, axis, keepdim=True)


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The elements along ``dim`` in order, and their indices; always stable.

    Examples
    --------
    >>> import minicnn
    >>> values, indices = minicnn.sort(minicnn.tensor([3, 1, 2]))
    >>> values, indices
    (tensor([1, 2, 3]), tensor([1, 2, 0]))
    """
    return _sorted(SORT, "sort", input, dim, descending)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that :func:`sort` returns.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.argsort(minicnn.tensor([3, 1, 2]), descending=True)
    tensor([0, 2, 1])
    """
    return sort(input.detach(), dim, descending).indices  # type: ignore[no-any-return]


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The ``k`` largest (or smallest) elements along ``dim``, in order, and their indices.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.topk(minicnn.tensor([1, 5, 3]), 2).indices
    tensor([1, 2])
    """
    return _sorted(TOPK, "topk", input, dim, largest, k)


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element in order (of an even number, the lower), along ``dim`` with its index.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.median(minicnn.tensor([7, 1, 3, 5]))
    tensor(3)
    """
    if dim is None:
        return median(input.reshape(-1), 0).values
    axis = normalize_axis("median", dim, input.ndim)
    x = np.atleast_1d(input._array)
    if x.shape[axis] == 0:
        raise ShapeError(f"median: there is none among no elements; the tensor has shape {tuple(input.shape)}")
    middle = (x.shape[axis] - 1) // 2
    places = _order(x, axis, False)[(*(slice(None),) * axis, slice(middle, middle + 1))]
    if x.dtype.kind == "f":  # a NaN is the median
        bad = np.isnan(x)
        places = np.where(bad.any(axis, keepdims=True), bad.argmax(axis, keepdims=True), places)
    return pick(MEDIAN, input, places if input.ndim else places.reshape(()), axis, keepdim)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The ``k``-th smallest element along ``dim`` (from 1), and its index.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.kthvalue(minicnn.tensor([3, 1, 2]), 2).values
    tensor(2)
    """
    axis = normalize_axis("kthvalue", dim, input.ndim)
    if not 1 <= k <= (input._array.shape[axis] if input.ndim else 1):
        raise ShapeError(f"kthvalue: k must lie in [1, {input._array.shape[axis] if input.ndim else 1}]; got {k}")
    found = _sorted(SORT, "kthvalue", input, dim, False).indices.narrow(axis, k - 1, 1)
    return pick(KTHVALUE, input, found._array, axis, keepdim)


class CumSum(Function):
    differentiable = True

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return np.cumsum(x, axis=self.axis, dtype=x.dtype).reshape(x.shape)

    def backward(self, grad_y: Tensor) -> Tensor:  # x_i is in all sums from i on
        return grad_y.flip(self.axis).cumsum(self.axis).flip(self.axis) if grad_y.ndim else grad_y


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sums ``y_i = x_1 + ... + x_i`` along ``dim``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.cumsum(minicnn.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    return CumSum(normalize_axis("cumsum", dim, input.ndim))(accumulator(input, dtype))


class CumProd(Function):
    differentiable = True

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        y = np.cumprod(x, axis=self.axis, dtype=x.dtype).reshape(x.shape)
        self.save(x, y)
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        x, y = self.saved
        if not (x._array == 0).any():  # x_i is a factor of all products from i on
            return CumSum(self.axis)((grad_y * y).flip(self.axis)).flip(self.axis) / x if x.ndim else grad_y
        if x.ndim == 0:
            return grad_y
        n, d = x.shape[self.axis], self.axis
        slopes, before = [], x.narrow(d, 0, 1) * 0 + 1  # the product of the factors before i
        for i in range(n):
            after = _with_one(x.narrow(d, i + 1, n - i - 1), d) if i < n - 1 else before * 0 + 1
            slopes.append((grad_y.narrow(d, i, n - i) * before * after).sum(d, keepdim=True))
            before = before * x.narrow(d, i, 1)
        from .joining import cat

        return cat(slopes, d)


def _with_one(x: Tensor, axis: int) -> Tensor:
    """Running products of ``x``, after a 1 in front."""
    from .joining import cat

    return cat([x.narrow(axis, 0, 1) * 0 + 1, CumProd(axis)(x)], axis)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running products ``y_i = x_1 * ... * x_i`` along ``dim``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.cumprod(minicnn.tensor([1, 2, 3]), 0)
    tensor([1, 2, 6])
    """
    return CumProd(normalize_axis("cumprod", dim, input.ndim))(accumulator(input, dtype))


class Prod(Reduction):
    def reduce(self, x: Any) -> Any:
        y = as_array(np.prod(x, axis=self.axes, keepdims=self.keepdim, dtype=x.dtype))
        self.save(x, y)
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        x, y = self.saved
        if not (x._array == 0).any():
            return self.spread(grad_y * y) / x
        if x.ndim == 0:
            return grad_y
        (d,) = self.axes  # with zeros: the product of the factors before times that of the factors after
        n = x.shape[d]
        before = _with_one(x.narrow(d, 0, n - 1), d) if n > 1 else x * 0 + 1
        after = _with_one(x.flip(d).narrow(d, 0, n - 1), d).flip(d) if n > 1 else x * 0 + 1
        return self.spread(grad_y) * before * after


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Product of all elements, or along ``dim``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.prod(minicnn.tensor([2, 3, 4]))
    tensor(24)
    """
    x = accumulator(input, dtype)
    if dim is None:
        return Prod((0,), False)(x.reshape(-1))
    axis = normalize_axis("prod", dim, x.ndim)
    return Prod((axis,) if x.ndim else (), keepdim)(x)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements (or slices along ``dim``) in order; on request, where each one is, and how often.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.unique(minicnn.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    x = input._array
    values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    inverse = inverse.reshape(x.shape) if dim is None else inverse.reshape(-1)
    wanted = [values, *([inverse] if return_inverse else []), *([counts] if return_counts else [])]
    found = tuple(Tensor._wrap(a) for a in wanted)
    return found if len(found) > 1 else found[0]


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, ... occurs (or the sum of the weights where it does).

    Examples
    --------
    >>> import minicnn
    >>> minicnn.bincount(minicnn.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    if input.ndim != 1 or input._array.dtype.kind not in "iu" or (input._array < 0).any():
        raise DTypeError(
            f"bincount: expected a vector of integers, none negative; got {input.dtype}, {tuple(input.shape)}"
        )
    counts = np.bincount(input._array, None if weights is None else weights._array, minlength)
    result = Tensor._wrap(counts)
    return result if weights is None or weights._array.dtype.kind != "f" else cast(result, weights._array.dtype)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements fall into each of ``bins`` equal intervals from ``min`` to ``max`` (default: of the data).

    Examples
    --------
    >>> import minicnn
    >>> minicnn.histc(minicnn.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    x = input._array.reshape(-1)
    low, high = (min, max) if (min, max) != (0, 0) or not x.size else (float(x.min()), float(x.max()))
    if low == high:
        low, high = low - 1, high + 1
    if low > high:
        raise ValueError(f"histc: max must not be less than min; got min={min}, max={max}")
    return Tensor._wrap(np.histogram(x, bins, (low, high))[0].astype(input._array.dtype))
