"""Two-dimensional convolution: the seven loops.

What the field calls convolution is cross-correlation, the kernel is not flipped::

    y[n, o, i, j] = bias[o] + sum over c, a, b of w[o, c, a, b] * x[n, c, i*stride + a*dilation - pad,
                                                                          j*stride + b*dilation - pad]

With ``groups`` the channels are split: output channel ``o`` sees only the input
channels of its own group. The derivatives follow term by term: where the
forward pass adds ``w*x`` to ``y``, the chain rule adds ``grad_y*w`` to
``grad_x`` and ``grad_y*x`` to ``grad_w``. So the three kernels are the same
loops around a different line.

Source: LeCun et al., *Gradient-based learning applied to document recognition*,
1998, section II; Goodfellow, Bengio & Courville, *Deep Learning*, 2016, sections 9.1 and 9.5.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array
from ..epilogue import NONE, Epilogue
from ..geometry import Window2d
from ..registry import kernel
from .indexing import doubles, taps


def products(
    batch: int, w_shape: tuple[int, ...], window: Window2d, groups: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Yield the index into y, into w and into x of every product ``w*x`` that a convolution adds up."""
    out_channels, group_channels = w_shape[:2]
    output_height, output_width = window.output_size
    for n in range(batch):
        for o in range(out_channels):
            first = o // (out_channels // groups) * group_channels  # the first input channel of o's group
            for i in range(output_height):
                for j in range(output_width):
                    for c in range(group_channels):
                        for a, b, row, column in taps(window, i, j):  # the sixth and seventh loop
                            yield (n, o, i, j), (o, c, a, b), (n, first + c, row, column)


@kernel("conv2d.forward", backend="reference")
def conv2d_forward(
    x: Array, w: Array, bias: Array | None, window: Window2d, groups: int, epilogue: Epilogue = NONE
) -> Array:
    """Return y (N, O, OH, OW) from x (N, C, H, W), w (O, C/groups, KH, KW) and bias (O,).

    The epilogue comes last: ``clamp(y*scale + bias + residual, low, high)``.
    """
    images, weights = doubles(x), doubles(w)
    y = np.zeros((len(x), len(w), *window.output_size))
    for at_y, at_w, at_x in products(len(x), w.shape, window, groups):
        y[at_y] += weights[at_w] * images[at_x]
    return epilogue.apply(y, bias).astype(x.dtype)


@kernel("conv2d.grad_input", backend="reference")
def conv2d_grad_input(grad_y: Array, w: Array, window: Window2d, groups: int, residual: Array | None = None) -> Array:
    """Return grad_x (N, C, H, W): every input collects from the outputs it went into.

    ``residual``, the gradient that the input has from elsewhere, is added to it.
    """
    grads, weights = doubles(grad_y), doubles(w)
    grad_x = np.zeros((len(grad_y), w.shape[1] * groups, *window.input_size))
    for at_y, at_w, at_x in products(len(grad_y), w.shape, window, groups):
        grad_x[at_x] += grads[at_y] * weights[at_w]
    if residual is not None:
        grad_x += residual
    return grad_x.astype(grad_y.dtype)


@kernel("conv2d.grad_weight", backend="reference")
def conv2d_grad_weight(grad_y: Array, x: Array, window: Window2d, groups: int) -> Array:
    """Return grad_w (O, C/groups, KH, KW): every weight collects from all places it was used at."""
    grads, images = doubles(grad_y), doubles(x)
    grad_w = np.zeros((grad_y.shape[1], x.shape[1] // groups, *window.kernel_size))
    for at_y, at_w, at_x in products(len(x), grad_w.shape, window, groups):
        grad_w[at_w] += grads[at_y] * images[at_x]
    return grad_w.astype(x.dtype)


@kernel("conv2d.grad_bias", backend="reference")
def conv2d_grad_bias(grad_y: Array) -> Array:
    """Return grad_bias (O,): the bias is added at every place of every sample."""
    grads = doubles(grad_y)
    grad_bias = np.zeros(grad_y.shape[1])
    for n, o, i, j in np.ndindex(grad_y.shape):
        grad_bias[o] += grads[n, o, i, j]
    return grad_bias.astype(grad_y.dtype)
