"""Sizes and positions of sliding windows: pure integers, no arrays.

Every convolution, pooling, unfolding and resizing kernel receives its geometry
from here, already checked. Shape errors are therefore worded once, in this
file, with the formula and its numbers in the message.

The one formula to know (Dumoulin & Visin, *A guide to convolution arithmetic
for deep learning*, 2016, relation 6)::

    output = floor((input + pad_before + pad_after - dilation*(kernel - 1) - 1) / stride) + 1
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index as as_index
from typing import Any

import numpy as np

from .errors import ShapeError

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]
AXES = ("height", "width")


@dataclass(frozen=True, slots=True)
class Window2d:
    """How a ``kh x kw`` window slides over an ``H x W`` plane.

    Output row ``i`` looks at input rows ``i*stride + a*dilation - pad_before``
    for ``a = 0 .. kh-1``; positions outside the plane are padding.

    Attributes
    ----------
    input_size, kernel_size, stride, dilation, output_size : (int, int)
        Height first, width second.
    padding : ((int, int), (int, int))
        ``(top, bottom), (left, right)``.
    """

    input_size: Pair
    kernel_size: Pair
    stride: Pair
    padding: Pads
    dilation: Pair
    output_size: Pair

    @property
    def tap_type(self) -> np.dtype[Any]:
        """The smallest unsigned type for the numbers ``a*KW + b`` of the taps: one byte for windows up to 16 x 16."""
        kernel_h, kernel_w = self.kernel_size
        return np.min_scalar_type(kernel_h * kernel_w - 1)


def pair(value: int | Sequence[int], name: str, operation: str, least: int) -> Pair:
    """Turn ``3`` or ``(3, 5)`` into ``(height, width)`` and check the lower bound."""
    try:
        values = tuple(as_index(v) for v in value) if isinstance(value, Sequence) else (as_index(value),) * 2  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"{operation}: {name} must be an int or a pair of ints (height, width); got {value!r}"
        ) from None
    if len(values) == 1:
        values *= 2
    if len(values) != 2:
        raise ShapeError(
            f"{operation}: {name} must be an int or a pair (height, width); got {len(values)} values: {value!r}"
        )
    if min(values) < least:
        raise ShapeError(f"{operation}: {name} must be at least {least}; got {value!r}")
    return values  # type: ignore[return-value]


def output_length(size: int, kernel: int, stride: int, pads: Pair, dilation: int, ceil_mode: bool = False) -> int:
    """Return ``floor((size + pads - dilation*(kernel-1) - 1) / stride) + 1``.

    ``ceil_mode`` rounds up instead, unless the last window would then start in the padding after the input.

    Examples
    --------
    >>> output_length(227, kernel=11, stride=4, pads=(0, 0), dilation=1)  # AlexNet's first layer
    55
    """
    steps = size + sum(pads) - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return steps // stride + 1
    length = -(-steps // stride) + 1
    return length - 1 if (length - 1) * stride >= size + pads[0] else length


def _sliding(
    operation: str, sizes: Pair, kernel: Pair, stride: Pair, padding: Pads, dilation: Pair, ceil_mode: bool = False
) -> Window2d:
    """Window that must fit at least once along both axes."""
    lengths = []
    rounding = "ceil" if ceil_mode else "floor"
    for axis, size, k, s, pads, d in zip(AXES, sizes, kernel, stride, padding, dilation, strict=True):
        length = output_length(size, k, s, pads, d, ceil_mode)
        if length < 1:
            raise ShapeError(
                f"{operation}: the window does not fit into the input: output {axis} = "
                f"{rounding}((size + padding - dilation*(kernel - 1) - 1) / stride) + 1 = "
                f"{rounding}(({size} + {sum(pads)} - {d}*({k} - 1) - 1) / {s}) + 1 = {length}. "
                f"The window covers {d * (k - 1) + 1} and the padded input has {size + sum(pads)}. "
                f"Fix: {_fitting(sizes, kernel, padding, dilation)}"
            )
        lengths.append(length)
    return Window2d(sizes, kernel, stride, padding, dilation, (lengths[0], lengths[1]))


def _fitting(sizes: Pair, kernel: Pair, padding: Pads, dilation: Pair) -> str:
    """Changes of which each alone makes the window fit along both axes."""
    axes = list(zip(sizes, kernel, padding, dilation, strict=True))
    reaches = [d * (k - 1) + 1 for _, k, _, d in axes]
    missing = [max(reach - size - sum(pads), 0) for reach, (size, _, pads, _) in zip(reaches, axes, strict=True)]
    enlarged = [max(pads) + (more + 1) // 2 for more, pads in zip(missing, padding, strict=True)]
    smaller = [min(k, (size + sum(pads) - 1) // d + 1) for size, k, pads, d in axes]
    height, width = (size + more for size, more in zip(sizes, missing, strict=True))
    fixes = [f"padding={_as_given(enlarged)}"]
    if min(smaller) >= 1 and dilation == (1, 1):
        fixes.append(f"kernel_size<={_as_given(smaller)}")
    return ", ".join([*fixes, f"or an input of at least {height} x {width}"])


def _as_given(values: Sequence[int]) -> int | tuple[int, ...]:
    """One int where both axes have the same value, as a caller would write it."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def conv_padding(
    operation: str, padding: int | Sequence[int] | str, kernel: Pair, stride: Pair, dilation: Pair
) -> Pads:
    """Turn ``1``, ``(1, 2)``, ``'same'`` or ``'valid'`` into ``((top, bottom), (left, right))``.

    ``'same'`` pads ``dilation*(kernel - 1)`` in all; an odd amount puts the
    extra row below and the extra column to the right, as PyTorch does.
    """
    if isinstance(padding, str):
        if padding == "valid":
            return (0, 0), (0, 0)
        if padding != "same":
            raise ShapeError(f"{operation}: padding must be an int, a pair, 'same' or 'valid'; got {padding!r}")
        if stride != (1, 1):
            raise ShapeError(
                f"{operation}: padding='same' keeps the size only with stride 1; got stride={stride}. "
                f"Fix: padding={tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))}"
            )
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        top, left = totals[0] // 2, totals[1] // 2
        return (top, totals[0] - top), (left, totals[1] - left)
    rows, columns = pair(padding, "padding", operation, least=0)
    return (rows, rows), (columns, columns)


