"""Files of datasets: what they should be, what is wrong with one, and writing them so that none is ever half there."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

from ..core.atomic import atomic_write


class CorruptDataError(RuntimeError):
    """A file of a dataset that is truncated, damaged, or another file than its name says."""


@dataclass(frozen=True)
class OfficialFile:
    """A file as its authors publish it."""

    name: str
    md5: str
    size: int


def check_official(path: Path, content: bytes, official: OfficialFile) -> None:
    """A file of the official size must have the official checksum (other sizes may be a smaller set of one's own)."""
    if len(content) == official.size and hashlib.md5(content, usedforsecurity=False).hexdigest() != official.md5:
        raise corrupt(path, "the checksum is wrong", content, official)


def corrupt(path: Path, problem: str, content: Sized, official: OfficialFile | None = None) -> CorruptDataError:
    """The error that names the file, its size and checksum, those expected, and the way out."""
    facts = f"{len(content)} bytes"
    if isinstance(content, bytes):
        facts += f", MD5 {hashlib.md5(content, usedforsecurity=False).hexdigest()}"
    if official is not None:
        facts += f"; the official {official.name} has {official.size} bytes, MD5 {official.md5}"
    return CorruptDataError(f"{path}: {problem} ({facts}). Delete the file and load the dataset with download=True")


def unpack(archive: Path, folder: Path, names: Sequence[str]) -> None:
    """The files of these names in a tar archive, and no others, into ``folder``; each appears when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = set(names)
    with tarfile.open(archive) as tar:
        for member in tar:  # in their order: a compressed archive can only be read forwards
            name = member.name.removeprefix(f"{folder.name}/")
            content = tar.extractfile(member) if name in missing and member.name != name else None
            if content is not None:
                with atomic_write(folder / name) as file:
                    shutil.copyfileobj(content, file)
                missing.remove(name)
    if missing:
        raise CorruptDataError(f"{archive}: lacks {', '.join(f'{folder.name}/{name}' for name in sorted(missing))}")
