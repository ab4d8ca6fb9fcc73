"""The same numbers as another element type, and new tensors like an old one."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
from minicnn_kernels.registry import missing

from ..core import dtype as dtypes
from ..core.device import CPU, check_device, device, placed
from ..core.errors import DeviceError
from ..core.tensor import Tensor
from . import creation
from .copying import Clone, contiguous
from .operands import Move, cast, sizes


def to(input: Tensor, *args: Any, **options: Any) -> Tensor:
    """``input`` with another type or device: ``x.to(minicnn.float64)``, ``x.to("cuda")``, ``x.to(other)``.

    ``copy=True`` copies even if nothing changes; ``memory_format`` chooses the
    order in memory. ``non_blocking`` lets a copy from pinned memory to a GPU run beside the program, which must not
    change the tensor until then; a copy to the CPU is always waited for.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1, 2]).to(minicnn.float32)
    tensor([1., 2.])
    """
    known = {"dtype", "device", "other", "non_blocking", "copy", "memory_format"}
    if unknown := set(options) - known:
        raise TypeError(f"to: unknown argument {sorted(unknown)}; known are {', '.join(sorted(known))}")
    kind, copy = options.get("dtype"), bool(options.get("copy", False))
    place = options.get("device")
    flags = [a for a in args if isinstance(a, builtins.bool)]
    for a in (*args, options.get("other")):
        if isinstance(a, Tensor):
            kind, place = a.dtype, a.device
        elif isinstance(a, (str, device, builtins.int)) and not isinstance(a, builtins.bool):
            place = a
        elif a is not None and not isinstance(a, builtins.bool):
            kind = a
    copy = copy or (len(flags) > 1 and flags[1])
    result = input
    if place is not None and (where := check_device(place)) != input.device:
        result = Move(where, flags[0] if flags else builtins.bool(options.get("non_blocking", False)))(input)
    result = result if kind is None else cast(result, dtypes.as_dtype(kind).numpy)
    result = contiguous(result, options.get("memory_format", "preserve_format"))
    return Clone()(result) if copy and result is input else result


def type(input: Tensor, dtype: Any = None) -> Any:
    """The type's name, as ``"minicnn.FloatTensor"``; with ``dtype``, the tensor converted to it.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.ones(2).type()
    'minicnn.FloatTensor'
    """
    if dtype is None:
        return f"minicnn.{_CLASS[input._array.dtype.name]}"
    if isinstance(dtype, TypedTensor):
        dtype = dtype.kind
    elif isinstance(dtype, str):
        by_class = {name: kind for kind, name in _CLASS.items()}
        dtype = by_class.get(dtype.rpartition(".")[2], dtype)
    return to(input, dtypes.as_dtype(dtype))


_CLASS = {
    "bool": "BoolTensor", "uint8": "ByteTensor", "int8": "CharTensor", "int16": "ShortTensor", "int32": "IntTensor",
    "int64": "LongTensor", "float16": "HalfTensor", "float32": "FloatTensor", "float64": "DoubleTensor",
}  # fmt: skip


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` with the element type of ``other``, and on its device.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1, 2]).type_as(minicnn.zeros(1))
    tensor([1., 2.])
    """
    return to(input, other)


def float(input: Tensor) -> Tensor:
    """``input`` as float32.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1, 2]).float()
    tensor([1., 2.])
    """
    return cast(input, dtypes.float32.numpy)


def double(input: Tensor) -> Tensor:
    """``input`` as float64.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1, 2]).double()
    tensor([1., 2.], dtype=minicnn.float64)
    """
    return cast(input, dtypes.float64.numpy)


def half(input: Tensor) -> Tensor:
    """``input`` as float16.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1, 2]).half()
    tensor([1., 2.], dtype=minicnn.float16)
    """
    return cast(input, dtypes.float16.numpy)


def long(input: Tensor) -> Tensor:
    """``input`` as int64, fractions cut off.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([-1.9]).long()
    tensor([-1])
    """
    return cast(input, dtypes.int64.numpy)


def int(input: Tensor) -> Tensor:
    """``input`` as int32, fractions cut off.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1.9]).int()
    tensor([1], dtype=minicnn.int32)
    """
    return cast(input, dtypes.int32.numpy)


def short(input: Tensor) -> Tensor:
    """``input`` as int16, fractions cut off.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1.9]).short()
    tensor([1], dtype=minicnn.int16)
    """
    return cast(input, dtypes.int16.numpy)


def char(input: Tensor) -> Tensor:
    """``input`` as int8, fractions cut off.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([-1.9]).char()
    tensor([-1], dtype=minicnn.int8)
    """
    return cast(input, dtypes.int8.numpy)


def byte(input: Tensor) -> Tensor:
    """``input`` as uint8, fractions cut off.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1.9]).byte()
    tensor([1], dtype=minicnn.uint8)
    """
    return cast(input, dtypes.uint8.numpy)


