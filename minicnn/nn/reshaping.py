"""Layers that change the size or the arrangement of images."""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..core.tensor import Tensor
from . import functional as F
from .module import Module


class Upsample(Module):
    """Resize images; see :func:`minicnn.nn.functional.interpolate`.

    Parameters
    ----------
    size : int or (int, int), optional
    scale_factor : float or (float, float), optional
    mode : {"nearest", "bilinear"}
    align_corners : bool, optional
    recompute_scale_factor : bool, optional

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Upsample(scale_factor=2, mode="bilinear")(minicnn.zeros(1, 8, 7, 7)).shape
    minicnn.Size([1, 8, 14, 14])
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor: Any = tuple(float(s) for s in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode, self.align_corners, self.recompute_scale_factor = mode, align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        target = f"scale_factor={self.scale_factor!r}" if self.scale_factor is not None else f"size={self.size!r}"
        return f"{target}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """:class:`Upsample` with ``mode="nearest"``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.UpsamplingNearest2d(scale_factor=2)(minicnn.zeros(1, 8, 7, 7)).shape
    minicnn.Size([1, 8, 14, 14])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """:class:`Upsample` with ``mode="bilinear", align_corners=True``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.UpsamplingBilinear2d(size=10)(minicnn.zeros(1, 8, 7, 7)).shape
    minicnn.Size([1, 8, 10, 10])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class _Pad2d(Module):
    """A border of (left, right, top, bottom)."""

    mode = "constant"
    value: float | None = None

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 4:
            raise ShapeError(
                f"{type(self).__name__}: padding must be an int or (left, right, top, bottom); got {padding!r}"
            )

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ShapeError(
                f"{type(self).__name__}: expected an input of shape (N, C, H, W) or (C, H, W); got {tuple(input.shape)}"
            )
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad2d(_Pad2d):
    """A border of one value.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)
    value : float

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.ConstantPad2d((1, 0, 0, 0), 7.0)(minicnn.zeros(1, 1, 1))
    tensor([[[7., 0.]]])
    """

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ZeroPad2d(_Pad2d):
    """A border of zeros.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.ZeroPad2d(1)(minicnn.ones(1, 1, 1))
    tensor([[[0., 0., 0.],
             [0., 1., 0.],
             [0., 0., 0.]]])
    """

    value = 0.0


class ReflectionPad2d(_Pad2d):
    """A border that mirrors the image (without repeating its edge); parameter as :class:`ZeroPad2d`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.ReflectionPad2d((2, 2, 0, 0))(minicnn.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 2., 1., 2., 3., 2., 1.]]])
    """

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """A border that repeats the edge; parameter as :class:`ZeroPad2d`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.ReplicationPad2d((2, 2, 0, 0))(minicnn.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[1., 1., 1., 2., 3., 3., 3.]]])
    """

    mode = "replicate"


class CircularPad2d(_Pad2d):
    """A border that continues at the opposite edge; parameter as :class:`ZeroPad2d`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.CircularPad2d((2, 2, 0, 0))(minicnn.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[2., 3., 1., 2., 3., 1., 2.]]])
    """

    mode = "circular"


class PixelShuffle(Module):
    """Turn channels into pixels; see :func:`minicnn.nn.functional.pixel_shuffle`.

    Parameters
    ----------
    upscale_factor : int

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.PixelShuffle(2)(minicnn.zeros(1, 8, 3, 3)).shape
    minicnn.Size([1, 2, 6, 6])
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Turn pixels into channels; see :func:`minicnn.nn.functional.pixel_unshuffle`.

    Parameters
    ----------
    downscale_factor : int

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.PixelUnshuffle(2)(minicnn.zeros(1, 2, 6, 6)).shape
    minicnn.Size([1, 8, 3, 3])
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Interleave the channels of groups; see :func:`minicnn.nn.functional.channel_shuffle`.

    Parameters
    ----------
    groups : int

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.ChannelShuffle(2)(minicnn.arange(4.0).reshape(1, 4, 1, 1)).flatten()
    tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Unfold(Module):
    """im2col; see :func:`minicnn.nn.functional.unfold`.

    Parameters
    ----------
    kernel_size : int or (int, int)
    dilation : int or (int, int), default 1
    padding : int or (int, int), default 0
    stride : int or (int, int), default 1

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Unfold(3)(minicnn.zeros(1, 2, 5, 5)).shape
    minicnn.Size([1, 18, 9])
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """col2im; see :func:`minicnn.nn.functional.fold`.

    Parameters
    ----------
    output_size, kernel_size : int or (int, int)
    dilation : int or (int, int), default 1
    padding : int or (int, int), default 0
    stride : int or (int, int), default 1

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Fold(5, 3)(minicnn.zeros(1, 18, 9)).shape
    minicnn.Size([1, 2, 5, 5])
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
