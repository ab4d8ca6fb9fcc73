"""One expression, computed here and by PyTorch: values, gradients and gradients of gradients must agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import minicnn

Expression = Callable[..., Any]


def to_torch(array: Any) -> torch.Tensor:
    """A PyTorch tensor with a copy of the array."""
    return torch.from_numpy(np.ascontiguousarray(array).copy()).reshape(np.shape(array))


def flat(result: Any) -> list[Any]:
    """The tensors in a result: one, a tuple of them, or nested tuples."""
    if isinstance(result, tuple | list):
        return [t for part in result for t in flat(part)]
    return [result]


def array(t: Any) -> np.ndarray:
    """The values of a tensor of either library (numbers pass)."""
    if isinstance(t, torch.Tensor):
        return t.numpy(force=True)
    return t.detach().numpy() if isinstance(t, minicnn.Tensor) else np.asarray(t)


def same(ours: Any, theirs: Any, tolerance: float) -> None:
    """Both have the same shape, type and, within the tolerance, values."""
    a, b = array(ours), array(theirs)
    assert a.shape == b.shape, (a.shape, b.shape)
    assert a.dtype == b.dtype, (a.dtype, b.dtype)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


def weights(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Fixed, uneven numbers to start a backward pass from."""
    return np.asarray(np.cos(np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape) * 1.3 + 0.4), dtype)


def values_agree(expression: Expression, arrays: Sequence[np.ndarray], tolerance: float = 1e-12) -> list[Any]:
    """Forward only; returns our results."""
    ours = flat(expression(minicnn, *(minicnn.from_numpy(np.array(a)) for a in arrays)))
    theirs = flat(expression(torch, *map(to_torch, arrays)))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        same(a, b, tolerance)
    return ours


def gradients_agree(
    expression: Expression, arrays: Sequence[np.ndarray], tolerance: float = 1e-12, twice: bool = True
) -> None:
    """Forward, backward and (``twice``) the backward pass of the backward pass."""
    mine = [minicnn.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    other = [to_torch(a).requires_grad_(a.dtype.kind == "f") for a in arrays]
    ours, theirs = flat(expression(minicnn, *mine)), flat(expression(torch, *other))
    assert len(ours) == len(theirs)
    losses: list[Any] = [0.0, 0.0]
    for a, b in zip(ours, theirs, strict=True):
        same(a, b, tolerance)
        assert a.requires_grad == b.requires_grad
        if a.requires_grad:
            w = weights(array(a).shape, array(a).dtype)
            losses[0] = losses[0] + (a * minicnn.from_numpy(w)).sum()
            losses[1] = losses[1] + (b * torch.from_numpy(w)).sum()
    leaves = [(m, o) for m, o in zip(mine, other, strict=True) if m.requires_grad]
    first = [
        minicnn.autograd.grad(losses[0], [m for m, _ in leaves], create_graph=twice, allow_unused=True),
        torch.autograd.grad(losses[1], [o for _, o in leaves], create_graph=twice, allow_unused=True),
    ]
    for a, b in zip(*first, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            same(a, b, tolerance)
    if not twice or not any(g is not None and g.requires_grad for g in first[1]):
        return
    second = [sum((g * g).sum() for g in grads if g is not None and g.requires_grad) for grads in first]
    again = [
        minicnn.autograd.grad(second[0], [m for m, _ in leaves], allow_unused=True),
        torch.autograd.grad(second[1], [o for _, o in leaves], allow_unused=True),
    ]
    for (m, _), a, b in zip(leaves, *again, strict=True):
        same(np.zeros(m.shape) if a is None else a, np.zeros(m.shape) if b is None else b, tolerance * 100)
