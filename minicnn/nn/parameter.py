"""Tensors that a module recognises when they are assigned to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dtypes
from ..core.errors import DTypeError
from ..core.tensor import Tensor


def _array_of(data: Any, kind: str) -> Any:
    """The memory that a Parameter or Buffer shall live in: that of ``data``."""
    if data is None:
        return np.empty((0,), dtypes.get_default_dtype().numpy)
    if not isinstance(data, Tensor):
        raise DTypeError(
            f"nn.{kind}: expected a Tensor; got {type(data).__name__}. Fix: nn.{kind}(minicnn.tensor(data))"
        )
    return data._array


class Parameter(Tensor):
    """A tensor that a module learns: assigned as an attribute, it appears in ``parameters()``.

    Parameters
    ----------
    data : Tensor
        Its memory is shared, its history is not.
    requires_grad : bool, default True

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(minicnn.ones(1))
    >>> [name for name, _ in Scale().named_parameters()]
    ['factor']
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        array = _array_of(data, "Parameter")
        if requires_grad and array.dtype.kind != "f":
            raise DTypeError(
                f"nn.Parameter: only floating-point tensors can be learnt; got {data.dtype}. "  # type: ignore[union-attr]
                "Fix: data.float(), or requires_grad=False"
            )
        self._set_array(array)
        if data is not None:
            self._versions.share(data._versions)
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        other = Parameter(Tensor._wrap(self._array.copy()), self.requires_grad)
        memo[id(self)] = other
        return other  # without .grad, as in PyTorch


class Buffer(Tensor):
    """A tensor that belongs to a module's state without being learnt, such as a running mean.

    Parameters
    ----------
    data : Tensor
    persistent : bool, default True
        Whether it is part of ``state_dict()``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> m = nn.Identity()
    >>> m.count = nn.Buffer(minicnn.zeros(1))
    >>> list(m.state_dict())
    ['count']
    """

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        self._set_array(_array_of(data, "Buffer"))
        if data is not None:
            self._versions.share(data._versions)
        self.persistent = persistent
