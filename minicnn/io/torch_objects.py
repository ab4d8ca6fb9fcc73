"""What the names in a PyTorch file stand for.

The table is closed: tensors, their storages and element types, and plain
containers. Each entry is a function of ours that checks its arguments, for a
hostile file may pass anything. Any other name is refused, with its name.
"""

from __future__ import annotations

import copy
import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core import Size, as_dtype
from .errors import CheckpointError
from .numpy_objects import ElementType, NumpyObjects
from .pickle_machine import Name, PickleMachine, check_key
from .source import Source, most_unpacked
from .tree import check_tree

# torch's element type -> how its bytes are stored
_STORED = {
    "float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "u2", "bool": "u1",
    "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1", "uint8": "u1",
}  # fmt: skip
_STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
_OTHER_NUMBERS = ("Complex", "QInt", "QUInt", "Untyped", "complex", "qint", "quint", "uint", "float8", "float4")


def decode(data: NDArray[Any], element: str, order: Literal["<", ">"] = "<") -> NDArray[Any]:
    """Turn bytes into numbers of this machine: bfloat16 becomes float32, the rest keeps its type.

    A bfloat16 is the upper half of a float32, so the conversion is exact.
    """
    stored = np.dtype(_STORED[element])
    numbers = data.view(stored.newbyteorder(order)).astype(stored, copy=False)
    if element == "bfloat16":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers != 0 if element == "bool" else numbers


@dataclass(frozen=True, slots=True)
class _StorageType:
    element: str


class Storage:
    """The numbers behind one or several tensors; ``fill`` brings them from the file."""

    def __init__(self, element: str, count: int) -> None:
        self.element = element
        self.stored_bytes = count * np.dtype(_STORED[element]).itemsize
        self.array = np.empty(count, {"bfloat16": "float32"}.get(element, element))
        self.filled = False

    def fill(self, data: NDArray[Any], order: Literal["<", ">"] = "<") -> None:
        """Take the content from the bytes of the file."""
        if self.filled or data.size != self.stored_bytes:
            raise CheckpointError(f"a storage in the file has {data.size} bytes, its tensors need {self.stored_bytes}")
        self.array[...] = decode(data, self.element, order)
        self.filled = True

    def part(self, view: Any) -> Storage:
        """The storage that is a part of this one: (key, offset, size), as PyTorch before 0.4 wrote it."""
        if not isinstance(view, tuple) or len(view) != 3 or not _whole(*view[1:]):
            raise CheckpointError("the pickle describes a part of a storage in an unknown form")
        _, offset, count = view
        part = copy.copy(self)
        part.array = self.array[offset : offset + count]
        return part


def _whole(*numbers: Any) -> bool:
    return all(type(number) is int and number >= 0 for number in numbers)


