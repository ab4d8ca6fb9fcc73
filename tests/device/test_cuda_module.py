"""``minicnn.cuda``: which GPU, its memory and random numbers; the switches; and what is said where there is none."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from minicnn_kernels import precision, registry
from minicnn_kernels.cuda import runtime

import minicnn
from minicnn import cuda, nn
from minicnn.core.errors import DeviceError
from minicnn.data import DataLoader

MIB = 2**20


def test_what_there_is(device: str) -> None:
    assert cuda.is_available()
    assert minicnn.accelerator.is_available()
    assert minicnn.accelerator.current_accelerator() == minicnn.device("cuda")
    assert cuda.device_count() == minicnn.accelerator.device_count() >= 1
    assert cuda.current_device() == 0
    assert isinstance(cuda.get_device_name(), str)
    found = cuda.get_device_properties(0)
    assert found.name == cuda.get_device_name("cuda:0")
    assert (found.major, found.minor) == cuda.get_device_capability()
    assert found.total_memory == cuda.mem_get_info()[1] > 0
    assert found.multi_processor_count > 0
    assert minicnn.backends.cudnn.is_available()
    cuda.init()
    minicnn.zeros(1, device=device)
    assert cuda.is_initialized()
    cuda.synchronize()
    cuda.synchronize("cuda:0")
    with pytest.raises(ValueError, match="expected a GPU"):
        cuda.get_device_name("cpu")


def test_memory_is_counted(device: str) -> None:
    cuda.empty_cache()
    before = cuda.memory_allocated()
    cuda.reset_peak_memory_stats()
    x = minicnn.empty(4 * MIB, dtype=minicnn.uint8, device=device)
    y = minicnn.empty(2 * MIB, dtype=minicnn.uint8, device=device)
    assert cuda.memory_allocated() - before == 6 * MIB
    del x, y
    assert cuda.memory_allocated() == before
    assert cuda.max_memory_allocated() - before >= 6 * MIB
    assert cuda.memory_reserved() == cuda.max_memory_reserved() >= 6 * MIB
    text = cuda.memory_summary()
    assert text.startswith("cuda:0: ")
    assert "most in use" in text
    cuda.reset_peak_memory_stats()
    assert cuda.max_memory_allocated() == before
    cuda.empty_cache()
    assert cuda.memory_reserved() - cuda.memory_allocated() < MIB


def test_random_numbers_of_the_device(device: str) -> None:
    minicnn.manual_seed(3)
    on_cpu, first = minicnn.rand(4), minicnn.rand(4, device=device)
    second = minicnn.rand(4, device=device)
    assert not minicnn.equal(first, second)
    minicnn.manual_seed(3)
    minicnn.rand(9)  # the generators do not disturb each other
    assert minicnn.equal(minicnn.rand(4, device=device), first)
    cuda.manual_seed(3)
    assert minicnn.equal(minicnn.rand(4, device=device), first)
    assert cuda.initial_seed() == 3
    state, states = cuda.get_rng_state(), cuda.get_rng_state_all()
    assert minicnn.equal(minicnn.rand(4, device=device), second)
    cuda.set_rng_state(state)
    assert minicnn.equal(minicnn.rand(4, device=device), second)
    cuda.set_rng_state_all(states)
    assert minicnn.equal(minicnn.rand(4, device=device), second)
    cuda.manual_seed_all(3)
    assert minicnn.equal(minicnn.rand(4, device=device), first)
    cuda.seed()
    cuda.seed_all()
    assert not minicnn.equal(minicnn.rand(4, device=device), first)
    minicnn.manual_seed(3)
    assert minicnn.equal(minicnn.rand(4), on_cpu)
    own = minicnn.Generator(device).manual_seed(3)
    assert minicnn.equal(minicnn.rand(4, generator=own, device=device), first)
    kept = own.get_state()
    drawn = minicnn.randn(3, generator=own, device=device)
    assert minicnn.equal(minicnn.randn(3, generator=own.set_state(kept), device=device), drawn)
    with pytest.raises(
        DeviceError, match=r"wanted on cpu, and the generator draws on cuda:0.*Generator\(device='cpu'\)"
    ):
        minicnn.rand(3, generator=own)


def test_distributions(device: str) -> None:
    minicnn.manual_seed(0)
    for kind in (minicnn.float32, minicnn.float64):
        u = minicnn.rand(20000, device=device, dtype=kind).cpu().numpy()
        z = minicnn.randn(20000, device=device, dtype=kind).cpu().numpy()
        assert u.dtype == z.dtype == kind
        assert 0 <= u.min() < u.max() < 1
        np.testing.assert_allclose([u.mean(), u.var()], [0.5, 1 / 12], atol=0.01)
        np.testing.assert_allclose([z.mean(), z.var(), (z**3).mean(), (z**4).mean()], [0, 1, 0, 3], atol=0.15)
    i = minicnn.randint(3, 7, (20000,), device=device)
    np.testing.assert_allclose(minicnn.bincount(i).cpu().numpy()[3:] / 20000, 0.25, atol=0.02)
    assert minicnn.randperm(50, device=device).sort().values.tolist() == list(range(50))
    x = minicnn.empty(20000, device=device)
    assert abs(x.normal_(2, 3).mean().item() - 2) < 0.1
    assert abs(x.uniform_(1, 3).mean().item() - 2) < 0.05
    assert abs(x.bernoulli_(0.25).mean().item() - 0.25) < 0.02
    assert x.random_(5).max().item() == 4
    assert minicnn.bernoulli(minicnn.full((4,), 1.0, device=device)).tolist() == [1] * 4
    weights = minicnn.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]], device=device)
    assert minicnn.multinomial(weights, 1)[0].tolist() == [1]
    assert sorted(minicnn.multinomial(weights[1], 2).tolist()) == [0, 2]
    assert set(minicnn.multinomial(weights, 9, replacement=True)[1].tolist()) <= {0, 2}
    mean = minicnn.tensor([5.0, -5.0], device=device)
    assert minicnn.normal(mean, 0.1).sign().tolist() == [1, -1]


def test_models_start_from_the_same_weights_everywhere(device: str) -> None:
    minicnn.manual_seed(1)
    on_cpu = nn.Conv2d(2, 3, 3)
    minicnn.manual_seed(1)
    on_gpu = nn.Conv2d(2, 3, 3, device=device)
    assert minicnn.equal(on_gpu.weight.cpu(), on_cpu.weight)
    for fill in (nn.init.orthogonal_, nn.init.dirac_, nn.init.xavier_normal_, nn.init.zeros_, nn.init.trunc_normal_):
        minicnn.manual_seed(2)
        fill(on_cpu.weight)
        minicnn.manual_seed(2)
        fill(on_gpu.weight)
        assert minicnn.equal(on_gpu.weight.cpu(), on_cpu.weight)


def test_pinned_memory(device: str) -> None:
    x = minicnn.arange(6).reshape(2, 3)
    y = x.pin_memory()
    assert (x.is_pinned(), y.is_pinned(), y[0].is_pinned()) == (False, True, True)
    assert y.pin_memory() is y
    assert y.tolist() == x.tolist()
    assert y.to(device, non_blocking=True).tolist() == y.to(device).tolist() == x.tolist()
    number = minicnn.tensor(3.0).pin_memory()
    for moved in (number.to(device), number.to(device, non_blocking=True)):
        assert (moved.shape, moved.item()) == ((), 3.0)
    with pytest.raises(DeviceError, match="memory of the CPU is pinned"):
        x.to(device).pin_memory()
    loader = DataLoader([{"x": minicnn.ones(2), "name": "a"}] * 4, batch_size=2, pin_memory=True)
    for batch in loader:
        assert batch["x"].is_pinned()
        assert batch["name"] == ["a", "a"]


def test_precision_has_one_state_and_pytorchs_names() -> None:
    assert minicnn.get_float32_matmul_precision() == torch.get_float32_matmul_precision() == "highest"
    assert minicnn.backends.cuda.matmul.allow_tf32 is torch.backends.cuda.matmul.allow_tf32 is False
    assert minicnn.backends.cudnn.allow_tf32 is torch.backends.cudnn.allow_tf32 is True
    try:
        minicnn.backends.cuda.matmul.allow_tf32 = True
        assert minicnn.get_float32_matmul_precision() == "high"
        minicnn.set_float32_matmul_precision("highest")
        assert minicnn.backends.cuda.matmul.allow_tf32 is False
        minicnn.backends.cudnn.allow_tf32 = False
        assert not precision.conv_tf32()
    finally:
        precision.set_float32_matmul_precision("highest")
        precision.set_conv_tf32(True)
    assert minicnn.backends.cudnn.allow_tf32
    assert minicnn.backends.cuda.is_built()
    assert minicnn.backends.cudnn.version() is None


class NoDeviceError(Exception):
    """What CuPy raises."""


def fake(count: Any = 1, driver: int = 13000, works: Any = 20.0) -> Any:
    """A module like CuPy, as far as it is asked whether it computes."""

    def device_count() -> int:
        if isinstance(count, Exception):
            raise count
        return count

    class Array:
        def __matmul__(self, other: Any) -> Any:
            if isinstance(works, Exception):
                raise works
            return self

        def __add__(self, other: Any) -> Any:
            return self

        def sum(self) -> float:
            return works

    allocator = SimpleNamespace(explains=True)
    return SimpleNamespace(
        ones=lambda *_: Array(),
        ElementwiseKernel=lambda *_: lambda x: x,
        cuda=SimpleNamespace(
            get_allocator=lambda: allocator,
            runtime=SimpleNamespace(
                CUDARuntimeError=NoDeviceError,
                getDeviceCount=device_count,
                driverGetVersion=lambda: driver,
                runtimeGetVersion=lambda: 13000,
            ),
        ),
    )


REASONS = [
    (ImportError("No module named 'cupy'"), r"CuPy cannot be imported .*pip install 'minicnn\[cuda13\]'"),
    (OSError("libcudart"), r"CuPy fails to import \(OSError: libcudart\); repair that package"),
    (fake(NoDeviceError("insufficient"), driver=0), "this machine has no NVIDIA driver"),
    (
        fake(NoDeviceError("insufficient"), driver=12040),
        r"driver \(CUDA 12\.4\) is too old .* CUDA 13 .*update the driver",
    ),
    (fake(0), "the NVIDIA driver sees no GPU .*CUDA_VISIBLE_DEVICES"),
    (fake(2, works=RuntimeError("libnvrtc.so")), r"sees 2 GPUs but cannot compute .*libnvrtc.so.*cupy-cuda13x\[ctk\]"),
    (fake(works=11.0), "computed a wrong result"),
]


@pytest.mark.parametrize(("found", "reason"), REASONS)
def test_what_is_missing_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, found: Any, reason: str) -> None:
    def cupy() -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(runtime, "cupy", cupy)
    monkeypatch.setattr(runtime, "_driver", lambda: True)
    monkeypatch.setattr(runtime, "_squared", lambda x: x @ x)
    runtime.why_unavailable.cache_clear()
    try:
        assert not cuda.is_available()
        assert (
            cuda.device_count() == cuda.memory_allocated() == cuda.memory_reserved() == cuda.max_memory_allocated() == 0
        )
        assert "cupy" not in registry.available_backends()
        with pytest.raises(DeviceError, match=f"device 'cuda' cannot be used: .*{reason}.*Fix: use 'cpu'"):
            minicnn.zeros(1, device="cuda")
        with pytest.warns(UserWarning, match="no GPU to copy to"):
            assert not DataLoader([1, 2], pin_memory=True).pin_memory
        cuda.empty_cache()
        cuda.manual_seed(0)
    finally:
        runtime.why_unavailable.cache_clear()


def test_a_gpu_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "cupy", lambda: fake(3))
    monkeypatch.setattr(runtime, "_driver", lambda: True)
    monkeypatch.setattr(runtime, "_squared", lambda x: x @ x)
    runtime.why_unavailable.cache_clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert cuda.is_available()
            assert cuda.device_count() == 3
    finally:
        runtime.why_unavailable.cache_clear()
