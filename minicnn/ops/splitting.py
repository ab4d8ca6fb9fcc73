"""Parts of a tensor along one dimension: slices, pieces, windows. All are views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minicnn_kernels.arrays import as_strided

from ..core.errors import ShapeError
from ..core.function import Function
from ..core.tensor import Tensor
from .indexing import GetItem
from .operands import normalize_axis


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """``length`` slices along ``dim`` from ``start`` on; a view.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.narrow(minicnn.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    d = normalize_axis("narrow", dim, input.ndim)
    size = input._array.shape[d]
    first = start + size if start < 0 else start
    if first < 0 or length < 0 or first + length > size:
        raise ShapeError(f"narrow: start {start} and length {length} exceed size {size} of dim {d}")
    return _slice(input, d, first, first + length)


def _slice(input: Tensor, dim: int, start: int, end: int) -> Tensor:
    return GetItem((*(slice(None),) * dim, slice(start, end)), is_view=True)(input)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Slice ``index`` along ``dim``, without that dimension; a view.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.select(minicnn.arange(4).reshape(2, 2), 1, 0)
    tensor([0, 2])
    """
    return input[(*(slice(None),) * normalize_axis("select", dim, input.ndim), index)]


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along ``dim``; views.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.unbind(minicnn.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    return tuple(select(input, dim, i) for i in range(input._array.shape[normalize_axis("unbind", dim, input.ndim)]))


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the given size (the last may be smaller), or of the given sizes, along ``dim``; views.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.split(minicnn.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    d = normalize_axis("split", dim, tensor.ndim)
    size = tensor._array.shape[d]
    if isinstance(split_size_or_sections, Sequence):
        lengths = list(split_size_or_sections)
        if sum(lengths) != size or any(n < 0 for n in lengths):
            raise ShapeError(
                f"split: the sizes must sum to {size}, the size of dim {d}; got {lengths}, sum {sum(lengths)}"
            )
    else:
        step = int(split_size_or_sections)
        if step <= 0:
            raise ShapeError(f"split: the size of a piece must be positive; got {step}")
        lengths = [min(step, size - start) for start in range(0, size, step)] or [0]
    ends = np.cumsum(lengths).tolist()
    return tuple(_slice(tensor, d, end - n, end) for end, n in zip(ends, lengths, strict=True))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` pieces of equal size (the last may be smaller) along ``dim``; views.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.chunk(minicnn.arange(5), 3)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if chunks <= 0:
        raise ShapeError(f"chunk: chunks must be positive; got {chunks}")
    size = input._array.shape[normalize_axis("chunk", dim, input.ndim)]
    return split(input, [0] * chunks if size == 0 else -(-size // chunks), dim)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Exactly that many pieces, sizes differing by one at most, or pieces between the given positions; views.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor_split(minicnn.arange(4), 3)
    (tensor([0, 1]), tensor([2]), tensor([3]))
    """
    d = normalize_axis("tensor_split", dim, input.ndim)
    size = input._array.shape[d]
    if isinstance(indices_or_sections, Sequence):
        ends = [min(i if i >= 0 else i + size, size) for i in indices_or_sections]
    else:
        n = int(indices_or_sections)
        ends = np.cumsum([size // n + (i < size % n) for i in range(n)]).tolist()[:-1]
    return tuple(_slice(input, d, a, max(a, b)) for a, b in zip([0, *ends], [*ends, size], strict=True))


class Unfold(Function):
    differentiable = is_view = True

    def __init__(self, axis: int, size: int, step: int) -> None:
        self.axis, self.size, self.step = axis, size, step

    def forward(self, x: Any) -> Any:
        self.shape = x.shape
        count = (x.shape[self.axis] - self.size) // self.step + 1
        shape, strides = list(x.shape), list(x.strides)
        shape[self.axis], strides[self.axis] = count, x.strides[self.axis] * self.step
        windows = as_strided(x, (*shape, self.size), (*strides, x.strides[self.axis]))
        if isinstance(windows, np.ndarray) and self.step < self.size:  # they overlap
            windows.flags.writeable = False
        return windows

    def backward(self, grad_y: Tensor) -> Tensor:
        return Refold(self.shape, self.axis, self.size, self.step)(grad_y)


class Refold(Function):
    """Windows added up where they overlap: the transpose of :class:`Unfold`."""

    differentiable = True

    def __init__(self, shape: tuple[int, ...], axis: int, size: int, step: int) -> None:
        self.shape, self.axis, self.size, self.step = shape, axis, size, step

    def forward(self, windows: Any) -> Any:
        x = np.zeros(self.shape, windows.dtype, like=windows)
        reach = windows.shape[self.axis] * self.step
        for k in range(self.size):
            x[(*(slice(None),) * self.axis, slice(k, k + reach, self.step))] += windows[..., k]
        return x

    def backward(self, grad_y: Tensor) -> Tensor:
        return Unfold(self.axis, self.size, self.step)(grad_y)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of ``size`` slices, ``step`` apart, along ``dimension``; their elements come as a new last dimension.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.arange(5).unfold(0, 3, 1)
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]])
    """
    d = normalize_axis("unfold", dimension, input.ndim)
    if not 0 < size <= input._array.shape[d] or step <= 0:
        raise ShapeError(
            f"unfold: size must lie in [1, {input._array.shape[d]}], the size of dim {d}, and step be positive; "
            f"got size {size} and step {step}"
        )
    return Unfold(d, size, step)(input)
