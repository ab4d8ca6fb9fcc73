"""Keeping gradients from becoming too large."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...core.grad_mode import no_grad
from ...core.tensor import Tensor
from ...ops.joining import stack


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    """The gradients that are there, of one tensor or of several."""
    tensors = [parameters] if isinstance(parameters, Tensor) else parameters
    return [t.grad for t in tensors if t.grad is not None]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients, in place, so that their common norm is at most ``max_norm``.

    With ``total = (sum of |g|^p)^(1/p)`` over all numbers of all gradients, every gradient is
    multiplied by ``min(1, max_norm / (total + 1e-6))``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
    max_norm : float
    norm_type : float, default 2.0
        p; ``inf`` takes the largest number.
    error_if_nonfinite : bool, default False
        Raise if the norm is NaN or infinite.
    foreach : bool, optional
        Without effect here; there is one way to compute it.

    Returns
    -------
    Tensor, a scalar: the norm before clipping

    References
    ----------
    Pascanu, Mikolov & Bengio, *On the difficulty of training recurrent neural networks*, 2013.

    Examples
    --------
    >>> import minicnn
    >>> w = minicnn.nn.Parameter(minicnn.zeros(2))
    >>> w.grad = minicnn.tensor([3.0, 4.0])
    >>> minicnn.nn.utils.clip_grad_norm_([w], max_norm=1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    grads = _gradients(parameters)
    p = float(norm_type)
    if not grads:
        return Tensor._wrap(np.zeros((), np.float32))
    if any(g.is_cuda for g in grads):
        return _on_gpu(grads, max_norm, p, error_if_nonfinite)
    norms = np.array([np.linalg.norm(g._array.ravel(), p) if g.numel() else 0.0 for g in grads])
    total = float(np.linalg.norm(norms, p))
    if error_if_nonfinite:
        _check_finite(total)
    factor = max_norm / (total + 1e-6)
    if not factor >= 1:
        for g in grads:
            array = g._to_change()
            array *= factor
    return Tensor._wrap(np.array(total, grads[0]._array.dtype))


def _on_gpu(grads: list[Any], max_norm: float, p: float, error_if_nonfinite: bool) -> Tensor:
    """The same without waiting for the GPU: the factor stays there, and multiplies also where it is 1."""
    with no_grad():
        total = stack([g.norm(p) for g in grads]).norm(p)
        if error_if_nonfinite:
            _check_finite(total.item())
        factor = (max_norm / (total + 1e-6)).clamp(max=1)
        for g in grads:
            g.mul_(factor)
    return total


def _check_finite(total: float) -> None:
    if not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total}, so they cannot be clipped")


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Cut every number of the gradients, in place, to ``[-clip_value, clip_value]``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
    clip_value : float
    foreach : bool, optional
        Without effect here.

    Examples
    --------
    >>> import minicnn
    >>> w = minicnn.nn.Parameter(minicnn.zeros(2))
    >>> w.grad = minicnn.tensor([3.0, -0.5])
    >>> minicnn.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1.0000, -0.5000])
    """
    bound = float(clip_value)
    for g in _gradients(parameters):
        array = g._to_change()
        np.clip(array, -bound, bound, out=array)
