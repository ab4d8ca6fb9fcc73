"""Files that torch.save wrote, read without torch (which is here only to write them and to compare)."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

import minicnn
from minicnn.core import Size, Tensor
from minicnn.core.dtype import float32, int64
from minicnn.io import CheckpointError, load, read_torch
from tests.real_data import real_data

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def through_torch(value, zipped: bool, protocol: int = 2):
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    file.seek(0)
    return read_torch(file)


def check(ours, theirs, path: str = "obj") -> None:
    """Fail unless ours is what torch saved, all the way down."""
    if isinstance(theirs, torch.Tensor):
        expected = theirs.detach()
        expected = expected.float() if expected.dtype == torch.bfloat16 else expected
        assert type(ours) is Tensor, path
        np.testing.assert_array_equal(ours.numpy(), expected.numpy(), err_msg=path, strict=True)
    elif isinstance(theirs, dict):
        assert type(ours) is type(theirs), path
        assert list(ours) == list(theirs), path
        for key in theirs:
            check(ours[key], theirs[key], f"{path}[{key!r}]")
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is (Size if isinstance(theirs, torch.Size) else type(theirs)), path
        assert len(ours) == len(theirs), path
        for index, item in enumerate(theirs):
            check(ours[index], item, f"{path}[{index}]")
    elif isinstance(theirs, np.ndarray):
        np.testing.assert_array_equal(ours, theirs, err_msg=path, strict=True)
    else:
        assert type(ours) is type(theirs), path
        assert ours == theirs, path


@FORMATS
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 0), (2, 3, 4)], ids=str)
def test_every_type_and_shape(zipped, dtype, shape):
    x = (torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 50).to(getattr(torch, dtype))
    check(through_torch({"x": x}, zipped), {"x": x})


@FORMATS
def test_bfloat16_is_converted_exactly(zipped):
    x = torch.tensor([1.5, -0.0, float("inf"), 3e38, 1e-40, 0.1]).bfloat16()
    ours = through_torch(x, zipped).numpy()
    np.testing.assert_array_equal(ours.view(np.uint32), x.float().numpy().view(np.uint32))
    assert np.isnan(through_torch(torch.tensor([float("nan")]).bfloat16(), zipped).numpy()).all()


@FORMATS
def test_views_with_their_strides_and_shared_memory(zipped):
    base = torch.arange(24.0).reshape(4, 6)
    value = {
        "base": base, "row": base[1], "column": base[:, 2], "transposed": base.T, "steps": base[1::2, ::3],
        "expanded": base[0].expand(3, 6), "bytes": torch.arange(5, dtype=torch.uint8)[2:],
    }  # fmt: skip
    ours = through_torch(value, zipped)
    check(ours, value)
    assert ours["transposed"].stride() == base.T.stride()
    ours["base"].numpy()[1, 2] = -1
    assert ours["row"].numpy()[2] == -1
    assert ours["column"].numpy()[1] == -1


@FORMATS
def test_the_same_tensor_twice_is_one_tensor(zipped):
    x = torch.ones(2)
    ours = through_torch([x, x], zipped)
    assert ours[0] is ours[1]


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_containers_and_values(zipped, protocol):
    value = {
        "ordered": OrderedDict(a=1, b=OrderedDict()), "list": [1, [2, []]], "tuple": (1, (2,), (), (1, 2, 3, 4)),
        "set": {1, "a"}, "frozen": frozenset([2]) if protocol >= 4 else None, "counter": Counter({30: 1, 60: 2}),
        "numbers": [0, 255, 256, 65536, -1, 2**31, 2**63 - 1, -(2**63), 2**200, 0.1, float("inf"), True, False, None],
        "text": ["", "grün", "\ud800", "x" * 300], "bytes": [b"", b"\x00\xff", b"y" * 300],
        "size": torch.Size([2, 3]), 5: {(1, "k"): 2}, "numpy": [np.float64(0.5), np.int32(-7), np.bool_(True)],
        "arrays": [np.arange(6).reshape(2, 3), np.asfortranarray(np.ones((2, 3), np.float32)), np.array(2.0)],
        "other byte order": np.arange(3, dtype=">i4").astype(">i4")[1],
    }  # fmt: skip
    if protocol == 5:  # arrays are written in another way there
        del value["arrays"]
    check(through_torch(value, zipped, protocol), value)


@FORMATS
def test_types_and_devices(zipped):
    ours = through_torch(
        [torch.float32, torch.int64, torch.bfloat16, torch.device("cuda:1"), torch.device("cpu")], zipped
    )
    assert ours == [float32, int64, float32, "cuda:1", "cpu"]


@FORMATS
def test_parameters_become_tensors(zipped):
    p = nn.Parameter(torch.ones(3))
    q = nn.Parameter(torch.zeros(2))
    q.note = "attributes make torch write it in another way"
    t = torch.ones(1)
    t.note = 1
    ours = through_torch({"p": p, "q": q, "t": t}, zipped)
    assert [type(x) for x in ours.values()] == [Tensor] * 3
    assert not ours["p"].requires_grad
    check(ours["q"], q.detach())


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 36, 4),
    )


@FORMATS
def test_the_state_dict_of_a_module(zipped):
    state = network().state_dict()
    ours = through_torch(state, zipped)
    check(ours, state)
    assert ours._metadata == state._metadata


@FORMATS
@pytest.mark.parametrize("make", [
    lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop,
    torch.optim.Adagrad, torch.optim.Adadelta,
])  # fmt: skip
def test_the_state_dict_of_optimizers_and_schedulers(zipped, make):
    net = network()
    optimizer = make(net.parameters())
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5, 5])
    net(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    scheduler.step()
    value = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "rng": torch.get_rng_state()}
    check(through_torch(value, zipped), value)


@FORMATS
def test_a_whole_module_is_refused(zipped):
    with pytest.raises(CheckpointError, match=r"torch\.nn\..*Sequential is not a tensor.*state_dict"):
        through_torch(network(), zipped)


@FORMATS
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.ones(2, dtype=torch.complex64), "ComplexFloatStorage, which minicnn does not have"),
        (torch.ones(2, dtype=torch.float8_e4m3fn), "float8_e4m3fn|_rebuild_tensor_v3|UntypedStorage"),
        (torch.ones(2, dtype=torch.uint16), "uint16|_rebuild_tensor_v3|UntypedStorage"),
        (torch.ones(2, 2).to_sparse(), "_rebuild_sparse_tensor is not a tensor"),
        (torch.complex64, "torch.complex64, which minicnn does not have"),
        (np.array([{}], dtype=object), "something else than plain numbers"),
        (np.zeros(1, dtype="f4,i4"), "something else than plain numbers"),
        (slice(1), "slice is not a tensor"),
        (torch.randn(2).untyped_storage(), "leaves a name or a storage|UntypedStorage"),
    ],
    ids=["complex", "float8", "uint16", "sparse", "complex type", "objects", "records", "slice", "storage"],
)
@pytest.mark.filterwarnings("ignore")  # torch deprecates some of them
def test_what_minicnn_does_not_have(zipped, value, message):
    with pytest.raises(CheckpointError, match=message):
        through_torch({"x": value}, zipped)


def test_the_other_byte_order():
    """A file from a big-endian machine: the same zip with the bytes of the storage swapped."""
    file = io.BytesIO()
    torch.save({"x": torch.arange(3.0)}, file)
    swapped = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(swapped, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("byteorder"):
                data = b"big"
            elif "/data/" in name:
                data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
            new.writestr(name, data)
    swapped.seek(0)
    np.testing.assert_array_equal(read_torch(swapped)["x"].numpy(), np.arange(3, dtype=np.float32))


def test_a_file_zipped_anew_with_compression():
    file = io.BytesIO()
    torch.save({"x": torch.zeros(10_000)}, file)
    packed = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    packed.seek(0)
    assert read_torch(packed)["x"].shape == (10_000,)


def test_a_damaged_storage_is_noticed():
    file = io.BytesIO()
    torch.save({"x": torch.ones(1000)}, file)
    data = bytearray(file.getvalue())
    data[data.index(np.ones(1000, np.float32).tobytes()) + 100] ^= 1
    with pytest.raises(CheckpointError, match="CRC"):
        read_torch(io.BytesIO(bytes(data)))


def test_views_of_storages_of_the_first_versions():
    """Before 0.4 a storage could be a part of another: (key, offset, size) at the end of its id."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value.key if isinstance(value, Storage) else None

    class Storage:
        def __init__(self, view):
            self.key = ("storage", torch.FloatStorage, "7", "cpu", 6, view)

    class Rebuilt:
        def __init__(self, storage, size):
            self.storage, self.size = storage, size

        def __reduce__(self):
            return torch._utils._rebuild_tensor, (self.storage, 0, self.size, (1,))

    file = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(value, file, protocol=2)
    Pickler(file, protocol=2).dump([Rebuilt(Storage(None), (6,)), Rebuilt(Storage(("8", 2, 3)), (3,))])
    pickle.dump(["7"], file, protocol=2)
    file.write(np.int64(6).tobytes() + np.arange(6, dtype=np.float32).tobytes())
    file.seek(0)
    whole, part = read_torch(file)
    np.testing.assert_array_equal(whole.numpy(), np.arange(6))
    np.testing.assert_array_equal(part.numpy(), [2, 3, 4])


