"""Activation functions: elementwise, in whatever order the memory has.

The ReLU has loops of its own. The others share one compiled loop forward and one backward, which
choose the formula outside the loop: a loop over tasks costs 0.4 s to compile, a formula 0.05 s.
Numbers such as the slope travel in the element type, or float32 would be computed in float64 (half the speed).
Formulas and sources: ``reference/activations.py``.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..memory import empty, empty_like
from .columns import dots
from .elementwise import CHUNK, aligned, check_writeable, shaped
from .jit import numba_kernel, parallel, serial_no_alias, share, unsigned
from .layout import channels_first, channels_last, in_rows, one_row, piece
from .mathematics import exp, expm1, tanh

LEAKY_RELU, RELU6, ELU, SILU, HARDSWISH, HARDSIGMOID, SIGMOID, TANH = range(8)


@serial_no_alias
def _relu(y, x, first, last):  # type: ignore[no-untyped-def]
    zero = x.dtype.type(0)
    for j in range(unsigned(first), unsigned(last)):
        y[j] = zero if x[j] < zero else x[j]  # NaN is not less: it stays


@serial_no_alias
def _relu_in_place(x, first, last):  # type: ignore[no-untyped-def]
    zero = x.dtype.type(0)
    for j in range(unsigned(first), unsigned(last)):
        x[j] = zero if x[j] < zero else x[j]


@parallel
def _relus(thread, y, x, size):  # type: ignore[no-untyped-def]
    for t in share(thread, (size + CHUNK - 1) // CHUNK):
        _relu(y, x, t * CHUNK, min(size, t * CHUNK + CHUNK))


@parallel
def _relus_in_place(thread, x, size):  # type: ignore[no-untyped-def]
    for t in share(thread, (size + CHUNK - 1) // CHUNK):
        _relu_in_place(x, t * CHUNK, min(size, t * CHUNK + CHUNK))


@numba_kernel("relu.forward")
def relu_forward(x: Array, out: Array | None = None) -> Array:
    """Return max(x, 0); NaN stays NaN. ``out`` may be x itself."""
    memory = aligned(x)[0]
    if out is not None:
        check_writeable(out)
    if out is x and np.may_share_memory(memory, x):
        _relus_in_place(memory, memory.size)
        return x
    y = empty(memory.shape, memory.dtype)
    _relus(y, memory, memory.size)
    if out is None:
        return shaped(y, x)
    out[...] = shaped(y, x)
    return out


@serial_no_alias
def _relu_grad_rows(gx, g, y, p, q, r, rows, run, step, step_g, step_y):  # type: ignore[no-untyped-def]
    p, q, r, run, zero = unsigned(p), unsigned(q), unsigned(r), unsigned(run), y.dtype.type(0)
    for _ in range(rows):
        for j in range(run):
            gx[p + j] = zero if y[r + j] <= zero else g[q + j]  # at NaN it passes
        p += unsigned(step)
        q += unsigned(step_g)
        r += unsigned(step_y)


@parallel
def _relu_grads(thread, gx, g, y, count, run, units, some, step, step_g, step_y):  # type: ignore[no-untyped-def]
    for t in share(thread, (units + some - 1) // some):
        first, rows, start, size = piece(t, count, run, units, some)
        p, q, r = first * step + start, first * step_g + start, first * step_y + start
        _relu_grad_rows(gx, g, y, p, q, r, rows, size, step, step_g, step_y)


@numba_kernel("relu.grad")
def relu_grad(grad_y: Array, y: Array) -> Array:
    """Return 0 where y <= 0, else grad_y."""
    grad_x = empty_like(y)
    if y.size:
        rows = in_rows(grad_x, grad_y, y)  # a part of a joined gradient needs no copy of its own
        rows = rows or one_row(*aligned(grad_x, grad_y, y))
        _relu_grads(*rows.memories, *rows.numbers)
    return grad_x


@serial_no_alias
def _value(kind, y, x, a, first, last):  # type: ignore[no-untyped-def]
    """``y = f(x)`` for one chunk."""
    number = x.dtype.type
    zero, one, three, six = number(0), number(1), number(3), number(6)
    elements = range(unsigned(first), unsigned(last))
    if kind == LEAKY_RELU:
        for j in elements:
            y[j] = x[j] if x[j] > zero else a * x[j]
    elif kind == RELU6:
        for j in elements:
            low = zero if x[j] < zero else x[j]
            y[j] = six if low > six else low
    elif kind == ELU:
        for j in elements:
            y[j] = x[j] if x[j] > zero else a * expm1(x[j])
    elif kind == SILU:
        for j in elements:
            y[j] = x[j] / (one + exp(-x[j]))
    elif kind == HARDSWISH:
        for j in elements:
            ramp = max(zero, min(six, x[j] + three)) if x[j] == x[j] else x[j]
            y[j] = x[j] * (ramp / six)
    elif kind == HARDSIGMOID:
        for j in elements:
            ramp = max(zero, min(six, x[j] + three)) if x[j] == x[j] else x[j]
            y[j] = ramp / six
    elif kind == SIGMOID:
        for j in elements:
            y[j] = one / (one + exp(-x[j]))
    elif kind == TANH:
        for j in elements:
            y[j] = tanh(x[j])


@serial_no_alias
def _slope(kind, gx, g, x, a, first, last):  # type: ignore[no-untyped-def]
    """``gx = g * f'`` for one chunk; ``x`` is the output for the sigmoid and tanh, whose slopes are formulas of it."""
    number = x.dtype.type
    zero, one, three, six = number(0), number(1), number(3), number(6)
    elements = range(unsigned(first), unsigned(last))
    if kind == LEAKY_RELU:
        for j in elements:
            gx[j] = g[j] if x[j] > zero else a * g[j]
    elif kind == RELU6:
        for j in elements:
            gx[j] = zero if (x[j] <= zero) | (x[j] >= six) else g[j]
    elif kind == ELU:
        for j in elements:
            gx[j] = g[j] if x[j] > zero else g[j] * a * exp(x[j])
    elif kind == SILU:
        for j in elements:
            s = one / (one + exp(-x[j]))
            gx[j] = g[j] * s * (one + x[j] * (one - s))
    elif kind == HARDSWISH:
        for j in elements:
            between = g[j] * (x[j] / three + number(0.5))
            gx[j] = zero if x[j] <= -three else (g[j] if x[j] >= three else between)
    elif kind == HARDSIGMOID:
        for j in elements:
            gx[j] = g[j] / six if (x[j] > -three) & (x[j] < three) else zero
    elif kind == SIGMOID:
        for j in elements:
            gx[j] = g[j] * x[j] * (one - x[j])
    elif kind == TANH:
        for j in elements:
            gx[j] = g[j] * (one - x[j] * x[j])


