"""Pooling: summarise what lies under a window."""

from __future__ import annotations

import math
from typing import Any

from minicnn_kernels import geometry

from ...core.device import capturing_on
from ...core.errors import DTypeError, ShapeError
from ...core.tensor import Tensor
from ...ops import pooling as ops
from ...ops.operands import as_tensor
from .checks import floating, image, on_image


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value under each window.

    ``output = floor((input + 2*padding - dilation*(kernel - 1) - 1) / stride) + 1``, with ``ceil``
    instead of ``floor`` in ``ceil_mode`` (as long as the last window starts inside). Padding counts
    as minus infinity. The gradient goes to the maximum alone; of equal values, to the first.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        Default: ``kernel_size``, so that windows do not overlap.
    padding : int or (int, int), default 0
        At most half the window.
    dilation : int or (int, int), default 1
    ceil_mode : bool, default False
    return_indices : bool, default False
        Return also the places ``h*W + w`` of the maxima, for :func:`max_unpool2d`.

    Returns
    -------
    Tensor (N, C, OH, OW), or a pair of it and the int64 indices

    Raises
    ------
    ShapeError

    References
    ----------
    Riesenhuber & Poggio, *Hierarchical models of object recognition in cortex*, 1999; Boureau,
    Ponce & LeCun, *A theoretical analysis of feature pooling in visual recognition*, 2010.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> x = minicnn.arange(16.0).reshape(1, 4, 4)
    >>> F.max_pool2d(x, 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    x, added = image("max_pool2d", input)
    window = geometry.pool_window("max_pool2d", x._array.shape, kernel_size, stride, padding, dilation, ceil_mode)
    if return_indices:
        return _with_indices(ops.MaxPool2d(window, with_indices=True)(x), added, True)
    y = ops.MaxPool2d(window)(x)
    return y.squeeze(0) if added else y


def _with_indices(result: tuple[Tensor, Tensor], added: bool, return_indices: bool) -> Any:
    y, indices = result
    if added:
        y, indices = y.squeeze(0), indices.squeeze(0)
    return (y, indices) if return_indices else y


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Put the maxima back where :func:`max_pool2d` found them; zeros elsewhere.

    ``output = (input - 1)*stride + kernel - 2*padding`` unless ``output_size`` says otherwise.

    Parameters
    ----------
    input : Tensor (N, C, OH, OW) or (C, OH, OW)
    indices : Tensor of int64, the same shape
    kernel_size, stride, padding
        As they were in the pooling.
    output_size : sequence of int, optional
        (H, W), or a whole shape whose last two numbers count.

    Returns
    -------
    Tensor (N, C, H, W) or (C, H, W)

    Raises
    ------
    ShapeError
        If sizes differ, or an index lies outside the output.

    References
    ----------
    Zeiler & Fergus, *Visualizing and understanding convolutional networks*, 2014, section 2.1.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> y, indices = F.max_pool2d(minicnn.arange(4.0).reshape(1, 2, 2), 2, return_indices=True)
    >>> F.max_unpool2d(y, indices, 2)
    tensor([[[0., 0.],
             [0., 3.]]])
    """
    x, added = image("max_unpool2d", input)
    places = as_tensor(indices, "indices", "max_unpool2d")
    if tuple(places.shape) != tuple(input.shape):
        raise ShapeError(
            f"max_unpool2d: indices must have the input's shape {tuple(input.shape)}; got {tuple(places.shape)}"
        )
    if places._array.dtype.kind != "i":
        raise DTypeError(f"max_unpool2d: indices must be integers (from return_indices=True); got {places.dtype}")
    kernel = geometry.pair(kernel_size, "kernel_size", "max_unpool2d", 1)
    strides = kernel if stride is None else geometry.pair(stride, "stride", "max_unpool2d", 1)
    pads = geometry.pair(padding, "padding", "max_unpool2d", 0)
    natural = tuple((n - 1) * s + k - 2 * p for n, s, k, p in zip(x.shape[2:], strides, kernel, pads, strict=True))
    size = natural if output_size is None else tuple(output_size)[-2:]
    for got, expected, s in zip(size, natural, strides, strict=True):
        if not expected - s < got < expected + s:
            raise ShapeError(
                f"max_unpool2d: the output size {size} cannot be the size that was pooled: "
                f"it must differ from (input - 1)*stride + kernel - 2*padding = {natural} by less than the "
                f"stride {strides}"
            )
    flat = places._array
    if not capturing_on(flat) and flat.size and not (flat.min() >= 0 and flat.max() < size[0] * size[1]):
        raise ShapeError(
            f"max_unpool2d: indices go from {flat.min()} to {flat.max()}, but the output {size} has "
            f"{size[0] * size[1]} places. "
            "Fix: output_size=(the size before pooling)"
        )
    y = ops.MaxUnpool2d(size)(x, places.unsqueeze(0) if added else places)  # type: ignore[arg-type]
    return y.squeeze(0) if added else y


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean under each window: ``sum / (KH*KW)``.

    Output sizes are those of :func:`max_pool2d`. Padding counts as zeros.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        Default: ``kernel_size``.
    padding : int or (int, int), default 0
    ceil_mode : bool, default False
    count_include_pad : bool, default True
        Whether padding counts in the divisor.
    divisor_override : int, optional
        Divide by this number instead.

    Returns
    -------
    Tensor (N, C, OH, OW) or (C, OH, OW)

    Raises
    ------
    ShapeError

    References
    ----------
    LeCun et al., 1998, section II.B (subsampling layers).

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.avg_pool2d(minicnn.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    if divisor_override == 0:
        raise ValueError("avg_pool2d: divisor_override must not be zero")

    def pool(x: Tensor) -> Tensor:
        window = geometry.pool_window("avg_pool2d", x._array.shape, kernel_size, stride, padding, 1, ceil_mode)
        return ops.AvgPool2d(window, count_include_pad, divisor_override)(x)

    return on_image("avg_pool2d", input, pool)


def _bins(operation: str, output_size: Any, x: Tensor) -> geometry.Pair:
    """The number of bins (OH, OW); None keeps the input's size."""
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(sizes) != 2:
        raise ShapeError(f"{operation}: output_size must be an int or a pair (height, width); got {output_size!r}")
    given = tuple(n if size is None else size for n, size in zip(x.shape[2:], sizes, strict=True))
    if 0 in x.shape[1:]:
        raise ShapeError(f"{operation}: expected an image that is not empty; got {tuple(x.shape)}")
    return geometry.pair(given, "output_size", operation, 1)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of OH x OW bins that cover the image, whatever its size.

    Bin ``i`` covers the rows ``floor(i*H/OH) .. ceil((i+1)*H/OH) - 1``. ``output_size=1`` is
    global average pooling.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    output_size : int or (int or None, int or None)
        None keeps that size.

    Returns
    -------
    Tensor (N, C, OH, OW) or (C, OH, OW)

    Raises
    ------
    ShapeError

    References
    ----------
    Lin, Chen & Yan, *Network in network*, 2014, section 3.2 (global average pooling).

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.adaptive_avg_pool2d(minicnn.arange(16.0).reshape(1, 4, 4), 1)
    tensor([[[7.5000]]])
    """
    name = "adaptive_avg_pool2d"
    return on_image(name, input, lambda x: ops.AdaptiveAvgPool2d(_bins(name, output_size, x))(x))


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value in each of OH x OW bins; the bins are those of :func:`adaptive_avg_pool2d`.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    output_size : int or (int or None, int or None)
    return_indices : bool, default False
        Return also the places ``h*W + w`` of the maxima.

    Returns
    -------
    Tensor (N, C, OH, OW), or a pair of it and the int64 indices

    Raises
    ------
    ShapeError

    References
    ----------
    He et al., *Spatial pyramid pooling in deep convolutional networks*, 2014.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.adaptive_max_pool2d(minicnn.arange(16.0).reshape(1, 4, 4), (2, 1))
    tensor([[[ 7.],
             [15.]]])
    """
    x, added = image("adaptive_max_pool2d", input)
    pooling = ops.AdaptiveMaxPool2d(_bins("adaptive_max_pool2d", output_size, x))
    return _with_indices(pooling(x), added, return_indices)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm under each window: ``(sum of x^p)^(1/p)``; p = 1 is sum pooling, p = inf max pooling.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    norm_type : float
        The power p.
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        Default: ``kernel_size``.
    ceil_mode : bool, default False

    Returns
    -------
    Tensor (N, C, OH, OW) or (C, OH, OW)

    Raises
    ------
    ShapeError

    References
    ----------
    Sermanet, Chintala & LeCun, *Convolutional neural networks applied to house numbers digit
    classification*, 2012.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.lp_pool2d(minicnn.tensor([[[3.0, 4.0]]]), 2, (1, 2))
    tensor([[[5.]]])
    """
    x = floating("lp_pool2d", input)
    if norm_type == 0:
        raise ValueError("lp_pool2d: norm_type must not be 0; 1 sums, 2 is the Euclidean norm, inf the maximum")
    if math.isinf(norm_type):
        sign = 1 if norm_type > 0 else -1
        return max_pool2d(x.abs() * sign, kernel_size, stride, ceil_mode=ceil_mode) * sign
    kh, kw = geometry.pair(kernel_size, "kernel_size", "lp_pool2d", 1)
    mean = avg_pool2d(x**norm_type, kernel_size, stride, 0, ceil_mode)
    return (mean.sign() * mean.abs().relu() * (kh * kw)) ** (1.0 / norm_type)  # relu: gradient 0, not NaN, at 0