@pytest.mark.parametrize("name", ["resnet20-12fca82f.th", "resnet56-4bfd9763.th"])
def test_real_weights(name):
    path = real_data("weights") / name
    check(load(path), torch.load(path, map_location="cpu"))


def test_real_weights_of_numpy():
    path = real_data("weights") / "squeezenet1_1_torchvision_names_fp16.npz"
    ours = load(path)
    with np.load(path) as theirs:
        assert sorted(ours) == sorted(theirs.files)
        for name in theirs.files:
            np.testing.assert_array_equal(ours[name].numpy(), theirs[name], strict=True)


@FORMATS
def test_weights_of_pytorch_in_a_network_of_ours(zipped):
    theirs = network().eval()
    ours = minicnn.nn.Sequential(
        minicnn.nn.Conv2d(3, 8, 3), minicnn.nn.BatchNorm2d(8), minicnn.nn.ReLU(), minicnn.nn.Flatten(),
        minicnn.nn.Linear(8 * 36, 4),
    ).eval()  # fmt: skip
    ours.load_state_dict(through_torch(theirs.state_dict(), zipped))
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours(minicnn.from_numpy(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_torch_is_not_imported():
    program = "import sys, minicnn.io; sys.exit(any(m in sys.modules for m in ('torch', 'safetensors')))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0