def bool_(input: Tensor) -> Tensor:
    """``input`` as bool: whether each element is not 0.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([0, 2]).bool()
    tensor([False,  True])
    """
    return cast(input, dtypes.bool_.numpy)


def cpu(input: Tensor) -> Tensor:
    """``input`` on the CPU: itself if it is there, else a copy, which is waited for.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.ones(2).cpu()
    tensor([1., 1.])
    """
    return to(input, "cpu")


def cuda(input: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """``input`` on a GPU, the current one unless ``device`` names another: ``x.to("cuda", non_blocking)``."""
    return to(input, "cuda" if device is None else device, non_blocking)


def pin_memory(input: Tensor) -> Tensor:
    """A copy of ``input`` in pinned memory of the CPU, or ``input`` itself if it is there.

    From there ``x.to("cuda", non_blocking=True)`` copies beside the program.
    """
    check_device("cuda")
    return input if is_pinned(input) else Tensor._wrap(_pinning().pin(_on_cpu("pin_memory", input)))


def is_pinned(input: Tensor) -> builtins.bool:
    """Whether ``input`` lies in pinned memory.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros(2).is_pinned()
    False
    """
    return missing("cupy") is None and _pinning().pinned(input._array)


def _pinning() -> Any:
    """What pins; it needs CuPy."""
    from ..core import transfer

    return transfer


def _on_cpu(operation: str, input: Tensor) -> Any:
    if input.is_cuda:
        raise DeviceError(f"{operation}: memory of the CPU is pinned; this tensor is on {input.device}")
    return input._array


def _new(
    input: Tensor, make: Any, shape: tuple[builtins.int, ...], values: tuple[Any, ...], dtype: Any, device: Any,
    requires_grad: builtins.bool,
) -> Tensor:  # fmt: skip
    kind = creation.kind_of(dtype, input._form.dtype)
    where = input.device if device is None else check_device(device)
    if where == CPU:
        array = make(np.empty((), kind), *values, shape=shape)
    else:
        array = make(input._array, *values, kind, shape=shape)
    return creation.finish_at(placed(array, where), requires_grad)


def new_zeros(
    input: Tensor, *given: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of ``size``, of the type of ``input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1]).new_zeros(2)
    tensor([0, 0])
    """
    return _new(input, np.zeros_like, sizes("new_zeros", given, size), (), dtype, device, requires_grad)


def new_ones(
    input: Tensor, *given: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones of ``size``, of the type of ``input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1]).new_ones(2)
    tensor([1, 1])
    """
    return _new(input, np.ones_like, sizes("new_ones", given, size), (), dtype, device, requires_grad)


def new_empty(
    input: Tensor, *given: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of ``size``, of the type of ``input``, not set.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([1]).new_empty(2, 3).shape
    minicnn.Size([2, 3])
    """
    return _new(input, np.empty_like, sizes("new_empty", given, size), (), dtype, device, requires_grad)


def new_full(
    input: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``fill_value`` everywhere, of the type of ``input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.ones(1).new_full((2,), 3)
    tensor([3., 3.])
    """
    return _new(input, np.full_like, sizes("new_full", (size,)), (fill_value,), dtype, device, requires_grad)


def new_tensor(
    input: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """:func:`minicnn.tensor` of ``data``, with the type of ``input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.ones(1).new_tensor([1, 2])
    tensor([1., 2.])
    """
    where = input.device if device is None else device
    return creation.tensor(data, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)


class TypedTensor(builtins.type):
    """PyTorch's older names: ``LongTensor(...)`` makes int64 tensors, and every int64 tensor is an instance of it."""

    kind: dtypes.dtype

    def __call__(cls, *data: Any) -> Tensor:
        if len(data) == 1 and isinstance(data[0], (list, tuple, np.ndarray, Tensor)):
            return creation.tensor(data[0], dtype=cls.kind)
        return creation.empty(data or (0,), dtype=cls.kind)

    def __instancecheck__(cls, instance: Any) -> builtins.bool:
        return isinstance(instance, Tensor) and instance.dtype == cls.kind


def _typed(kind: dtypes.dtype) -> Any:
    doc = f"A tensor of {kind.name} from data, or of the given sizes; :func:`minicnn.tensor` is the usual way."
    return TypedTensor(_CLASS[kind.name], (), {"kind": kind, "__doc__": doc, "__module__": "minicnn"})


FloatTensor, DoubleTensor, HalfTensor = _typed(dtypes.float32), _typed(dtypes.float64), _typed(dtypes.float16)
LongTensor, IntTensor, ShortTensor = _typed(dtypes.int64), _typed(dtypes.int32), _typed(dtypes.int16)
CharTensor, ByteTensor, BoolTensor = _typed(dtypes.int8), _typed(dtypes.uint8), _typed(dtypes.bool_)
