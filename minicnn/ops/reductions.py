"""Many numbers to one: sums, means, variances, norms, along some dimensions or over all elements."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
from minicnn_kernels.arrays import as_array, largest

from ..core import dtype as dtypes
from ..core.errors import DTypeError
from ..core.function import Function
from ..core.tensor import Size, Tensor
from .operands import as_tensor, cast, floating, normalize_axes


class Reduction(Function):
    """A reduction over ``axes``, which remain with size 1 if ``keepdim``."""

    differentiable = True

    def __init__(self, axes: tuple[int, ...], keepdim: bool) -> None:
        self.axes, self.keepdim = axes, keepdim

    def count(self, x: Any) -> int:
        """How many elements make one result."""
        return Size(x.shape[i] for i in self.axes).numel()

    def spread(self, y: Tensor) -> Tensor:
        """A result with the reduced dimensions put back, of size 1."""
        return y if self.keepdim else y.reshape(self.kept)

    def forward(self, x: Any) -> Any:
        self.shape = x.shape
        self.kept = tuple(1 if i in self.axes else n for i, n in enumerate(x.shape))
        return self.reduce(x)

    def reduce(self, x: Any) -> Any:
        """The result, from the array."""
        raise TypeError(f"{self.operation} must define reduce")

    def total(self, x: Any, keepdims: bool) -> Any:
        """The sum, possibly of a wider type than x.

        NumPy adds pairwise when it sums all axes, but one by one along some:
        there long sums of float32 are made in float64, and all of float16 in float32.
        """
        kind = x.dtype
        if kind == np.float16:
            kind = np.dtype(np.float32)
        elif kind == np.float32 and len(self.axes) < x.ndim and self.count(x) > 1024:
            kind = np.dtype(np.float64)
        return np.sum(x, axis=self.axes, keepdims=keepdims, dtype=kind)


class Sum(Reduction):
    def reduce(self, x: Any) -> Any:
        return self.total(x, self.keepdim).astype(x.dtype)

    def backward(self, grad_y: Tensor) -> Tensor:
        return self.spread(grad_y).expand(self.shape)


class Mean(Reduction):
    def reduce(self, x: Any) -> Any:
        return (self.total(x, self.keepdim) / self.count(x)).astype(x.dtype)

    def backward(self, grad_y: Tensor) -> Tensor:
        count = Size(self.shape[i] for i in self.axes).numel()
        return (self.spread(grad_y) / count).expand(self.shape)


class Var(Reduction):
    """Mean squared distance from the mean (divided by the count minus ``correction``), or its root."""

    def __init__(self, axes: tuple[int, ...], keepdim: bool, correction: float, root: bool) -> None:
        super().__init__(axes, keepdim)
        self.correction, self.root = correction, root

    def reduce(self, x: Any) -> Any:
        freedom = builtins.max(0.0, self.count(x) - self.correction)
        mean = self.total(x, True) / self.count(x)
        centred = x - (mean.astype(x.dtype) if x.dtype == np.float32 else mean)
        y = self.total(centred * centred, self.keepdim) / np.float64(freedom)
        y = as_array(np.sqrt(y) if self.root else y).astype(x.dtype, copy=False)
        self.save(x, y)
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        x, y = self.saved
        freedom = builtins.max(0.0, self.count(x) - self.correction)
        if self.root:  # d sqrt(v) = dv / (2 sqrt(v)), and 0 at 0
            grad_y = (grad_y / (2 * y)).masked_fill(y == 0, 0)
        return (self.spread(grad_y) * 2 / Tensor._wrap(np.asarray(freedom, x._array.dtype))) * (
            x - x.mean(self.axes, keepdim=True)
        )


class LogSumExp(Reduction):
    def reduce(self, x: Any) -> Any:
        top = largest(x, self.axes)
        top = np.where(np.isfinite(top), top, 0)
        y = np.log(np.exp(x - top).sum(axis=self.axes, keepdims=True)) + top
        y = y if self.keepdim else y.reshape([n for i, n in enumerate(x.shape) if i not in self.axes])
        self.save(x, y)
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        x, y = self.saved
        return self.spread(grad_y) * (x - self.spread(y)).exp()


class Norm(Reduction):
    """``(sum |x|^p)^(1/p)``; where it is 0 the gradient is taken as 0."""

    def __init__(self, axes: tuple[int, ...], keepdim: bool, p: float) -> None:
        super().__init__(axes, keepdim)
        self.p = p

    def reduce(self, x: Any) -> Any:
        magnitude = x.astype(np.float32) if x.dtype == np.float16 else x
        total = self.total(np.abs(magnitude) ** self.p if self.p != 2 else magnitude * magnitude, self.keepdim)
        y = total if self.p == 1 else np.sqrt(total) if self.p == 2 else total ** (1 / self.p)
        y = as_array(y).astype(x.dtype, copy=False)
        self.save(x, y)
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        x, y = self.saved
        y, g = self.spread(y), self.spread(grad_y)
        if self.p == 1:
            return g * x.sign()
        if self.p == 2:
            return x * (g / y).masked_fill(y == 0, 0)
        slope = x.sign() * (x.abs() / y) ** (self.p - 1)
        return g * slope.masked_fill((x == 0) | (y == 0), 0)


def accumulator(x: Tensor, dtype: Any) -> Tensor:
    """``x`` in the type a sum is made in: integers and bools are counted in int64."""
    if dtype is not None:
        return cast(x, dtypes.as_dtype(dtype).numpy)
    return x if x._array.dtype.kind == "f" else cast(x, dtypes.int64.numpy)


def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum over all elements or along ``dim`` (an int or several); integers and bools sum to int64.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x.sum(), x.sum(0), x.sum(1, keepdim=True)
    (tensor(10.), tensor([4., 6.]), tensor([[3.],
            [7.]]))
    """
    x = accumulator(as_tensor(input, "input", "sum"), dtype)
    return Sum(reduced_axes("sum", dim, x.ndim), keepdim)(x)


