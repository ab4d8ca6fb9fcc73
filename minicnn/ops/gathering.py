"""Elements picked, and put, along one dimension by an index tensor: gather, scatter and their relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.device import capturing_on
from ..core.errors import DTypeError, ShapeError
from ..core.tensor import Tensor
from .indexing import GetItem, PutItem, write
from .operands import as_tensor, normalize_axis


def along(operation: str, x: Tensor, dim: int, index: Tensor, known: bool = False) -> tuple[Any, ...]:
    """The NumPy index that takes, at each place of ``index``, element ``index[place]`` along ``dim``.

    ``known``: the index was made here, and needs no check.
    """
    positions = as_tensor(index, "index", operation)._array.copy()  # backward uses it, whatever happens to index
    if positions.dtype.kind not in "iu":
        raise DTypeError(f"{operation}: index must have an integer type; got {index.dtype}")
    d = normalize_axis(operation, dim, x.ndim)
    shape = x._array.shape
    if positions.ndim != x.ndim or any(
        n > m for i, (n, m) in enumerate(zip(positions.shape, shape, strict=True)) if i != d
    ):
        raise ShapeError(
            f"{operation}: index must have {x.ndim} dimensions, none but dim {d} larger than those of the tensor, "
            f"{tuple(shape)}; got shape {tuple(positions.shape)}"
        )
    if not known:
        check_range(operation, positions, shape[d] if shape else 1)
    if not shape:
        return (...,)
    return tuple(positions if i == d else _counted(positions, i) for i in range(x.ndim))


def _counted(like: Any, axis: int) -> Any:
    """0, 1, 2, ... along an axis, in a shape that can be broadcast to that of ``like``."""
    return np.arange(like.shape[axis], like=like).reshape([-1 if i == axis else 1 for i in range(like.ndim)])


def check_range(operation: str, positions: Any, size: int) -> None:
    """All positions must lie in ``[0, size - 1]``. A GPU is waited for to see them; in a capture it cannot be."""
    if capturing_on(positions):
        return
    if positions.size and (positions.min() < 0 or positions.max() >= size):
        bad = positions.min() if positions.min() < 0 else positions.max()
        raise IndexError(f"{operation}: indices must lie in [0, {size - 1}]; got {bad}")


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Elements picked along ``dim``: ``y[i, j] = input[i, index[i, j]]`` for ``dim=1``.

    Examples
    --------
    >>> import minicnn
    >>> scores = minicnn.tensor([[0.1, 0.9], [0.7, 0.3]])
    >>> scores.gather(1, minicnn.tensor([[1], [0]]))
    tensor([[0.9000],
            [0.7000]])
    """
    return GetItem(along("gather", input, dim, index))(input)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """:func:`gather` whose index is broadcast; without ``dim``, positions among all elements.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([[3, 1, 2]])
    >>> minicnn.take_along_dim(x, x.argsort(1), 1)
    tensor([[1, 2, 3]])
    """
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    d = normalize_axis("take_along_dim", dim, input.ndim)
    around = [max(n, m) for n, m in zip(input.shape, indices.shape, strict=True)]
    source = input.expand([-1 if i == d else n for i, n in enumerate(around)])
    return gather(source, d, indices.expand([-1 if i == d else n for i, n in enumerate(around)]))


def scatter(input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None) -> Tensor:
    """A copy of ``input`` with ``src`` (a tensor or a number) written along ``dim``: ``y[i, index[i, j]] = src[i, j]``.

    Examples
    --------
    >>> import minicnn
    >>> labels = minicnn.tensor([2, 0])
    >>> minicnn.zeros(2, 3).scatter(1, labels.unsqueeze(1), 1)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    source = src if value is None else value
    if source is None:
        raise TypeError("scatter: src, a tensor or a number, must be given")
    if isinstance(source, Tensor):
        source = _cropped("scatter", source, index)
    return write(input.clone(), along("scatter", input, dim, index), source)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """``input`` with ``src`` added along ``dim``: ``y[i, index[i, j]] += src[i, j]``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros(3).scatter_add(0, minicnn.tensor([0, 2, 0]), minicnn.tensor([1.0, 2.0, 3.0]))
    tensor([4., 0., 2.])
    """
    places = along("scatter_add", input, dim, index)
    return input + PutItem(input._array.shape, places)(_cropped("scatter_add", src, index))


def _cropped(operation: str, src: Tensor, index: Tensor) -> Tensor:
    """The part of ``src`` that ``index`` speaks of."""
    if src.ndim != index.ndim or any(n > m for n, m in zip(index.shape, src.shape, strict=True)):
        raise ShapeError(f"{operation}: src {tuple(src.shape)} must be at least as large as index {tuple(index.shape)}")
    return src if src.shape == index.shape else src[tuple(slice(n) for n in index.shape)]


def _selecting(operation: str, x: Tensor, dim: int, index: Tensor) -> tuple[Any, ...]:
    d = normalize_axis(operation, dim, x.ndim)
    positions = as_tensor(index, "index", operation)._array.copy()
    if positions.ndim > 1 or positions.dtype.kind != "i":
        raise DTypeError(
            f"{operation}: index must be a vector of integers; got shape {tuple(index.shape)}, {index.dtype}"
        )
    check_range(operation, positions, x._array.shape[d])
    return (*(slice(None),) * d, positions.reshape(-1))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of ``input`` along ``dim`` that ``index`` names.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.index_select(minicnn.arange(6).reshape(2, 3), 1, minicnn.tensor([2, 0]))
    tensor([[2, 0],
            [5, 3]])
    """
    return GetItem(_selecting("index_select", input, dim, index))(input)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """``input`` with the slices of ``alpha * source`` added at ``index`` along ``dim``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.index_add(minicnn.zeros(2), 0, minicnn.tensor([1, 1]), minicnn.tensor([2.0, 3.0]))
    tensor([0., 5.])
    """
    places = _selecting("index_add", input, dim, index)
    return input + PutItem(input._array.shape, places)(source if alpha == 1 else source * alpha)


def index_fill(input: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    """A copy of ``input`` with ``value`` in the slices that ``index`` names.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.index_fill(minicnn.zeros(3), 0, minicnn.tensor([0, 2]), 5)
    tensor([5., 0., 5.])
    """
    return write(input.clone(), _selecting("index_fill", input, dim, index), value)
