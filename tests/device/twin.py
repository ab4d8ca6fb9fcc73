"""The same computed on the CPU and on the device, to be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minicnn
from tests.ops.twin import flat, weights


def leaves(arrays: Sequence[np.ndarray], device: str) -> list[minicnn.Tensor]:
    """Tensors with copies of the arrays on a device; floating ones require gradients."""
    return [minicnn.tensor(a, device=device, requires_grad=a.dtype.kind == "f") for a in arrays]


def results(
    expression: Callable[..., Any], arrays: Sequence[np.ndarray], device: str, twice: bool = False
) -> list[Any]:
    """Values, gradients and, ``twice``, gradients of gradients, as arrays of NumPy; all were on the device.

    Inside of the expression tensors are made on the device too.
    """
    given = leaves(arrays, device)
    with minicnn.device(device):
        values = flat(expression(minicnn, *given))
    loss: Any = 0.0
    for y in values:
        if isinstance(y, minicnn.Tensor):
            assert y.device.type == device, f"a result is on {y.device}"
            if y.requires_grad:
                w = weights(tuple(y.shape), y.dtype.numpy)
                loss = loss + (y * minicnn.tensor(w, device=device)).sum()
    if isinstance(loss, float):
        return [on_host(y) for y in values]
    first = minicnn.autograd.grad(loss, [x for x in given if x.requires_grad], create_graph=twice, allow_unused=True)
    second: tuple[Any, ...] = ()
    if twice and any(g is not None and g.requires_grad for g in first):
        again = sum((g * g).sum() for g in first if g is not None and g.requires_grad)
        second = minicnn.autograd.grad(again, [x for x in given if x.requires_grad], allow_unused=True)
    for g in (*first, *second):
        assert g is None or g.device.type == device
    return [on_host(t) for t in (*values, *first, *second)]


def on_host(value: Any) -> Any:
    """A tensor's numbers; anything else as it is."""
    return value.detach().cpu().numpy() if isinstance(value, minicnn.Tensor) else value


def agree(ours: Sequence[Any], expected: Sequence[Any], tolerance: float) -> None:
    """Shapes and types are the same, and numbers within ``tolerance`` of the largest among all.

    (A gradient may be the small difference of large numbers: that of the input of a batch norm.)
    """
    assert len(ours) == len(expected)
    floats = [b for b in expected if isinstance(b, np.ndarray) and b.dtype.kind == "f"]
    scale = max([float(np.abs(b[np.isfinite(b)]).max(initial=0)) for b in floats], default=0)
    for a, b in zip(ours, expected, strict=True):
        if not isinstance(b, np.ndarray):
            assert a == b
            continue
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)
