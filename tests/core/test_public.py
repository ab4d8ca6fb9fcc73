"""The package: parts that load when first used, aliases, and what programs ask about GPUs."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch

import minicnn
from minicnn.core.errors import DeviceError


def test_parts_load_when_first_used() -> None:
    from minicnn import datasets, nn, optim, transforms
    from minicnn.datasets import MNIST

    assert nn is minicnn.nn is importlib.import_module("minicnn.nn")
    assert datasets is sys.modules["minicnn.data.datasets"]
    assert transforms is importlib.import_module("minicnn.transforms")
    assert MNIST is datasets.MNIST
    assert optim.SGD
    assert minicnn.kernels.call
    assert minicnn.save is minicnn.io.save
    assert callable(minicnn.gradcheck)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        minicnn.nothing  # noqa: B018
    assert {"nn", "save", "tensor"} <= set(dir(minicnn))


def test_types_and_constants() -> None:
    assert minicnn.float is minicnn.float32
    assert minicnn.double is minicnn.float64
    assert minicnn.long is minicnn.int64
    assert minicnn.bool is minicnn.bool_
    assert minicnn.pi == torch.pi
    assert minicnn.inf == torch.inf
    assert minicnn.finfo(minicnn.float32).eps == torch.finfo(torch.float32).eps
    assert minicnn.iinfo(minicnn.int8).max == torch.iinfo(torch.int8).max
    assert minicnn.Size([2, 3]).numel() == 6
    assert minicnn.Size([2, 3])[:1] == minicnn.Size([2])


def test_no_gpu_is_said_where_one_is_needed_and_nowhere_else() -> None:
    device = minicnn.device("cuda:0" if minicnn.cuda.is_available() else "cpu")
    x = minicnn.ones(2, device=device).to(device).cpu()
    assert x.device == minicnn.device("cpu") == device
    assert not x.is_cuda
    assert minicnn.cuda.device_count() == minicnn.cuda.memory_allocated() == 0
    for harmless in (
        minicnn.cuda.empty_cache,
        lambda: minicnn.cuda.manual_seed_all(0),
        lambda: minicnn.cuda.manual_seed(0),
    ):
        harmless()
    for needs in (
        minicnn.cuda.current_device,
        minicnn.cuda.synchronize,
        minicnn.cuda.get_device_name,
        lambda: minicnn.cuda.set_device(0),
        lambda: minicnn.ones(1).to("cuda"),
        lambda: minicnn.ones(1).cuda(),
        lambda: minicnn.zeros(1, device="cuda:1"),
        lambda: minicnn.Generator("cuda"),
    ):
        with pytest.raises(DeviceError, match="cannot be used: CuPy"):
            needs()
    minicnn.backends.cudnn.benchmark = True  # as programs for GPUs do
    minicnn.use_deterministic_algorithms(True)
    assert minicnn.are_deterministic_algorithms_enabled()
    assert not minicnn.accelerator.is_available()
    assert minicnn.accelerator.device_count() == 0
    assert minicnn.accelerator.current_accelerator() is None
    assert not minicnn.backends.mps.is_available()


def test_backends_are_imported_as_in_pytorch() -> None:
    import torch.backends.cudnn as theirs

    import minicnn.backends.cudnn as cudnn

    assert cudnn is minicnn.backends.cudnn
    assert importlib.import_module("minicnn.backends.mps") is minicnn.backends.mps
    for switch in ("enabled", "benchmark", "deterministic", "allow_tf32"):
        assert hasattr(theirs, switch)
        assert getattr(cudnn, switch) in (False, True)
    assert not cudnn.is_available()
    assert minicnn.backends.cuda.is_built()
    assert not minicnn.backends.mps.is_built()


@pytest.mark.parametrize("text", ["cpu", "cuda", "cuda:1"])
def test_devices_are_named_as_in_pytorch(text: str) -> None:
    ours, theirs = minicnn.device(text), torch.device(text)
    assert (str(ours), repr(ours), ours.type, ours.index) == (str(theirs), repr(theirs), theirs.type, theirs.index)
    assert ours == minicnn.device(ours)
    assert len({ours, minicnn.device(text)}) == 1


def test_wrong_devices() -> None:
    for wrong in ("gpu", "cuda:x", -3, 1.0):
        with pytest.raises(DeviceError, match="expected"):
            minicnn.device(wrong)
