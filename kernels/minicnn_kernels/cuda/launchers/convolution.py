"""Convolution: as an implicit matrix product on tensor cores, depthwise, or by im2col and cuBLAS.

============  ==========================================================================================
``direct``    `convolution.cu`: the columns are never written down; bias, residual and clamp are part of it
depthwise     `depthwise.cu`, for one input channel per group
1x1           cuBLAS alone: with stride 1 and no padding, the input is the matrix
``im2col``    `im2col.cu` and cuBLAS: for float64, for GPUs older than the tensor cores' TF32, or when asked for
============  ==========================================================================================

`set_conv_algorithm` asks for ``direct`` or ``im2col``; Winograd's algorithm is for the CPU. TF32 is used where
`precision.set_conv_tf32` allows it.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

from ...arrays import Array, address, namespace, on_device
from ...conv_algorithms import active_conv_algorithm
from ...epilogue import NONE, Epilogue
from ...geometry import Window2d
from ...precision import conv_tf32
from .. import runtime
from . import order
from .channels import added_up, finish, follows, parts_of
from .launch import launch, launcher, product

LAST = order.LAST[4]
COLUMNS = 256 << 20  # bytes of columns that im2col makes at a time
BLOCKS = 512  # of convolution.cu in grad_weight: enough for every GPU to have work
STEPS = 8  # of its depth, at least, in each
MOST = 65535  # blocks along y and z


@lru_cache(1024)
def sliding(window: Window2d) -> dict[str, int]:
    """The numbers of a window that a kernel is given."""
    (stride_h, stride_w), (dilation_h, dilation_w) = window.stride, window.dilation
    return {
        "stride_h": stride_h, "stride_w": stride_w, "pad_h": window.padding[0][0], "pad_w": window.padding[1][0],
        "dilation_h": dilation_h, "dilation_w": dilation_w,
    }  # fmt: skip


def algorithm(x: Array, w_shape: tuple[int, ...], window: Window2d, groups: int, more: bool = False) -> str:
    """Which of the four computes; ``more`` says whether something is still done to the result."""
    asked, taps = active_conv_algorithm(), prod(window.kernel_size)
    if groups > 1 and w_shape[1] == 1 and taps <= MOST and asked != "im2col":
        return "depthwise"
    wide = max(groups, w_shape[0] // 64, taps * w_shape[1] // 64) >= MOST
    if asked == "im2col" or x.dtype.itemsize != 4 or wide or _old(x):
        return "im2col"
    one = window.kernel_size == window.stride == (1, 1) and window.padding == ((0, 0), (0, 0))
    return "1x1" if one and groups == 1 and not more and asked != "direct" else "direct"


def _old(x: Any) -> bool:
    """Whether it is on a GPU without TF32."""
    return on_device(x) and runtime.capability(x.data.device_id) < 80


def told(x: Array, w_shape: tuple[int, ...], window: Window2d, groups: int, more: bool = False) -> str:
    """For `registry.explain`: the algorithm, and how exactly it multiplies."""
    how = algorithm(x, w_shape, window, groups, more)
    exact = x.dtype.itemsize == 8 or how == "depthwise" or not conv_tf32()
    return f"algorithm {how!r}, multiplying in {x.dtype if exact else 'TF32'}"


def _forward_told(x: Array, w: Array, bias: Array | None, window: Window2d, groups: int, *after: Epilogue) -> str:
    return told(x, w.shape, window, groups, follows(bias, *after))


def _grad_input_told(grad_y: Array, w: Array, window: Window2d, groups: int) -> str:
    return told(grad_y, w.shape, window, groups)


def _grad_weight_told(grad_y: Array, x: Array, window: Window2d, groups: int) -> str:
    return told(x, (grad_y.shape[1], x.shape[1] // groups, *window.kernel_size), window, groups)


def named(what: str, *channels: int, arrays: tuple[Array, ...]) -> str:
    """The kernel of convolution.cu: its precision, and whether it may copy four channels at a time."""
    by_four = all(c % 4 == 0 for c in channels) and all(address(x) % 16 == 0 for x in arrays)
    return f"conv2d.{what}.{'tf32' if conv_tf32() else 'strict'}.{4 if by_four else 1}"


def grouped(w: Array, groups: int) -> Array:
    """``w (O, C/G, KH, KW)`` as ``(G, O/G, KH, KW, C/G)``."""
    w = LAST.turned(w)
    return w.reshape(groups, len(w) // groups, *w.shape[1:])


# ------------------------------------------------------------------------------------------------------- forward


@launcher("conv2d.forward", "conv2d.forward.tf32.4", details=_forward_told)
def conv2d_forward(
    x: Array, w: Array, bias: Array | None, window: Window2d, groups: int, epilogue: Epilogue = NONE
) -> Array:
    """``y (N, O, OH, OW)``, and what follows, in one launch where it is direct or depthwise."""
    scale, residual, low, high = epilogue
    shape = (len(x), len(w), *window.output_size)
    more = follows(bias, epilogue)
    how = algorithm(x, w.shape, window, groups, more)
    if how == "im2col":
        y = by_columns(x, w, window, groups)
        return finish(y, scale, bias, residual, low, high) if more else y
    x, y = LAST.turned(x), LAST.empty(shape, x)
    if how == "1x1":
        product(x.reshape(-1, x.shape[3]), w.reshape(w.shape[:2]).T, LAST.turned(y).reshape(-1, len(w)), conv_tf32())
        return y
    arrays = {"scale": order.vector(scale), "bias": order.vector(bias), "y": LAST.turned(y), **sliding(window)}
    after = {"residual": None if residual is None else LAST.turned(residual), "low": low, "high": high}
    if how == "depthwise":
        launch("depthwise.forward", x=x, weight=taps(w), multiplier=len(w) // groups, **arrays, **after)
    else:
        weight = grouped(w, groups)
        launch(named("forward", w.shape[1], arrays=(x, weight)), x=x, weight=weight, **arrays, **after)
    return y


def taps(w: Array) -> Array:
    """A depthwise ``w (O, 1, KH, KW)`` as ``(O, KH, KW)``."""
    return order.contiguous(w[:, 0])


# ---------------------------------------------------------------------------------------------------- gradients


@launcher("conv2d.grad_input", "conv2d.grad_input.tf32.4", details=_grad_input_told)
def conv2d_grad_input(grad_y: Array, w: Array, window: Window2d, groups: int, residual: Array | None = None) -> Array:
    """``grad_x (N, C, H, W)``, gathered; ``residual`` is added to it."""
    grad_x = _gathered(grad_y, w, window, groups)
    if residual is not None:
        grad_x += residual
    return grad_x


def _gathered(grad_y: Array, w: Array, window: Window2d, groups: int) -> Array:
    shape = (len(grad_y), w.shape[1] * groups, *window.input_size)
    how = algorithm(grad_y, w.shape, window, groups)
    if how == "im2col":
        return columns_back(grad_y, w, window, groups)
    g, grad_x = LAST.turned(grad_y), LAST.empty(shape, grad_y)
    memory = LAST.turned(grad_x)
    if how == "1x1":
        product(g.reshape(-1, len(w)), w.reshape(w.shape[:2]), memory.reshape(-1, w.shape[1]), conv_tf32())
    elif how == "depthwise":
        multiplier = len(w) // groups
        launch(
            "depthwise.grad_input", grad_y=g, weight=taps(w), grad_x=memory, multiplier=multiplier, **sliding(window)
        )
    else:
        weight = grouped(w, groups)
        kernel = named("grad_input", len(w) // groups, w.shape[1], arrays=(g, weight))
        launch(kernel, grad_y=g, weight=weight, grad_x=memory, **sliding(window))
    return grad_x


@launcher("conv2d.grad_weight", "conv2d.grad_weight.tf32.4", details=_grad_weight_told)
def conv2d_grad_weight(grad_y: Array, x: Array, window: Window2d, groups: int) -> Array:
    """``grad_w (O, C/groups, KH, KW)``: the pixels in several parts, added up in a second launch."""
    o, c = grad_y.shape[1], x.shape[1] // groups
    shape = (o, c, *window.kernel_size)
    how = algorithm(x, shape, window, groups)
    if how == "im2col":
        return columns_of_weights(grad_y, x, window, groups)
    grad_w = LAST.empty(shape, x)
    memory, g, x = LAST.turned(grad_w), LAST.turned(grad_y), LAST.turned(x)
    if how == "1x1":
        product(g.reshape(-1, o).T, x.reshape(-1, c), memory.reshape(o, c), conv_tf32())
        return grad_w
    if how == "depthwise":
        splits = parts_of(o * prod(window.kernel_size), len(x) * prod(window.output_size), 1)
        found = namespace(x).empty((splits, o, *window.kernel_size), x.dtype)
        launch("depthwise.grad_weight", grad_y=g, x=x, sums=found, multiplier=o // groups, **sliding(window))
        return added_up(found).reshape(shape)
    splits = parts(o // groups, prod(shape[1:]), groups, len(x) * prod(window.output_size))
    sums = memory if splits == 1 else namespace(x).empty((splits, *memory.shape), x.dtype)
    kernel = named("grad_weight", o // groups, c, arrays=(g, x))
    by_group = sums.reshape(splits, groups, o // groups, *memory.shape[1:])
    launch(kernel, grad_y=g, x=x, parts=by_group, **sliding(window))
    if splits > 1:
        added_up(sums, memory)
    return grad_w


def parts(rows: int, columns: int, groups: int, pixels: int) -> int:
    """Into how many parts the sum over the pixels is cut: so that there are blocks enough, each with enough to do."""
    tiles = -(-rows // 64) * -(-columns // 64) * groups
    return max(min(BLOCKS // max(tiles, 1), -(-pixels // 16) // STEPS), 1)


# ------------------------------------------------------------------------------------- with im2col, group by group


def chunks(batch: int, w_shape: tuple[int, ...], groups: int, window: Window2d, itemsize: int) -> Any:
    """Samples whose columns fit into the memory that im2col may take."""
    one = groups * prod(w_shape[1:]) * prod(window.output_size) * itemsize
    several = max(COLUMNS // max(one, 1), 1)
    return (slice(start, start + several) for start in range(0, batch, several))


def columns_of(x: Array, window: Window2d) -> Array:
    """The columns ``(N, C*KH*KW, OH*OW)``."""
    columns = namespace(x).empty((*x.shape[:2], *window.kernel_size, *window.output_size), x.dtype)
    launch("im2col", x=order.contiguous(x), columns=columns, **sliding(window))
    return columns.reshape(len(x), x.shape[1] * prod(window.kernel_size), prod(window.output_size))


def of_group(x: Array, group: int, groups: int) -> Array:
    """A group's part of axis 1."""
    size = x.shape[1] // groups
    return x[:, group * size : (group + 1) * size]


