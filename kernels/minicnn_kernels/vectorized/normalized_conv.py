"""Convolution of what a batch norm and a rectifier make of joined arrays: those steps one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import Array
from ..epilogue import NONE, Epilogue
from ..geometry import Window2d
from ..prologue import Prologue
from ..registry import kernel
from .conv import conv2d_forward, conv2d_grad_input, conv2d_grad_weight
from .joined_norm import batch_norm_grad_joined, batch_norm_normalize_joined


@kernel("conv2d.forward_normalized", backend="numpy")
def conv2d_forward_normalized(
    parts: Sequence[Array],
    w: Array,
    bias: Array | None,
    window: Window2d,
    groups: int,
    prologue: Prologue,
    epilogue: Epilogue = NONE,
) -> Array:
    """Return the convolution of the joined parts after ``prologue``."""
    x = batch_norm_normalize_joined(*prologue.normalization(parts))
    return conv2d_forward(x, w, bias, window, groups, epilogue)


@kernel("conv2d.grad_weight_normalized", backend="numpy")
def conv2d_grad_weight_normalized(
    grad_y: Array, parts: Sequence[Array], window: Window2d, groups: int, prologue: Prologue
) -> Array:
    """Return the gradient of its weights."""
    return conv2d_grad_weight(grad_y, batch_norm_normalize_joined(*prologue.normalization(parts)), window, groups)


@kernel("conv2d.grad_input_normalized", backend="numpy")
def conv2d_grad_input_normalized(
    grad_y: Array,
    w: Array,
    parts: Sequence[Array],
    window: Window2d,
    groups: int,
    prologue: Prologue,
    out: Array | None = None,
) -> tuple[Array, Array, Array, Array, Array]:
    """Return what the batch norm's gradient consists of, as ``batch_norm.grad_joined`` does."""
    return batch_norm_grad_joined(conv2d_grad_input(grad_y, w, window, groups), parts, *prologue, out)
