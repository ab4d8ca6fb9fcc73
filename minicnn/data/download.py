"""Downloads that can be interrupted: several mirrors, checksums, and a file only when it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.atomic import publish
from .files import OfficialFile

CHUNK = 1 << 18
SECONDS = 30.0  # how long a silent server is waited for


class DownloadError(OSError):
    """No mirror gave the file; the message says what each one did."""


class _MirrorError(Exception):
    """Why one mirror did not give the file."""


def download(
    official: OfficialFile, mirrors: Sequence[str], folder: str | os.PathLike[str], progress: bool = True
) -> Path:
    """Fetch a file from the first mirror that has it, check it, and put it into ``folder``.

    What arrives goes to ``NAME.part`` and stays there when the connection breaks, so
    that the next try, from any mirror, only asks for the rest. The file gets its
    name in one step, when its checksum is right.

    Parameters
    ----------
    official : OfficialFile
        Name, MD5 and size of the file.
    mirrors : sequence of str
        Addresses of the folders that hold it, each ending in "/".
    folder : path
        Where to put it; made if it does not exist.
    progress : bool, default True
        Draw a bar, if the output is a terminal.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    DownloadError
        If no mirror has it.
    """
    destination = Path(folder) / official.name
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(official.name + ".part")
    reasons = []
    for mirror in mirrors:
        try:
            _fetch_checked(mirror + official.name, part, official, progress)
        except _MirrorError as error:
            reasons.append(f"{mirror}{official.name} ({error})")
            continue
        publish(part, destination)
        return destination
    raise DownloadError(
        f"cannot download {official.name}: {'; '.join(reasons)}; if you are offline, get the file elsewhere and put it "
        f"into {destination.parent}, or set MINICNN_DATA to a folder that has it."
    )


def _fetch_checked(url: str, part: Path, official: OfficialFile, progress: bool) -> None:
    """Complete ``part``; if what an earlier try left in it was wrong, once more from the beginning."""
    resumed = part.exists() and part.stat().st_size > 0
    if not _has_size(part, official):
        _fetch(url, part, official, progress)
    found = _md5(part)
    if found == official.md5:
        return
    part.unlink()
    if resumed:
        _fetch_checked(url, part, official, progress)
        return
    raise _MirrorError(f"wrong checksum: MD5 {found}, expected {official.md5}")


def _fetch(url: str, part: Path, official: OfficialFile, progress: bool) -> None:
    """Append what is missing in ``part``."""
    import http.client
    import urllib.error
    import urllib.request

    start = part.stat().st_size if part.exists() else 0
    if start > official.size:
        start = 0
    request = urllib.request.Request(url, headers={"User-Agent": "minicnn"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            if response.status != 206 or not _continues(response, start):
                start = 0
            _save(response, part, start, official, progress)
    except urllib.error.HTTPError as error:
        error.close()
        raise _MirrorError(f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _MirrorError(str(error.reason)) from None
    except (http.client.HTTPException, OSError) as error:
        raise _MirrorError(f"{type(error).__name__}: {error}") from None
    size = part.stat().st_size
    if size != official.size:
        if size > official.size:
            part.unlink()
        raise _MirrorError(f"truncated: {size} bytes of {official.size}" if size < official.size
                           else f"too long: {size} bytes, expected {official.size}")  # fmt: skip


def _continues(response: Any, start: int) -> bool:
    """Whether a partial answer begins where it was asked to."""
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {start}-")


def _save(response: Any, part: Path, start: int, official: OfficialFile, progress: bool) -> None:
    """Write an answer behind the first ``start`` bytes, at most one chunk too many."""
    from tqdm import tqdm

    bar = tqdm(
        desc=official.name,
        initial=start,
        total=official.size,
        unit="B",
        unit_scale=True,
        disable=None if progress else True,
    )
    with open(part, "ab" if start else "wb") as file, bar:
        while file.tell() <= official.size and (chunk := response.read(CHUNK)):
            file.write(chunk)
            bar.update(len(chunk))


def _has_size(part: Path, official: OfficialFile) -> bool:
    return part.exists() and part.stat().st_size == official.size


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
