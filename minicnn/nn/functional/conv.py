"""Convolution, patches as columns, and fully connected layers."""

from __future__ import annotations

from typing import Any

from minicnn_kernels import geometry

from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...ops import conv as ops
from ...ops import linalg
from ...ops.unfold import Fold, Unfold
from .checks import floating, image, on_image, same_dtype


def _shape(t: Tensor | None) -> Any:
    return None if t is None else t._form.shape


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Slide filters over images and sum products: cross-correlation, called convolution in deep learning.

    ``y[n, o, i, j] = bias[o] + sum over c, a, b of
    x[n, c, i*stride + a*dilation - padding, j*stride + b*dilation - padding] * weight[o, c, a, b]``

    and along each axis
    ``output = floor((input + 2*padding - dilation*(kernel - 1) - 1) / stride) + 1``.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    weight : Tensor (O, C/groups, KH, KW)
    bias : Tensor (O,), optional
    stride, dilation : int or (int, int), default 1
    padding : int, (int, int), 'same' or 'valid', default 0
        Zeros around the image.
    groups : int, default 1
        Channels are split into this many groups that do not see each other (C: depthwise).

    Returns
    -------
    Tensor (N, O, OH, OW) or (O, OH, OW)

    Raises
    ------
    ShapeError, DTypeError
        Channels or sizes that do not fit, integer images, or mixed element types.

    References
    ----------
    LeCun et al., *Gradient-based learning applied to document recognition*, 1998, section II.A;
    Dumoulin & Visin, *A guide to convolution arithmetic for deep learning*, 2016.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> x = minicnn.arange(9.0).reshape(1, 1, 3, 3)
    >>> F.conv2d(x, minicnn.ones(1, 1, 2, 2))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
    x, added = image("conv2d", input)
    w, b = same_dtype("conv2d", x, weight=weight, bias=bias)
    window = geometry.conv_window(x._form.shape, _shape(w), stride, padding, dilation, groups, _shape(b))
    y = ops.conv2d(x, w, b, window, groups)  # type: ignore[arg-type]
    return y.squeeze(0) if added else y


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution: every input pixel stamps a weighted filter onto the output.

    It is the gradient of :func:`conv2d` with respect to its input, used forward, and so undoes
    its change of size:
    ``output = (input - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1``.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    weight : Tensor (C, O/groups, KH, KW)
    bias : Tensor (O,), optional
    stride, dilation : int or (int, int), default 1
    padding : int or (int, int), default 0
        Taken away from the output.
    output_padding : int or (int, int), default 0
        Rows and columns added at the bottom and the right, to choose among the sizes
        that a strided convolution maps to one.
    groups : int, default 1

    Returns
    -------
    Tensor (N, O, OH, OW) or (O, OH, OW)

    Raises
    ------
    ShapeError, DTypeError

    References
    ----------
    Zeiler et al., *Deconvolutional networks*, 2010; Dumoulin & Visin, 2016, section 4.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.conv_transpose2d(minicnn.ones(1, 1, 2, 2), minicnn.ones(1, 1, 2, 2))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    x, added = image("conv_transpose2d", input)
    w, b = same_dtype("conv_transpose2d", x, weight=weight, bias=bias)
    window = geometry.conv_transpose_window(
        x._array.shape, _shape(w), stride, padding, output_padding, groups, dilation, _shape(b)
    )
    y = ops.conv_transpose2d(x, w, b, window, groups)  # type: ignore[arg-type]
    return y.squeeze(0) if added else y


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """im2col: every patch that a window sees, as a column.

    Column ``i*OW + j`` holds the patch under the window at output position ``(i, j)``, channel
    after channel. A convolution is then the matrix product ``weight.view(O, -1) @ columns``.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
    dilation, stride : int or (int, int), default 1
    padding : int or (int, int), default 0

    Returns
    -------
    Tensor (N, C*KH*KW, OH*OW) or (C*KH*KW, OH*OW)

    Raises
    ------
    ShapeError

    References
    ----------
    Chellapilla, Puri & Simard, *High performance convolutional neural networks for document
    processing*, 2006.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.unfold(minicnn.arange(9.0).reshape(1, 1, 3, 3), kernel_size=2)[0].T
    tensor([[0., 1., 3., 4.],
            [1., 2., 4., 5.],
            [3., 4., 6., 7.],
            [4., 5., 7., 8.]])
    """

    def columns(x: Tensor) -> Tensor:
        window = geometry.unfold_window("unfold", x._array.shape[2:], kernel_size, dilation, padding, stride)
        return Unfold(window)(x)

    return on_image("unfold", input, columns)


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """col2im: put columns back as patches and sum where they overlap; the gradient of :func:`unfold`.

    Parameters
    ----------
    input : Tensor (N, C*KH*KW, OH*OW) or (C*KH*KW, OH*OW)
    output_size : int or (int, int)
        Height and width of the result.
    kernel_size, dilation, padding, stride
        As in :func:`unfold`.

    Returns
    -------
    Tensor (N, C, H, W) or (C, H, W)

    Raises
    ------
    ShapeError
        If the number of rows or of columns is not what these sizes give.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.fold(minicnn.ones(1, 4, 4), output_size=3, kernel_size=2)  # how many windows see each pixel
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    x = floating("fold", input)
    if x.ndim not in (2, 3):
        raise ShapeError(
            f"fold: expected an input of shape (N, C*KH*KW, OH*OW) or (C*KH*KW, OH*OW); got {tuple(x.shape)}"
        )
    window = geometry.unfold_window(
        "fold", geometry.pair(output_size, "output_size", "fold", 1), kernel_size, dilation, padding, stride
    )
    columns = x if x.ndim == 3 else x.unsqueeze(0)
    (kh, kw), (oh, ow) = window.kernel_size, window.output_size
    if columns.shape[1] % (kh * kw):
        raise ShapeError(
            f"fold: the input has {columns.shape[1]} rows, which is not a multiple of the window's {kh}*{kw} "
            f"= {kh * kw} pixels"
        )
    if columns.shape[2] != oh * ow:
        raise ShapeError(
            f"fold: the input has {columns.shape[2]} columns, but the window has {oh}*{ow} = {oh * ow} positions "
            f"on an output of {window.input_size}"
        )
    y = Fold(window)(columns)
    return y if x.ndim == 3 else y.squeeze(0)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Fully connected layer: ``y = x W^T + b``.

    Parameters
    ----------
    input : Tensor (*, in_features)
    weight : Tensor (out_features, in_features)
    bias : Tensor (out_features,), optional

    Returns
    -------
    Tensor (*, out_features)

    Raises
    ------
    ShapeError, DTypeError

    References
    ----------
    Rumelhart, Hinton & Williams, *Learning representations by back-propagating errors*, 1986.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.linear(minicnn.tensor([[1.0, 2.0]]), minicnn.tensor([[3.0, 4.0]]), minicnn.tensor([0.5]))
    tensor([[11.5000]])
    """
    x = floating("linear", input)
    w, b = same_dtype("linear", x, weight=weight, bias=bias)
    return linalg.linear(x, w, b)  # type: ignore[arg-type]
