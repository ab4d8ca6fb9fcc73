"""Elements chosen by a bool mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DTypeError
from ..core.tensor import Tensor
from .choosing import where
from .operands import as_tensor, cast


def _mask(operation: str, mask: Any) -> Tensor:
    if as_tensor(mask, "mask", operation)._array.dtype.kind != "b":
        raise DTypeError(f"{operation}: mask must be a bool tensor; got {mask.dtype}. Fix: mask.bool()")
    return mask  # type: ignore[no-any-return]


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``value`` where the mask holds, ``input`` elsewhere.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([1.0, 2.0])
    >>> x.masked_fill(x > 1, 0)
    tensor([1., 0.])
    """
    kind = input._array.dtype
    value = cast(value, kind) if isinstance(value, Tensor) else Tensor._wrap(np.asarray(value).astype(kind))
    return where(_mask("masked_fill", mask), value, input)  # type: ignore[no-any-return]


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in one dimension.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([1.0, 2.0, 3.0])
    >>> minicnn.masked_select(x, x > 1)
    tensor([2., 3.])
    """
    shape = np.broadcast_shapes(input._array.shape, _mask("masked_select", mask)._array.shape)
    return input.expand(shape)[mask.expand(shape)]


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Indices of the elements that are not 0: one row each, or a tuple with a tensor per dimension.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.nonzero(minicnn.tensor([[0, 3], [4, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    x = input._array
    if as_tuple:
        return tuple(Tensor._wrap(i) for i in np.nonzero(np.atleast_1d(x)))
    return Tensor._wrap(np.argwhere(x))


def argwhere(input: Tensor) -> Tensor:
    """Indices of the elements that are not 0, one row each: :func:`nonzero`.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.argwhere(minicnn.tensor([0, 5]))
    tensor([[1]])
    """
    return nonzero(input)  # type: ignore[no-any-return]