def conv_window(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias_shape: Sequence[int] | None = None,
    operation: str = "conv2d",
) -> Window2d:
    """Check the shapes of a 2-d convolution and return its window.

    Parameters
    ----------
    x_shape : (N, C, H, W)
    w_shape : (O, C/groups, KH, KW)
    stride, dilation : int or (int, int)
    padding : int, (int, int), 'same' or 'valid'
    groups : int
        The input channels are split into this many independent groups.
    bias_shape : (O,), optional

    Raises
    ------
    ShapeError
        With the rule, the numbers and a fix.

    Examples
    --------
    >>> conv_window((1, 3, 227, 227), (96, 3, 11, 11), stride=4).output_size
    (55, 55)
    """
    arguments = x_shape, w_shape, stride, padding, dilation, groups, bias_shape, operation
    shapes_plain = type(x_shape) is type(w_shape) is tuple and (bias_shape is None or type(bias_shape) is tuple)
    if shapes_plain and _plain(stride) and _plain(padding) and _plain(dilation) and type(groups) is int:
        return _known_conv_window(*arguments)  # type: ignore[arg-type]
    return _conv_window(*arguments)


def _plain(value: Any) -> bool:
    """Whether ``value`` is an int, a pair of ints or a word: where equal values mean the same (1.0 == 1 is refused)."""
    if type(value) is tuple:
        return len(value) == 2 and type(value[0]) is type(value[1]) is int
    return type(value) is int or type(value) is str


