"""A file that is being read, and how much of it is left."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from .errors import CheckpointError

# What damaged bytes make the readers below raise: a missing stack item or key, a wrong type, an impossible number.
_DAMAGE = (
    LookupError, TypeError, ValueError, OverflowError, RecursionError, EOFError,
    NotImplementedError, RuntimeError, struct.error, zlib.error, zipfile.BadZipFile,
)  # fmt: skip


def most_unpacked(length: int) -> int:
    """How many bytes a file of ``length`` bytes may stand for: 100 times its length, or 64 MiB if that is more."""
    return max(64 * 2**20, 100 * length)


class Source:
    """Bytes to be read. Every size found in the file is checked against the file's length before memory is taken."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.length = file.seek(0, io.SEEK_END)
        file.seek(0)

    @property
    def left(self) -> int:
        """Number of bytes between here and the end."""
        return self.length - self.file.tell()

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes; fewer is an error."""
        if count < 0 or count > self.left:
            raise CheckpointError(f"the file is cut short or damaged: {count} bytes are needed, {self.left} are left")
        return self.file.read(count)

    def line(self, limit: int = 1024) -> str:
        """Return the text up to the next line feed."""
        text = self.file.readline(limit)
        if not text.endswith(b"\n"):
            raise CheckpointError("the file is cut short or damaged: a line in it does not end")
        return text[:-1].decode("utf-8")

    def unpack(self, layout: str) -> Any:
        """Read one number, ``layout`` as in :mod:`struct`."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def head(self, count: int) -> bytes:
        """Return the first ``count`` bytes, or fewer, and stay at the beginning."""
        self.file.seek(0)
        head = self.file.read(count)
        self.file.seek(0)
        return head


@contextlib.contextmanager
def open_source(path: str | os.PathLike[str] | BinaryIO) -> Iterator[Source]:
    """Open a path, or use an open file from where it stands; name the file in every error about its content."""
    with contextlib.ExitStack() as stack:
        if isinstance(path, (str, os.PathLike)):
            name = os.fspath(path)
            file: BinaryIO = stack.enter_context(open(path, "rb"))
        elif hasattr(path, "read"):
            name = str(getattr(path, "name", f"<{type(path).__name__}>"))
            file = path if path.seekable() and path.tell() == 0 else io.BytesIO(path.read())
        else:
            raise TypeError(f"expected a path or a file opened in binary mode, got {type(path).__name__}")
        try:
            yield Source(file)
        except CheckpointError as error:
            raise CheckpointError(f"{name}: {error}") from error
        except _DAMAGE as error:
            raise CheckpointError(f"{name}: the file is damaged ({type(error).__name__}: {error})") from error
