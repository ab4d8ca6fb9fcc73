"""Stages that look at each pixel: copies with padding, max pooling, normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ...epilogue import NONE, Epilogue
from ...geometry import Pads, Window2d
from ...stages import Laid, Stages, contiguous_numbers, staged
from ..columnwise import or_default
from ..jit import serial_no_alias, unsigned
from ..layout import any_order, run_of_numbers, three_planes, zeros
from ..max_pooling import spans
from .launch import integers, loop, numbers

TASK = 16384  # numbers in one task of a loop over pixels, about
NO_PADS = ((0, 0), (0, 0))


@loop
def _pad(task, worker, words):  # type: ignore[no-untyped-def]
    """One row of the padded images: zeros, the pixels in channels-last order, zeros; or zeros alone."""
    at = integers(words, 13)
    out, x, h, w, c = numbers(at[0], 1), numbers(at[1], 1), at[2], at[3], at[4]
    sn, sh, sw, sc, top, bottom, left, right = at[5], at[6], at[7], at[8], at[9], at[10], at[11], at[12]
    n, i = task // (top + h + bottom), task % (top + h + bottom) - top
    p, q = task * (left + w + right) * c, n * sn + i * sh
    if not 0 <= i < h:
        zeros(out, p, (left + w + right) * c)
        return
    zeros(out, p, left * c)
    p += left * c
    if sw == c and (sc == 1 or c == 1):
        run_of_numbers(out, x, p, q, w * c)
    elif c == 3 and sw == 1:
        planes = at[1] + q * 4
        second, third = numbers(planes + sc * 4, 1), numbers(planes + sc * 8, 1)
        three_planes(numbers(at[0] + p * 4, 1), numbers(planes, 1), second, third, w)
    else:
        any_order(out, x, p, q, w, c, sw, sc)
    zeros(out, p + w * c, right * c)


def padded(stages: Stages, x: Laid, pads: Pads = NO_PADS, contiguous: bool = False) -> Laid:
    """``x (N, C, H, W)`` in channels-last memory with zeros around it; itself if it is that already."""
    rows, columns = pads
    if (rows, columns) == NO_PADS and (x.whole or (x.channels_last and not contiguous)):
        return x
    n, c, h, w = x.shape
    sn, sc, sh, sw = x.strides
    out = stages.temporary(n, c, sum(rows) + h, sum(columns) + w)
    stages.run(_pad(), n * out.shape[2], out, x, h, w, c, sn, sh, sw, sc, *rows, *columns)
    return out


@staged("copy", "numba")
def copy_stages(stages: Stages, y: Laid, x: Laid) -> bool:
    """``y[...] = x``, pixel by pixel."""
    _affine_stage(stages, y, padded(stages, x), None, None, NONE)
    return True


@serial_no_alias
def _move_rows(y, x, rows, c, y_step, x_step):  # type: ignore[no-untyped-def]
    p, q, c = unsigned(0), unsigned(0), unsigned(c)
    for _ in range(rows):
        for j in range(c):
            y[p + j] = x[q + j]
        p += unsigned(y_step)
        q += unsigned(x_step)


@serial_no_alias
def _affine_rows(y, x, mean, scale, shift, rows, c, y_step, x_step, low, high):  # type: ignore[no-untyped-def]
    p, q, c = unsigned(0), unsigned(0), unsigned(c)
    for _ in range(rows):
        for j in range(c):
            value = (x[q + j] - mean[j]) * scale[j] + shift[j]
            value = low if value < low else value  # NaN is neither below nor above: it stays
            y[p + j] = high if value > high else value
        p += unsigned(y_step)
        q += unsigned(x_step)


@serial_no_alias
def _affine_sum_rows(y, x, add, mean, scale, shift, rows, c, y_step, x_step, low, high):  # type: ignore[no-untyped-def]
    p, q, c = unsigned(0), unsigned(0), unsigned(c)
    for _ in range(rows):
        for j in range(c):
            value = (x[q + j] - mean[j]) * scale[j] + shift[j]
            value += add[p + j]
            value = low if value < low else value
            y[p + j] = high if value > high else value
        p += unsigned(y_step)
        q += unsigned(x_step)


@loop
def _pixels(task, worker, words):  # type: ignore[no-untyped-def]
    """Some pixels: copied, or normalised, with a residual or without."""
    at, bounds = integers(words, 11), numbers(words + 64, 4)
    count, c, x_step, y_step, some = at[3], at[4], at[5], at[6], at[7]
    first = task * some
    rows = min(some, count - first)
    y, x = numbers(at[0] + first * y_step * 4, 1), numbers(at[1] + first * x_step * 4, 1)
    if at[2] == 0:
        _move_rows(y, x, rows, c, y_step, x_step)
        return
    mean, scale, shift = numbers(at[2], c), numbers(at[2] + c * 4, c), numbers(at[2] + c * 8, c)
    low, high = bounds[0], bounds[2]
    if at[10] == 0:
        _affine_rows(y, x, mean, scale, shift, rows, c, y_step, x_step, low, high)
    else:
        add = numbers(at[10] + first * y_step * 4, 1)
        _affine_sum_rows(y, x, add, mean, scale, shift, rows, c, y_step, x_step, low, high)


def bounds_as_words(epilogue: Epilogue) -> tuple[int, int]:
    """The bounds of a clamp, each in the first bytes of a word."""
    words = np.zeros(2, np.int64)
    words.view(np.float32)[::2] = epilogue.low, epilogue.high
    return int(words[0]), int(words[1])


def _affine_stage(
    stages: Stages, y: Laid, x: Laid, vectors: Array | None, residual: Laid | None, epilogue: Epilogue
) -> None:
    n, c, h, w = x.shape
    count, some = n * h * w, max(1, TASK // c)
    some = max(1, min(some, -(-count // 8)))
    numbers_at = 0 if vectors is None else vectors
    words = y, x, numbers_at, count, c, x.strides[3], y.strides[3], some, *bounds_as_words(epilogue)
    stages.run(_pixels(), -(-count // some), *words, 0 if residual is None else residual)


@staged("batch_norm.normalize", "numba")
def batch_norm_stages(
    stages: Stages,
    y: Laid,
    x: Any,
    mean: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    epilogue: Epilogue = NONE,
) -> bool:
    """As ``batch_norm_normalize``."""
    residual: Any = epilogue.residual
    if (
        not isinstance(x, Laid)
        or len(x.shape) != 4
        or not y.channels_last
        or not contiguous_numbers((mean, var, weight, bias))
    ):
        return False
    if residual is not None and (not isinstance(residual, Laid) or not residual.lies_like(y)):
        return False
    x = padded(stages, x)
    vectors = np.empty((3, x.shape[1]), np.float32)

    def prepare() -> None:
        vectors[0] = mean
        vectors[1] = or_default(weight, 1) / np.sqrt(var.astype(np.float64) + eps)
        vectors[2] = or_default(bias, 0)

    stages.prepare_by(prepare)
    _affine_stage(stages, y, x, vectors, residual, epilogue)
    return True


@serial_no_alias
def _max_of_three(y, x, p, q0, q1, q2, c, first):  # type: ignore[no-untyped-def]
    """``y[p:p+c]``: the maximum of three pixels, and of what it holds unless these are the first; NaN wins."""
    p, q0, q1, q2, c = unsigned(p), unsigned(q0), unsigned(q1), unsigned(q2), unsigned(c)
    if first:
        for k in range(c):
            u, v, z = x[q0 + k], x[q1 + k], x[q2 + k]
            best = v if (v > u) | (v != v) else u
            y[p + k] = z if (z > best) | (z != z) else best
    else:
        for k in range(c):
            best, u, v, z = y[p + k], x[q0 + k], x[q1 + k], x[q2 + k]
            best = u if (u > best) | (u != u) else best
            best = v if (v > best) | (v != v) else best
            y[p + k] = z if (z > best) | (z != z) else best


@loop
def _max_row(task, worker, words):  # type: ignore[no-untyped-def]
    """One row of results. Pixels are compared three at a time; the last one fills up the last three."""
    at = integers(words, 10)
    outputs, width, height, w, c, x_step, y_step = at[4], at[5], at[6], at[7], at[8], at[9], at[3]
    x, y = numbers(at[1], 1), numbers(at[0], 1)
    n, i = task // outputs, task % outputs
    rows, columns = integers(at[2] + i * 32, 4), integers(at[2] + outputs * 32, 4 * width)
    top, tall, down = rows[0], rows[1], rows[2]
    places = np.empty(tall * w + 3, np.int64)
    for j in range(width):
        left, wide, right = columns[4 * j], columns[4 * j + 1], columns[4 * j + 2]
        count = 0
        for a in range(tall):
            for b in range(wide):
                places[count] = ((n * height + top + a * down) * w + left + b * right) * x_step
                count += 1
        p = ((n * outputs + i) * width + j) * y_step
        if count == 0:
            for k in range(unsigned(p), unsigned(p + c)):
                y[k] = -np.inf
            continue
        places[count] = places[count - 1]
        places[count + 1] = places[count - 1]
        for m in range(0, count, 3):
            _max_of_three(y, x, p, places[m], places[m + 1], places[m + 2], c, m == 0)


@staged("max_pool2d.values", "numba")
def max_pool_stages(stages: Stages, y: Laid, x: Any, window: Window2d) -> bool:
    """The values of ``max_pool2d_forward`` without their places."""
    if not isinstance(x, Laid) or not y.channels_last:
        return False
    x = padded(stages, x)
    n, c, h, w = x.shape
    rows, columns = spans(window, 0), spans(window, 1)
    table = np.concatenate([rows, columns])
    sizes = y.strides[3], len(rows), len(columns), h, w, c, x.strides[3]
    stages.run(_max_row(), n * len(rows), y, x, table, *sizes)
    return True
