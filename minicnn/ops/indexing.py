"""``x[...]``: reading and writing parts of tensors. Every write in place ends here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minicnn_kernels.arrays import address, is_array, on_device, on_host
from minicnn_kernels.memory import memory_order

from ..core import device as devices
from ..core.errors import ShapeError
from ..core.function import Function
from ..core.tensor import Tensor
from .operands import Move, cast, number, unbroadcast


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

    Where an index repeats, contributions add up: on the CPU in a fixed order, on a GPU in any (CuPy's atomic
    additions), so that the last digits may differ from run to run.
    """

    differentiable = True

    def __init__(self, shape: tuple[int, ...], index: Any, is_view: bool = False) -> None:
        self.shape, self.index, self.slices = shape, index, is_view

    def forward(self, x: Any) -> Any:
        y = np.zeros(self.shape, x.dtype, like=x)
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
        self.axes = memory_order(base)
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
            grad_base = grad_y.masked_fill(Tensor._wrap(self._overwritten(grad_y._array)), 0)
        return grad_base, grad_value

    def _overwritten(self, like: Any) -> Any:
        """Where the base lost its own values. Laid out as the base was, so that the same steps are views of it."""
        shape = like.shape
        mask = np.zeros([shape[i] for i in self.axes], bool, like=like).transpose(
            sorted(range(len(shape)), key=self.axes.__getitem__)
        )
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
    if devices.in_use and value.device != (where := target.device):
        value = (
            number(value)
            if value.ndim == 0 and not value.requires_grad and where.type == "cuda"
            else Move(where)(value)
        )
    target._check_inplace(recording=False)
    base = target if target._base is None else target._base
    SetItem(tuple(step.again() for step in target._view_steps), index)(base, value)
    return target


def _is_mask(index: Any) -> bool:
    """Whether the index has one bool mask and otherwise slices: then no place is named twice."""
    parts = [i for i in (index if isinstance(index, tuple) else (index,)) if is_array(i)]
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
        item = np.asarray([on_host(i._array) if isinstance(i, Tensor) else i for i in item])
        item = item.astype(np.int64) if item.size == 0 else item
    array = (
        item.copy() if is_array(item) else np.asarray(item)
    )  # backward uses it, whatever happens to the index tensor
    if array.dtype.kind == "u" and array.ndim:
        return array.astype(bool)  # masks of old listings
    if array.dtype.kind not in "ib":
        raise IndexError(
            "getitem: an index must be made of ints, slices, None, ..., and int or bool tensors; "
            f"got {type(item).__name__} of type {array.dtype}"
        )
    return int(array) if array.ndim == 0 and array.dtype.kind == "i" else array


def plan(x: Tensor, index: Any) -> tuple[Any, Any]:
    """Split an index into what makes a view (ints, slices, None) and, after that, arrays of ints or bools (or None).

    PyTorch applies the ints first, as here; NumPy would take them as arrays.
    """
    parts = [_part(i) for i in (index if isinstance(index, tuple) else (index,))]
    used = sum(p.ndim if is_array(p) and p.dtype.kind == "b" else p is not None for p in parts)
    used -= (ellipses := sum(p is Ellipsis for p in parts))
    if used > x.ndim or ellipses > 1:
        raise IndexError(
            "getitem: one '...' at most"
            if ellipses > 1
            else f"getitem: {used} indices for a tensor of {x.ndim} dimensions, shape {tuple(x.shape)}"
        )
    basic: list[Any] = []
    arrays: list[Any] = []
    for p in parts:
        if p is Ellipsis:
            basic += [slice(None)] * (x.ndim - used)
            arrays += [slice(None)] * (x.ndim - used)
        elif is_array(p):
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
    has_arrays = any(map(is_array, arrays))
    return (*basic, ...), tuple(arrays) if has_arrays else None


def _there(operation: str, x: Any, arrays: Any) -> Any:
    """The arrays of an index for ``x``, where ``x`` is.

    CuPy wraps whole numbers beyond the ends round and says nothing, so on a GPU they are looked at here. For those on
    the GPU it is waited for; in a capture, where it cannot be, they are taken as they are.
    """
    if arrays is None or not on_device(x):
        return arrays
    axis, found = 0, []
    for part in arrays:
        if is_array(part):
            if part.dtype.kind == "i":
                _check_range(operation, part, axis, x.shape[axis])
            if not on_device(part):
                part = devices.placed(part, devices.device_of(x))
        axis += part.ndim if is_array(part) and part.dtype.kind == "b" else 1
        found.append(part)
    return tuple(found)


def _check_range(operation: str, positions: Any, axis: int, size: int) -> None:
    """All positions must lie in ``[-size, size - 1]``; in a capture nobody can know."""
    with devices.beside(positions):
        if not devices.capturing_on(positions) and (outside := (positions < -size) | (positions >= size)).any():
            raise IndexError(
                f"{operation}: indices of dimension {axis} must lie in [{-size}, {size - 1}]; got "
                f"{int(positions[outside][0])}"
            )


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]``: a view for ints, slices, None and ``...``; a copy for tensors, lists and masks.

    A GPU is waited for to see whether an index tensor there is in range, except in a CUDA graph, where an index
    beyond the end wraps round. Lists, and tensors on the CPU, are looked at before they are copied.

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
    return GetItem(_there("getitem", input._array, arrays))(input)


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``, in place. Indices on a GPU are looked at, as :func:`getitem` does.

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
    write(region, ... if arrays is None else _there("setitem", region._array, arrays), value)


def _same_memory(a: Tensor, b: Tensor) -> bool:
    x, y = a._array, b._array
    if type(x) is not type(y) or address(x) != address(y):
        return False
    return bool(x.shape == y.shape and x.strides == y.strides and x.dtype == y.dtype)


def index_put(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``values`` written (or added) at a tuple of index tensors.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.index_put(minicnn.zeros(3), (minicnn.tensor([1, 1]),), minicnn.ones(2), accumulate=True)
    tensor([0., 2., 0.])
    """
    if accumulate:
        places = _there("index_put", input._array, plan(input, tuple(indices))[1])
        return input + PutItem(input._array.shape, places)(values.expand(input._array[places].shape))
    y = input.clone()
    setitem(y, tuple(indices), values)
    return y


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements by their position among all elements.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.take(minicnn.tensor([[1, 2], [3, 4]]), minicnn.tensor([3, 0]))
    tensor([4, 1])
    """
    return input.reshape(-1)[index]
