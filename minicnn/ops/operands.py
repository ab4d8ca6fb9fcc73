"""Bringing the operands of an operation to tensors of one type, and undoing broadcasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core import device as devices
from ..core import dtype as dtypes
from ..core.errors import DTypeError, ShapeError
from ..core.function import Function
from ..core.tensor import Tensor

NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)


class Cast(Function):
    """Change the element type; the gradient is cast back."""

    differentiable = True

    def __init__(self, kind: np.dtype[Any]) -> None:
        self.kind = kind

    def forward(self, x: Any) -> Any:
        self.before = x.dtype
        return x.astype(self.kind)

    def backward(self, grad_y: Tensor) -> Tensor:
        return cast(grad_y, self.before)


def cast(x: Tensor, kind: np.dtype[Any]) -> Tensor:
    """``x`` with elements of type ``kind`` (``x`` itself if they are)."""
    return x if x._form.dtype == kind else Cast(kind)(x)


class Move(Function):
    """A copy on another device; the gradient is copied back."""

    differentiable = True

    def __init__(self, where: devices.device, non_blocking: bool = False) -> None:
        self.where, self.non_blocking = where, non_blocking

    def forward(self, x: Any) -> Any:
        self.before = devices.device_of(x)
        return devices.placed(x, self.where, self.non_blocking)

    def backward(self, grad_y: Tensor) -> Tensor:
        return Move(self.before)(grad_y)


def as_tensor(value: Any, name: str, operation: str) -> Tensor:
    """``value`` itself if it is a tensor; anything else is refused with a hint."""
    if isinstance(value, Tensor):
        return value
    what, fix = _kind_and_fix(value)
    raise DTypeError(f"{operation}: {name} must be a Tensor; got {what}. Fix: {fix}")


def _kind_and_fix(value: Any) -> tuple[str, str]:
    """What ``value``, which is not a tensor, is, and how to get one from it."""
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        return kind, "minicnn.from_numpy(array)"
    if isinstance(value, Mapping):
        parts = {f"outputs[{key!r}]": part for key, part in value.items()}
        what = f"{kind}, with the keys {_some(map(repr, value))}"
    elif isinstance(value, tuple) and (fields := getattr(value, "_fields", ())):
        parts = {f"outputs.{field}": part for field, part in zip(fields, value, strict=True)}
        what = f"{kind}, a tuple with the fields {_some(fields)}"
    elif isinstance(value, (tuple, list)):
        parts = {f"outputs[{i}]": part for i, part in enumerate(value)}
        what = f"a {kind} of {len(value)}"
    else:
        return kind, "minicnn.tensor(data)"
    first = next((path for path, part in parts.items() if isinstance(part, Tensor)), None)
    if first is None:
        return kind, "minicnn.tensor(data)"
    if isinstance(value, list):
        return what, "x[0] for one of them (of a batch: images, labels = batch), minicnn.stack(x) for all"
    others = [path for path, x in parts.items() if path != first and isinstance(x, Tensor) and x.is_floating_point()]
    if not others:
        return what, first
    # as from a network with auxiliary heads
    losses = " + ".join([f"criterion({first}, y)", *(f"0.3 * criterion({path}, y)" for path in others[:2])])
    return what, f"{first}; the loss of all of them is a sum, such as {losses}"


def _some(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:6]) + (", ..." if len(shown) > 6 else "")


def promoted(operation: str, *values: Any, floating: bool = False) -> list[Tensor]:
    """Tensors and numbers as tensors of their common type (PyTorch's promotion).

    ``floating`` turns integers into the default floating type, as division does.
    """
    kinds = {v._form.dtype if isinstance(v, Tensor) else None for v in values}
    if len(kinds) == 1 and (same := kinds.pop()) is not None and (same.kind == "f" or not floating):
        return beside(values) if devices.in_use else list(values)  # the usual case
    known = [v._form if isinstance(v, Tensor) else v for v in values]
    try:
        kind = dtypes.result_dtype(*known)
    except DTypeError as error:
        raise DTypeError(f"{operation}: {error}") from None
    if floating and kind.kind != "f":
        kind = dtypes.get_default_dtype().numpy
    known = [cast(v, kind) if isinstance(v, Tensor) else Tensor._wrap(np.asarray(v).astype(kind)) for v in values]
    return beside(known) if devices.in_use else known


def floating(operation: str, x: Any) -> Tensor:
    """The tensor ``x`` with floating-point elements."""
    x = as_tensor(x, "input", operation)
    return x if x._form.dtype.kind == "f" else cast(x, dtypes.get_default_dtype().numpy)


def beside(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Operands that can be computed with together: beside those on a GPU, a 0-d tensor on the CPU becomes a number.

    A tensor that requires a gradient is copied to the GPU instead: so its gradient finds the way back.
    """
    where = [t.device for t in tensors]
    gpu = next((d for d in where if d.type == "cuda"), None)
    if gpu is None:
        return list(tensors)
    return [
        t if d != devices.CPU or t.ndim else Move(gpu)(t) if t.requires_grad else number(t)
        for t, d in zip(tensors, where, strict=True)
    ]


def number(x: Tensor) -> Tensor:
    """A tensor that holds NumPy's scalar in place of the 0-d tensor's array: any device's kernels take its value."""
    y = Tensor._wrap(x._array)
    y._array = x._array[()]
    return y


def check_broadcast(operation: str, *tensors: Tensor) -> None:
    """Shapes must agree from the right, where 1 stretches; and all must be on one device."""
    if devices.in_use:
        devices.check_same(operation, tensors)
    if len({t._form.shape for t in tensors} - {()}) < 2:
        return  # the usual case
    try:
        np.broadcast_shapes(*(t._array.shape for t in tensors))
    except ValueError:
        shapes = " and ".join(str(t._array.shape) for t in tensors)
        raise ShapeError(
            f"{operation}: the shapes {shapes} cannot be broadcast together: compared from the right, "
            "two sizes must be equal or one of them 1" + fitting(*(t._array.shape for t in tensors))
        ) from None


def fitting(*shapes: tuple[int, ...], but: int | None = None) -> str:
    """How two results in a network come to one shape (but for one axis), as the end of a message; empty if unclear.

    Examples
    --------
    >>> fitting((2, 128, 16, 16), (2, 64, 32, 32))
    '. Fix: nn.Conv2d(64, 128, kernel_size=1, stride=2) on the second (64 to 128 channels, 32 x 32 to 16 x 16)'
    >>> fitting((2, 64, 32, 32), (64,))
    '. Fix: one number per channel is x.reshape(1, 64, 1, 1)'
    """
    if len(shapes) != 2:
        return ""
    a, b = shapes
    for vector, images in ((a, b), (b, a)):
        if len(vector) == 1 and len(images) == 4 and vector[0] == images[1]:
            return f". Fix: one number per channel is x.reshape(1, {vector[0]}, 1, 1)"
    if len(a) != 4 or len(b) != 4 or but in (0, 2, 3) or a[0] != b[0]:
        return ""
    which, x, y = ("first", a, b) if (*a[2:], b[1]) > (*b[2:], a[1]) else ("second", b, a)  # y is made of x
    stride = -(-x[2] // max(y[2], 1))
    if x[2:] != y[2:] and any(-(-n // stride) != m for n, m in zip(x[2:], y[2:], strict=True)):
        return f". Fix: padding=(kernel_size - 1)//2 keeps {x[2]} x {x[3]} in a convolution of stride 1"
    channels = y[1] if but != 1 else x[1]
    change = [f"{x[1]} to {channels} channels"] * (x[1] != channels)
    change += [f"{x[2]} x {x[3]} to {y[2]} x {y[3]}"] * (x[2:] != y[2:])
    step = f", stride={stride}" if stride > 1 else ""
    return f". Fix: nn.Conv2d({x[1]}, {channels}, kernel_size=1{step}) on the {which} ({', '.join(change)})"


def unbroadcast(grad: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum the gradient over the axes along which an operand of ``shape`` was repeated."""
    if grad._array.shape == tuple(shape):
        return grad
    extra = grad.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, n in enumerate(shape) if n == 1 and grad._array.shape[extra + i] != 1
    )
    return grad.sum(dim=axes, keepdim=True).reshape(shape) if axes else grad.reshape(shape)


def normalize_axis(operation: str, axis: Any, ndim: int) -> int:
    """A dimension from ``-ndim`` to ``ndim - 1`` as one from 0."""
    limit = max(ndim, 1)
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise TypeError(f"{operation}: dim must be an int; got {axis!r}")
    axis = axis.__index__()
    if not -limit <= axis < limit:
        raise ShapeError(
            f"{operation}: dim must lie in [{-limit}, {limit - 1}] for a tensor of {ndim} dimensions; got {axis}"
        )
    return int(axis) % limit


def normalize_axes(operation: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """One dimension, several, or None for all of them, as numbers from 0; none may occur twice."""
    if dim is None:
        return tuple(range(ndim))
    axes = tuple(normalize_axis(operation, d, ndim) for d in (dim if isinstance(dim, Sequence) else (dim,)))
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{operation}: each dim may be given once; got {tuple(dim)} for {ndim} dimensions")
    return axes if ndim else ()


def sizes(operation: str, given: tuple[Any, ...], named: Any = None) -> tuple[int, ...]:
    """A shape given as ``f(2, 3)``, as ``f((2, 3))`` or by its name, ``f(size=(2, 3))``."""
    if named is not None:
        given = (*given, named)
    if len(given) == 1 and isinstance(given[0], (Sequence, np.ndarray)):
        given = tuple(given[0])
    for n in given:
        if isinstance(n, bool) or not hasattr(n, "__index__"):
            raise TypeError(f"{operation}: sizes must be ints; got {n!r} in {given}")
    return tuple(n.__index__() for n in given)
