"""Padding: more elements around the border (or, with negative numbers, fewer)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.function import Function
from ..core.tensor import Tensor
from .indexing import GetItem
from .operands import as_tensor


class PadConstant(Function):
    """``value`` around the border; the gradient of padding is cropping, and the other way round."""

    differentiable = True

    def __init__(self, widths: tuple[tuple[int, int], ...], value: float) -> None:
        self.widths, self.value = widths, value  # (before, after) for each dimension

    def forward(self, x: Any) -> Any:
        shape = [n + a + b for n, (a, b) in zip(x.shape, self.widths, strict=True)]
        y = np.full_like(x, self.value, order="C", shape=shape)
        to = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(y.shape, self.widths, strict=True))
        of = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, self.widths, strict=True))
        y[to] = x[of]
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        return PadConstant(tuple((-a, -b) for a, b in self.widths), 0)(grad_y)


def _source_positions(mode: str, n: int, before: int, after: int, like: Any) -> Any:
    """For each position along a padded dimension, the position in the input that it repeats."""
    i = np.arange(-before, n + after, like=like)
    if mode == "replicate":
        return np.clip(i, 0, n - 1)
    if mode == "circular":
        return i % n
    return (n - 1) - np.abs((n - 1) - np.abs(i))  # reflect: ... 2 1 | 0 1 2 ... n-1 | n-2 ...


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """``input`` with a border.

    Parameters
    ----------
    input : Tensor
    pad : sequence of int
        Widths in pairs (before, after), the last dimension first:
        ``(left, right, top, bottom)`` for images. Negative ones crop.
    mode : {"constant", "reflect", "replicate", "circular"}
        What the border holds: ``value``; the mirror image without the edge
        itself; the edge; the other end.
    value : float, optional
        For ``"constant"``; default 0.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> x = minicnn.tensor([[1.0, 2.0, 3.0]])
    >>> F.pad(x, (1, 1))
    tensor([[0., 1., 2., 3., 0.]])
    >>> F.pad(x, (2, 2), mode="reflect")
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """
    widths = [int(w) for w in pad]
    if len(widths) % 2 or len(widths) > 2 * as_tensor(input, "input", "pad").ndim:
        raise ShapeError(
            "pad: widths come in pairs (before, after), at most one pair per dimension of "
            f"{tuple(input.shape)}; got {tuple(pad)}"
        )
    pairs = list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    for n, (a, b) in zip(input.shape, pairs, strict=True):
        if n + a + b < 0:
            raise ShapeError(f"pad: size {n} cannot be cropped by {-a} and {-b}: {n} + {a} + {b} < 0")
    if mode == "constant":
        return PadConstant(tuple(pairs), 0 if value is None else value)(input)
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular'; got {mode!r}")
    if value not in (None, 0):
        raise ValueError(f"pad: value is for mode='constant'; mode {mode!r} takes its border from the input")
    for d, (a, b) in enumerate(pairs):
        n = input.shape[d]
        limit = {"reflect": max(n - 1, 0), "circular": n, "replicate": max(a, b) if n else 0}[mode]
        if max(a, b) > limit:
            raise ShapeError(f"pad: mode {mode!r} can pad dim {d} of size {n} by at most {limit}; got {(a, b)}")
        if (a, b) != (0, 0):
            input = GetItem((*(slice(None),) * d, _source_positions(mode, n, a, b, input._array)))(input)
    return input
