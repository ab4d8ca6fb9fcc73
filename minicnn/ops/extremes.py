"""The largest and the smallest elements, and where they are."""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple

import numpy as np
from minicnn_kernels.arrays import as_array

from ..core.errors import ShapeError
from ..core.tensor import Tensor
from .choosing import maximum, minimum
from .gathering import along
from .indexing import GetItem
from .operands import as_tensor, normalize_axis
from .reductions import Reduction, reduced_axes


class Extreme(Reduction):
    """Largest or smallest; equal ones share the gradient evenly."""

    def __init__(self, axes: tuple[int, ...], keepdim: bool, largest: bool) -> None:
        super().__init__(axes, keepdim)
        self.largest = largest

    def reduce(self, x: Any) -> Any:
        y = as_array((np.max if self.largest else np.min)(x, axis=self.axes, keepdims=self.keepdim))
        self.save(x, y)
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        x, y = self.saved
        chosen = x == self.spread(y)
        return chosen * (self.spread(grad_y) / chosen.sum(self.axes, keepdim=True))


class ValuesIndices(NamedTuple):
    """Results along a dimension, and where they were found. A subclass per operation names it in the text."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"minicnn.return_types.{name}(\nvalues={self.values!r},\nindices={self.indices!r})"


def named(operation: str) -> Any:
    """The type of the pairs that ``operation`` returns."""
    return type(operation, (ValuesIndices,), {"__doc__": f"What ``{operation}`` returns.", "__module__": __name__})


MAX, MIN = named("max"), named("min")


def pick(kind: type, input: Tensor, indices: Any, dim: int, keepdim: bool) -> Any:
    """Named tuple of the elements at ``indices`` (with ``dim`` kept) and the indices; gradients follow them."""
    places = Tensor._wrap(indices)
    values = GetItem(along("pick", input, dim, places, known=True))(input)
    return kind(values, places) if keepdim else kind(values.squeeze(dim), places.squeeze(dim))


def _extreme(operation: str, input: Tensor, dim: Any, keepdim: bool, largest: bool) -> Any:
    x = as_tensor(input, "input", operation)
    if dim is None:
        _not_empty(operation, x, tuple(range(x.ndim)))
        return Extreme(tuple(range(x.ndim)), False, largest)(x)
    axis = normalize_axis(operation, dim, x.ndim)
    _not_empty(operation, x, (axis,) if x.ndim else ())
    places = (np.argmax if largest else np.argmin)(x._array, axis=axis if x.ndim else None, keepdims=True)
    return pick(MAX if largest else MIN, x, places, axis, keepdim)


def _not_empty(operation: str, x: Tensor, axes: tuple[int, ...]) -> None:
    if builtins.any(x._array.shape[i] == 0 for i in axes):
        raise ShapeError(f"{operation}: there is none among no elements; the tensor has shape {tuple(x.shape)}")


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest element; along ``dim``, also its index; or with a second tensor, :func:`maximum`.

    Examples
    --------
    >>> import minicnn
    >>> scores = minicnn.tensor([[0.1, 0.9], [0.8, 0.2]])
    >>> values, predicted = minicnn.max(scores, 1)
    >>> predicted
    tensor([1, 0])
    >>> minicnn.max(scores)
    tensor(0.9000)
    """
    if isinstance(other if dim is None else dim, Tensor):
        return maximum(input, other if dim is None else dim)
    return _extreme("max", input, dim, keepdim, largest=True)


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest element; along ``dim``, also its index; or with a second tensor, :func:`minimum`.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.min(minicnn.tensor([[3, 1], [2, 5]]), 0).values
    tensor([2, 1])
    """
    if isinstance(other if dim is None else dim, Tensor):
        return minimum(input, other if dim is None else dim)
    return _extreme("min", input, dim, keepdim, largest=False)


def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The largest element along ``dim``; equal ones share the gradient evenly.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.amax(minicnn.tensor([[1, 4], [3, 2]]), 1)
    tensor([4, 3])
    """
    axes = reduced_axes("amax", dim, input.ndim)
    _not_empty("amax", input, axes)
    return Extreme(axes, keepdim, True)(input)


def amin(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The smallest element along ``dim``; equal ones share the gradient evenly.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.amin(minicnn.tensor([[1, 4], [3, 2]]), 1)
    tensor([1, 2])
    """
    axes = reduced_axes("amin", dim, input.ndim)
    _not_empty("amin", input, axes)
    return Extreme(axes, keepdim, False)(input)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the largest element (the first, if several), among all or along ``dim``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.argmax(minicnn.tensor([[0.1, 0.9], [0.8, 0.2]]), dim=1)
    tensor([1, 0])
    """
    return _arg("argmax", np.argmax, input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the smallest element (the first, if several), among all or along ``dim``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.argmin(minicnn.tensor([3, 1, 2]))
    tensor(1)
    """
    return _arg("argmin", np.argmin, input, dim, keepdim)


def _arg(operation: str, find: Any, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    axis = None if dim is None else normalize_axis(operation, dim, input.ndim)
    _not_empty(operation, input, tuple(range(input.ndim)) if axis is None else (axis,) if input.ndim else ())
    return Tensor._wrap(find(input._array, axis=axis if input.ndim else None, keepdims=keepdim))
