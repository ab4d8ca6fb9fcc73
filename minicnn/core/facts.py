"""What a tensor says about itself: shape, type, and where its numbers are."""

from __future__ import annotations

from typing import Any

from minicnn_kernels.arrays import address

from . import dtype as dtypes
from .deferred import Deferred
from .device import device, device_of
from .errors import ShapeError
from .parts import Size, Versions


class _WhenAsked:
    """``tensor._array`` where the tensor has none yet: computed now, and kept.

    Without ``__set__`` this comes second: a tensor's own attribute, once it is there, is found first, at no cost.
    """

    def __get__(self, t: Any, owner: Any = None) -> Any:
        if t is None:
            return self
        deferred = t._deferred
        if deferred is None:
            try:
                return t.__dict__["_array"]  # another thread has just computed it
            except KeyError:
                raise AttributeError("this tensor was never given an array", name="_array", obj=t) from None
        array = t.__dict__.setdefault("_array", deferred.array())
        t.__dict__.pop("_deferred", None)
        return array


class Facts:
    """The part of :class:`~minicnn.core.tensor.Tensor` that can be answered without its numbers, while they wait."""

    _array: Any = _WhenAsked()
    _versions: Versions
    _deferred: Deferred | None = None  # what makes the array when it is asked for

    @property
    def _form(self) -> Any:
        """What knows shape and type: the array, or what will make it."""
        deferred = self._deferred
        return self._array if deferred is None else deferred

    @property
    def shape(self) -> Size:
        return Size(self._form.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its entry ``dim``."""
        if dim is None:
            return self.shape
        try:
            return self._form.shape[dim]
        except IndexError:
            raise ShapeError(f"size: dim {dim} is out of range for a tensor of shape {self._form.shape}") from None

    @property
    def ndim(self) -> int:
        return int(self._form.ndim)

    def dim(self) -> int:
        """Number of dimensions."""
        return self.ndim

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        return int(self._form.size)

    nelement = numel

    @property
    def dtype(self) -> dtypes.dtype:
        return dtypes.from_numpy_dtype(self._form.dtype)

    @property
    def device(self) -> device:
        return device_of(self._form)

    @property
    def is_cuda(self) -> bool:
        """Whether the tensor is on a GPU."""
        return self.device.type == "cuda"

    def get_device(self) -> int:
        """The number of the GPU; -1: the CPU."""
        index = self.device.index
        return -1 if index is None else index

    def is_floating_point(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return bool(self._form.dtype.kind == "f")

    def element_size(self) -> int:
        """Bytes per element."""
        return int(self._form.itemsize)

    @property
    def itemsize(self) -> int:
        return self.element_size()

    @property
    def nbytes(self) -> int:
        return int(self._form.nbytes)

    def stride(self, dim: int | None = None) -> Any:
        """Steps, in elements, from one index to the next, for all dimensions or for ``dim``."""
        steps = tuple(s // self._array.itemsize for s in self._array.strides)
        return steps if dim is None else steps[dim]

    def data_ptr(self) -> int:
        """Address of the first element.

        Whoever knows it may read and write there unseen, from now on: see :mod:`minicnn.core.deferred`.
        """
        array, memory = self._array, self._versions.memory
        memory.exposed = memory.address_known = True
        memory.before_change()
        return address(array)