def reduced_axes(operation: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions that ``dim`` names; None, () and [] name all."""
    return normalize_axes(operation, None if dim == () or dim == [] else dim, ndim)


def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over all elements or along ``dim``; of floating-point tensors only.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.mean(minicnn.tensor([1.0, 2.0, 6.0]))
    tensor(3.)
    """
    x = as_tensor(input, "input", "mean") if dtype is None else cast(input, dtypes.as_dtype(dtype).numpy)
    if x._array.dtype.kind != "f":
        raise DTypeError(f"mean: the mean of {x.dtype} numbers need not be one. Fix: x.float().mean()")
    return Mean(reduced_axes("mean", dim, x.ndim), keepdim)(x)


def _variance(
    operation: str, input: Tensor, dim: Any, unbiased: bool, keepdim: bool, correction: float | None, root: bool
) -> tuple[Tensor, Any]:
    if isinstance(dim, bool):  # var(x, False): the older spelling of unbiased=False
        dim, unbiased = None, dim
    x = floating(operation, input) if input._array.dtype.kind == "f" else None
    if x is None:
        raise DTypeError(f"{operation}: expected a floating-point tensor; got {input.dtype}. Fix: x.float()")
    less = (1.0 if unbiased else 0.0) if correction is None else float(correction)
    return Var(reduced_axes(operation, dim, x.ndim), keepdim, less, root)(x), dim


def var(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """Variance ``sum((x - mean)^2) / (n - correction)``; ``unbiased=False`` is ``correction=0``.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([1.0, 2.0, 3.0, 4.0])
    >>> x.var(), x.var(unbiased=False)
    (tensor(1.6667), tensor(1.2500))
    """
    return _variance("var", input, dim, unbiased, keepdim, correction, root=False)[0]


def std(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """Standard deviation, the root of :func:`var`; of one element NaN.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.std(minicnn.tensor([1.0, 3.0]))
    tensor(1.4142)
    """
    return _variance("std", input, dim, unbiased, keepdim, correction, root=True)[0]


def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    """:func:`var` and :func:`mean`.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.var_mean(minicnn.tensor([1.0, 3.0]))
    (tensor(2.), tensor(2.))
    """
    variance, axes = _variance("var_mean", input, dim, unbiased, keepdim, correction, root=False)
    return variance, mean(input, axes, keepdim)


def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    """:func:`std` and :func:`mean`.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.std_mean(minicnn.tensor([1.0, 3.0]))
    (tensor(1.4142), tensor(2.))
    """
    deviation, axes = _variance("std_mean", input, dim, unbiased, keepdim, correction, root=True)
    return deviation, mean(input, axes, keepdim)


def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """``(sum |x|^p)^(1/p)``; ``"fro"`` is p = 2, infinity the largest ``|x|``, 0 the number of non-zeros.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.norm(minicnn.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = floating("norm", input) if dtype is None else cast(input, dtypes.as_dtype(dtype).numpy)
    axes = reduced_axes("norm", dim, x.ndim)
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p must be a number or 'fro'; got {p!r}. Fix: numpy.linalg.norm(x.numpy(), {p!r})")
    order = 2.0 if p in ("fro", None) else float(p)
    if order in (np.inf, -np.inf):
        return x.abs().amax(axes, keepdim) if order > 0 else x.abs().amin(axes, keepdim)  # type: ignore[no-any-return]
    if order == 0:
        return Tensor._wrap((x._array != 0).astype(x._array.dtype)).sum(axes, keepdim)  # type: ignore[no-any-return]
    return Norm(axes, keepdim, int(order) if order.is_integer() else order)(x)


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` along ``dim``, without overflow.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.logsumexp(minicnn.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    x = floating("logsumexp", input)
    return LogSumExp(reduced_axes("logsumexp", dim, x.ndim), keepdim)(x)


def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether some element is not 0.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.any(minicnn.tensor([0, 3]))
    tensor(True)
    """
    return Tensor._wrap(np.any(input._array, axis=normalize_axes("any", dim, input.ndim), keepdims=keepdim))


def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether no element is 0.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.all(minicnn.tensor([[True, False], [True, True]]), dim=1)
    tensor([False,  True])
    """
    return Tensor._wrap(np.all(input._array, axis=normalize_axes("all", dim, input.ndim), keepdims=keepdim))


def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not 0.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.count_nonzero(minicnn.tensor([0, 3, 4]))
    tensor(2)
    """
    return Tensor._wrap(np.count_nonzero(input._array, axis=normalize_axes("count_nonzero", dim, input.ndim)))
