"""minicnn.save and minicnn.load with minicnn's own format."""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn.core import Size, Tensor, from_numpy
from minicnn.core.device import device
from minicnn.core.dtype import ALL, float32
from minicnn.io import CheckpointError, load, save


def round_trip(value):
    file = io.BytesIO()
    save(value, file)
    file.seek(0)
    return load(file)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(2**64, 2**300), st.floats(allow_nan=False), st.text(),
    st.binary(),
)  # fmt: skip
KEYS = st.one_of(
    st.text(), st.integers(-(2**62), 2**62), st.booleans(), st.none(), st.tuples(st.text(), st.integers(0, 9))
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4).map(OrderedDict), st.sets(KEYS, max_size=4),
        st.frozensets(KEYS, max_size=4), st.dictionaries(KEYS, st.integers(0, 9), max_size=3).map(Counter),
    ),
    max_leaves=12,
)  # fmt: skip


def identical(a, b) -> bool:
    """Equal, and of the same types all the way down (True is not 1, a tuple is not a list)."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        pairs = zip(a.items(), b.items(), strict=True)
        return len(a) == len(b) and all(identical(x, y) for x, y in pairs)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(identical(x, y) for x, y in zip(a, b, strict=True))
    return a == b and (not isinstance(a, float) or math.copysign(1, a) == math.copysign(1, b))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(TREES)
def test_containers_come_back_identical(tree):
    assert identical(round_trip(tree), tree)


def test_not_a_number_and_infinity():
    back = round_trip([math.nan, math.inf, -math.inf])
    assert math.isnan(back[0])
    assert back[1:] == [math.inf, -math.inf]


@pytest.mark.parametrize("kind", ALL, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)], ids=str)
def test_tensors_of_every_type_and_shape(kind, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(kind.numpy)
    back = round_trip({"x": from_numpy(array)})["x"]
    assert type(back) is Tensor
    assert back.dtype is kind
    assert back.shape == shape
    np.testing.assert_array_equal(back.numpy(), array)


def test_strided_transposed_and_big_endian_memory():
    base = np.arange(24.0).reshape(4, 6)
    for array in (
        base[::2, ::-3],
        base.T,
        np.asfortranarray(base),
        base.astype(">f8"),
        np.broadcast_to(base[0], (3, 6)),
    ):
        back = round_trip(array)
        np.testing.assert_array_equal(back, array)
        assert back.dtype.isnative
        assert back.flags.writeable


def test_numpy_values_stay_numpy_values():
    back = round_trip({"loss": np.float32(0.1), "n": np.int64(3), "flag": np.bool_(True), "z": np.array([1 + 2j])})
    assert type(back["loss"]) is np.float32
    assert back["loss"] == np.float32(0.1)
    assert type(back["n"]) is np.int64
    assert type(back["flag"]) is np.bool_
    assert back["z"][0] == 1 + 2j


def test_types_devices_and_sizes():
    back = round_trip([float32, device("cuda:1"), Size((2, 3))])
    assert back[0] is float32
    assert back[1] == device("cuda:1")
    assert type(back[2]) is Size
    assert back[2] == (2, 3)


def test_requires_grad_and_history_are_not_stored():
    w = from_numpy(np.ones(3, np.float32)).requires_grad_()
    back = round_trip({"w": w})["w"]
    assert not back.requires_grad
    assert back.is_leaf


def test_the_metadata_of_a_state_dict_is_kept():
    state = OrderedDict(weight=from_numpy(np.zeros(2)))
    state._metadata = OrderedDict([("", {"version": 1})])  # type: ignore[attr-defined]
    back = round_trip({"model": state})["model"]
    assert back._metadata == state._metadata


def test_tied_tensors_are_stored_once_and_stay_tied(tmp_path: Path):
    w = from_numpy(np.zeros((100, 100)))
    save({"encoder": w, "decoder": w.detach()}, tmp_path / "tied.pt")
    assert (tmp_path / "tied.pt").stat().st_size < 1.1 * w.nbytes
    back = load(tmp_path / "tied.pt")
    back["encoder"].numpy()[0, 0] = 5
    assert back["decoder"].numpy()[0, 0] == 5


def test_views_of_other_shape_are_stored_apart():
    x = np.arange(6.0)
    back = round_trip([x, x[:3], x.reshape(2, 3)])
    assert [a.shape for a in back] == [(6,), (3,), (2, 3)]


def test_the_state_of_random_generators():
    generator = np.random.default_rng(7)
    generator.normal(size=5)
    again = np.random.default_rng()
    again.bit_generator.state = round_trip(generator.bit_generator.state)
    assert again.random() == generator.random()


def test_the_state_of_our_generator():
    generator = minicnn.Generator().manual_seed(3)
    minicnn.rand(5, generator=generator)
    again = minicnn.Generator().set_state(round_trip(generator.get_state()))
    assert minicnn.equal(minicnn.rand(5, generator=again), minicnn.rand(5, generator=generator))


def test_the_same_values_give_the_same_bytes():
    def written() -> bytes:
        file = io.BytesIO()
        save({"x": from_numpy(np.arange(3)), "names": {"b", "a"}}, file)
        return file.getvalue()

    assert written() == written()


def test_the_file_is_a_zip_of_json_and_npy(tmp_path: Path):
    save({"epoch": 3, "w": from_numpy(np.arange(4))}, tmp_path / "c.pt")
    with zipfile.ZipFile(tmp_path / "c.pt") as archive:
        assert archive.namelist() == ["minicnn.json", "arrays/0.npy"]
        assert json.loads(archive.read("minicnn.json")) == {
            "format": "minicnn checkpoint", "version": 1, "arrays": 1,
            "value": {"dict": [["epoch", 3], ["w", {"tensor": 0}]]},
        }  # fmt: skip
        np.testing.assert_array_equal(np.load(io.BytesIO(archive.read("arrays/0.npy"))), np.arange(4))


class Net:
    """Looks like a Module."""

    def state_dict(self):
        return {}


@pytest.mark.parametrize(
    ("value", "where", "fix"),
    [
        ({"epoch": 1, "model": Net()}, r"obj\['model'\] is a .*Net", r"obj\['model'\]\.state_dict\(\)"),
        (Net(), r"obj is a .*Net", r"obj\.state_dict\(\)"),
        ([1, (2, len)], r"obj\[1\]\[1\] is a builtins.builtin_function_or_method", "Functions and classes are code"),
        ({"a": Net}, r"obj\['a'\] is a builtins.type", ""),
        ({"a": np.array([None])}, r"obj\['a'\] is a numpy.ndarray", "Save the numbers"),
        ({"a": np.array(["text"])}, r"obj\['a'\] is a numpy.ndarray", ""),
        (
            {"history": defaultdict(list)},
            r"obj\['history'\] is a collections.defaultdict",
            r"Save dict\(obj\['history'\]\)",
        ),
        ([os.stat_result(range(10))], r"obj\[0\] is a os.stat_result", r"Save tuple\(obj\[0\]\) instead"),
        ({"a": 1j}, r"obj\['a'\] is a builtins.complex", ""),
        ({2**70: 1}, "obj has the key", "keys are strings"),
        ({(1, (2, 3)): 1}, "obj has the key", "keys are strings"),
    ],
)
def test_what_cannot_be_saved_is_named_before_anything_is_written(value, where, fix, tmp_path: Path):
    path = tmp_path / "c.pt"
    path.write_bytes(b"old")
    with pytest.raises(TypeError, match=f"save: {where}.*{fix}"):
        save(value, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_container_in_itself():
    cycle: list = []
    cycle.append(cycle)
    with pytest.raises(ValueError, match="contain themselves"):
        save(cycle, io.BytesIO())


def rewritten(document: dict, arrays: dict[str, bytes] | None = None) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("minicnn.json", json.dumps(document))
        for name, data in (arrays or {}).items():
            archive.writestr(name, data)
    file.seek(0)
    return file


def document(value, version=1):
    return {"format": "minicnn checkpoint", "version": version, "arrays": 0, "value": value}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (document(1, version=2), "of version 2, and this minicnn reads version 1"),
        (document(1, version="x" * 10**6), "of version 'xxx"),
        ({"format": "other"}, "is not that of a minicnn checkpoint"),
        ([], "is not that of a minicnn checkpoint"),
        (document({"call": ["os.system", "id"]}), "unknown kind 'call'"),
        (document({}), "unknown kind 'nothing'"),
        (document({"tuple": [], "more": 1}), "unknown kind"),
        (document({"tensor": 7}), "no entry 'arrays/7.npy'"),
        (document({"tensor": "../../etc/passwd"}), "damaged"),
        (document({"tensor": [0]}), "damaged"),
        (document({"float": "1"}), "damaged"),
        (document({"dtype": "O"}), "damaged"),
        (document({"device": "tpu"}), "damaged"),
        (document({"bytes": "?"}), "damaged"),
        (document({"dict": [[[1], 2]]}), "key of type list"),
        (document({"dict": [1]}), "damaged"),
        (document({"dict": [[1, 2, 3]]}), "damaged"),
        (document({"set": [{"tuple": [{"tuple": [1]}]}]}), "key of type tuple"),
    ],
)
def test_hostile_documents(content, message):
    with pytest.raises(CheckpointError, match=message):
        load(rewritten(content))


def test_a_document_nested_without_end():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("minicnn.json", '{"format": "minicnn checkpoint", "version": 1, "value": ' + "[" * 10**5)
    file.seek(0)
    with pytest.raises(CheckpointError):
        load(file)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{'descr'",
        b"\x93NUMPY\x01\x00\x40\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(64) + b"\x80.",
        b"\x93NUMPY\x01\x00\x50\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }".ljust(80),
        b"\x93NUMPY\x01\x00\x50\x00" + b"{'descr': __import__('os').system('id'), 'shape': ()}".ljust(80),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        b"\x93NUMPY\x01\x00\x50\x00" + (b"{'descr': '<f8', 'fortran_order': False, 'shape': (" + b"0," * 70 + b"), }"),
    ],
)  # fmt: skip
def test_hostile_arrays(data):
    with pytest.raises(CheckpointError):
        load(rewritten(document({"tensor": 0}), {"arrays/0.npy": data}))


def test_a_tensor_of_a_type_without_tensor():
    file = io.BytesIO()
    np.save(file, np.zeros(2, np.uint32))
    with pytest.raises(CheckpointError, match="uint32"):
        load(rewritten(document({"tensor": 0}), {"arrays/0.npy": file.getvalue()}))
