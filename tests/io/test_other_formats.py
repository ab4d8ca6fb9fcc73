"""Flat formats, and files that are something else."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from minicnn.core import from_numpy
from minicnn.io import CheckpointError, load, read_torch, save

ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "half": np.ones(3, np.float16),
    "n": np.array(3), "empty": np.zeros((0, 2)), "mask": np.array([True, False]), "bytes": np.arange(4, dtype=np.uint8),
    "columns": np.arange(6.0).reshape(2, 3).T,
}  # fmt: skip


def equal(back, arrays):
    assert set(back) == set(arrays)  # .safetensors has an order of its own
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name].numpy(), array)
        assert back[name].numpy().dtype == array.dtype


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".NPZ"])
def test_flat_round_trip(tmp_path: Path, suffix):
    path = tmp_path / f"w{suffix}"
    save({name: from_numpy(array) for name, array in ARRAYS.items()}, path)
    back = load(path)
    equal(back, ARRAYS)
    back["conv.weight"].numpy()[...] = 0  # writable


def test_numpy_reads_our_npz_and_we_read_numpys(tmp_path: Path):
    save(ARRAYS, tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as file:
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(file[name], array)
    np.savez_compressed(tmp_path / "theirs.npz", **ARRAYS)
    equal(load(tmp_path / "theirs.npz"), ARRAYS)


def test_safetensors_reads_ours_and_we_read_its(tmp_path: Path):
    save(ARRAYS, tmp_path / "ours.safetensors")
    equal({k: from_numpy(v) for k, v in safetensors.numpy.load_file(tmp_path / "ours.safetensors").items()}, ARRAYS)
    weights = {"b": torch.randn(5, generator=torch.Generator().manual_seed(0)).bfloat16()}
    safetensors.torch.save_file(weights, tmp_path / "theirs.safetensors")
    back = load(tmp_path / "theirs.safetensors")["b"].numpy()
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, weights["b"].float().numpy())


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.array(5), np.array([True])],
)
def test_npy(tmp_path: Path, array):
    np.save(tmp_path / "x.npy", array)
    back = load(tmp_path / "x.npy").numpy()
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype


def test_npy_in_the_other_byte_order(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.arange(3, dtype=">f4"))
    np.testing.assert_array_equal(load(tmp_path / "x.npy").numpy(), np.arange(3, dtype=np.float32))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([np.zeros(1)], "obj is a list"),
        ({1: np.zeros(1)}, "obj has the key 1"),
        ({"a": {"b": np.zeros(1)}}, r"obj\['a'\] is a dict"),
        ({"a": 1.0}, r"obj\['a'\] is a float"),
        ({"a": np.array([None])}, r"obj\['a'\] is a ndarray"),
        ({"a\0b": np.zeros(1)}, "obj has the key"),
    ],
)
def test_flat_formats_refuse_the_rest(tmp_path: Path, suffix, value, message):
    with pytest.raises(TypeError, match=f"save: a {suffix} file holds .*{message}.*nested containers too"):
        save(value, tmp_path / f"w{suffix}")
    assert list(tmp_path.iterdir()) == []


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return file.getvalue()


def zipped(names: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return file.getvalue()


def npz_of_object() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.array([{"a": 1}], dtype=object))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html>\n<html>", "it is a web page"),
        (b"\xef\xbb\xbf\r\n <html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (gzip.compress(b"x", mtime=0), "compressed with gzip"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (tar(), "tar archive"),
        (b"hello, world, this is text", "none of the formats that minicnn reads"),
        (b"\x00" * 100, "none of the formats"),
        (pickle.dumps({"a": 1}), "this is a pickle, but not one of torch.save"),
        (pickle.dumps(Path), "Path is not a tensor or a plain container"),
        (zipped({"notes.txt": b"x"}), "zip archive of other things ('notes.txt')"),
        (zipped({"x/model.bin": b"", "x/data.bin": b""}), "zip archive of other things"),
        (zipped({"a.npy": np.random.default_rng(0).bytes(200)}), "does not begin as NumPy's .npy format"),
        (npz_of_object(), "something else than plain numbers"),
        (zipped({"m/data.pkl": b"\x80\x02N.", "m/constants.pkl": b""}), "TorchScript"),
        (zipped({"m/data.pkl": b"", "n/data.pkl": b""}), "has no data.pkl, or several"),
        (zipped({"a.npy": bytes(10**8)}, zipfile.ZIP_DEFLATED), "would unpack to 100000000"),
        (zipped({"a.npy": b"x"}, zipfile.ZIP_BZIP2), "compressed in another way than deflate"),
        (struct.pack("<Q", 20) + b"{not json           " + b"\0" * 9, ".safetensors file is damaged"),
    ],
)
def test_files_of_other_kinds(tmp_path: Path, content, message):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_an_unknown_element_type_of_safetensors():
    header = json.dumps({"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}).encode()
    with pytest.raises(CheckpointError, match="F8_E4M3, which minicnn does not have"):
        load(io.BytesIO(struct.pack("<Q", len(header)) + header + b"\0\0"))


def test_entries_of_the_same_name():
    content = zipped({"a.npy": b"x", "b.npy": b"y"}).replace(b"b.npy", b"a.npy")
    with pytest.raises(CheckpointError, match="two entries of the same name"):
        load(io.BytesIO(content))


def test_entries_that_overlap():
    """Many entries of the table of contents point at the same bytes."""
    whole = zipped({"a.npy": bytes(5000)})
    start = whole.index(b"PK\x01\x02")
    entry, end = whole[start : whole.index(b"PK\x05\x06")], whole[whole.index(b"PK\x05\x06") :]
    table = b"".join(entry.replace(b"a.npy", bytes([97 + i]) + b".npy") for i in range(20))
    end = end[:8] + struct.pack("<HHI", 20, 20, len(table)) + end[16:]
    with pytest.raises(CheckpointError, match="overlap"):
        load(io.BytesIO(whole[:start] + table + end))


def test_names_in_a_zip_never_reach_the_disk(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO()
    np.save(file, np.zeros(2))
    back = load(io.BytesIO(zipped({"../../outside.npy": file.getvalue(), "/etc/x.npy": file.getvalue()})))
    assert list(back) == ["../../outside", "/etc/x"]
    assert list(tmp_path.iterdir()) == []


def test_open_files_are_read_from_where_they_stand(tmp_path: Path):
    file = io.BytesIO(b"skipped")
    file.seek(7)
    save({"a": 1}, file)
    file.seek(7)
    assert load(file) == {"a": 1}
    save([1], tmp_path / "c")
    with open(tmp_path / "c", "rb") as opened:
        assert load(opened) == [1]


def test_arguments(tmp_path: Path):
    path = tmp_path / "c.pt"
    save({"a": 1}, path)
    for where in (None, "cpu", {"cuda:0": "cpu"}, lambda storage, location: storage):
        assert load(path, map_location=where) == {"a": 1}
    assert load(str(path), "cpu") == {"a": 1}
    with pytest.raises(ValueError, match="'cuda' cannot be used"):
        load(path, map_location="cuda")
    with pytest.raises(ValueError, match="'cuda:1' cannot be used"):
        load(path, map_location={"cpu": "cuda:1"})
    for weights_only in (True, False, None):
        assert load(path, weights_only=weights_only) == {"a": 1}
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.pt")
    with pytest.raises(TypeError, match="expected a path"):
        load(3)
    with pytest.raises(CheckpointError, match=r"not one of torch\.save; minicnn\.load reads it"):
        read_torch(path)
