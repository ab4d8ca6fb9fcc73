"""minicnn's own checkpoint format: a zip file of one JSON document and the arrays.

``minicnn.json`` describes the containers; every tensor and array in them is an
entry ``arrays/<number>.npy``, which NumPy reads by itself. There is no pickle
in it, so no file can run code. The format is specified in
``docs/checkpoint-format.md``.

In the JSON document, null, true, false, numbers, strings and lists stand for
themselves. Everything else is an object with one key, its kind:
``{"tuple": [1, 2]}``, ``{"dict": [["lr", 0.1]]}``, ``{"tensor": 3}``.
"""

from __future__ import annotations

import base64
import json
import math
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..core import Size, Tensor
from ..core.device import device
from ..core.dtype import ALL, dtype
from .archive import Archive
from .errors import CheckpointError
from .npy import is_numeric, read_npy, write_npy
from .pickle_machine import check_key
from .tree import MAX_DEPTH

DOCUMENT = "minicnn.json"
FORMAT = "minicnn checkpoint"
VERSION = 1
_DTYPES = {kind.name: kind for kind in ALL}


class Encoder:
    """Turns an object into the JSON document and the list of its arrays, or says what cannot be saved."""

    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._copied: dict[int, tuple[Any, NDArray[Any]]] = {}  # arrays on a GPU by id, and their copies

    def encode(self, value: Any, path: str, depth: int = 0) -> Any:
        """Return the JSON of ``value``; ``path`` is what the user would write to reach it."""
        if depth > MAX_DEPTH:
            raise ValueError(f"save: containers are nested more than {MAX_DEPTH} levels deep, or contain themselves")
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind is int:
            return value if abs(value) < 2**63 else {"int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if kind is bytes:
            return {"bytes": base64.b64encode(value).decode("ascii")}
        if isinstance(value, Tensor):
            return {"tensor": self._store(self._on_host(value))}
        if isinstance(value, np.generic) and is_numeric(np.asarray(value)):
            return {"scalar": self._store(np.asarray(value))}
        if kind is np.ndarray and is_numeric(value):
            return {"array": self._store(value)}
        if isinstance(value, (dtype, device)):
            return {type(value).__name__: getattr(value, "name", None) or str(value)}
        if kind is list:
            return self._items(value, path, depth)
        if kind in (tuple, Size):
            return {kind.__name__: self._items(value, path, depth)}
        if kind in (set, frozenset):
            return {kind.__name__: self._items(sorted(value, key=repr), path, depth)}  # the same order in every run
        if kind in (dict, OrderedDict, Counter):
            return self._dictionary(value, path, depth)
        raise TypeError(
            f"save: {path} is a {kind.__module__}.{kind.__qualname__}, which is neither a tensor, a number, a string "
            f"nor a plain container of them. {_advice(value, path)}"
        )

    def _items(self, items: Any, path: str, depth: int) -> list[Any]:
        return [self.encode(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(items)]

    def _dictionary(self, value: dict[Any, Any], path: str, depth: int) -> dict[str, Any]:
        pairs = []
        for key, item in value.items():
            try:
                check_key(key)
            except CheckpointError:
                raise TypeError(f"save: {path} has the key {key!r}; keys are strings, numbers or tuples") from None
            pair = (key, f"{path}.keys()"), (item, f"{path}[{key!r}]")
            pairs.append([self.encode(part, where, depth + 1) for part, where in pair])
        node: dict[str, Any] = {type(value).__name__: pairs}
        if getattr(value, "_metadata", None) is not None:  # of a state_dict: the versions of its modules
            node["_metadata"] = self.encode(value._metadata, f"{path}._metadata", depth + 1)  # type: ignore[attr-defined]
        return node

    def _on_host(self, value: Tensor) -> NDArray[Any]:
        """The tensor's array; of a tensor on a GPU a copy, the same for all tensors that have the same array."""
        if not value.is_cuda:
            return value.detach().numpy()  # type: ignore[no-any-return]
        array = value._array
        if id(array) not in self._copied:
            self._copied[id(array)] = array, value.detach().cpu().numpy()
        return self._copied[id(array)][1]

    def _store(self, array: NDArray[Any]) -> int:
        """Number of the array's entry; the same memory, seen in the same way, is stored once."""
        key = (array.ctypes.data, array.shape, array.strides, array.dtype.str)
        if key not in self._numbers:
            self._numbers[key] = len(self.arrays)
            self.arrays.append(array)  # also keeps the memory, and so the key, from being used again
        return self._numbers[key]


def _advice(value: Any, path: str) -> str:
    if callable(getattr(value, "state_dict", None)):
        return f"Save its values instead: {path}.state_dict()"
    for plain in (dict, list, tuple, set, str, int, float):  # defaultdict, namedtuple, enumerations
        if isinstance(value, plain):
            return f"Save {plain.__name__}({path}) instead"
    if isinstance(value, type) or callable(value):
        return "Functions and classes are code; save what they need to be made again, such as a name"
    return "Save the numbers it is made of instead"


def write_native(file: BinaryIO, document: Any, arrays: list[NDArray[Any]]) -> None:
    """Write what an :class:`Encoder` made. The same values give the same bytes."""
    header = {"format": FORMAT, "version": VERSION, "arrays": len(arrays), "value": document}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(DOCUMENT), json.dumps(header, allow_nan=False))
        for number, array in enumerate(arrays):
            with archive.open(zipfile.ZipInfo(f"arrays/{number}.npy"), "w", force_zip64=True) as entry:
                write_npy(entry, array)


def read_native(archive: Archive, tensor: Callable[[NDArray[Any]], Any]) -> Any:
    """Return the object in a checkpoint; ``tensor`` makes a tensor of its array."""
    header = json.loads(archive.read(DOCUMENT).tobytes(), parse_constant=_no_constant)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CheckpointError(f"its {DOCUMENT} is not that of a minicnn checkpoint")
    if header.get("version") != VERSION:
        raise CheckpointError(
            f"it is a minicnn checkpoint of version {header.get('version')!r:.20}, and this minicnn reads version "
            f"{VERSION}; use the minicnn that wrote it, or a newer one"
        )
    return Decoder(archive, tensor).decode(header.get("value"))


def _no_constant(text: str) -> Any:
    raise CheckpointError(f"its {DOCUMENT} has a {text}, which is not JSON")


class Decoder:
    """Turns the JSON document back into the object."""

    def __init__(self, archive: Archive, tensor: Callable[[NDArray[Any]], Any]) -> None:
        self._archive, self._make_tensor = archive, tensor
        self._arrays: dict[int, NDArray[Any]] = {}
        self._tensors: dict[int, Any] = {}

    def decode(self, node: Any) -> Any:
        """Return the value that the JSON ``node`` stands for."""
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        kind, content = next(iter(node.items()), ("nothing", None))
        if kind not in _KINDS or set(node) - {kind, "_metadata"}:
            raise CheckpointError(f"its {DOCUMENT} has a value of the unknown kind {kind!r:.40}")
        value = _KINDS[kind](self, content)
        if isinstance(value, OrderedDict) and isinstance(metadata := self.decode(node.get("_metadata")), dict):
            value._metadata = metadata  # type: ignore[attr-defined]
        return value

    def pairs(self, pairs: Any) -> list[tuple[Any, Any]]:
        """Keys and values of a dictionary."""
        return [(check_key(self.decode(key)), self.decode(value)) for key, value in pairs]

    def array(self, number: Any) -> NDArray[Any]:
        """Read an array, once."""
        if number not in self._arrays:
            self._arrays[number] = read_npy(self._archive.read(f"arrays/{int(number)}.npy"))
        return self._arrays[number]

    def tensor(self, number: Any) -> Any:
        """Make a tensor, once."""
        if number not in self._tensors:
            self._tensors[number] = self._make_tensor(self.array(number))
        return self._tensors[number]


_KINDS: dict[str, Callable[[Decoder, Any], Any]] = {
    "dict": lambda decoder, pairs: dict(decoder.pairs(pairs)),
    "OrderedDict": lambda decoder, pairs: OrderedDict(decoder.pairs(pairs)),
    "Counter": lambda decoder, pairs: Counter(dict(decoder.pairs(pairs))),
    "tuple": lambda decoder, items: tuple(decoder.decode(items)),
    "Size": lambda decoder, items: Size(map(int, decoder.decode(items))),
    "set": lambda decoder, items: set(map(check_key, decoder.decode(items))),
    "frozenset": lambda decoder, items: frozenset(map(check_key, decoder.decode(items))),
    "int": lambda decoder, text: int(text, 16),
    "float": lambda decoder, text: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[text],
    "bytes": lambda decoder, text: base64.b64decode(text, validate=True),
    "tensor": Decoder.tensor,
    "array": Decoder.array,
    "scalar": lambda decoder, number: decoder.array(number)[()],
    "dtype": lambda decoder, name: _DTYPES[name],
    "device": lambda decoder, name: device(name),
}
