"""Reading a zip file that nobody has vouched for."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CheckpointError
from .source import Source, most_unpacked

_DEFLATE_LIMIT = 1032  # a byte of deflate stands for no more bytes than this


class Archive:
    """The entries of a zip file, by name. Nothing is ever unpacked to the disk.

    Refused: names that occur twice, encrypted entries, compression other than
    deflate, entries that overlap, and archives that would unpack to far more
    than their own length (zip bombs). Reading an entry checks its CRC-32.
    """

    def __init__(self, source: Source) -> None:
        try:
            self._zip = zipfile.ZipFile(source.file)
        except zipfile.BadZipFile as error:
            raise CheckpointError(
                f"it begins like a zip file, but its table of contents, at the end, cannot be read ({error}); "
                "the file was cut short, for instance by an interrupted download: fetch it again"
            ) from error
        self._entries = {entry.filename: entry for entry in self._zip.infolist()}
        if len(self._entries) != len(self._zip.infolist()):
            raise CheckpointError("the zip file has two entries of the same name")
        for entry in self._entries.values():
            if entry.flag_bits & 0x1:
                raise CheckpointError(f"the entry {entry.filename!r} is encrypted")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise CheckpointError(f"the entry {entry.filename!r} is compressed in another way than deflate")
            most = entry.compress_size * (1 if entry.compress_type == zipfile.ZIP_STORED else _DEFLATE_LIMIT)
            if entry.file_size > most:
                raise CheckpointError(f"the sizes of the entry {entry.filename!r} contradict each other")
        packed = sum(entry.compress_size for entry in self._entries.values())
        unpacked = sum(entry.file_size for entry in self._entries.values())
        if packed > source.length:
            raise CheckpointError(f"the entries of the zip file overlap: {packed} bytes in a file of {source.length}")
        if unpacked > most_unpacked(source.length):
            raise CheckpointError(f"the zip file of {source.length} bytes would unpack to {unpacked}; that is a trap")

    @property
    def names(self) -> list[str]:
        """Names of the entries, in the order of the file."""
        return list(self._entries)

    def size(self, name: str) -> int:
        """Number of bytes of an entry, unpacked."""
        if name not in self._entries:
            raise CheckpointError(f"the zip file has no entry {name!r}; it is incomplete")
        return self._entries[name].file_size

    def read(self, name: str) -> NDArray[Any]:
        """Return the bytes of an entry, writable, uint8."""
        data = np.empty(self.size(name), np.uint8)
        with self._zip.open(self._entries[name]) as file:
            count = file.readinto(memoryview(data))  # type: ignore[attr-defined, arg-type]
            if count != data.size or file.read(1):
                raise CheckpointError(f"the entry {name!r} does not have the size the table of contents tells")
        return data