def _conv_window(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
    groups: int,
    bias_shape: Sequence[int] | None,
    operation: str,
) -> Window2d:
    if len(x_shape) != 4:
        raise ShapeError(f"{operation}: expected an input of shape (N, C, H, W) or (C, H, W); got {tuple(x_shape)}")
    if len(w_shape) != 4:
        raise ShapeError(f"{operation}: expected a weight of shape (O, C/groups, KH, KW); got {tuple(w_shape)}")
    check_groups(operation, x_shape[1], w_shape[0], groups)
    if x_shape[1] != w_shape[1] * groups:
        raise ShapeError(
            f"{operation}: the input has {x_shape[1]} channels but the weight {tuple(w_shape)} with groups={groups} "
            f"expects {w_shape[1]} * {groups} = {w_shape[1] * groups}. "
            f"Fix: {_channels_fix(x_shape, w_shape[1] * groups)}; got {tuple(x_shape)}"
        )
    _check_bias(operation, bias_shape, w_shape[0])
    kernel = pair(w_shape[2:], "kernel_size", operation, least=1)
    strides = pair(stride, "stride", operation, least=1)
    dilations = pair(dilation, "dilation", operation, least=1)
    pads = conv_padding(operation, padding, kernel, strides, dilations)
    sizes = (x_shape[2], x_shape[3])
    return _sliding(operation, sizes, kernel, strides, pads, dilations)


def _channels_fix(x_shape: Sequence[int], channels: int) -> str:
    """What to write so that an input of this shape has this number of channels, or is taken as it is."""
    if x_shape[3] == channels:  # (N, H, W, C)
        one = ", or x.permute(2, 0, 1) of one image (H, W, C)" if x_shape[0] == 1 else ""
        return f"x.permute(0, 3, 1, 2){one}, since channels come before height and width here"
    return f"in_channels={x_shape[1]}, or give an input of shape (N, {channels}, H, W)"


# A network asks for the same windows in every step; to find one again takes a tenth of the time.
_known_conv_window = functools.lru_cache(maxsize=4096, typed=True)(_conv_window)


