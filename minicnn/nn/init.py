"""Initial values of parameters, after the papers that introduced them.

Every function fills its tensor in place, without being recorded, and returns
it. ``fan_in`` is how many numbers one output is a sum of, ``fan_out`` how many
outputs one input goes into; for a convolution's weight ``(O, C, KH, KW)`` they
are ``C*KH*KW`` and ``O*KH*KW``.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.random import Generator, default_generator
from ..core.tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def _fill(tensor: Tensor, values: Any) -> Tensor:
    """Write values into the tensor's memory, which counts as a change in place."""
    array = tensor._to_change()
    array[...] = np.asarray(values, like=array) if isinstance(values, np.ndarray) else values
    return tensor


def _random(generator: Generator | None) -> np.random.Generator:
    return (default_generator if generator is None else generator).numpy


def _draw(tensor: Tensor, distribution: Any, scale: float, shift: float) -> Tensor:
    """Fill with ``scale * u + shift``, where the generator's method ``distribution`` draws ``u``.

    Drawn into the tensor's own memory, so that a large model is never there twice. For a tensor on a GPU the numbers
    are drawn on the CPU too, and copied: a model starts from the same weights on every device.
    """
    array = tensor._to_change()
    kind = np.float64 if array.dtype == np.float64 else np.float32
    in_place = isinstance(array, np.ndarray) and array.dtype == kind and array.flags.c_contiguous
    values = array if in_place else np.empty(array.shape, kind)
    distribution(dtype=kind, out=values)
    values *= scale
    values += shift
    return tensor if in_place else _fill(tensor, values)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Factor that keeps the size of activations behind a nonlinearity.

    1 for linear layers and sigmoid, 5/3 for tanh, sqrt(2) for relu,
    ``sqrt(2 / (1 + slope^2))`` for leaky_relu (slope 0.01), 3/4 for selu.

    Examples
    --------
    >>> calculate_gain("leaky_relu", 0.2)
    1.3867504905630728
    """
    if nonlinearity in ("linear", "conv1d", "conv2d", "conv_transpose2d", "sigmoid"):
        return 1
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: negative_slope must be a number; got {param!r}")
        return math.sqrt(2.0 / (1 + slope**2))
    gains = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    if nonlinearity not in gains:
        raise ValueError(
            f"calculate_gain: no gain is known for {nonlinearity!r}; expected linear, conv1d, conv2d, "
            "conv_transpose2d, "
            "sigmoid, tanh, relu, leaky_relu or selu"
        )
    return gains[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """``(fan_in, fan_out)`` of a weight ``(out, in, *window)``."""
    if tensor.ndim < 2:
        raise ShapeError(
            f"fan in and fan out need a weight of at least 2 dimensions (out, in, ...); got {tuple(tensor.shape)}"
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out'; got {mode!r}")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with numbers drawn uniformly from ``[a, b)``.

    Examples
    --------
    >>> import minicnn
    >>> w = uniform_(minicnn.empty(3, 5), -1, 1)
    >>> bool((w.abs() <= 1).all())
    True
    """
    return _draw(tensor, _random(generator).random, b - a, a)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with numbers drawn from the normal distribution ``N(mean, std^2)``.

    Examples
    --------
    >>> import minicnn
    >>> normal_(minicnn.empty(3, 5)).shape
    minicnn.Size([3, 5])
    """
    return _draw(tensor, _random(generator).standard_normal, std, mean)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill from the normal distribution cut off outside ``[a, b]`` (values outside are drawn again).

    Examples
    --------
    >>> import minicnn
    >>> w = trunc_normal_(minicnn.empty(100), std=0.02, a=-0.04, b=0.04)
    >>> bool((w.abs() <= 0.04).all())
    True
    """
    if not a < b:
        raise ValueError(f"trunc_normal_: a must be smaller than b; got a={a}, b={b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn("trunc_normal_: the mean is more than 2 std from [a, b], so few draws are accepted", stacklevel=2)
    random = _random(generator)
    values = random.normal(mean, std, tensor.numel())
    outside = np.flatnonzero((values < a) | (values > b))
    for _ in range(1000):
        if not len(outside):
            break
        values[outside] = random.normal(mean, std, len(outside))
        outside = outside[(values[outside] < a) | (values[outside] > b)]
    return _fill(tensor, values.clip(a, b).reshape(tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value.

    Examples
    --------
    >>> import minicnn
    >>> constant_(minicnn.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    return _fill(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones.

    Examples
    --------
    >>> import minicnn
    >>> ones_(minicnn.empty(2))
    tensor([1., 1.])
    """
    return _fill(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros.

    Examples
    --------
    >>> import minicnn
    >>> zeros_(minicnn.empty(2))
    tensor([0., 0.])
    """
    return _fill(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity: ones on the diagonal, zeros elsewhere.

    Examples
    --------
    >>> import minicnn
    >>> eye_(minicnn.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: expected a matrix; got a tensor of shape {tuple(tensor.shape)}")
    return _fill(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make a convolution's weight pass its input channels through unchanged.

    Output channel ``i`` of each group gets a single 1: at input channel ``i``,
    in the middle of the window.

    Examples
    --------
    >>> import minicnn
    >>> dirac_(minicnn.empty(2, 2, 1, 3))[0]
    tensor([[[0., 1., 0.]],
    <BLANKLINE>
            [[0., 0., 0.]]])
    """
    if tensor.ndim not in (3, 4, 5):
        raise ShapeError(
            f"dirac_: expected a convolution's weight of 3, 4 or 5 dimensions; got shape {tuple(tensor.shape)}"
        )
    if tensor.shape[0] % groups:
        raise ShapeError(f"dirac_: the {tensor.shape[0]} output channels must be divisible by groups={groups}")
    per_group = tensor.shape[0] // groups
    values = np.zeros(tensor.shape)
    centre = tuple(size // 2 for size in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(per_group, tensor.shape[1])):
            values[(group * per_group + channel, channel, *centre)] = 1
    return _fill(tensor, values)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill uniformly from ``[-a, a]`` with ``a = gain * sqrt(6 / (fan_in + fan_out))``.

    Keeps the variance of activations and of gradients from layer to layer.
    Source: Glorot & Bengio, *Understanding the difficulty of training deep
    feedforward neural networks*, 2010, formula 16.

    Examples
    --------
    >>> import minicnn
    >>> w = xavier_uniform_(minicnn.empty(3, 3))
    >>> bool((w.abs() <= 1).all())
    True
    """
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from ``N(0, std^2)`` with ``std = gain * sqrt(2 / (fan_in + fan_out))``.

    Source: Glorot & Bengio, 2010, formula 12.

    Examples
    --------
    >>> import minicnn
    >>> xavier_normal_(minicnn.empty(3, 5)).shape
    minicnn.Size([3, 5])
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill uniformly from ``[-b, b]`` with ``b = gain * sqrt(3 / fan)``.

    Parameters
    ----------
    tensor : Tensor
    a : float, default 0
        Negative slope of the leaky ReLU behind this layer.
    mode : {"fan_in", "fan_out"}
        Keep the variance forward, or that of gradients backward.
    nonlinearity : str, default "leaky_relu"
        For the gain, see :func:`calculate_gain`.
    generator : Generator, optional

    Source: He et al., *Delving deep into rectifiers*, 2015, section 2.2.

    Examples
    --------
    >>> import minicnn
    >>> w = kaiming_uniform_(minicnn.empty(8, 6), nonlinearity="relu")
    >>> bool((w.abs() <= 1).all())
    True
    """
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _fan(tensor, mode)) if tensor.numel() else 0.0
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill from ``N(0, std^2)`` with ``std = gain / sqrt(fan)``; parameters as :func:`kaiming_uniform_`.

    Source: He et al., 2015, formula 10.

    Examples
    --------
    >>> import minicnn
    >>> kaiming_normal_(minicnn.empty(8, 3, 3, 3), mode="fan_out", nonlinearity="relu").shape
    minicnn.Size([8, 3, 3, 3])
    """
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)) if tensor.numel() else 0.0
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Make the rows (or, of a tall matrix, the columns) orthonormal, times ``gain``.

    A weight of more dimensions counts as a matrix ``(out, everything else)``.
    Source: Saxe, McClelland & Ganguli, *Exact solutions to the nonlinear
    dynamics of learning in deep linear neural networks*, 2014.

    Examples
    --------
    >>> import minicnn
    >>> w = orthogonal_(minicnn.empty(2, 5))
    >>> minicnn.allclose(w @ w.T, minicnn.eye(2), atol=1e-6)
    True
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: expected at least 2 dimensions; got shape {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    gaussian = _random(generator).normal(size=(rows, columns))
    q, r = np.linalg.qr(gaussian.T if rows < columns else gaussian)
    q = q * np.sign(np.diag(r))  # makes the distribution uniform
    return _fill(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix from ``N(0, std^2)`` and set the fraction ``sparsity`` of each column to zero.

    Source: Martens, *Deep learning via Hessian-free optimization*, 2010.

    Examples
    --------
    >>> import minicnn
    >>> (sparse_(minicnn.empty(4, 2), sparsity=0.5) == 0).sum(0)
    tensor([2, 2])
    """
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_: expected a matrix; got a tensor of shape {tuple(tensor.shape)}")
    rows, columns = tensor.shape
    random = _random(generator)
    values = random.normal(0, std, (rows, columns))
    for column in range(columns):
        values[random.permutation(rows)[: math.ceil(sparsity * rows)], column] = 0
    return _fill(tensor, values)
