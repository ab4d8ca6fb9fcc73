"""How a tensor's numbers leave it: to NumPy, to Python, into text, copies and files."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from minicnn_kernels.arrays import on_device, on_host

from . import device as devices
from .errors import AutogradError, DeviceError, DTypeError, ShapeError

if TYPE_CHECKING:
    from .tensor import Tensor


CUDA_MEMORY = 2  # as DLPack calls it


class HostError(DeviceError, TypeError):
    """A tensor on a GPU where one on the CPU is needed."""


class Exchange:
    """The methods of :class:`~minicnn.core.tensor.Tensor` that give its elements to others."""

    if TYPE_CHECKING:  # what Tensor has
        _array: Any
        _requires_grad: bool

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...

    def numpy(self, *, force: bool = False) -> Any:
        """The array itself (the same memory), of a tensor on the CPU.

        ``force`` detaches the tensor first, and copies it to the CPU.
        """
        if self.requires_grad and not force:
            raise AutogradError(
                "numpy(): this tensor requires a gradient, and NumPy would not record it. Fix: x.detach().numpy()"
            )
        if on_device(self._array):
            if force:
                return on_host(self._array)
            raise HostError(
                f"numpy(): this tensor is on {self.device}, and NumPy cannot read the memory of a GPU. "
                f"Fix: x.{'detach().' if self.requires_grad else ''}cpu().numpy()"
            )
        memory = self._versions.memory
        memory.exposed = True
        memory.before_change()  # whoever gets it may change it
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self._array.size != 1:
            raise ShapeError(
                f"item(): expected one element; this tensor has {self._array.size}, shape {self._array.shape}"
            )
        return self._array.item()

    def tolist(self) -> Any:
        """The elements as nested Python lists (a number for a 0-d tensor)."""
        return self._array.tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._array.dtype.kind == "f":
            raise DTypeError(f"only integer tensors of one element can be an index; this one is {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise ShapeError(
                f"the truth of a tensor of shape {self._array.shape} is ambiguous. "
                "Fix: x.any(), x.all(), or compare one element"
            )
        return bool(self._array.item())

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self._array == (value._array if isinstance(value, Exchange) else value)).any())

    def __hash__(self) -> int:
        return id(self)

    def __dlpack__(self, **options: Any) -> Any:
        return (self._shared() if on_device(self._array) else self.numpy()).__dlpack__(**options)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Where the elements are, for other libraries that use GPUs; a tensor on the CPU has no such attribute."""
        if not on_device(self._array):
            raise AttributeError("a tensor on the CPU has no __cuda_array_interface__. Fix: x.cuda()")
        return self._shared().__cuda_array_interface__  # type: ignore[no-any-return]

    def _shared(self) -> Any:
        """The array on a GPU, for somebody who may write to it from now on."""
        if self.requires_grad:
            raise AutogradError(
                "this tensor requires a gradient, and another library would not record it. Fix: x.detach()"
            )
        memory = self._versions.memory
        memory.before_change()
        memory.exposed = memory.address_known = True
        return self._array

    def __dlpack_device__(self) -> Any:
        index = self.device.index
        return self._array.__dlpack_device__() if index is None else (CUDA_MEMORY, index)

    def __format__(self, spec: str) -> str:
        return format(self.item() if self._array.ndim == 0 else str(self), spec)

    def __repr__(self) -> str:
        from .printing import format_tensor

        return format_tensor(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if self.grad_fn is not None:
            raise AutogradError("deepcopy: only leaves can be copied deeply; this is a result. Fix: x.detach().clone()")
        from .tensor import Tensor

        other: Any = type(self).__new__(type(self))
        other._set_array(self._array.copy())
        memo[id(self)] = other
        added = {k: v for k, v in self.__dict__.items() if k not in other.__dict__ and not hasattr(Tensor, k)}
        other.requires_grad = self._requires_grad
        other.grad = copy.deepcopy(self.grad, memo)
        other.__dict__.update({k: copy.deepcopy(v, memo) for k, v in added.items()})
        return other

    def __reduce__(self) -> Any:
        """Pickling (for spawned workers) carries the values, not the history."""
        if self.grad_fn is not None:
            raise AutogradError("pickle: a result with a history cannot be pickled. Fix: x.detach()")
        return _unpickle, (type(self), on_host(self._array), self._requires_grad, self.device)


def _unpickle(cls: type[Tensor], array: Any, requires_grad: bool, where: devices.device = devices.CPU) -> Tensor:
    return cls._wrap(devices.placed(array, devices.check_device(where))).requires_grad_(requires_grad)
