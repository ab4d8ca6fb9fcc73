"""Reading and writing parts of tensors: ``x[...]``, gather, scatter, masks. Every write in place ends here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import DTypeError, ShapeError
from ..core.function import Function
from ..core.tensor import Tensor
from .elementwise import where
from .operands import as_tensor, cast, normalize_axis, unbroadcast


class GetItem(Function):
    """``x[index]``, where the index has passed :func:`plan` (a view if it is made of ints and slices)."""

    differentiable = True

    def __init__(self, index: Any, is_view: bool = False) -> None:
        self.index, self.is_view = index, is_view

    def forward(self, x: Any) -> Any:
        self.shape = x.shape
        return x[self.index]

    def backward(self, grad_y: Tensor) -> Tensor:
        return PutItem(self.shape, self.index, self.is_view)(grad_y)


class PutItem(Function):
    """Zeros with ``x`` added at ``index``: the transpose of :class:`GetItem`.

    Where an index repeats, contributions add up, in a fixed order.
    """

    differentiable = True

    def __init__(self, shape: tuple[int, ...], index: Any, is_view: bool = False) -> None:
        self.shape, self.index, self.slices = shape, index, is_view

    def forward(self, x: Any) -> Any:
        y = np.zeros(self.shape, x.dtype)
        if self.slices or _is_mask(self.index):
            y[self.index] = x
        else:
            np.add.at(y, self.index, x)
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        return GetItem(self.index, self.slices)(grad_y)


class SetItem(Function):
    """``region[index] = value`` in place, where region is a view (``steps``) of the first input."""

    differentiable = inplace = True

    def __init__(self, steps: tuple[Function, ...], index: Any) -> None:
        self.steps, self.index = steps, index

    def forward(self, base: Any, value: Any) -> Any:
        region = base
        for step in self.steps:
            region = step.forward(region)
        try:
            region[self.index] = value
        except ValueError:
            raise ShapeError(
                f"setitem: a value of shape {value.shape} cannot be broadcast into the place of shape "
                f"{region[self.index].shape} that the index selects"
            ) from None
        self.whole = self.index is Ellipsis and region.size == base.size
        self.value_shape = value.shape
        self.axes = np.argsort([-s for s in base.strides], kind="stable")  # memory order of base
        return base

    def backward(self, grad_y: Tensor) -> Any:
        grad_base = grad_value = None
        if self.needs_grad[1]:
            region = grad_y
            for step in self.steps:
                region = step.again()(region)
            taken = GetItem(self.index)(region)
            shape = self.value_shape[max(0, len(self.value_shape) - taken.ndim) :]  # without leading ones
            grad_value = unbroadcast(taken, shape).reshape(self.value_shape)
        if self.needs_grad[0] and not (self.whole and self.needs_grad[1]):
            grad_base = grad_y.masked_fill(Tensor._wrap(self._overwritten(grad_y._array.shape)), 0)
        return grad_base, grad_value

    def _overwritten(self, shape: tuple[int, ...]) -> Any:
        """Where the base lost its own values. Laid out as the base was, so that the same steps are views of it."""
        mask = np.zeros([shape[i] for i in self.axes], bool).transpose(np.argsort(self.axes))
        region = mask
        for step in self.steps:
            region = step.forward(region)
        region[self.index] = True
        return mask


def write(target: Tensor, index: Any, value: Any) -> Tensor:
    """``target[index] = value`` for a NumPy index, recorded for backward; returns ``target``.

    Everything that changes a tensor in place does it through this function.
    """
    kind = target._array.dtype
    value = cast(value, kind) if isinstance(value, Tensor) else Tensor._wrap(np.asarray(value).astype(kind))
    target._check_inplace(recording=False)
    base = target if target._base is None else target._base
    SetItem(tuple(step.again() for step in target._view_steps), index)(base, value)
    return target


# ------------------------------------------------------------------- x[index]


def _is_mask(index: Any) -> bool:
    """Whether the index has one bool mask and otherwise slices: then no place is named twice."""
    parts = [i for i in (index if isinstance(index, tuple) else (index,)) if isinstance(i, np.ndarray)]
    return len(parts) == 1 and parts[0].dtype.kind == "b"


def _part(item: Any) -> Any:
    """One part of an index: None, Ellipsis, int, slice, or an array of ints or bools."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        if item.step is not None and item.step.__index__() <= 0:
            raise ValueError(f"getitem: the step of a slice must be positive; got {item.step}. Fix: x.flip(dim)")
        return item
    if isinstance(item, Tensor):
        item = item._array
    if isinstance(item, (list, tuple, range)):
        item = np.asarray([i._array if isinstance(i, Tensor) else i for i in item])
        item = item.astype(np.int64) if item.size == 0 else item
    array = np.asarray(item)
    if array.dtype.kind == "u" and array.ndim:
        return array.astype(bool)  # masks of old listings
    if array.dtype.kind not in "ib":
        raise IndexError(
            f"getitem: an index must be made of ints, slices, None, ..., and int or bool tensors; got {type(item).__name__} "
            f"of type {array.dtype}"
        )
    return int(array) if array.ndim == 0 and array.dtype.kind == "i" else array