def conv_transpose_window(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    bias_shape: Sequence[int] | None = None,
) -> Window2d:
    """Window of the convolution whose gradient a transposed convolution is.

    A transposed convolution from ``(h, w)`` to ``(H, W)`` is the input
    gradient of the convolution from ``(H, W)`` to ``(h, w)``; the returned
    window is that convolution's, so its ``input_size`` is the *output* size::

        H = (h - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1

    ``w_shape`` is ``(C_in, C_out/groups, KH, KW)`` as in PyTorch.
    """
    operation = "conv_transpose2d"
    if len(x_shape) != 4:
        raise ShapeError(f"{operation}: expected an input of shape (N, C, H, W) or (C, H, W); got {tuple(x_shape)}")
    if len(w_shape) != 4:
        raise ShapeError(f"{operation}: expected a weight of shape (C_in, C_out/groups, KH, KW); got {tuple(w_shape)}")
    if x_shape[1] != w_shape[0]:
        raise ShapeError(
            f"{operation}: the input has {x_shape[1]} channels but the weight {tuple(w_shape)} expects {w_shape[0]}. "
            f"Fix: in_channels={x_shape[1]}"
        )
    check_groups(operation, x_shape[1], w_shape[1] * groups, groups)
    _check_bias(operation, bias_shape, w_shape[1] * groups)
    kernel = pair(w_shape[2:], "kernel_size", operation, least=1)
    strides = pair(stride, "stride", operation, least=1)
    dilations = pair(dilation, "dilation", operation, least=1)
    rows, columns = pair(padding, "padding", operation, least=0)
    extra = pair(output_padding, "output_padding", operation, least=0)
    pads = (rows, rows), (columns, columns)
    for axis, s, d, e in zip(AXES, strides, dilations, extra, strict=True):
        if e >= max(s, d):
            raise ShapeError(
                f"{operation}: output_padding must be smaller than stride or dilation; "
                f"got output_padding={e}, stride={s}, dilation={d} for the {axis}. Fix: output_padding<={max(s, d) - 1}"
            )
    settings = list(zip(x_shape[2:], strides, (rows, columns), dilations, kernel, extra, strict=True))
    sizes = [(size - 1) * s - 2 * p + d * (k - 1) + e + 1 for size, s, p, d, k, e in settings]
    for axis, length, (size, s, p, d, k, e) in zip(AXES, sizes, settings, strict=True):
        if length < 1:
            largest = [max(pad + min((out - 1) // 2, 0), 0) for out, pad in zip(sizes, (rows, columns), strict=True)]
            raise ShapeError(
                f"{operation}: output {axis} = "
                "(size - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1 = "
                f"({size} - 1)*{s} - 2*{p} + {d}*({k} - 1) + {e} + 1 = {length}; it must be at least 1. "
                f"Fix: padding<={_as_given(largest)}"
            )
    return Window2d((sizes[0], sizes[1]), kernel, strides, pads, dilations, (x_shape[2], x_shape[3]))


def check_groups(operation: str, in_channels: int, out_channels: int, groups: int) -> None:
    """Groups must be a positive divisor of both channel counts."""
    if not hasattr(groups, "__index__") or groups < 1:
        raise ShapeError(f"{operation}: groups must be an int of at least 1; got {groups!r}")
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            divisors = [g for g in range(1, channels + 1) if in_channels % g == 0 and out_channels % g == 0]
            raise ShapeError(
                f"{operation}: {name}={channels} is not divisible by groups={groups} "
                f"({channels} = {channels // groups}*{groups} + {channels % groups}). Fix: groups in {divisors or [1]}"
            )


def _check_bias(operation: str, bias_shape: Sequence[int] | None, channels: int) -> None:
    if bias_shape is not None and tuple(bias_shape) != (channels,):
        raise ShapeError(
            f"{operation}: expected a bias of shape ({channels},), one per output channel; got {tuple(bias_shape)}"
        )


def pool_window(
    operation: str,
    x_shape: Sequence[int],
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Window2d:
    """Check a pooling and return its window; ``stride=None`` means the kernel size.

    With ``ceil_mode`` the output length is rounded up, as long as the last
    window still starts inside the input or its left padding.

    Examples
    --------
    >>> pool_window("max_pool2d", (1, 8, 6, 6), 3, stride=2).output_size
    (2, 2)
    >>> pool_window("max_pool2d", (1, 8, 6, 6), 3, stride=2, ceil_mode=True).output_size
    (3, 3)
    """
    if len(x_shape) != 4:
        raise ShapeError(f"{operation}: expected an input of shape (N, C, H, W) or (C, H, W); got {tuple(x_shape)}")
    kernel = pair(kernel_size, "kernel_size", operation, least=1)
    empty = stride is None or (isinstance(stride, Sequence) and len(stride) == 0)
    strides = kernel if empty else pair(stride, "stride", operation, least=1)  # type: ignore[arg-type]
    rows, columns = pair(padding, "padding", operation, least=0)
    dilations = pair(dilation, "dilation", operation, least=1)
    halves = [(d * (k - 1) + 1) // 2 for k, d in zip(kernel, dilations, strict=True)]
    if rows > halves[0] or columns > halves[1]:
        raise ShapeError(
            f"{operation}: padding must be at most half the window, or a window could lie in the padding alone; "
            f"got padding={_as_given((rows, columns))}, and half the window is {_as_given(halves)}. "
            f"Fix: padding<={_as_given(halves)}"
        )
    pads = (rows, rows), (columns, columns)
    return _sliding(operation, (x_shape[2], x_shape[3]), kernel, strides, pads, dilations, ceil_mode)


def unfold_window(
    operation: str,
    input_size: Sequence[int],
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Window2d:
    """Window of ``unfold`` (im2col) and ``fold`` (col2im) over a plane of ``input_size``."""
    sizes = pair(input_size, "output_size" if operation == "fold" else "input size", operation, least=1)
    kernel = pair(kernel_size, "kernel_size", operation, least=1)
    strides = pair(stride, "stride", operation, least=1)
    dilations = pair(dilation, "dilation", operation, least=1)
    rows, columns = pair(padding, "padding", operation, least=0)
    pads = (rows, rows), (columns, columns)
    return _sliding(operation, sizes, kernel, strides, pads, dilations)


def adaptive_bins(size: int, bins: int) -> list[Pair]:
    """Bounds ``[start, end)`` of the bins of adaptive pooling along one axis.

    Bin ``i`` covers ``floor(i*size/bins) .. ceil((i+1)*size/bins)``; bins
    overlap by one where ``size`` is not a multiple of ``bins``.

    Examples
    --------
    >>> adaptive_bins(5, 3)
    [(0, 2), (1, 4), (3, 5)]
    """
    return [(i * size // bins, -(-(i + 1) * size // bins)) for i in range(bins)]
