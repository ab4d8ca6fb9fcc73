"""Random tensors. All draw from their device's generator behind ``manual_seed``, or from one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import device as devices
from ..core import dtype as dtypes
from ..core.errors import DeviceError, ShapeError
from ..core.random import Generator, generator_of
from ..core.tensor import Tensor
from .creation import finish_at, kind_of
from .operands import sizes


def source(generator: Generator | None, where: devices.device = devices.CPU) -> Any:
    """What draws on a device, as NumPy's generator does: that of ``generator``, or of the device's default one."""
    if generator is None:
        return generator_of(where).numpy
    if generator.device != where:
        raise DeviceError(
            f"the numbers are wanted on {where}, and the generator draws on {generator.device}. "
            f"Fix: minicnn.Generator(device={str(where)!r})"
        )
    return generator.numpy


def _real(operation: str, draw: Any, kind: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """``draw(shape, dtype)``, which knows float32 and float64, for every floating type."""
    if kind.kind != "f":
        raise dtypes.DTypeError(f"{operation}: dtype must be a floating type; got {kind}")
    drawn = draw(shape, dtype=np.float64 if kind == np.float64 else np.float32)
    return drawn.astype(kind, copy=False)


def rand(
    *given: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers uniform on [0, 1).

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.rand(2, 3)
    >>> x.shape, bool((x >= 0).all() and (x < 1).all())
    (minicnn.Size([2, 3]), True)
    """
    draw = source(generator, devices.check_device(device)).random
    return finish_at(_real("rand", draw, kind_of(dtype), sizes("rand", given, size)), requires_grad)


def randn(
    *given: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from the standard normal distribution.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.randn(2, 3).shape
    minicnn.Size([2, 3])
    """
    draw = source(generator, devices.check_device(device)).standard_normal
    return finish_at(_real("randn", draw, kind_of(dtype), sizes("randn", given, size)), requires_grad)


def randint(
    low: Any, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from ``low`` (default 0) to ``high - 1``: ``randint(high, size)`` or ``randint(low, high, size)``.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.randint(3, 5, (10,))
    >>> bool(((x == 3) | (x == 4)).all())
    True
    """
    if size is None:
        if high is None or not isinstance(high, (Sequence, np.ndarray)):
            raise TypeError("randint: expected randint(high, size) or randint(low, high, size), size a tuple")
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if low >= high:
        raise ValueError(f"randint: low must be less than high; got low={low}, high={high}")
    array = source(generator, devices.check_device(device)).integers(int(low), int(high), sizes("randint", (size,)))
    return finish_at(array.astype(kind_of(dtype, dtypes.int64.numpy), copy=False), requires_grad)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """The integers from 0 to ``n - 1`` in random order.

    Examples
    --------
    >>> import minicnn
    >>> sorted(minicnn.randperm(4).tolist())
    [0, 1, 2, 3]
    """
    array = source(generator, devices.check_device(device)).permutation(n)
    return finish_at(array.astype(kind_of(dtype, dtypes.int64.numpy)))


def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """:func:`rand` in the shape and type of ``input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.rand_like(minicnn.zeros(2, 3)).shape
    minicnn.Size([2, 3])
    """
    where = input.device if device is None else device
    return rand(input.shape, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """:func:`randn` in the shape and type of ``input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.randn_like(minicnn.zeros(2, 3)).shape
    minicnn.Size([2, 3])
    """
    where = input.device if device is None else device
    return randn(input.shape, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """:func:`randint` in the shape and type of ``input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.randint_like(minicnn.zeros(2), 3, 4)
    tensor([3., 3.])
    """
    where = input.device if device is None else device
    return randint(low, high, input.shape, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)


def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    device: Any = None,
) -> Tensor:  # fmt: skip
    """Normally distributed numbers with the given mean and standard deviation (numbers or tensors).

    Examples
    --------
    >>> import minicnn
    >>> minicnn.normal(0.0, 0.01, size=(3, 4)).shape
    minicnn.Size([3, 4])
    """
    arrays = [v._array if isinstance(v, Tensor) else np.float64(v) for v in (mean, std)]
    if (arrays[1] < 0).any():
        raise ValueError(f"normal: std must not be negative; got {std}")
    tensors = [v for v in (mean, std) if isinstance(v, Tensor)]
    if size is None and not tensors:
        raise TypeError("normal: size must be given when mean and std are numbers")
    shape = np.broadcast_shapes(*(a.shape for a in arrays)) if tensors else sizes("normal", (size,))
    kind = kind_of(dtype, tensors[0]._array.dtype if tensors else None)
    where = tensors[0].device if tensors and device is None else devices.check_device(device)
    z = _real("normal", source(generator, where).standard_normal, kind, shape)
    return Tensor._wrap((arrays[0] + arrays[1] * z).astype(kind))


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with probability ``input`` (or ``p``), else 0, for every element.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.bernoulli(minicnn.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    chance = input._array if p is None else p
    if not np.all((chance >= 0) & (chance <= 1)):
        raise ValueError("bernoulli: probabilities must lie in [0, 1]")
    drawn = source(generator, input.device).random(input._array.shape)
    return Tensor._wrap((drawn < chance).astype(input._array.dtype))


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn from each row of ``input``, whose weights need not sum to 1.

    Without replacement, by Gumbel's trick: the ``num_samples`` largest of
    ``log(weight) + noise`` (Efraimidis and Spirakis 2006).

    Examples
    --------
    >>> import minicnn
    >>> minicnn.multinomial(minicnn.tensor([0.0, 1.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    weights = np.atleast_2d(input._array).astype(np.float64)  # (rows, classes)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and (weights.sum(1) > 0).all()):
        raise ValueError("multinomial: weights must be finite, not negative, and some of each row positive")
    if not replacement and num_samples > int((weights > 0).sum(1).min()):
        raise ShapeError(f"multinomial: cannot draw {num_samples} different indices with positive weight")
    random = source(generator, input.device)
    if replacement:
        edges = weights.cumsum(1) / weights.sum(1, keepdims=True)
        drawn = [np.searchsorted(edges[i], random.random(num_samples), side="right") for i in range(len(edges))]
        indices = np.minimum(np.stack(drawn), weights.shape[1] - 1)
    else:
        with np.errstate(divide="ignore"):
            keys = np.log(weights) + random.gumbel(size=weights.shape)
        indices = np.argsort(-keys, axis=1)[:, :num_samples]
    return Tensor._wrap(indices.reshape(*input._array.shape[:-1], num_samples).astype(np.int64))
