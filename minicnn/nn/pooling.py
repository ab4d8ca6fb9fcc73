"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicnn_kernels.geometry import pair

from ..core.tensor import Tensor
from . import functional as F
from .module import Module


class MaxPool2d(Module):
    """The largest value under each window; see :func:`minicnn.nn.functional.max_pool2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        Default: ``kernel_size``.
    padding : int or (int, int), default 0
    dilation : int or (int, int), default 1
    return_indices : bool, default False
    ceil_mode : bool, default False

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.MaxPool2d(2)(minicnn.zeros(1, 6, 28, 28)).shape
    minicnn.Size([1, 6, 14, 14])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxUnpool2d(Module):
    """Put maxima back where they were; see :func:`minicnn.nn.functional.max_unpool2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        Default: ``kernel_size``.
    padding : int or (int, int), default 0

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> y, indices = nn.MaxPool2d(2, return_indices=True)(minicnn.rand(1, 1, 4, 4))
    >>> nn.MaxUnpool2d(2)(y, indices).shape
    minicnn.Size([1, 1, 4, 4])
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = pair(kernel_size, "kernel_size", "MaxUnpool2d", 1)
        self.stride = self.kernel_size if stride is None else pair(stride, "stride", "MaxUnpool2d", 1)
        self.padding = pair(padding, "padding", "MaxUnpool2d", 0)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean under each window; see :func:`minicnn.nn.functional.avg_pool2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        Default: ``kernel_size``.
    padding : int or (int, int), default 0
    ceil_mode : bool, default False
    count_include_pad : bool, default True
    divisor_override : int, optional

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.AvgPool2d(2)(minicnn.zeros(1, 6, 28, 28)).shape
    minicnn.Size([1, 6, 14, 14])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The mean of each of OH x OW bins; ``AdaptiveAvgPool2d(1)`` is global average pooling.

    Parameters
    ----------
    output_size : int or (int or None, int or None)
        None keeps that size.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.AdaptiveAvgPool2d(1)(minicnn.zeros(1, 512, 7, 7)).shape
    minicnn.Size([1, 512, 1, 1])
    """

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool2d(Module):
    """The largest value in each of OH x OW bins.

    Parameters
    ----------
    output_size : int or (int or None, int or None)
    return_indices : bool, default False

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.AdaptiveMaxPool2d((2, 3))(minicnn.zeros(1, 8, 9, 9)).shape
    minicnn.Size([1, 8, 2, 3])
    """

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class LPPool2d(Module):
    """The p-norm under each window; see :func:`minicnn.nn.functional.lp_pool2d`.

    Parameters
    ----------
    norm_type : float
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        Default: ``kernel_size``.
    ceil_mode : bool, default False

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.LPPool2d(2, 2)(minicnn.zeros(1, 6, 28, 28)).shape
    minicnn.Size([1, 6, 14, 14])
    """

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, ceil_mode={self.ceil_mode}"
        )
