"""1x1 convolution of what a batch norm and a rectifier make of joined arrays, which are normalised while it loads them.

The result of the batch norm is never in memory. It is computed as in ``batch_norm.py``, once more for the gradient of
the weights; the products are those of ``conv.py``, cut a little otherwise. Milliseconds on two AVX-512 cores, batch 16,
arrays in memory, of the steps one after the other / of this, forward and for the gradient of the weights:

======================================  ===========  ===========
DenseNet-121, 224 -> 128 at 56 x 56      11.3 / 7.5    8.4 / 8.3
DenseNet-121, 640 -> 128 at 14 x 14       2.4 / 1.8    2.1 / 2.1
MobileNetV2, 144 -> 24 at 56 x 56         4.5 / 2.1    2.1 / 2.3
ResNet-50, 128 -> 512 at 28 x 28          5.0 / 4.4    5.1 / 5.2
ResNet-50, 512 -> 2048 at 7 x 7           4.6 / 4.4    4.8 / 5.0
======================================  ===========  ===========
"""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import Array
from ..conv_algorithms import active_conv_algorithm
from ..epilogue import NONE, Epilogue
from ..geometry import Window2d
from ..memory import empty
from ..prologue import Prologue
from ..registry import kernel
from . import joining
from .layout import channels_first, channels_last, flat
from .loading import A, B, Loading
from .product import product


def declines(arrays: Sequence[Array], window: Window2d, groups: int) -> str | None:
    if window.kernel_size != (1, 1) or window.stride != (1, 1) or window.padding != ((0, 0), (0, 0)) or groups != 1:
        return "it computes 1x1 convolutions with stride 1, without padding and of one group"
    if active_conv_algorithm() == "im2col":
        return "set_conv_algorithm asks for 'im2col', which reads an array"
    return joining.declines(arrays)


def _declines_forward(
    parts: Sequence[Array], w: Array, bias: Array | None, window: Window2d, groups: int, *_: object
) -> str | None:
    return declines((*parts, w), window, groups)


def _declines_grad_weight(
    grad_y: Array, parts: Sequence[Array], window: Window2d, groups: int, *_: object
) -> str | None:
    return declines((grad_y, *parts), window, groups)


@kernel("conv2d.forward_normalized", "numba", _declines_forward)
def conv2d_forward_normalized(
    parts: Sequence[Array],
    w: Array,
    bias: Array | None,
    window: Window2d,
    groups: int,
    prologue: Prologue,
    epilogue: Epilogue = NONE,
) -> Array:
    """``y[n, o, h, w] = bias[o] + sum over c of x[n, c, h, w] * w[o, c]`` for ``x`` the joined parts, normalised."""
    (n, _, h, wd), (o, c) = parts[0].shape, w.shape[:2]
    y = empty((n, h, wd, o), w.dtype)
    if epilogue.residual is not None:
        epilogue = epilogue._replace(residual=channels_last(epilogue.residual))
    weights, (wo, wc, wh, ww) = flat(w)
    product(
        y.reshape(-1),
        y.reshape(-1),
        weights,
        n=o,
        a_sizes=(n, h, wd, 1, 1, c),
        a_strides=(h * wd * c, wd * c, c, 0, 0, 1),
        b_strides=(wh, ww, wc, wo),
        c_strides=(h * wd * o, wd * o, o, 1),
        bias=bias,
        epilogue=epilogue,
        loading=Loading.of(A, parts, prologue),
    )
    return channels_first(y)


@kernel("conv2d.grad_weight_normalized", "numba", _declines_grad_weight)
def conv2d_grad_weight_normalized(
    grad_y: Array, parts: Sequence[Array], window: Window2d, groups: int, prologue: Prologue
) -> Array:
    """``dw[o, c] = sum over n, h, w of dy[n, o, h, w] * x[n, c, h, w]``."""
    (n, o, h, wd), c = grad_y.shape, len(prologue.mean)
    g, grad_w = channels_last(grad_y).reshape(-1), empty((o, c, 1, 1), grad_y.dtype)
    product(
        grad_w.reshape(-1),
        g,
        g,
        n=c,
        a_sizes=(1, 1, o, n, h, wd),
        a_strides=(0, 0, 1, h * wd * o, wd * o, o),
        b_strides=(h * wd * c, wd * c, c, 1),
        c_strides=(0, 0, c, 1),
        loading=Loading.of(B, parts, prologue),
    )
    return grad_w
