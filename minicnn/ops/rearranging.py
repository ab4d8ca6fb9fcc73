"""Elements turned around, on diagonals, in triangles, repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minicnn_kernels.arrays import as_strided, on_host, sent

from ..core.errors import ShapeError
from ..core.function import Function
from ..core.tensor import Tensor
from .indexing import GetItem
from .operands import normalize_axes, normalize_axis, sizes


class Flip(Function):
    differentiable = True

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def forward(self, x: Any) -> Any:
        return np.flip(x, self.axes).copy()

    def backward(self, grad_y: Tensor) -> Tensor:
        return Flip(self.axes)(grad_y)


def flip(input: Tensor, *given: Any, dims: Any = None) -> Tensor:
    """The order reversed along ``dims``; a copy.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.flip(minicnn.tensor([[1, 2], [3, 4]]), (0,))
    tensor([[3, 4],
            [1, 2]])
    """
    return Flip(normalize_axes("flip", sizes("flip", given, dims), input.ndim))(input)


def fliplr(input: Tensor) -> Tensor:
    """Left and right exchanged: :func:`flip` along dimension 1.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.fliplr(minicnn.tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Up and down exchanged: :func:`flip` along dimension 0.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.flipud(minicnn.tensor([1, 2]))
    tensor([2, 1])
    """
    return flip(input, 0)


class Roll(Function):
    differentiable = True

    def __init__(self, shifts: tuple[int, ...], axes: tuple[int, ...]) -> None:
        self.shifts, self.axes = shifts, axes

    def forward(self, x: Any) -> Any:
        return np.roll(x, self.shifts, self.axes)

    def backward(self, grad_y: Tensor) -> Tensor:
        return Roll(tuple(-s for s in self.shifts), self.axes)(grad_y)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved on by ``shifts`` along ``dims``; what leaves at the end comes in at the start.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.roll(minicnn.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    if dims is None:
        return roll(input.reshape(-1), shifts, 0).reshape(input.shape)
    steps = tuple(shifts) if isinstance(shifts, Sequence) else (shifts,)
    named = tuple(dims) if isinstance(dims, Sequence) else (dims,)
    if len(steps) != len(named):
        raise ShapeError(f"roll: one shift per dim expected; got shifts {shifts} and dims {dims}")
    return Roll(steps, tuple(normalize_axis("roll", d, input.ndim) for d in named))(input)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by ``k`` right angles, from ``dims[0]`` towards ``dims[1]``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.rot90(minicnn.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    a, b = dims
    turned = {0: lambda: input.clone(), 1: lambda: flip(input, b).transpose(a, b),
              2: lambda: flip(input, a, b), 3: lambda: flip(input, a).transpose(a, b)}  # fmt: skip
    return turned[k % 4]()


class Diagonal(Function):
    differentiable = is_view = True

    def __init__(self, offset: int, dim1: int, dim2: int) -> None:
        self.where = offset, dim1, dim2

    def forward(self, x: Any) -> Any:
        self.shape = x.shape
        offset, rows, columns = self.where
        start = [slice(None)] * x.ndim
        start[rows], start[columns] = slice(max(-offset, 0), None), slice(max(offset, 0), None)
        x = x[tuple(start)]
        others = [i for i in range(x.ndim) if i not in (rows, columns)]
        shape = (*[x.shape[i] for i in others], min(x.shape[rows], x.shape[columns]))
        return as_strided(x, shape, (*[x.strides[i] for i in others], x.strides[rows] + x.strides[columns]))

    def backward(self, grad_y: Tensor) -> Tensor:
        return OnDiagonal(self.shape, *self.where)(grad_y)


class OnDiagonal(Function):
    """Zeros with the input on a diagonal: the transpose of :class:`Diagonal`."""

    differentiable = True

    def __init__(self, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> None:
        self.shape, self.where = shape, (offset, dim1, dim2)

    def forward(self, x: Any) -> Any:
        y = np.zeros(self.shape, x.dtype, like=x)
        Diagonal(*self.where).forward(y)[...] = x
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        return Diagonal(*self.where)(grad_y)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of the planes of ``dim1`` and ``dim2``, as the last dimension; a view.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.diagonal(minicnn.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    a, b = (normalize_axis("diagonal", d, input.ndim) for d in (dim1, dim2))
    if input.ndim < 2 or a == b:
        raise ShapeError(
            f"diagonal: two different dimensions expected; got {dim1}, {dim2} for shape {tuple(input.shape)}"
        )
    return Diagonal(offset, a, b)(input)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix of zeros, or the diagonal of a matrix.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.diag(minicnn.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim == 1:
        n = input.numel() + abs(diagonal)
        return OnDiagonal((n, n), diagonal, 0, 1)(input)
    if input.ndim == 2:
        return Diagonal(diagonal, 0, 1)(input).clone()
    raise ShapeError(f"diag: expected a vector or a matrix; got shape {tuple(input.shape)}")


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.trace(minicnn.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    return diagonal(input).sum()


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The elements on and below a diagonal, zeros above.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tril(minicnn.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    rows, columns = input._array.shape[-2:]
    keep = np.tri(rows, columns, diagonal, dtype=bool, like=input._array)
    return input.masked_fill(Tensor._wrap(~keep), 0)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The elements on and above a diagonal, zeros below.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.triu(minicnn.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    rows, columns = input._array.shape[-2:]
    return input.masked_fill(Tensor._wrap(np.tri(rows, columns, diagonal - 1, dtype=bool, like=input._array)), 0)


def repeat(input: Tensor, *given: Any, repeats: Any = None) -> Tensor:
    """The whole tensor repeated along every dimension (new ones come in front).

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = sizes("repeat", given, repeats)
    if len(times) < input.ndim:
        raise ShapeError(f"repeat: at least one number per dimension of {tuple(input.shape)} expected; got {times}")
    shape = (1,) * (len(times) - input.ndim) + input._array.shape
    between = [n for r, s in zip(times, shape, strict=True) for n in (r, s)]  # (r0, s0, r1, s1, ...)
    spread = input.reshape([n for s in shape for n in (1, s)]).expand(between)
    return spread.clone().reshape([r * s for r, s in zip(times, shape, strict=True)])


def tile(input: Tensor, *given: Any, dims: Any = None) -> Tensor:
    """:func:`repeat`, where missing numbers in front count as 1.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tile(minicnn.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    times = sizes("tile", given, dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Every slice along ``dim`` repeated, each next to itself.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    """
    x = input.reshape(-1) if dim is None else input
    d = normalize_axis("repeat_interleave", dim or 0, x.ndim)
    times = on_host(repeats._array) if isinstance(repeats, Tensor) else repeats
    places = np.repeat(np.arange(x._array.shape[d]), times)
    return GetItem((*(slice(None),) * d, sent(places, x._array)))(x)