def by_columns(x: Array, w: Array, window: Window2d, groups: int) -> Array:
    """``y``: the weights times the columns."""
    y = namespace(x).empty((len(x), len(w), *window.output_size), x.dtype)
    rows = order.contiguous(w).reshape(groups, len(w) // groups, prod(w.shape[1:]))
    for some in chunks(len(x), w.shape, groups, window, x.itemsize):
        columns = columns_of(x[some], window)
        result = y[some].reshape(len(columns), len(w), prod(window.output_size))
        for group in range(groups):
            product(rows[group], of_group(columns, group, groups), of_group(result, group, groups), conv_tf32())
    return y


def columns_back(grad_y: Array, w: Array, window: Window2d, groups: int) -> Array:
    """``grad_x``: the transposed weights times grad_y, and col2im."""
    grad_x = namespace(grad_y).empty((len(grad_y), w.shape[1] * groups, *window.input_size), grad_y.dtype)
    rows = order.contiguous(w).reshape(groups, len(w) // groups, prod(w.shape[1:]))
    for some in chunks(len(grad_y), w.shape, groups, window, grad_y.itemsize):
        g = order.contiguous(grad_y[some])
        columns = namespace(g).empty((len(g), grad_x.shape[1], *window.kernel_size, *window.output_size), g.dtype)
        flat = columns.reshape(len(g), prod(columns.shape[1:4]), prod(window.output_size))
        g = g.reshape(len(g), len(w), prod(window.output_size))
        for group in range(groups):
            product(rows[group].T, of_group(g, group, groups), of_group(flat, group, groups), conv_tf32())
        launch("col2im", columns=columns, x=grad_x[some], **sliding(window))
    return grad_x


def columns_of_weights(grad_y: Array, x: Array, window: Window2d, groups: int) -> Array:
    """``grad_w``: grad_y times the transposed columns, sample by sample, and the sum over them."""
    shape = (grad_y.shape[1], x.shape[1] // groups, *window.kernel_size)
    grad_w = namespace(x).zeros((shape[0], prod(shape[1:])), x.dtype)
    for some in chunks(len(x), shape, groups, window, x.itemsize):
        columns = columns_of(x[some], window)
        g = order.contiguous(grad_y[some]).reshape(len(columns), shape[0], prod(window.output_size))
        products = namespace(x).empty((len(g), *grad_w.shape), x.dtype)
        for group in range(groups):
            transposed = of_group(columns, group, groups).transpose(0, 2, 1)
            product(of_group(g, group, groups), transposed, of_group(products, group, groups), conv_tf32())
        grad_w += products.sum(0)
    return grad_w.reshape(shape)
