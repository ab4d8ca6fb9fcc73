"""Reading the two formats of ``torch.save`` without PyTorch.

Since PyTorch 1.6 a file is a zip archive: ``<name>/data.pkl``, a pickle of
the containers, and one entry ``<name>/data/<key>`` per storage, the raw
numbers. Before, it was one pickle after the other: a magic number, the version
of the format, the byte order, the containers, the list of the storages' keys;
then the storages, each with its length in front.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .archive import Archive
from .errors import CheckpointError
from .source import Source
from .torch_objects import TorchObjects

_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001


def read_torch_zip(archive: Archive, length: int, tensor: Callable[[NDArray[Any]], Any]) -> Any:
    """Read the format of PyTorch 1.6 and later."""
    pickles = [name for name in archive.names if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise CheckpointError("the zip file has no data.pkl, or several; it is no file of torch.save")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in archive.names:
        raise CheckpointError(
            "this is a TorchScript program, not weights; save the state_dict: "
            "torch.save(torch.jit.load(path).state_dict(), other_path)"
        )
    order: Literal["<", ">"] = "<"
    if f"{folder}byteorder" in archive.names:
        order = ">" if archive.read(f"{folder}byteorder").tobytes() == b"big" else "<"

    objects = TorchObjects(max(length, sum(map(archive.size, archive.names))), tensor)
    value = objects.unpickle(Source(io.BytesIO(archive.read(pickles[0]).tobytes())))
    for key, storage in objects.storages.items():
        storage.fill(archive.read(f"{folder}data/{key}"), order)
    return value


def read_torch_legacy(source: Source, tensor: Callable[[NDArray[Any]], Any]) -> Any:
    """Read the format before PyTorch 1.6."""
    objects = TorchObjects(source.length, tensor)
    if objects.unpickle(source) != _MAGIC:
        raise CheckpointError("this is a pickle, but not one of torch.save; minicnn reads only tensors and containers")
    if objects.unpickle(source) != _LEGACY_VERSION:
        raise CheckpointError("this file of torch.save has a version of the format that is not known")
    system = objects.unpickle(source)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise CheckpointError("this file of torch.save comes from a machine of the other byte order")

    value = objects.unpickle(source)
    for key in objects.unpickle(source):
        storage = objects.storages[key]
        if source.unpack("<q") != storage.array.size:
            raise CheckpointError("a storage in the file has another length than its tensors")
        storage.fill(np.frombuffer(source.take(storage.stored_bytes), np.uint8))
    if not all(storage.filled for storage in objects.storages.values()):
        raise CheckpointError("the file does not hold all the storages of its tensors")
    return value
