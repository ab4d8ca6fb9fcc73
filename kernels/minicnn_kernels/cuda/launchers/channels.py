"""A bias for every channel, its gradient, and what follows a matrix product."""

from __future__ import annotations

from math import inf
from typing import Any

from ...arrays import Array, namespace
from ...epilogue import NONE, Epilogue
from . import order
from .launch import launch, launcher
from .order import vector


@launcher("conv2d.grad_bias", "channels.sum.columns")
def conv2d_grad_bias(grad_y: Array) -> Array:
    """``grad_bias (O,)``: the sum of each channel."""
    return channel_sums(grad_y)


def channel_sums(x: Array) -> Array:
    """``(C,)``: the sum of ``x (N, C, *)`` over all but the channels."""
    layers = order.of(x).layers(x)
    return summed("channels.sum", x.shape[1:2], layers.shape[0], layers.shape[2], x=layers)


BLOCKS = 1024  # enough for every GPU to have work
PARTS = 128  # into which the positions of a channel are cut, at most
POSITIONS = 16  # for each thread, at least


def parts_of(channels: int, outer: int, inner: int) -> int:
    """Into how many parts the positions of each channel are cut: see columns.cuh."""
    blocks, threads = (-(-channels // 32), 8) if inner == 1 else (channels, 256)
    return max(min(BLOCKS // max(blocks, 1), -(-outer * inner // (threads * POSITIONS)), PARTS), 1)


def lying(kernel: str, inner: int) -> str:
    """The kernel for memory in which channels are neighbours, or not."""
    return f"{kernel}.columns" if inner == 1 else f"{kernel}.planes"


def summed(kernel: str, shape: tuple[int, ...], outer: int, inner: int, **arguments: Any) -> Array:
    """Launch a kernel that writes the sums of parts, ``(parts, *shape)``, and add these up in another launch."""
    first = next(iter(arguments.values()))
    parts = parts_of(shape[-1], outer, inner)
    found = namespace(first).empty((parts, *shape), first.dtype)
    launch(lying(kernel, inner), **arguments, sums=found)
    return added_up(found)


def added_up(found: Array, sums: Array | None = None) -> Array:
    """The sum of the parts; no launch if there is one."""
    if len(found) == 1 and sums is None:
        return found[0]
    sums = namespace(found).empty(found.shape[1:], found.dtype) if sums is None else sums
    launch("channels.sum_parts", found=found.reshape(len(found), sums.size), sums=sums.reshape(-1))
    return sums


def follows(bias: Array | None, epilogue: Epilogue = NONE) -> bool:
    """Whether something is still done to the result."""
    scale, residual, low, high = epilogue
    return bias is not None or scale is not None or residual is not None or low > -inf or high < inf


def finish(y: Array, scale: Array | None, bias: Array | None, residual: Array | None, low: float, high: float) -> Array:
    """``clamp(y*scale + bias + residual, low, high)``, in place."""
    lies = order.of(y)
    arrays = {
        "scale": vector(scale),
        "bias": vector(bias),
        "residual": None if residual is None else lies.layers(residual),
    }
    launch("channels.finish", y=lies.layers(y), **arrays, low=low, high=high)
    return y
