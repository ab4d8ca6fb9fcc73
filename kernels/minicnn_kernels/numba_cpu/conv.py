"""2-d convolution and its gradients: matrix products whose matrix is never built.

With ``x`` zero-padded and channels-last, output pixel ``(n, oh, ow)`` needs the numbers::

    x[n, oh*stride + kh*dilation, ow*stride + kw*dilation, c]

so the row ``(n, oh, ow)`` and the column ``(kh, kw, c)`` of the im2col matrix ``X`` contribute to the address
independently of each other, and ``product.py`` multiplies it as it lies there:

=============  ========================  ================================================
forward        ``Y  = X @ W``            rows (n, oh, ow), depth (kh, kw, c)
grad_weight    ``dW = X.T @ dY``         rows (kh, kw, c), depth (n, oh, ow)
grad_input     ``dX = unfold(dY) @ W'``  rows (n, h, w), depth (kh, kw, o), see below
=============  ========================  ================================================

With a stride, the input pixels fall into phases that gather by the same few weights (``phases.py``): each phase is a
product of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ..addition import add
from ..arrays import Array
from ..conv_algorithms import choose
from ..epilogue import NONE, Epilogue
from ..geometry import Window2d
from ..memory import empty
from .columns import sums
from .depthwise import depthwise_forward, depthwise_grad_input, depthwise_grad_weight
from .im2col import im2col_forward, im2col_grad_input, im2col_grad_weight
from .jit import numba_kernel
from .layout import channels_first, channels_last, flat, padded
from .phases import Phase, phases
from .product import product
from .winograd import winograd_forward, winograd_grad_input, winograd_grad_weight


def is_depthwise(o: int, channels_per_group: int, groups: int) -> bool:
    """One filter per channel: a matrix product would use one column of its 16 or 32."""
    return o == groups > 1 and channels_per_group == 1


def _im2col_strides(xp: Array, window: Window2d) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Strides of the pixel ``(n, oh, ow)`` and of the window position ``(kh, kw, c)`` in the padded image."""
    _, h, w, c = xp.shape
    (sh, sw), (dh, dw) = window.stride, window.dilation
    return (h * w * c, sh * w * c, sw * c), (dh * w * c, dw * c, 1)


def _forward_algorithm(
    x: Array, w: Array, bias: Array | None, window: Window2d, groups: int, epilogue: Epilogue = NONE
) -> tuple[str, str]:
    return choose("forward", x.shape, w.shape, window, groups, x.dtype)


def _grad_input_algorithm(grad_y: Array, w: Array, window: Window2d, groups: int) -> tuple[str, str]:
    x_shape = len(grad_y), w.shape[1] * groups, *window.input_size
    return choose("grad_input", x_shape, w.shape, window, groups, grad_y.dtype)


def _grad_weight_algorithm(grad_y: Array, x: Array, window: Window2d, groups: int) -> tuple[str, str]:
    w_shape = grad_y.shape[1], x.shape[1] // groups, *window.kernel_size
    return choose("grad_weight", x.shape, w_shape, window, groups, x.dtype)


def _told(algorithm: Callable[..., tuple[str, str]]) -> Callable[..., str]:
    """What ``explain`` says about it."""
    return lambda *arguments: "algorithm {!r}: {}".format(*algorithm(*arguments))


@numba_kernel("conv2d.forward", _told(_forward_algorithm))
def conv2d_forward(
    x: Array, w: Array, bias: Array | None, window: Window2d, groups: int, epilogue: Epilogue = NONE
) -> Array:
    """``y[n, o, oh, ow] = bias[o] + sum over c, kh, kw of x[n, c, ...] * w[o, c, kh, kw]`` (cross-correlation)."""
    algorithm, _ = _forward_algorithm(x, w, bias, window, groups)
    if algorithm == "winograd":
        return winograd_forward(x, w, bias, window, epilogue)
    if algorithm == "im2col":
        return im2col_forward(x, w, bias, window, groups, epilogue)
    if is_depthwise(w.shape[0], w.shape[1], groups):
        return depthwise_forward(x, w, bias, window, groups, epilogue)
    n, o, cg, (kh, kw), (oh, ow) = len(x), w.shape[0], w.shape[1], window.kernel_size, window.output_size
    xp = padded(x, *window.padding)
    y = empty((n, oh, ow, o), x.dtype)
    if epilogue.residual is not None:
        epilogue = epilogue._replace(residual=channels_last(epilogue.residual))
    og = o // groups
    weights, (wo, wc, wh, ww) = flat(w)
    rows, depth = _im2col_strides(xp, window)
    product(
        y.reshape(-1),
        xp.reshape(-1),
        weights,
        n=og,
        a_sizes=(n, oh, ow, kh, kw, cg),
        a_strides=rows + depth,
        b_strides=(wh, ww, wc, wo),
        c_strides=(oh * ow * o, ow * o, o, 1),
        bias=bias,
        epilogue=epilogue,
        starts=tuple((g * og, g * cg, g * og * wo, g * og) for g in range(groups)),
    )
    return channels_first(y)


