"""NumPy's ``.npy`` format: one array; and ``.npz``: a zip file of them.

A ``.npy`` file is ``\\x93NUMPY``, two bytes of version, the length of the
header, the header as text ``{'descr': '<f4', 'fortran_order': False, 'shape':
(3, 4), }``, and the numbers.
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .archive import Archive
from .errors import CheckpointError

MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    r"\{ *'descr': *'([^']*)', *'fortran_order': *(True|False), "
    r"*'shape': *\(((?:\d{1,18}, *)*(?:\d{1,18})?)\),? *\}\s*",
    re.ASCII,
)
_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|c8|c16)")


def is_numeric(array: NDArray[Any]) -> bool:
    """Whether the elements are plain numbers that every machine can read."""
    return _NUMBERS.fullmatch(array.dtype.str) is not None


def write_npy(file: IO[bytes], array: NDArray[Any]) -> None:
    """Write one array of numbers, little-endian."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    np.lib.format.write_array(file, little, version=(1, 0), allow_pickle=False)  # type: ignore[no-untyped-call]


def read_npy(data: NDArray[Any]) -> NDArray[Any]:
    """Return the array in the bytes of a ``.npy`` file, as a view of them where possible."""
    if data[:6].tobytes() != MAGIC or data.size < 12:
        raise CheckpointError("an array in the file does not begin as NumPy's .npy format does")
    length, start = (int.from_bytes(data[8:10].tobytes(), "little"), 10) if data[6] == 1 else (
        struct.unpack("<I", data[8:12].tobytes())[0], 12)  # fmt: skip
    header = _HEADER.fullmatch(data[start : start + length].tobytes().decode("latin1"))
    if header is None or _NUMBERS.fullmatch(header[1]) is None:
        raise CheckpointError("an array in the file has a damaged header, or holds something else than plain numbers")
    kind = np.dtype(header[1])
    shape = tuple(int(size) for size in header[3].split(",") if size.strip())
    numbers = data[start + length :]
    if numbers.size != math.prod(shape) * kind.itemsize:
        raise CheckpointError(f"an array in the file has {numbers.size} bytes, which do not make {shape} of {kind}")
    if kind == np.bool_:
        numbers, kind = numbers != 0, np.dtype(np.bool_)
    values = numbers.view(kind).astype(kind.newbyteorder("="), copy=False)
    return values.reshape(shape[::-1]).T if header[2] == "True" else values.reshape(shape)


def write_npz(file: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name, uncompressed, so that the same arrays give the same bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                write_npy(entry, array)


def read_npz(archive: Archive) -> dict[str, NDArray[Any]]:
    """Return the arrays of a ``.npz`` file by name."""
    return {name.removesuffix(".npy"): read_npy(archive.read(name)) for name in archive.names}
