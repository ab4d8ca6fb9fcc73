"""Convolution layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicnn_kernels import geometry

from ..core.errors import ShapeError
from ..core.tensor import Tensor
from . import functional as F
from .factory import new_parameter, reset_weight_and_bias
from .module import Module

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What convolution and transposed convolution have in common: settings, parameters, repr."""

    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if min(in_channels, out_channels) < 1:
            raise ShapeError(
                f"{name}: in_channels and out_channels must be at least 1; got {in_channels} and {out_channels}"
            )
        geometry.check_groups(name, in_channels, out_channels, groups)
        if padding_mode not in PADDING_MODES:
            raise ValueError(
                f"{name}: padding_mode must be one of {', '.join(map(repr, PADDING_MODES))}; got {padding_mode!r}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = geometry.pair(kernel_size, "kernel_size", name, 1)
        self.stride = geometry.pair(stride, "stride", name, 1)
        self.dilation = geometry.pair(dilation, "dilation", name, 1)
        self.pads = geometry.conv_padding(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if isinstance(padding, str) else geometry.pair(padding, "padding", name, 0)
        self.output_padding = geometry.pair(output_padding, "output_padding", name, 0)
        self.padding_mode = padding_mode
        rows, columns = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = new_parameter(rows, columns // groups, *self.kernel_size, device=device, dtype=dtype)
        if bias:
            self.bias = new_parameter(out_channels, device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew: uniform in ``+-1/sqrt(fan_in)``."""
        reset_weight_and_bias(self.weight, self.bias)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.output_padding != (0, 0):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv2d(_Conv):
    """A layer of filters that slide over an image; see :func:`minicnn.nn.functional.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input; number of filters.
    kernel_size : int or (int, int)
    stride, dilation : int or (int, int), default 1
    padding : int, (int, int), 'same' or 'valid', default 0
    groups : int, default 1
        ``groups=in_channels`` is a depthwise convolution.
    bias : bool, default True
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the padding holds.
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter (out_channels, in_channels/groups, KH, KW)
    bias : Parameter (out_channels,) or None
        Both start uniform in ``+-1/sqrt(in_channels/groups * KH * KW)``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> layer = nn.Conv2d(3, 96, kernel_size=11, stride=4)  # AlexNet's first
    >>> layer(minicnn.zeros(1, 3, 227, 227)).shape
    minicnn.Size([1, 96, 55, 55])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        if self.padding_mode == "zeros":
            return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        rows, columns = self.pads
        padded = F.pad(input, (*columns, *rows), mode=self.padding_mode)
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class ConvTranspose2d(_Conv):
    """Transposed convolution, for growing images; see :func:`minicnn.nn.functional.conv_transpose2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or (int, int)
    stride, dilation : int or (int, int), default 1
    padding, output_padding : int or (int, int), default 0
    groups : int, default 1
    bias : bool, default True
    padding_mode : {"zeros"}
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter (in_channels, out_channels/groups, KH, KW)
    bias : Parameter (out_channels,) or None

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.ConvTranspose2d(8, 4, kernel_size=2, stride=2)(minicnn.zeros(1, 8, 7, 7)).shape
    minicnn.Size([1, 4, 14, 14])
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"ConvTranspose2d: padding_mode must be 'zeros'; got {padding_mode!r}")
        if isinstance(padding, str):
            raise ShapeError(f"ConvTranspose2d: padding must be an int or a pair; got {padding!r}")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _extra(self, x: Tensor, output_size: Sequence[int]) -> geometry.Pair:
        """The output_padding that gives ``output_size``."""
        sizes = tuple(output_size)[-2:]
        smallest = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                x.shape[-2:],
                self.stride,
                (self.pads[0][0], self.pads[1][0]),
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        extra = tuple(size - least for size, least in zip(sizes, smallest, strict=True))
        if not all(0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            largest = [least + s - 1 for least, s in zip(smallest, self.stride, strict=True)]
            raise ShapeError(
                f"ConvTranspose2d: output_size={sizes} cannot be reached from an input of {tuple(x.shape[-2:])}: "
                f"sizes from {tuple(smallest)} to {tuple(largest)} can"
            )
        return extra  # type: ignore[return-value]