@parallel
def _values(thread, kind, y, x, a, size):  # type: ignore[no-untyped-def]
    for t in share(thread, (size + CHUNK - 1) // CHUNK):
        _value(kind, y, x, a, t * CHUNK, min(size, t * CHUNK + CHUNK))


@parallel
def _slopes(thread, kind, gx, g, x, a, size):  # type: ignore[no-untyped-def]
    for t in share(thread, (size + CHUNK - 1) // CHUNK):
        _slope(kind, gx, g, x, a, t * CHUNK, min(size, t * CHUNK + CHUNK))


def _apply(kind: int, x: Array, a: float = 0.0) -> Array:
    memory = aligned(x)[0]
    y = empty(memory.shape, memory.dtype)
    with np.errstate(over="ignore"):  # e^-x may be inf, and 1/inf is right; only plain Python would warn
        _values(kind, y, memory, x.dtype.type(a), memory.size)
    return shaped(y, x)


def _apply_grad(kind: int, grad_y: Array, x: Array, a: float = 0.0) -> Array:
    memory, g = aligned(x, grad_y)
    grad_x = empty(memory.shape, memory.dtype)
    with np.errstate(over="ignore"):
        _slopes(kind, grad_x, g, memory, x.dtype.type(a), memory.size)
    return shaped(grad_x, x)


@numba_kernel("leaky_relu.forward")
def leaky_relu_forward(x: Array, slope: float) -> Array:
    """Return x where x > 0, else slope*x."""
    return _apply(LEAKY_RELU, x, slope)


@numba_kernel("leaky_relu.grad")
def leaky_relu_grad(grad_y: Array, x: Array, slope: float) -> Array:
    """Return grad_y where x > 0, else slope*grad_y."""
    return _apply_grad(LEAKY_RELU, grad_y, x, slope)


@numba_kernel("elu.forward")
def elu_forward(x: Array, alpha: float) -> Array:
    """Return x where x > 0, else alpha*(e^x - 1)."""
    return _apply(ELU, x, alpha)


@numba_kernel("elu.grad")
def elu_grad(grad_y: Array, x: Array, alpha: float) -> Array:
    """Return grad_y where x > 0, else grad_y*alpha*e^x."""
    return _apply_grad(ELU, grad_y, x, alpha)


@numba_kernel("relu6.forward")
def relu6_forward(x: Array) -> Array:
    """Return x cut off below 0 and above 6."""
    return _apply(RELU6, x)


@numba_kernel("relu6.grad")
def relu6_grad(grad_y: Array, x: Array) -> Array:
    """Return 0 where x <= 0 or x >= 6, else grad_y."""
    return _apply_grad(RELU6, grad_y, x)


@numba_kernel("silu.forward")
def silu_forward(x: Array) -> Array:
    """Return x * sigmoid(x)."""
    return _apply(SILU, x)


@numba_kernel("silu.grad")
def silu_grad(grad_y: Array, x: Array) -> Array:
    """Return grad_y * s*(1 + x*(1 - s)) with s = sigmoid(x)."""
    return _apply_grad(SILU, grad_y, x)


@numba_kernel("hardswish.forward")
def hardswish_forward(x: Array) -> Array:
    """Return x * hardsigmoid(x)."""
    return _apply(HARDSWISH, x)


@numba_kernel("hardswish.grad")
def hardswish_grad(grad_y: Array, x: Array) -> Array:
    """Return 0 up to -3, grad_y from 3 on, and grad_y * (x/3 + 1/2) between."""
    return _apply_grad(HARDSWISH, grad_y, x)


@numba_kernel("hardsigmoid.forward")
def hardsigmoid_forward(x: Array) -> Array:
    """Return x/6 + 1/2, cut off below 0 and above 1."""
    return _apply(HARDSIGMOID, x)


@numba_kernel("hardsigmoid.grad")
def hardsigmoid_grad(grad_y: Array, x: Array) -> Array:
    """Return grad_y/6 where -3 < x < 3, else 0."""
    return _apply_grad(HARDSIGMOID, grad_y, x)


@numba_kernel("sigmoid.forward")
def sigmoid_forward(x: Array) -> Array:
    """Return 1 / (1 + e^-x)."""
    return _apply(SIGMOID, x)


@numba_kernel("sigmoid.grad")
def sigmoid_grad(grad_y: Array, y: Array) -> Array:
    """Return grad_y * y*(1 - y)."""
    return _apply_grad(SIGMOID, grad_y, y)


@numba_kernel("tanh.forward")
def tanh_forward(x: Array) -> Array:
    """Return the hyperbolic tangent of x."""
    return _apply(TANH, x)


@numba_kernel("tanh.grad")
def tanh_grad(grad_y: Array, y: Array) -> Array:
    """Return grad_y * (1 - y^2)."""
    return _apply_grad(TANH, grad_y, y)


@serial_no_alias
def _prelu(y, x, weight, first, last, c):  # type: ignore[no-untyped-def]
    """Rows ``first .. last-1`` of pixels with ``c`` channels."""
    zero, c = x.dtype.type(0), unsigned(c)
    for i in range(unsigned(first), unsigned(last)):
        for j in range(c):
            v = x[i * c + j]
            y[i * c + j] = v if v > zero else weight[j] * v


@serial_no_alias
def _prelu_grad(gx, g, x, weight, first, last, c):  # type: ignore[no-untyped-def]
    zero, c = x.dtype.type(0), unsigned(c)
    for i in range(unsigned(first), unsigned(last)):
        for j in range(c):
            gx[i * c + j] = g[i * c + j] if x[i * c + j] > zero else weight[j] * g[i * c + j]


@parallel
def _prelus(thread, y, x, weight, m, c, rows):  # type: ignore[no-untyped-def]
    for t in share(thread, (m + rows - 1) // rows):
        _prelu(y, x, weight, t * rows, min(m, t * rows + rows), c)


@parallel
def _prelu_grads(thread, gx, g, x, weight, m, c, rows):  # type: ignore[no-untyped-def]
    for t in share(thread, (m + rows - 1) // rows):
        _prelu_grad(gx, g, x, weight, t * rows, min(m, t * rows + rows), c)


def _prelu_plan(x: Array, weight: Array) -> tuple[Array, int, int, int]:
    """One weight for each channel, the number of pixels and channels, and the pixels in a task."""
    c = x.shape[1]
    return np.broadcast_to(weight, (c,)).astype(x.dtype), x.size // max(c, 1), c, max(1, CHUNK // max(c, 1))


@numba_kernel("prelu.forward")
def prelu_forward(x: Array, weight: Array) -> Array:
    """Return x (N, C, *) where x > 0, else weight*x, with one weight for all channels or one each."""
    memory = channels_last(x)
    y = empty(memory.shape, memory.dtype)
    weights, *plan = _prelu_plan(x, weight)
    _prelus(y.reshape(-1), memory.reshape(-1), weights, *plan)
    return channels_first(y)


@numba_kernel("prelu.grad")
def prelu_grad(grad_y: Array, x: Array, weight: Array) -> tuple[Array, Array]:
    """Return grad_x and grad_weight; a weight is used by all negative inputs of its channel."""
    memory, g = channels_last(x), channels_last(grad_y)
    grad_x = empty(memory.shape, memory.dtype)
    weights, m, c, rows = _prelu_plan(x, weight)
    _prelu_grads(grad_x.reshape(-1), g.reshape(-1), memory.reshape(-1), weights, m, c, rows)
    negative = np.minimum(memory, 0)
    products = dots(g.reshape(1, m, c), negative.reshape(1, m, c), 0.0)[1][0]  # (C,)
    grad_weight = products if len(weight) == c else products.sum(keepdims=True)
    return channels_first(grad_x), grad_weight.astype(x.dtype)
