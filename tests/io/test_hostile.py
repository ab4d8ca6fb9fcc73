"""Files made to do harm: they may only be refused, at once, and without taking memory."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import time
import tracemalloc
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn.io.pickle_machine
from minicnn.core import from_numpy
from minicnn.io import CheckpointError, load, save
from tests.io import hostile_pickles
from tests.io.hostile_pickles import array, both_files, call, legacy_file, name, number, numbers, storage, tensor, text
from tests.io.hostile_pickles import zip_file as torch_file


def load_carefully(data: bytes):
    """Load, and fail if that takes long or much memory."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        return load(io.BytesIO(data))
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**20 + 400 * len(data), f"{peak} bytes were taken for a file of {len(data)}"
        assert time.perf_counter() - start < 10


@pytest.mark.parametrize("what", hostile_pickles.ALL)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_hostile_pickles(what, zipped, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = b"\x80\x02" * (not hostile_pickles.ALL[what].startswith(b"\x80")) + hostile_pickles.ALL[what] + b"."
    with pytest.raises(CheckpointError):
        load_carefully(both_files(program)[not zipped])
    assert list(tmp_path.iterdir()) == []


def test_there_is_something_to_refuse():
    """The pieces above, put together rightly, are a tensor: the refusals are not for a slip in the test."""
    program = b"\x80\x02" + tensor(storage(), number(0), numbers(2, 2), numbers(2, 1)) + b"."
    expected = np.arange(4, dtype=np.float32).reshape(2, 2)
    for data in both_files(program):
        np.testing.assert_array_equal(load(io.BytesIO(data)).numpy(), expected)
    good = b"\x80\x02" + array(numbers(1), b"C\x08" + bytes(8)) + b"."
    np.testing.assert_array_equal(load(io.BytesIO(torch_file(good))), np.zeros(1))


@pytest.mark.parametrize(
    "full", ["os.system", "builtins.eval", "argparse.Namespace", "torch.nn.modules.conv.Conv2d", "a" * 900 + ".b"]
)
def test_the_refusal_names_the_class_and_the_way_out(full):
    with pytest.raises(CheckpointError) as caught:
        load(io.BytesIO(torch_file(b"\x80\x02" + call(full) + b".")))
    message = str(caught.value)
    assert f"{full[:120]} is not a tensor or a plain container" in message
    assert "torch.save(model.state_dict(), path)" in message
    assert len(message) < 400


def test_a_name_cannot_write_on_the_terminal():
    with pytest.raises(CheckpointError) as caught:
        load(io.BytesIO(torch_file(b"\x80\x02" + call("os.\x1b[2Jsystem") + b".")))
    assert "\x1b" not in str(caught.value)


def test_a_memo_index_takes_no_memory():
    program = b"\x80\x02Nr\xff\xff\xff\xffj\xff\xff\xff\xff\x86."
    assert load_carefully(torch_file(program)) == (None, None)


def test_endless_pickles(monkeypatch):
    monkeypatch.setattr(minicnn.io.pickle_machine, "MAX_INSTRUCTIONS", 1000)
    with pytest.raises(CheckpointError, match="more than 1000 instructions"):
        load(io.BytesIO(torch_file(b"\x80\x02" + b"\x8f" * 1000 + b".")))


def test_attributes_of_an_ordered_dict_cannot_hide_its_methods():
    state = b"}" + text("items") + b"Ns" + text("__class__") + b"Ns" + text("_metadata") + b"}s"
    value = load(io.BytesIO(torch_file(b"\x80\x02" + call("collections.OrderedDict") + state + b"b.")))
    assert vars(value) == {"_metadata": {}}
    assert type(value) is OrderedDict


@pytest.mark.parametrize(
    ("keys", "storages"),
    [
        ([], b""), (["1"], struct.pack("<q", 4) + hostile_pickles.NUMBERS), (["0"], b""),
        (["0"], struct.pack("<q", 4) + b"123"),
        (["0"], struct.pack("<q", 5) + bytes(20)), (["0"], struct.pack("<q", -4) + bytes(16)),
        (["0", "0"], (struct.pack("<q", 4) + hostile_pickles.NUMBERS) * 2), ([["0"]], b""), ([None], b""),
    ],
)  # fmt: skip
def test_legacy_files_whose_storages_do_not_fit(keys, storages):
    program = b"\x80\x02" + tensor(storage(), number(0), numbers(4), numbers(1)) + b"."
    with pytest.raises(CheckpointError):
        load_carefully(legacy_file(program, keys, storages))


@pytest.mark.parametrize("head", [[1], [0x1950A86A20F9469CFC6C, 1002], [0x1950A86A20F9469CFC6C, 1001, []],
                                  [0x1950A86A20F9469CFC6C, 1001, {"little_endian": False}]])  # fmt: skip
def test_legacy_heads(head):
    with pytest.raises(CheckpointError):
        load_carefully(b"".join(pickle.dumps(x, 2) for x in head) + pickle.dumps(None, 2) * 5)


# --- damage by chance


def good_files() -> dict[str, bytes]:
    def written(write) -> bytes:
        file = io.BytesIO()
        write(file)
        return file.getvalue()

    state = {"w": torch.arange(6.0).reshape(2, 3), "n": OrderedDict(k=[1, 2.5, "x"], b=torch.ones(2).half())}
    arrays = {"w": np.arange(6.0), "k": np.array([True])}
    return {
        "minicnn": written(lambda f: save({"w": from_numpy(np.arange(6.0)), "n": [1, {2: (3.5, "x")}]}, f)),
        "torch": written(lambda f: torch.save(state, f)),
        "legacy": written(lambda f: torch.save(state, f, _use_new_zipfile_serialization=False)),
        "npz": written(lambda f: np.savez_compressed(f, **arrays)),
        "npy": written(lambda f: np.save(f, arrays["w"])),
        "safetensors": safetensors.numpy.save(arrays),
    }


GOOD = good_files()


@pytest.mark.parametrize("kind", GOOD)
def test_files_cut_short_anywhere(kind):
    data = GOOD[kind]
    load(io.BytesIO(data))
    for length in range(0, len(data), 1 + len(data) // 400):
        with pytest.raises(CheckpointError):
            load_carefully(data[:length])


@pytest.mark.parametrize("kind", GOOD)
def test_files_with_flipped_bytes(kind):
    random = np.random.default_rng(len(kind))
    refused = 0
    for _ in range(300):
        data = np.frombuffer(GOOD[kind], np.uint8).copy()
        places = random.integers(0, data.size, random.integers(1, 4))
        data[places] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.integers(256)], places.size)
        try:
            load_carefully(data.tobytes())
        except CheckpointError:
            refused += 1
    assert refused > 10


INSTRUCTIONS = [bytes([code]) for code in minicnn.io.pickle_machine._INSTRUCTIONS if code not in b"XTBU\x8a\x8d\x8e"]
PARTS = [
    name("collections.OrderedDict"), name("torch.Tensor"), name("torch._utils._rebuild_tensor"), name("numpy.ndarray"),
    name("numpy.dtype"), name("torch.Size"), name("_codecs.encode"), storage(), numbers(2, 2), numbers(0), text("f8"),
    number(0), number(4), number(-1), text("0"), b"C\x08" + bytes(8), text("_metadata"), b"(", b"t", b"R", b"b", b")",
    b"}", b"q\x00", b"h\x00", tensor(storage(), number(0), numbers(2, 2), numbers(2, 1)),
    array(numbers(1), b"C\x08" + bytes(8)), *(part for part in hostile_pickles.ALL.values() if len(part) < 300),
]  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(INSTRUCTIONS) | st.sampled_from(PARTS), max_size=14))
def test_programs_by_chance(pieces):
    program = b"\x80\x02" + b"".join(pieces) + b"."
    for data in both_files(program):
        with contextlib.suppress(CheckpointError):
            load(io.BytesIO(data))