@numba_kernel("conv2d.grad_weight", _told(_grad_weight_algorithm))
def conv2d_grad_weight(grad_y: Array, x: Array, window: Window2d, groups: int) -> Array:
    """``dw[o, c, kh, kw] = sum over n, oh, ow of dy[n, o, oh, ow] * x[n, c, ...]``."""
    algorithm, _ = _grad_weight_algorithm(grad_y, x, window, groups)
    if algorithm == "winograd":
        return winograd_grad_weight(grad_y, x, window)
    if algorithm == "im2col":
        return im2col_grad_weight(grad_y, x, window, groups)
    o, c = grad_y.shape[1], x.shape[1]
    cg, og = c // groups, o // groups
    if is_depthwise(o, cg, groups):
        return depthwise_grad_weight(grad_y, x, window, groups)
    xp = padded(x, *window.padding)
    g = channels_last(grad_y)
    (kh, kw), (oh, ow) = window.kernel_size, window.output_size
    grad_w = empty((o, cg, kh, kw), x.dtype)
    pixels, positions = _im2col_strides(xp, window)
    if (kh, kw) == (1, 1):  # dW = dY.T @ X has its numbers in the order of the weights
        product(
            grad_w.reshape(-1),
            g.reshape(-1),
            xp.reshape(-1),
            n=cg,
            a_sizes=(1, 1, og, len(x), oh, ow),
            a_strides=(0, 0, 1, oh * ow * o, ow * o, o),
            b_strides=(*pixels, 1),
            c_strides=(0, 0, cg, 1),
            starts=tuple((i * og * cg, i * og, i * cg, 0) for i in range(groups)),
        )
        return grad_w
    product(
        grad_w.reshape(-1),
        xp.reshape(-1),
        g.reshape(-1),
        n=og,
        a_sizes=(kh, kw, cg, len(x), oh, ow),
        a_strides=positions + pixels,
        b_strides=(oh * ow * o, ow * o, o, 1),
        c_strides=(kw, 1, kh * kw, cg * kh * kw),
        starts=tuple((i * og * cg * kh * kw, i * cg, i * og, 0) for i in range(groups)),
    )
    return grad_w


@lru_cache(4096)
def _phases(window: Window2d) -> tuple[list[list[Phase]], list[tuple[int, int]]]:
    """The phases along both axes, and the zero padding around ``dy`` that they need."""
    axes = [
        phases(size, kernel, stride, pads[0], dilation)
        for size, kernel, stride, pads, dilation in zip(
            window.input_size, window.kernel_size, window.stride, window.padding, window.dilation, strict=True
        )
    ]
    return axes, [_reach(axis, length) for axis, length in zip(axes, window.output_size, strict=True)]


def _reach(axis: list[Phase], length: int) -> tuple[int, int]:
    """How much zero padding before and after ``dy`` the phases need along one axis."""
    used = [p for p in axis if p.taps]
    before = max((-p.shift for p in used), default=0)
    after = max((p.count - 1 + p.shift + (p.taps - 1) * p.spread - (length - 1) for p in used), default=0)
    return max(before, 0), max(after, 0)


@numba_kernel("conv2d.grad_input", _told(_grad_input_algorithm))
def conv2d_grad_input(grad_y: Array, w: Array, window: Window2d, groups: int, residual: Array | None = None) -> Array:
    """``dx[n, c, h, w] = sum of dy[n, o, oh, ow] * w[o, c, kh, kw]`` over all windows that saw the pixel.

    ``residual`` is added to it.
    """
    algorithm, _ = _grad_input_algorithm(grad_y, w, window, groups)
    if algorithm == "winograd":
        return winograd_grad_input(grad_y, w, window, residual)
    if algorithm == "direct" and not is_depthwise(w.shape[0], w.shape[1], groups):
        return _gather(grad_y, w, window, groups, residual)
    kernel = im2col_grad_input if algorithm == "im2col" else depthwise_grad_input
    grad_x = kernel(grad_y, w, window, groups)
    return grad_x if residual is None else add(grad_x, residual, grad_x)


def _gather(grad_y: Array, w: Array, window: Window2d, groups: int, residual: Array | None) -> Array:
    n, (h, wd), (o, cg) = len(grad_y), window.input_size, w.shape[:2]
    og, c = o // groups, cg * groups
    axes, pads = _phases(window)
    gp = padded(grad_y, *pads)
    _, gh, gw, _ = gp.shape
    grad_x = empty((n, h, wd, c), grad_y.dtype)
    weights, (wo, wc, wh, ww) = flat(w)
    epilogue = NONE if residual is None else Epilogue(residual=channels_last(residual))
    for rows in axes[0]:
        for columns in axes[1]:
            corner = ((rows.shift + pads[0][0]) * gw + columns.shift + pads[1][0]) * o
            target = (rows.first * wd + columns.first) * c
            first = rows.last_tap * wh + columns.last_tap * ww  # last tap first
            product(
                grad_x.reshape(-1),
                gp.reshape(-1),
                weights,
                n=cg,
                a_sizes=(n, rows.count, columns.count, rows.taps, columns.taps, og),
                a_strides=(gh * gw * o, gw * o, o, rows.spread * gw * o, columns.spread * o, 1),
                b_strides=(-rows.step * wh, -columns.step * ww, wo, wc),
                c_strides=(h * wd * c, window.stride[0] * wd * c, window.stride[1] * c, 1),
                epilogue=epilogue,
                starts=tuple((target + i * cg, corner + i * og, first + i * og * wo, 0) for i in range(groups)),
            )
    return channels_first(grad_x)


@numba_kernel("conv2d.grad_bias")
def conv2d_grad_bias(grad_y: Array) -> Array:
    """``db[o] = sum over n, oh, ow of dy[n, o, oh, ow]``."""
    g = channels_last(grad_y)
    n, oh, ow, o = g.shape
    return sums(g.reshape(1, n * oh * ow, o))[0].astype(g.dtype)