def plan(x: Tensor, index: Any) -> tuple[Any, Any]:
    """Split an index into what makes a view (ints, slices, None) and, after that, arrays of ints or bools (or None).

    PyTorch applies the ints first, as here; NumPy would take them as arrays.
    """
    parts = [_part(i) for i in (index if isinstance(index, tuple) else (index,))]
    used = sum(p.ndim if isinstance(p, np.ndarray) and p.dtype.kind == "b" else p is not None for p in parts)
    used -= (ellipses := sum(p is Ellipsis for p in parts))
    if used > x.ndim or ellipses > 1:
        raise IndexError(
            f"getitem: one '...' at most" if ellipses > 1
            else f"getitem: {used} indices for a tensor of {x.ndim} dimensions, shape {tuple(x.shape)}"
        )
    basic: list[Any] = []
    arrays: list[Any] = []
    for p in parts:
        if p is Ellipsis:
            basic += [slice(None)] * (x.ndim - used)
            arrays += [slice(None)] * (x.ndim - used)
        elif isinstance(p, np.ndarray):
            if p.ndim == 0:  # True or False: a new dimension of size 1 or 0
                basic.append(None)
                p = p.reshape(1)
            else:
                basic += [slice(None)] * (p.ndim if p.dtype.kind == "b" else 1)
            arrays.append(p)
        else:
            basic.append(p)
            if not isinstance(p, int):
                arrays.append(slice(None))
    has_arrays = any(isinstance(p, np.ndarray) for p in arrays)
    return (*basic, ...), tuple(arrays) if has_arrays else None


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]``: a view for ints, slices, None and ``...``; a copy for tensors, lists and masks.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.arange(6).reshape(2, 3)
    >>> x[0], x[:, 1:], x[x > 2]
    (tensor([0, 1, 2]), tensor([[1, 2],
            [4, 5]]), tensor([3, 4, 5]))
    """
    basic, arrays = plan(input, index)
    if arrays is None:
        return GetItem(basic, is_view=True)(input)
    if any(p is not Ellipsis and p != slice(None) for p in basic):
        input = GetItem(basic, is_view=True)(input)
    return GetItem(arrays)(input)


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``, in place.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.zeros(2, 2)
    >>> x[0, 1] = 5
    >>> x[x == 0] = -1
    >>> x
    tensor([[-1.,  5.],
            [-1., -1.]])
    """
    basic, arrays = plan(input, index)
    region = input if all(p is Ellipsis or p == slice(None) for p in basic) else GetItem(basic, is_view=True)(input)
    if arrays is None and isinstance(value, Tensor) and _same_memory(value, region):
        return  # x[i] += 1 has already written x[i]
    write(region, ... if arrays is None else arrays, value)


def _same_memory(a: Tensor, b: Tensor) -> bool:
    layout = [t._array.__array_interface__ for t in (a, b)]
    return all(layout[0][k] == layout[1][k] for k in ("data", "shape", "strides", "typestr"))


# -------------------------------------------------------- along one dimension


