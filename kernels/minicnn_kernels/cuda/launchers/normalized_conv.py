"""Convolution of what a batch norm and a rectifier make of joined arrays: one launch after the other."""

from __future__ import annotations

from collections.abc import Sequence

from ...arrays import Array
from ...epilogue import NONE, Epilogue
from ...geometry import Window2d
from ...prologue import Prologue
from .convolution import conv2d_forward, conv2d_grad_input, conv2d_grad_weight
from .joined_norm import batch_norm_grad_joined, batch_norm_normalize_joined
from .launch import launcher


@launcher("conv2d.forward_normalized", "conv2d.forward.tf32.4")
def conv2d_forward_normalized(
    parts: Sequence[Array],
    w: Array,
    bias: Array | None,
    window: Window2d,
    groups: int,
    prologue: Prologue,
    epilogue: Epilogue = NONE,
) -> Array:
    """The convolution of the joined parts after ``prologue``."""
    x = batch_norm_normalize_joined(*prologue.normalization(parts))
    return conv2d_forward(x, w, bias, window, groups, epilogue)


@launcher("conv2d.grad_weight_normalized", "conv2d.grad_weight.tf32.4")
def conv2d_grad_weight_normalized(
    grad_y: Array, parts: Sequence[Array], window: Window2d, groups: int, prologue: Prologue
) -> Array:
    """The gradient of its weights."""
    return conv2d_grad_weight(grad_y, batch_norm_normalize_joined(*prologue.normalization(parts)), window, groups)


@launcher("conv2d.grad_input_normalized", "conv2d.grad_input.tf32.4")
def conv2d_grad_input_normalized(
    grad_y: Array,
    w: Array,
    parts: Sequence[Array],
    window: Window2d,
    groups: int,
    prologue: Prologue,
    out: Array | None = None,
) -> tuple[Array, Array, Array, Array, Array]:
    """What the batch norm's gradient consists of, as of ``batch_norm.grad_joined``."""
    return batch_norm_grad_joined(conv2d_grad_input(grad_y, w, window, groups), parts, *prologue, out)
