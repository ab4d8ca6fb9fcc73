"""The IDX format of MNIST's files (LeCun, Cortes, Burges; "THE MNIST DATABASE of handwritten digits").

Big-endian: two zero bytes, the type of the elements (8: unsigned bytes), the
number d of dimensions, d sizes of 4 bytes each, then the elements.
"""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import OfficialFile, check_official, corrupt

UNSIGNED_BYTES = 0x0800


def read_idx(path: Path, ndim: int, compressed: OfficialFile, plain: OfficialFile | None) -> NDArray[np.uint8]:
    """The array in an IDX file, gzipped or not, checked against what the file should be.

    Parameters
    ----------
    path : Path
        The file.
    ndim : int
        The number of dimensions it must have: 3 for images, 1 for labels.
    compressed, plain : OfficialFile
        The authors' file, and the same unpacked, where its checksum is known.

    Returns
    -------
    numpy.ndarray of uint8

    Raises
    ------
    CorruptDataError
        If the file is truncated, damaged or of another kind.
    """
    content = path.read_bytes()
    official = compressed
    if content[:2] == b"\x1f\x8b":
        check_official(path, content, compressed)
        try:
            data = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise corrupt(path, f"cannot be unpacked: {error}", content, official) from None
    else:
        data = content
        if plain is not None:
            official = plain
            check_official(path, content, plain)
    return _parse(path, data, ndim, official)


def _parse(path: Path, data: bytes, ndim: int, official: OfficialFile) -> NDArray[Any]:
    expected, header = UNSIGNED_BYTES + ndim, 4 + 4 * ndim
    magic = int.from_bytes(data[:4], "big")
    if len(data) < header or magic != expected:
        kind = "images" if ndim == 3 else "labels"
        raise corrupt(path, f"not a file of {kind}: the magic number is {magic}, expected {expected}", data, official)
    shape = tuple(np.frombuffer(data, ">i4", ndim, offset=4).tolist())
    if min(shape) < 0 or len(data) != header + prod(shape):
        problem = f"{len(data)} bytes of data where its header {shape} asks for {header} + {prod(shape)}"
        raise corrupt(path, problem, data, official)
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape).copy()