def _along(operation: str, x: Tensor, dim: int, index: Tensor) -> tuple[Any, ...]:
    """The NumPy index that takes, at each place of ``index``, element ``index[place]`` along ``dim``."""
    positions = as_tensor(index, "index", operation)._array
    if positions.dtype.kind not in "iu":
        raise DTypeError(f"{operation}: index must have an integer type; got {index.dtype}")
    d = normalize_axis(operation, dim, x.ndim)
    shape = x._array.shape
    if positions.ndim != x.ndim or any(n > m for i, (n, m) in enumerate(zip(positions.shape, shape, strict=True)) if i != d):
        raise ShapeError(
            f"{operation}: index must have {x.ndim} dimensions, none but dim {d} larger than those of the tensor, "
            f"{tuple(shape)}; got shape {tuple(positions.shape)}"
        )
    check_range(operation, positions, shape[d] if shape else 1)
    if not shape:
        return (...,)
    grid = np.ogrid[tuple(slice(n) for n in positions.shape)]
    return tuple(positions if i == d else g for i, g in enumerate(grid))


def check_range(operation: str, positions: Any, size: int) -> None:
    """All positions must lie in ``[0, size - 1]``."""
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
    return GetItem(_along("gather", input, dim, index))(input)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """:func:`gather` whose index is broadcast; without ``dim``, positions among all elements."""
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
    return write(input.clone(), _along("scatter", input, dim, index), source)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """``input`` with ``src`` added along ``dim``: ``y[i, index[i, j]] += src[i, j]``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros(3).scatter_add(0, minicnn.tensor([0, 2, 0]), minicnn.tensor([1.0, 2.0, 3.0]))
    tensor([4., 0., 2.])
    """
    places = _along("scatter_add", input, dim, index)
    return input + PutItem(input._array.shape, places)(_cropped("scatter_add", src, index))


def _cropped(operation: str, src: Tensor, index: Tensor) -> Tensor:
    """The part of ``src`` that ``index`` speaks of."""
    if src.ndim != index.ndim or any(n > m for n, m in zip(index.shape, src.shape, strict=True)):
        raise ShapeError(f"{operation}: src {tuple(src.shape)} must be at least as large as index {tuple(index.shape)}")
    return src if src.shape == index.shape else src[tuple(slice(n) for n in index.shape)]


def _selecting(operation: str, x: Tensor, dim: int, index: Tensor) -> tuple[Any, ...]:
    d = normalize_axis(operation, dim, x.ndim)
    positions = as_tensor(index, "index", operation)._array
    if positions.ndim > 1 or positions.dtype.kind != "i":
        raise DTypeError(f"{operation}: index must be a vector of integers; got shape {tuple(index.shape)}, {index.dtype}")
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
    """A copy of ``input`` with ``value`` in the slices that ``index`` names."""
    return write(input.clone(), _selecting("index_fill", input, dim, index), value)


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements by their position among all elements."""
    return input.reshape(-1)[index]


# ---------------------------------------------------------------------- masks


def _mask(operation: str, mask: Any) -> Tensor:
    if as_tensor(mask, "mask", operation)._array.dtype.kind != "b":
        raise DTypeError(f"{operation}: mask must be a bool tensor; got {mask.dtype}. Fix: mask.bool()")
    return mask  # type: ignore[no-any-return]


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``value`` where the mask holds, ``input`` elsewhere.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([1.0, 2.0])
    >>> x.masked_fill(x > 1, 0)
    tensor([1., 0.])
    """
    kind = input._array.dtype
    value = cast(value, kind) if isinstance(value, Tensor) else Tensor._wrap(np.asarray(value).astype(kind))
    return where(_mask("masked_fill", mask), value, input)  # type: ignore[no-any-return]


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in one dimension.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([1.0, 2.0, 3.0])
    >>> minicnn.masked_select(x, x > 1)
    tensor([2., 3.])
    """
    shape = np.broadcast_shapes(input._array.shape, _mask("masked_select", mask)._array.shape)
    return input.expand(shape)[mask.expand(shape)]


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Indices of the elements that are not 0: one row each, or a tuple with a tensor per dimension.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.nonzero(minicnn.tensor([[0, 3], [4, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    x = input._array
    if as_tuple:
        return tuple(Tensor._wrap(i) for i in np.nonzero(np.atleast_1d(x)))
    return Tensor._wrap(np.argwhere(x))


def argwhere(input: Tensor) -> Tensor:
    """Indices of the elements that are not 0, one row each: :func:`nonzero`."""
    return nonzero(input)  # type: ignore[no-any-return]


def index_put(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``values`` written (or added) at a tuple of index tensors."""
    if accumulate:
        places = plan(input, tuple(indices))[1]
        return input + PutItem(input._array.shape, places)(values.expand(input._array[places].shape))
    y = input.clone()
    setitem(y, tuple(indices), values)
    return y