class TorchObjects:
    """Reads the pickles of one PyTorch file.

    Parameters
    ----------
    length : int
        Length of the file. The storages together cannot be longer.
    tensor : callable
        Makes the tensor from its array (a view of the storage, so that tensors which shared memory share it again).
    """

    def __init__(self, length: int, tensor: Callable[[NDArray[Any]], Any]) -> None:
        self.storages: dict[str, Storage] = {}
        self._budget = length
        self._most = most_unpacked(length)
        self._tensor = tensor
        self._numpy = NumpyObjects()
        rebuild = {
            "torch._utils._rebuild_tensor": self._rebuild,
            "torch._utils._rebuild_tensor_v2": self._rebuild,
            "torch._utils._rebuild_parameter": _rebuild_parameter,
            "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
            "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
            "torch.Tensor": None,
            "torch.nn.parameter.Parameter": None,
        }
        self._names = {**_CONTAINERS, **rebuild, **self._numpy.names}

    def unpickle(self, source: Source) -> Any:
        """Return the value of the pickle that begins here."""
        value = PickleMachine(source, self._find, self._persistent, self._build).run()
        check_tree(value, unfinished=(Name, _StorageType, Storage, ElementType))
        return value

    def _find(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in self._names:
            return Name(full, self._names[full] or _not_callable)
        if module in ("torch", "torch.cuda", "torch.storage") and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        if module == "torch" and name in _STORED:
            return as_dtype("float32" if name == "bfloat16" else name)
        shown = ascii(full[:120])[1:-1]
        if module in ("torch", "torch.cuda", "torch.storage") and name.startswith(_OTHER_NUMBERS):
            raise CheckpointError(f"the file holds numbers of the type {shown}, which minicnn does not have")
        raise CheckpointError(
            f"{shown} is not a tensor or a plain container, so reading it would mean running code from the file. "
            "Ask the author for a file with the state_dict only: torch.save(model.state_dict(), path)"
        )

    def _persistent(self, key: Any) -> Storage:
        # ("storage", type, key, device, number of elements[, (key, offset, size) of a view: files before PyTorch 0.4])
        if not isinstance(key, tuple) or len(key) not in (5, 6) or key[0] != "storage":
            raise CheckpointError("the pickle refers to something that is no storage of a tensor")
        _, kind, name, _, count, *view = key
        if not isinstance(kind, _StorageType) or not isinstance(name, str) or not _whole(count):
            raise CheckpointError("the pickle describes a storage in an unknown form")
        if name not in self.storages:
            self._budget -= count * np.dtype(_STORED[kind.element]).itemsize
            if self._budget < 0:
                raise CheckpointError("the file is cut short or damaged: its tensors need more bytes than it has")
            self.storages[name] = Storage(kind.element, count)
        storage = self.storages[name]
        if storage.element != kind.element or storage.array.size != count:
            raise CheckpointError("the file describes one storage in two ways")
        return storage if not view or view[0] is None else storage.part(view[0])

    def _build(self, target: Any, state: Any) -> None:
        if self._numpy.build(target, state):
            return
        if not isinstance(target, OrderedDict) or not isinstance(state, dict):
            raise CheckpointError(f"the pickle sets attributes of a {type(target).__name__}")
        if isinstance(state.get("_metadata"), dict):  # versions of the modules, beside the tensors of a state_dict
            target._metadata = state["_metadata"]  # type: ignore[attr-defined]

    def _rebuild(
        self, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, hooks: Any = None,
        metadata: Any = None,
    ) -> Any:  # fmt: skip
        if not isinstance(storage, Storage):
            raise CheckpointError("a tensor in the file has no storage")
        if metadata:
            raise CheckpointError("a tensor in the file is a lazy conjugate or negative; save its clone() instead")
        view = _view(storage.array, offset, size, stride)
        if view.nbytes > self._most:
            raise CheckpointError(f"a tensor of {view.nbytes} bytes repeats a few numbers; that is a trap")
        return self._tensor(view)


def _view(numbers: NDArray[Any], offset: Any, size: Any, stride: Any) -> NDArray[Any]:
    """The tensor's array: ``size`` numbers, ``stride`` apart, from ``offset`` on."""
    if not isinstance(size, tuple) or not isinstance(stride, tuple) or not _whole(offset, *size, *stride):
        raise CheckpointError("a tensor in the file has a size, stride or offset that is no number")
    if len(size) != len(stride):
        raise CheckpointError(f"a tensor in the file has {len(size)} sizes and {len(stride)} strides")
    if math.prod(size) == 0:
        return np.empty(size, numbers.dtype)
    last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
    if last >= numbers.size:
        raise CheckpointError(f"a tensor in the file uses element {last} of a storage of {numbers.size}")
    item = numbers.itemsize
    return np.ndarray(size, numbers.dtype, numbers, offset * item, tuple(step * item for step in stride))


def _not_callable(*arguments: Any) -> Any:
    raise CheckpointError("the pickle calls the name of a type")


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any, state: Any = None) -> Any:
    return data


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise CheckpointError("the pickle rebuilds a tensor in an unknown way")
    return function.make(*arguments)


def _list(items: Any) -> list[Any]:
    if not isinstance(items, (list, tuple)):
        raise CheckpointError("the pickle makes a container from something else than a list")
    return list(items)


def _ordered_dict(items: Any = ()) -> OrderedDict[Any, Any]:
    pairs = [_list(pair) for pair in _list(items)]
    return OrderedDict((check_key(key), value) for key, value in pairs)


def _counter(counts: Any = None) -> Counter[Any]:
    if counts is not None and type(counts) is not dict:
        raise CheckpointError("the pickle makes a Counter from something else than a dictionary")
    return Counter(counts)


def _set(items: Any = ()) -> set[Any]:
    return set(map(check_key, _list(items)))


def _size(items: Any = ()) -> Size:
    sizes = _list(items)
    if not _whole(*sizes):
        raise CheckpointError("the pickle describes a shape in an unknown form")
    return Size(sizes)


def _device(kind: Any = "cpu", index: Any = None) -> str:
    if not isinstance(kind, str) or not (index is None or _whole(index)):
        raise CheckpointError("the pickle describes a device in an unknown form")
    return kind if index is None else f"{kind}:{index}"


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise CheckpointError("the pickle describes bytes in an unknown form")
    return text.encode("latin1")  # how Python 3 writes bytes in protocol 2


def _bytes() -> bytes:
    return b""


_CONTAINERS: dict[str, Any] = {
    "collections.OrderedDict": _ordered_dict,
    "collections.Counter": _counter,
    "__builtin__.set": _set,
    "builtins.set": _set,
    "__builtin__.bytes": _bytes,
    "_codecs.encode": _encode,
    "torch.Size": _size,
    "torch.device": _device,
}
