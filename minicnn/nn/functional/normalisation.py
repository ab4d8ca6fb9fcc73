"""Normalisation: bring activations to mean 0 and variance 1, over one set of numbers or another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...ops import normalisation as ops
from .checks import floating, per_channel, same_dtype


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel over the batch: ``y = (x - mean) / sqrt(var + eps) * weight + bias``.

    In training, mean and (biased) variance are those of the batch, over N, H and W, and the running
    statistics follow: ``running = (1 - momentum)*running + momentum*batch``, the variance with
    n - 1 in its denominator. In evaluation the running statistics are used.

    Parameters
    ----------
    input : Tensor (N, C) or (N, C, *)
    running_mean, running_var : Tensor (C,) or None
        Updated in place in training.
    weight, bias : Tensor (C,), optional
    training : bool, default False
    momentum : float, default 0.1
    eps : float, default 1e-5

    Returns
    -------
    Tensor, the input's shape

    Raises
    ------
    ShapeError, DTypeError
        Also if training on one number per channel, whose variance says nothing.

    References
    ----------
    Ioffe & Szegedy, *Batch normalization*, 2015, algorithms 1 and 2.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.batch_norm(minicnn.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    x = floating("batch_norm", input)
    shape = x._form.shape
    if len(shape) < 2:
        raise ShapeError(f"batch_norm: expected an input of shape (N, C) or (N, C, *); got {tuple(x.shape)}")
    weight, bias, mean, var = same_dtype(
        "batch_norm", x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var
    )
    per_channel("batch_norm", shape[1], running_mean=mean, running_var=var, weight=weight, bias=bias)
    if training:
        if shape[1] and shape[0] * math.prod(shape[2:]) == 1:
            raise ShapeError(
                f"batch_norm: training needs more than 1 value per channel; the input {tuple(x.shape)} has one, "
                "so its variance is 0. Fix: a larger batch (drop_last=True leaves out a last batch of one), "
                "or model.eval()"
            )
    elif mean is None or var is None:
        raise ValueError("batch_norm: evaluation needs running_mean and running_var. Fix: training=True, or give both")
    return ops.batch_norm(x, mean, var, weight, bias, training, momentum, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each group of channels of each sample, then scale and shift each channel.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, with mean and variance over the C/G
    channels of the group and all positions: the batch size plays no part.

    Parameters
    ----------
    input : Tensor (N, C, *)
    num_groups : int
        G, a divisor of C.
    weight, bias : Tensor (C,), optional
    eps : float, default 1e-5

    Returns
    -------
    Tensor, the input's shape

    Raises
    ------
    ShapeError, DTypeError

    References
    ----------
    Wu & He, *Group normalization*, 2018.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.group_norm(minicnn.tensor([[1.0, 3.0, 10.0, 30.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    x = floating("group_norm", input)
    if x.ndim < 2:
        raise ShapeError(f"group_norm: expected an input of shape (N, C, *); got {tuple(x.shape)}")
    channels = x._array.shape[1]
    if num_groups < 1 or channels % num_groups:
        raise ShapeError(f"group_norm: num_groups={num_groups} must divide the {channels} channels of {tuple(x.shape)}")
    weight, bias = same_dtype("group_norm", x, weight=weight, bias=bias)
    per_channel("group_norm", channels, weight=weight, bias=bias)
    return ops.GroupNorm(num_groups, eps)(x, weight, bias)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise over the last dimensions: ``y = (x - mean) / sqrt(var + eps) * weight + bias``.

    Parameters
    ----------
    input : Tensor (*, *normalized_shape)
    normalized_shape : sequence of int
        Sizes of the last dimensions, over which mean and variance are taken.
    weight, bias : Tensor of shape normalized_shape, optional
    eps : float, default 1e-5

    Returns
    -------
    Tensor, the input's shape

    Raises
    ------
    ShapeError, DTypeError

    References
    ----------
    Ba, Kiros & Hinton, *Layer normalization*, 2016.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.layer_norm(minicnn.tensor([[1.0, 3.0], [10.0, 30.0]]), (2,))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])
    """
    x = floating("layer_norm", input)
    shape = tuple(normalized_shape)
    if not shape or tuple(x.shape[x.ndim - len(shape) :]) != shape or x.ndim < len(shape):
        raise ShapeError(f"layer_norm: the input must end with normalized_shape={shape}; got {tuple(x.shape)}")
    weight, bias = same_dtype("layer_norm", x, weight=weight, bias=bias)
    for name, vector in (("weight", weight), ("bias", bias)):
        if vector is not None and tuple(vector.shape) != shape:
            raise ShapeError(f"layer_norm: {name} must have normalized_shape={shape}; got {tuple(vector.shape)}")
    rows = x.reshape(-1, math.prod(shape)) if x.numel() else x.reshape(0, math.prod(shape))
    flat = [None if v is None else v.reshape(-1) for v in (weight, bias)]
    return ops.LayerNorm(eps)(rows, *flat).reshape(x.shape)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample over its positions: group norm with C groups.

    Parameters
    ----------
    input : Tensor (N, C, *)
    running_mean, running_var : Tensor (C,) or None
        Follow the samples' statistics, averaged over the batch.
    weight, bias : Tensor (C,), optional
    use_input_stats : bool, default True
        Otherwise normalise by the running statistics.
    momentum : float, default 0.1
    eps : float, default 1e-5

    Returns
    -------
    Tensor, the input's shape

    Raises
    ------
    ShapeError, DTypeError

    References
    ----------
    Ulyanov, Vedaldi & Lempitsky, *Instance normalization*, 2016.

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.instance_norm(minicnn.tensor([[[1.0, 3.0], [10.0, 30.0]]]))
    tensor([[[-1.0000,  1.0000],
             [-1.0000,  1.0000]]])
    """
    x = floating("instance_norm", input)
    if x.ndim < 3:
        raise ShapeError(f"instance_norm: expected an input of shape (N, C, *); got {tuple(x.shape)}")
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if math.prod(x.shape[2:]) == 1:
        raise ShapeError(
            f"instance_norm: needs more than one position per channel; the input {tuple(x.shape)} has one. "
            "Fix: a larger image, or another normalisation"
        )
    mean, var = same_dtype("instance_norm", x, running_mean=running_mean, running_var=running_var)
    per_channel("instance_norm", x.shape[1], running_mean=mean, running_var=var)
    ops.update_from_instances(x, mean, var, momentum)
    return group_norm(x, x._array.shape[1], weight, bias, eps)


def local_response_norm(
    input: Tensor,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
) -> Tensor:
    """Divide by the activity of neighbouring channels: ``y_c = x_c / (k + alpha/size * sum of x_j^2)^beta``.

    The sum is over ``size`` channels around c: ``c - size//2 .. c + (size - 1)//2``. The paper's
    formula has no division by ``size``; PyTorch's has, so the paper's alpha is ``size`` times smaller.

    Parameters
    ----------
    input : Tensor (N, C, *)
    size : int
        Number of channels in the sum.
    alpha : float, default 1e-4
    beta : float, default 0.75
    k : float, default 1.0

    Returns
    -------
    Tensor, the input's shape

    Raises
    ------
    ShapeError, DTypeError

    References
    ----------
    Krizhevsky, Sutskever & Hinton, *ImageNet classification with deep convolutional neural
    networks*, 2012, section 3.3 (size 5, alpha 1e-4, beta 0.75, k 2).

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.local_response_norm(minicnn.tensor([[[1.0], [2.0]]]), size=1, alpha=1.0, beta=1.0)
    tensor([[[0.5000],
             [0.4000]]])
    """
    x = floating("local_response_norm", input)
    if x.ndim < 3:
        raise ShapeError(f"local_response_norm: expected an input of shape (N, C, *); got {tuple(x.shape)}")
    if size < 1:
        raise ValueError(f"local_response_norm: size must be at least 1; got {size}")
    return ops.LocalResponseNorm(size, alpha, beta, k)(x)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Divide by the p-norm along a dimension: ``x / max(norm(x), eps)``.

    Parameters
    ----------
    input : Tensor
    p : float, default 2.0
    dim : int, default 1
    eps : float, default 1e-12

    Returns
    -------
    Tensor, the input's shape

    Examples
    --------
    >>> import minicnn
    >>> import minicnn.nn.functional as F
    >>> F.normalize(minicnn.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    x: Any = floating("normalize", input)
    return x / x.norm(p, dim, True).clamp(min=eps)
