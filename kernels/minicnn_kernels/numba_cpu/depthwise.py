"""Depthwise convolution: every channel has a window of its own, and no sum over channels.

A matrix product would have a single column here. On channels-last memory the loop over the channels is
the vector instead: one instruction treats the same pixel in 8 or 16 channels. Positions outside the image
are skipped, window position by window position, so no padded copy is made.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..arrays import Array
from ..geometry import Window2d
from .jit import parallel, serial, serial_no_alias, unsigned
from .layout import channels_first, channels_last, window_numbers


@serial_no_alias
def _add_product(out, p, a, q, b, r, c):  # type: ignore[no-untyped-def]
    """``out[:c] += a[:c] * b[:c]``."""
    p, q, r, c = unsigned(p), unsigned(q), unsigned(r), unsigned(c)
    for j in range(c):
        out[p + j] += a[q + j] * b[r + j]


@serial
def _range(kernel_position, dilation, stride, pad, size, outputs):  # type: ignore[no-untyped-def]
    """The outputs ``first .. last-1`` whose window position lies inside the image: 0 <= i*stride + shift < size."""
    shift = kernel_position * dilation - pad
    first = max(0, -(shift // stride))
    last = min(outputs, (size - shift + stride - 1) // stride)
    return first, last, shift


@serial
def _forward_row(y, x, w, n, i, c, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    """Output row ``i`` of image ``n``; the row already holds the bias."""
    row = (n * outputs[0] + i) * outputs[1]
    for a in range(kernel[0]):
        h = i * stride[0] + a * dilation[0] - pads[0]
        if 0 <= h < sizes[0]:
            for b in range(kernel[1]):
                first, last, shift = _range(b, dilation[1], stride[1], pads[1], sizes[1], outputs[1])
                tap = (a * kernel[1] + b) * c
                for j in range(first, last):
                    pixel = (n * sizes[0] + h) * sizes[1] + j * stride[1] + shift
                    _add_product(y, (row + j) * c, x, pixel * c, w, tap, c)


@parallel
def _forward(y, x, w, n, c, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    for t in prange(n * outputs[0]):
        _forward_row(y, x, w, t // outputs[0], t % outputs[0], c, sizes, kernel, stride, pads, dilation, outputs)


@serial
def _grad_input_row(gx, g, w, n, h, c, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    """Input row ``h`` of image ``n`` gathers from the output rows that saw it; the row holds zeros."""
    row = (n * sizes[0] + h) * sizes[1]
    for a in range(kernel[0]):
        above = h + pads[0] - a * dilation[0]
        i = above // stride[0]
        if above % stride[0] == 0 and 0 <= i < outputs[0]:
            for b in range(kernel[1]):
                first, last, shift = _range(b, dilation[1], stride[1], pads[1], sizes[1], outputs[1])
                tap = (a * kernel[1] + b) * c
                for j in range(first, last):
                    pixel = (n * outputs[0] + i) * outputs[1] + j
                    _add_product(gx, (row + j * stride[1] + shift) * c, g, pixel * c, w, tap, c)


@parallel
def _grad_input(gx, g, w, n, c, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    for t in prange(n * sizes[0]):
        _grad_input_row(gx, g, w, t // sizes[0], t % sizes[0], c, sizes, kernel, stride, pads, dilation, outputs)


@serial
def _grad_weight_row(gw, start, g, x, n, i, c, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    """Add what output row ``i`` of image ``n`` contributes."""
    row = (n * outputs[0] + i) * outputs[1]
    for a in range(kernel[0]):
        h = i * stride[0] + a * dilation[0] - pads[0]
        if 0 <= h < sizes[0]:
            for b in range(kernel[1]):
                first, last, shift = _range(b, dilation[1], stride[1], pads[1], sizes[1], outputs[1])
                tap = start + (a * kernel[1] + b) * c
                for j in range(first, last):
                    pixel = (n * sizes[0] + h) * sizes[1] + j * stride[1] + shift
                    _add_product(gw, tap, g, (row + j) * c, x, pixel * c, c)


@serial
def _grad_weight_rows(gw, start, g, x, first, last, c, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    for t in range(first, last):
        n, i = t // outputs[0], t % outputs[0]
        _grad_weight_row(gw, start, g, x, n, i, c, sizes, kernel, stride, pads, dilation, outputs)


@parallel
def _grad_weight(gw, g, x, rows, chunk, c, sizes, kernel, stride, pads, dilation, outputs):  # type: ignore[no-untyped-def]
    taps = kernel[0] * kernel[1] * c
    for t in prange((rows + chunk - 1) // chunk):
        last = min(rows, (t + 1) * chunk)
        _grad_weight_rows(gw, t * taps, g, x, t * chunk, last, c, sizes, kernel, stride, pads, dilation, outputs)


def _taps(w: Array) -> Array:
    """``w (C, 1, KH, KW)`` as flat ``(KH, KW, C)``."""
    return np.ascontiguousarray(w[:, 0].transpose(1, 2, 0)).reshape(-1)


def depthwise_forward(x: Array, w: Array, bias: Array | None, window: Window2d, groups: int) -> Array:
    """``y[n, c] = bias[c] + x[n, c] (*) w[c, 0]``."""
    n, (oh, ow) = len(x), window.output_size
    y = np.empty((n, oh, ow, groups), x.dtype)
    y[...] = 0 if bias is None else bias
    if y.size:
        _forward(y.reshape(-1), channels_last(x).reshape(-1), _taps(w), n, groups, *window_numbers(window))
    return channels_first(y)


def depthwise_grad_input(grad_y: Array, w: Array, window: Window2d, groups: int) -> Array:
    """``dx[n, c, h, w]``: gathered by input rows."""
    n, (h, wd) = len(grad_y), window.input_size
    grad_x = np.zeros((n, h, wd, groups), grad_y.dtype)
    if grad_x.size:
        g = channels_last(grad_y).reshape(-1)
        _grad_input(grad_x.reshape(-1), g, _taps(w), n, groups, *window_numbers(window))
    return channels_first(grad_x)


def depthwise_grad_weight(grad_y: Array, x: Array, window: Window2d, groups: int) -> Array:
    """``dw[c, 0, kh, kw]``: at least eight chunks of output rows summed apart, then added in order."""
    kh, kw = window.kernel_size
    rows = len(x) * window.output_size[0]
    chunk = max(1, min(-(-rows // 8), 64))
    parts = np.zeros((-(-rows // chunk), kh, kw, groups), x.dtype)
    if rows:
        g, memory = channels_last(grad_y).reshape(-1), channels_last(x).reshape(-1)
        _grad_weight(parts.reshape(-1), g, memory, rows, chunk, groups, *window_numbers(window))
    return np.ascontiguousarray(parts.sum(axis=0).transpose(2, 0, 1)[:, None])
