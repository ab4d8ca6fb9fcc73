"""Writing a file all or nothing."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_BINARY = getattr(os, "O_BINARY", 0)  # Windows


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing so that ``path`` is, at every moment, the whole old file or the whole new one.

    The bytes go to a temporary file beside ``path``, are forced to the disk,
    and only then take the name ``path``, in one step. If anything fails on the
    way (an exception, a full disk), the temporary file is removed and what was
    at ``path`` stays. A process that is killed leaves the old file, and
    perhaps a ``.tmp`` beside it.

    Parameters
    ----------
    path : str or path-like
        Where the file shall be. Its directory must exist. A symbolic link is
        followed: the file it points to is replaced, the link stays. An
        existing file keeps its permissions.

    Yields
    ------
    file : binary file
        Write the content here.

    Raises
    ------
    OSError
        If the directory does not exist, ``path`` is something other than a
        regular file, or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "log.txt"
    >>> with atomic_write(target) as file:
    ...     _ = file.write(b"epoch 1")
    >>> target.read_text()
    'epoch 1'
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a directory; give the name of a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: the directory {target.parent} does not exist; make it first")
    if target.exists() and not target.is_file():
        raise OSError(f"{path} is a device or a pipe, and cannot be replaced by a file; pass an open file instead")

    temporary = target.with_name(f".{target.name[:32]}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        publish(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def publish(temporary: Path, target: Path) -> None:
    """Give a complete file its name: on disk first, then renamed in one step, with the permissions of the file before.

    Parameters
    ----------
    temporary : Path
        Closed, and in the directory of ``target``.
    target : Path
    """
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    if target.exists():
        os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
    os.replace(temporary, target)
    if hasattr(os, "O_DIRECTORY"):  # the new name, too, is on disk (where directories can be opened: not on Windows)
        descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
