"""``minicnn.save`` and ``minicnn.load``: values to a file and back, without ever running code from a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..core import Tensor, from_numpy
from ..core.atomic import atomic_write
from ..core.device import CPU, check_device
from . import npy
from .archive import Archive
from .errors import CheckpointError
from .native import DOCUMENT, Encoder, read_native, write_native
from .safetensors_files import read_safetensors, write_safetensors
from .source import Source, open_source
from .torch_files import read_torch_legacy, read_torch_zip

File = str | os.PathLike[str] | BinaryIO

# How files begin that are mistaken for checkpoints, and what to do about them.
_MISTAKEN = {
    b"<": "it is a web page (HTML or XML), perhaps the page with the download button: download the file itself",
    b"version https://git-lfs": "it is a pointer of Git LFS, not the file itself: run `git lfs pull`",
    b"\x1f\x8b": "it is compressed with gzip: unpack it first",
    b"\x89HDF": "it is an HDF5 file (Keras): convert it to .safetensors or .npz first",
    b"Rar!": "it is a RAR archive: unpack it first",
    b"7z\xbc\xaf": "it is a 7-Zip archive: unpack it first",
}


def save(obj: Any, f: File) -> None:
    """Write tensors, and plain containers of them, to a file.

    The name decides the format: ``.safetensors`` and ``.npz`` take a flat
    dictionary of tensors; any other name gives minicnn's own format
    (``docs/checkpoint-format.md``), which takes dictionaries, lists, tuples,
    sets, numbers, strings, bytes, None, tensors, NumPy arrays and scalars,
    nested as you like, so whole checkpoints. Tensors on the same memory are
    stored once. Gradients and ``requires_grad`` are not stored, and neither is
    the device: tensors on a GPU are copied to the CPU first.

    The file is replaced all at once: whatever fails on the way, the old file
    stays whole (see :func:`minicnn.io.atomic_write`). What cannot be saved is
    found before anything is written.

    Parameters
    ----------
    obj : object
        What to save: a ``state_dict()``, or a dictionary of several.
    f : str, path-like, or file opened in binary mode
        Where. An open file is written as it stands, in minicnn's format.

    Raises
    ------
    TypeError
        If ``obj`` contains something else, a Module, for instance. The error
        names the place, as in ``obj['model']``, and what to save instead.
    ValueError
        If containers are nested more than 100 levels deep.

    Examples
    --------
    >>> import io
    >>> import minicnn
    >>> file = io.BytesIO()
    >>> minicnn.save({"epoch": 3, "weight": minicnn.tensor([1.0, 2.0])}, file)
    >>> _ = file.seek(0)
    >>> minicnn.load(file)
    {'epoch': 3, 'weight': tensor([1., 2.])}
    """
    write = _writer(obj, Path(f).suffix.lower() if isinstance(f, (str, os.PathLike)) else "")
    if not isinstance(f, (str, os.PathLike)):
        write(f)
        return
    with atomic_write(f) as file:
        write(file)


def _writer(obj: Any, suffix: str) -> Callable[[BinaryIO], None]:
    """Check ``obj`` and return the function that writes it."""
    if suffix == ".safetensors":
        arrays = _flat(obj, suffix)
        return lambda file: write_safetensors(file, arrays)
    if suffix == ".npz":
        arrays = _flat(obj, suffix)
        return lambda file: npy.write_npz(file, arrays)
    encoder = Encoder()
    document = encoder.encode(obj, "obj")
    return lambda file: write_native(file, document, encoder.arrays)


def _flat(obj: Any, suffix: str) -> dict[str, NDArray[Any]]:
    """The arrays of a flat dictionary of tensors."""
    other = "other names, such as 'checkpoint.pt', take nested containers too"
    if not isinstance(obj, Mapping):
        raise TypeError(f"save: a {suffix} file holds a dictionary of tensors; obj is a {type(obj).__name__} ({other})")
    arrays = {}
    for name, value in obj.items():
        if not isinstance(name, str) or "\0" in name:
            raise TypeError(f"save: a {suffix} file holds tensors by name; obj has the key {name!r} ({other})")
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        if not isinstance(array, np.ndarray) or not npy.is_numeric(array):
            raise TypeError(
                f"save: a {suffix} file holds tensors by name; obj[{name!r}] is a {type(value).__name__} ({other})"
            )
        arrays[name] = array
    return arrays


def load(f: File, map_location: Any = None, *, weights_only: bool | None = None) -> Any:
    """Read a file of :func:`save`, of PyTorch's ``torch.save``, ``.safetensors``, ``.npz`` or ``.npy``.

    The content decides how it is read, not the name. Nothing in a file can
    run code: a PyTorch file is read by a machine of our own that knows tensors
    and plain containers, and refuses all else (:func:`read_torch`).

    Parameters
    ----------
    f : str, path-like, or file opened in binary mode
        What to read. An open file is read from where it stands.
    map_location : device, str, dict, callable or None
        Where the tensors shall be; default: on the CPU, wherever they were saved from (``load_state_dict`` copies
        into a model on any device). A callable is given each tensor and ``"cpu"``, and returns the tensor to take; of
        a dictionary, which renames devices, the entry for ``"cpu"`` counts, or the only one that there is.
    weights_only : bool, optional
        Makes no difference. PyTorch's ``False`` lets a file run code; here none
        ever does, and a file that would need it is refused either way.

    Returns
    -------
    object
        What was saved. Tensors that shared memory share it again.

    Raises
    ------
    CheckpointError
        If the file is damaged, of another kind, or would run code; the error says which.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> file = io.BytesIO()
    >>> np.savez(file, bias=np.zeros(2, np.float32))
    >>> _ = file.seek(0)
    >>> load(file)
    {'bias': tensor([0., 0.])}
    """
    place = _placing(map_location)
    with open_source(f) as source:
        return _read(source, _kind(source), lambda array: place(_tensor(array)))


def read_torch(path: File) -> Any:
    """Read a file that PyTorch's ``torch.save`` wrote (``.pth``, ``.pt``, ``.th``), without PyTorch.

    Both formats are known: the zip file of PyTorch 1.6 and later, and the
    older one. Tensors become minicnn's tensors on the CPU, wherever they were
    saved from; bfloat16 becomes float32 (exactly), ``nn.Parameter`` a tensor,
    ``torch.Size`` a :class:`minicnn.Size`, ``torch.device`` its name.
    Dictionaries, lists, tuples, sets, numbers, strings, and NumPy scalars and
    arrays stay what they are, and tensors that shared memory share it again.

    Parameters
    ----------
    path : str, path-like, or file opened in binary mode
        What to read.

    Returns
    -------
    object
        What was saved, usually a ``state_dict``.

    Raises
    ------
    CheckpointError
        If it is no file of ``torch.save``, is damaged, holds other kinds of
        tensors (complex, quantised, sparse), or holds other objects: those are
        stored as code to be run, and the error names the first of them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> page = pathlib.Path(tempfile.mkdtemp()) / "weights.pth"
    >>> _ = page.write_text("<!DOCTYPE html>")
    >>> read_torch(page)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    minicnn.io.errors.CheckpointError: ...weights.pth: it is a web page (HTML or XML), ...
    """
    with open_source(path) as source:
        kind = _kind(source)
        if not kind.startswith("torch"):
            raise CheckpointError(f"this is a {kind} file, not one of torch.save; minicnn.load reads it")
        return _read(source, kind, _tensor)


def _read(source: Source, kind: str, tensor: Callable[[NDArray[Any]], Tensor]) -> Any:
    if kind == "minicnn":
        return read_native(Archive(source), tensor)
    if kind == "torch":
        return read_torch_zip(Archive(source), source.length, tensor)
    if kind == "torch, before 1.6":
        return read_torch_legacy(source, tensor)
    if kind == ".npy":
        return tensor(npy.read_npy(np.frombuffer(bytearray(source.take(source.length)), np.uint8)))
    arrays = npy.read_npz(Archive(source)) if kind == ".npz" else read_safetensors(source)
    return {name: tensor(array) for name, array in arrays.items()}


def _kind(source: Source) -> str:
    """What sort of file this is, from its content."""
    head = source.head(512)
    if not head:
        raise CheckpointError("the file is empty; was the program that wrote it interrupted?")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(Archive(source).names)
    if head.startswith(npy.MAGIC):
        return ".npy"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= source.length - 8:
        return ".safetensors"
    if head.startswith(b"\x80"):
        return "torch, before 1.6"
    if head[257:262] == b"ustar":
        raise CheckpointError(
            "it is a tar archive: unpack it, if it holds weights; files of torch.save are tar archives only from "
            "PyTorch 0.1, and must be saved anew by a PyTorch that reads them"
        )
    for beginning, advice in _MISTAKEN.items():
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(beginning):
            raise CheckpointError(advice)
    raise CheckpointError(
        f"it begins with {head[:8]!r}, which is none of the formats that minicnn reads: "
        "minicnn.save, torch.save, .safetensors, .npz, .npy"
    )


def _kind_of_zip(names: list[str]) -> str:
    if DOCUMENT in names:
        return "minicnn"
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "torch"
    if all(name.endswith(".npy") for name in names):
        return ".npz"
    raise CheckpointError(f"it is a zip archive of other things ({', '.join(map(repr, names[:3]))}): unpack it first")


def _tensor(array: NDArray[Any]) -> Tensor:
    """The tensor on an array from a file."""
    try:
        return from_numpy(array)
    except TypeError as error:
        raise CheckpointError(f"the file holds a tensor that minicnn cannot: {error}") from error


def _placing(where: Any) -> Callable[[Tensor], Tensor]:
    """What puts a tensor, which comes from the file to the CPU, where ``map_location`` says."""
    if callable(where):
        return lambda t: t if (placed := where(t, "cpu")) is None else placed
    if isinstance(where, Mapping):
        wanted = {str(place) for place in where.values()}
        where = where.get("cpu", wanted.pop() if len(wanted) == 1 else None)
    device = CPU if where is None else check_device(where)  # now, before the file is read
    return lambda t: t.to(device)  # type: ignore[no-any-return]
