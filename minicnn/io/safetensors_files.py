"""The ``.safetensors`` format, through the package of that name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .errors import CheckpointError
from .source import Source
from .torch_objects import decode

_ELEMENTS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8",
}  # fmt: skip


def write_safetensors(file: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name."""
    import safetensors.numpy

    file.write(safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()}))


def read_safetensors(source: Source) -> dict[str, NDArray[Any]]:
    """Return the arrays by name; bfloat16 becomes float32."""
    import safetensors

    try:
        entries = safetensors.deserialize(source.take(source.length))
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"the .safetensors file is damaged ({error})") from error
    arrays = {}
    for name, entry in entries:
        if entry["dtype"] not in _ELEMENTS:
            raise CheckpointError(f"the tensor {name!r} has the type {entry['dtype']}, which minicnn does not have")
        data = np.frombuffer(bytearray(entry["data"]), np.uint8)
        arrays[name] = decode(data, _ELEMENTS[entry["dtype"]]).reshape(entry["shape"])
    return arrays
