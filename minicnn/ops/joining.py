"""Several tensors put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minicnn_kernels.registry import any_replaced, call

from ..core import device as devices
from ..core import dtype as dtypes
from ..core.deferred import may_wait
from ..core.errors import ShapeError
from ..core.function import Function
from ..core.tensor import Tensor
from .joins import Join, cutter
from .operands import as_tensor, cast, fitting, normalize_axis


class Cat(Function):
    """Along the channels of images the result waits: a batch norm reads the parts themselves (:class:`Join`)."""

    differentiable = True
    cuts = True

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def evaluate(self, inputs: tuple[Tensor | None, ...], recording: bool) -> Any:
        sizes = [t._form.shape[self.axis] for t in inputs]  # type: ignore[union-attr]
        self.ends = np.cumsum(sizes).tolist()
        on_gpu = devices.in_use and inputs[0].is_cuda  # type: ignore[union-attr]
        waits = self.axis == 1 and len(inputs) > 1 and min(sizes) > 0 and not on_gpu
        if waits and may_wait(inputs) and not any_replaced():
            return Join.of(inputs, self)  # type: ignore[arg-type]
        return super().evaluate(inputs, recording)

    def forward(self, *arrays: Any) -> Any:
        return call("cat.forward", arrays, self.axis)

    def backward(self, grad_y: Tensor) -> Any:
        cut = cutter(grad_y, self.axis)
        starts = [0, *self.ends[:-1]]
        return tuple(
            cut(start, end) if need else None
            for need, start, end in zip(self.needs_grad, starts, self.ends, strict=True)
        )


def _joined(operation: str, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors, of their common type."""
    if isinstance(tensors, Tensor) or not len(tensors):
        raise TypeError(f"{operation}: expected a list or tuple of at least one tensor; got {type(tensors).__name__}")
    known = [as_tensor(t, "each item", operation) for t in tensors]
    kind = known[0]._form.dtype
    for t in known[1:]:
        kind = dtypes.promote(kind, t._form.dtype)
    return [cast(t, kind) for t in known]


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after another along ``dim``; their other sizes must agree.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.cat((minicnn.zeros(1, 2), minicnn.ones(2, 2)))
    tensor([[0., 0.],
            [1., 1.],
            [1., 1.]])
    """
    known = _joined("cat", tensors)
    known = [t for t in known if tuple(t.shape) != (0,)] or known[:1]  # PyTorch skips empty vectors
    axis = normalize_axis("cat", dim, known[0].ndim)
    shape = known[0]._form.shape
    for position, t in enumerate(known):
        other = t._form.shape
        if (
            not other
            or len(other) != len(shape)
            or other[:axis] != shape[:axis]
            or other[axis + 1 :] != shape[axis + 1 :]
        ):
            raise ShapeError(
                f"cat: all sizes except that of dim {axis} must agree (and there must be one); "
                f"tensor 0 has shape {tuple(shape)}, tensor {position} has {tuple(t.shape)}"
                + fitting(shape, other, but=axis)
            )
    return Cat(axis)(*known)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape, along a new dimension.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.stack([minicnn.tensor([1, 2]), minicnn.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    known = _joined("stack", tensors)
    axis = normalize_axis("stack", dim, known[0].ndim + 1)
    for position, t in enumerate(known):
        if t.shape != known[0].shape:
            raise ShapeError(
                f"stack: all tensors must have one shape; tensor 0 has {tuple(known[0].shape)}, "
                f"tensor {position} has {tuple(t.shape)}"
            )
    return Cat(axis)(*(t.unsqueeze(axis) for t in known))


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """:func:`cat` along dimension 1, or 0 for vectors.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.hstack((minicnn.tensor([1]), minicnn.tensor([2])))
    tensor([1, 2])
    """
    known = [t.reshape(1) if t.ndim == 0 else t for t in tensors]
    return cat(known, 0 if known[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """:func:`cat` along dimension 0, vectors counting as rows.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.vstack((minicnn.tensor([1]), minicnn.tensor([2])))
    tensor([[1],
            [2]])
    """
    return cat([t.reshape(1, -1) if t.ndim < 2 else t for t in tensors], 0)
