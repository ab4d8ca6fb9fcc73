"""The same elements in another shape, order or number of copies. Where memory allows, results are views."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.function import Function
from ..core.tensor import Size, Tensor
from .operands import normalize_axis, sizes, unbroadcast


class Reshape(Function):
    differentiable = is_view = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def forward(self, x: Any) -> Any:
        self.before = x.shape
        return x.reshape(self.shape)

    def backward(self, grad_y: Tensor) -> Tensor:
        return grad_y.reshape(self.before)


class Permute(Function):
    differentiable = is_view = True

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Any) -> Any:
        return x.transpose(self.dims)

    def backward(self, grad_y: Tensor) -> Tensor:
        return grad_y.permute(tuple(int(i) for i in np.argsort(self.dims)))


class Expand(Function):
    differentiable = is_view = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def forward(self, x: Any) -> Any:
        self.before = x.shape
        return np.broadcast_to(x, self.shape)

    def backward(self, grad_y: Tensor) -> Tensor:
        return unbroadcast(grad_y, self.before)


def _complete(operation: str, shape: tuple[int, ...], before: tuple[int, ...]) -> tuple[int, ...]:
    """``shape`` with its -1 worked out; the number of elements must stay."""
    count, known = Size(before).numel(), 1
    for n in shape:
        known *= 1 if n == -1 else n
    unknown = shape.count(-1)
    if unknown > 1 or any(n < -1 for n in shape):
        raise ShapeError(f"{operation}: one size may be -1 and none smaller; got {shape}")
    if unknown == 1 and known and count % known == 0:
        return tuple(count // known if n == -1 else n for n in shape)
    if unknown == 1 or known != count:
        product = " * ".join(map(str, before)) or "1"
        raise ShapeError(
            f"{operation}: shape {tuple(before)} has {product} = {count} elements, "
            f"which cannot fill shape {shape}"
            + (f" ({count} / {known} is no integer)" if unknown and known else "")
            + _flat(shape, before)
        )
    return shape


def _flat(shape: tuple[int, ...], before: tuple[int, ...]) -> str:
    """The number to write, if images were to become rows: the end of a message."""
    if len(before) < 3 or len(shape) != 2 or shape[0] not in (-1, before[0]):
        return ""
    features = f"{'*'.join(map(str, before[1:]))} = {prod(before[1:])}"
    return f". Fix: x.flatten(1), which makes ({before[0]}, {features}), and {prod(before[1:])} in the layer after it"


def reshape(input: Tensor, *given: Any, shape: Any = None) -> Tensor:
    """The elements in order, in another shape; one size may be -1, to be worked out.

    A view where the memory allows it, else a copy.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.reshape(minicnn.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return Reshape(_complete("reshape", sizes("reshape", given, shape), input._array.shape))(input)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` in the shape of ``other``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.arange(4).reshape_as(minicnn.zeros(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return reshape(input, other.shape)


def view(input: Tensor, *given: Any, size: Any = None) -> Tensor:
    """Like :func:`reshape`, but refuses a transposed tensor, whose elements do not lie in order.

    (A result that a kernel laid out channels-last is copied: its layout is no concern of the caller.)
    ``view(dtype)`` reads the same bytes as another element type.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.arange(6)
    >>> x.view(2, 3)[0, 0] = 10
    >>> x
    tensor([10,  1,  2,  3,  4,  5])
    """
    if len(given) == 1 and not isinstance(given[0], (int, Sequence)) and not hasattr(given[0], "__index__"):
        from ..core.dtype import as_dtype

        return Tensor._wrap(input.detach()._array.view(as_dtype(given[0]).numpy))
    wanted = _complete("view", sizes("view", given, size), input._array.shape)
    result = Reshape(wanted)(input)
    owner = input if input._base is None else input._base
    if result._base is None and input.numel() and owner.is_contiguous():
        raise ShapeError(
            f"view: a tensor of shape {tuple(input.shape)} and strides {input.stride()} cannot be seen as {wanted} "
            "without moving elements in memory. Fix: reshape(...), or contiguous().view(...)"
        )
    return result


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` viewed in the shape of ``other``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.arange(2).view_as(minicnn.zeros(2, 1))
    tensor([[0],
            [1]])
    """
    return view(input, other.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions ``start_dim`` to ``end_dim`` merged into one.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.flatten(minicnn.zeros(8, 3, 4, 4), 1).shape
    minicnn.Size([8, 48])
    """
    first, last = (normalize_axis("flatten", d, input.ndim) for d in (start_dim, end_dim))
    if first > last:
        raise ShapeError(f"flatten: start_dim must not come after end_dim; got {start_dim} and {end_dim}")
    shape = input._array.shape or (1,)
    return reshape(input, (*shape[:first], Size(shape[first : last + 1]).numel(), *shape[last + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.ravel(minicnn.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return reshape(input, -1) if input.numel() else reshape(input, 0)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension ``dim`` split into several; one of the sizes may be -1.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.unflatten(minicnn.zeros(2, 12), 1, (3, -1)).shape
    minicnn.Size([2, 3, 4])
    """
    d = normalize_axis("unflatten", dim, input.ndim)
    shape = input._array.shape
    return reshape(input, (*shape[:d], *_complete("unflatten", tuple(sizes), (shape[d],)), *shape[d + 1 :]))


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of size 1: all of them, or those named by ``dim``.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.zeros(1, 3, 1)
    >>> x.squeeze().shape, x.squeeze(0).shape
    (minicnn.Size([3]), minicnn.Size([3, 1]))
    """
    dims = range(input.ndim) if dim is None else dim if isinstance(dim, Sequence) else (dim,)
    named = {normalize_axis("squeeze", d, input.ndim) for d in dims}
    return reshape(input, tuple(n for i, n in enumerate(input._array.shape) if n != 1 or i not in named))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of size 1 put in at ``dim``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros(3, 4).unsqueeze(0).shape
    minicnn.Size([1, 3, 4])
    """
    d = normalize_axis("unsqueeze", dim, input.ndim + 1)
    shape = input._array.shape
    return reshape(input, (*shape[:d], 1, *shape[d:]))


def permute(input: Tensor, *given: Any, dims: Any = None) -> Tensor:
    """The dimensions in another order; a view.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.permute(minicnn.zeros(3, 32, 48), (1, 2, 0)).shape
    minicnn.Size([32, 48, 3])
    """
    order = tuple(normalize_axis("permute", d, input.ndim) for d in sizes("permute", given, dims))
    if sorted(order) != list(range(input.ndim)):
        raise ShapeError(
            f"permute: dims must name each of the {input.ndim} dimensions of {tuple(input.shape)} once; "
            f"got {given or dims}"
        )
    return Permute(order)(input)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged; a view.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.transpose(minicnn.zeros(2, 3), 0, 1).shape
    minicnn.Size([3, 2])
    """
    a, b = (normalize_axis("transpose", d, input.ndim) for d in (dim0, dim1))
    order = list(range(input.ndim))
    if order:
        order[a], order[b] = b, a
    return Permute(tuple(order))(input)


def t(input: Tensor) -> Tensor:
    """The transposed matrix (a vector stays a vector).

    Examples
    --------
    >>> import minicnn
    >>> minicnn.t(minicnn.tensor([[1, 2]]))
    tensor([[1],
            [2]])
    """
    if input.ndim > 2:
        raise ShapeError(f"t: expected at most 2 dimensions; got shape {tuple(input.shape)}. Fix: permute(...) or x.mT")
    return Permute(tuple(range(input.ndim))[::-1])(input)


def transpose_all(input: Tensor) -> Tensor:
    """All dimensions reversed: the property ``x.T``."""
    return Permute(tuple(range(input.ndim))[::-1])(input)


def transpose_last(input: Tensor) -> Tensor:
    """The last two dimensions exchanged: the property ``x.mT``."""
    return transpose(input, -2, -1)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimension ``source`` (or several) moved to ``destination``, the others in their order.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.movedim(minicnn.zeros(2, 3, 4), 0, -1).shape
    minicnn.Size([3, 4, 2])
    """
    there = [normalize_axis("movedim", d, input.ndim) for d in (source if isinstance(source, Sequence) else (source,))]
    to = destination if isinstance(destination, Sequence) else (destination,)
    here = [normalize_axis("movedim", d, input.ndim) for d in to]
    if len(there) != len(here):
        raise ShapeError(f"movedim: source and destination must be equally many; got {source} and {destination}")
    order = [d for d in range(input.ndim) if d not in there]
    for d, s in sorted(zip(here, there, strict=True)):
        order.insert(d, s)
    return permute(input, order if input.ndim else ())


def expand(input: Tensor, *given: Any, size: Any = None) -> Tensor:
    """Dimensions of size 1 repeated without copying; -1 keeps a size, new dimensions come in front.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([[1], [2]]).expand(2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    wanted = sizes("expand", given, size)
    extra = len(wanted) - input.ndim
    before = (1,) * extra + input._array.shape
    shape = tuple(b if n == -1 and i >= extra else n for i, (n, b) in enumerate(zip(wanted, before, strict=False)))
    if extra < 0 or any(b not in (1, n) or n < 0 for n, b in zip(shape, before, strict=False)):
        raise ShapeError(
            f"expand: shape {tuple(input.shape)} cannot be expanded to {wanted}: compared from the right, "
            "sizes must be equal, or the tensor's 1; -1 keeps a size"
        )
    return Expand(shape)(input)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` expanded to the shape of ``other``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1]).expand_as(minicnn.zeros(3))
    tensor([1, 1, 1])
    """
    return expand(input, other.shape)


def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """``input`` expanded to the shape ``size``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.broadcast_to(minicnn.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return expand(input, size)
