"""What goes wrong on a GPU, and what is said then: memory, the compiler; and the settings of precision."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import precision, registry
from minicnn_kernels.cuda import blas, plans, runtime
from minicnn_kernels.cuda.catalog import find
from minicnn_kernels.cuda.runtime import cupy
from minicnn_kernels.errors import BackendError, DeviceMemoryError

from tests.standin import counted, memory_limit
from tests.standin.state import STATE

from .needs import STAND_IN

X, W = (1, 8, 5, 5), (4, 8, 3, 3)


def several(x: Any) -> list[Any]:
    return [registry.call("relu.forward", x) for _ in range(4)]


@STAND_IN
def test_exhausted_memory_says_how_much_and_leaves_the_process_usable(device: str) -> None:
    assert runtime.why_unavailable() is None
    cp = cupy()
    x = cp.zeros((1 << 18,), np.float32)
    with memory_limit(3 << 20):
        with pytest.raises(DeviceMemoryError) as raised:
            cp.empty((1 << 20,), np.float32)
        for words in ("4.00 MiB were asked for", "MiB are free of 3.00 MiB", "hold 1.00 MiB", "Fix: a smaller batch"):
            assert words in str(raised.value)
        y = registry.call("relu.forward", x)  # a megabyte is there still
        assert isinstance(raised.value, MemoryError)
        assert float(y.sum()) == 0
        with pytest.raises(DeviceMemoryError):
            several(x)
        del y
        assert float(registry.call("relu.forward", x).sum()) == 0
    raised.value.layer = "features.0"
    copy = pickle.loads(pickle.dumps(raised.value))
    assert "asked for" in str(copy)


def test_the_allocator_is_wrapped_once(device: str) -> None:
    runtime.why_unavailable()
    allocator = cupy().cuda.get_allocator()
    runtime.why_unavailable.cache_clear()
    runtime.why_unavailable()
    assert cupy().cuda.get_allocator() is allocator


@STAND_IN
def test_a_private_pool_explains_too(device: str) -> None:
    cp = cupy()
    pool = cp.cuda.MemoryPool()
    private = cp.cuda.using_allocator(runtime.explaining(pool.malloc))
    with memory_limit(1 << 20), private, pytest.raises(DeviceMemoryError, match="asked for"):
        cp.empty(1 << 20, np.float32)


@STAND_IN
def test_a_kernel_that_does_not_compile_says_for_what_it_is_written(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CompileException(Exception):  # noqa: N818 - CuPy's name
        pass

    def refuses(*_: object) -> None:
        raise CompileException("error: identifier is undefined")

    monkeypatch.setattr(runtime, "compiled", lambda kernel: refuses)
    with pytest.raises(BackendError) as raised:
        registry.call("relu.forward", cupy().ones(3, np.float64))
    for words in (
        "activation_forward of activations.cu",
        "ACTIVATION=relu, real=double",
        "capability is 9.0",
        "undefined",
    ):
        assert words in str(raised.value)
    plans.plans.cache_clear()

    def fails(*_: object) -> None:
        raise RuntimeError("another error passes")

    monkeypatch.setattr(runtime, "compiled", lambda kernel: fails)
    with pytest.raises(RuntimeError, match="another error passes"):
        registry.call("relu.forward", cupy().ones(3, np.float32))


@STAND_IN
def test_an_older_gpu_convolves_by_columns(device: str) -> None:
    from minicnn_kernels.geometry import conv_window

    window = conv_window(X, W, 1, 1)
    rng = np.random.default_rng(0)
    x, w, grad_y = (rng.standard_normal(shape).astype(np.float32) for shape in (X, W, (1, 4, 5, 5)))
    calls = (
        ("conv2d.forward", (x, w, None, window, 1)),
        ("conv2d.grad_input", (grad_y, w, window, 1)),
        ("conv2d.grad_weight", (grad_y, x, window, 1)),
    )
    STATE.capabilities[1] = "75"
    for number, how in ((0, "direct"), (1, "im2col"), (0, "direct")):
        with cupy().cuda.Device(number), precision.set_conv_tf32(False):
            for operation, arguments in calls:
                given = [cupy().asarray(v) if isinstance(v, np.ndarray) else v for v in arguments]
                assert f"algorithm {how!r}, multiplying in float32" in registry.explain(operation, *given)
                found = registry.call(operation, *given).get()
                np.testing.assert_allclose(found, registry.call(operation, *arguments), rtol=1e-4, atol=1e-5)
    with precision.set_conv_tf32(True):
        assert "multiplying in TF32" in registry.explain(
            "conv2d.forward", *map(cupy().asarray, (x, w)), *calls[0][1][2:]
        )


@STAND_IN
def test_the_capability_of_the_gpu_that_refuses_a_kernel_is_named(device: str) -> None:
    STATE.capabilities[1] = "75"
    with cupy().cuda.Device(1):
        error = runtime.not_compiled(find("relu.forward"), RuntimeError("no cp.async"))
    assert "capability is 7.5" in str(error)


@STAND_IN
def test_a_gpu_is_one_whose_cublas_multiplies(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise BackendError("cuBLAS cannot be loaded (it is gone)")

    runtime.why_unavailable.cache_clear()
    before = blas.library
    monkeypatch.setattr(blas, "library", missing)
    assert "cannot compute (BackendError: cuBLAS cannot be loaded (it is gone))" in (runtime.why_unavailable() or "")
    monkeypatch.setattr(blas, "library", before)
    runtime.why_unavailable.cache_clear()
    assert runtime.why_unavailable() is None
    assert not cupy().get_default_memory_pool().used_bytes()


def test_plans_are_kept_and_do_not_grow_without_end(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MOST_PLANS", 5)
    cp = cupy()
    for size in (*range(1, 9), 8, 8):
        for slope in (0.1, 0.2):  # a number that decides nothing makes no new plan
            y = registry.call("leaky_relu.forward", -cp.ones(size, np.float32), slope)
            np.testing.assert_array_equal(y.get(), np.full(size, -np.float32(slope)))
    assert len(plans.plans()) == 3


@STAND_IN
def test_addresses_are_looked_at_in_every_launch(device: str) -> None:
    flat = cupy().ones(200, np.float32)
    x, scale, y = flat[:96].reshape(2, 48, 1), flat[:48], flat[104:].reshape(2, 48, 1)

    def scaled(x: Any, y: Any) -> None:
        plans.launch("channels.finish", {"y": y, "scale": scale, "bias": None, "residual": x, "low": 0.0, "high": 9.0})

    scaled(x, y)
    assert float(y.min()) == float(y.max()) == 2  # residual and scale are one memory, which is read alone
    for wrong in (flat[:96], flat[40:136]):
        refused = pytest.raises(ValueError, match="are the same memory, and the kernel writes to y")
        with counted() as counts, refused:
            scaled(x, wrong.reshape(2, 48, 1))
        assert not counts["kernel launches"]
    scaled(x, y)
    assert len(plans.plans()) == 1


@STAND_IN
def test_alignment_is_looked_at_in_every_launch(device: str) -> None:
    from minicnn_kernels.cuda.launchers.convolution import sliding
    from minicnn_kernels.geometry import conv_window

    settings = sliding(conv_window((1, 8, 5, 5), (4, 8, 3, 3), 1, 1))
    flat, weight, y = (cupy().ones(shape, np.float32) for shape in (204, (1, 4, 3, 3, 8), (1, 5, 5, 4)))
    for start, refused in ((0, False), (1, True), (4, False), (3, True)):
        x = flat[start : start + 200].reshape(1, 5, 5, 8)
        arguments = {"x": x, "weight": weight, "y": y, "low": -9e9, "high": 9e9, **settings}
        if refused:
            refusal = pytest.raises(ValueError, match=r"x .* needs an address that is a multiple of 16 bytes")
            with counted() as counts, refusal:
                plans.launch("conv2d.forward.tf32.4", arguments)
            assert not counts["kernel launches"]
        else:
            plans.launch("conv2d.forward.tf32.4", arguments)
        plans.launch("conv2d.forward.tf32.1", arguments)


def test_every_array_of_a_list_counts(device: str) -> None:
    def step(*kinds: str) -> None:
        params, grads = ([cupy().ones(3, kind) for kind in kinds] for _ in range(2))
        registry.call("sgd.step", params, grads, None, 0.1, 0.0, 0.0, 0.0, False, False, False)

    for kinds in (("f4", "f4"), ("f8", "f8")):
        step(*kinds)
        with pytest.raises(TypeError, match=r"float32|float64"):
            step(kinds[0], "f8" if kinds[0] == "f4" else "f4")


def test_a_number_of_numpy_is_a_number(device: str) -> None:
    x = cupy().ones(3, np.float32)
    assert registry.select("leaky_relu.forward", (x, np.float64(0.5)))[0].backend == "cupy"
    y = registry.call("leaky_relu.forward", -x, np.float64(0.5))
    np.testing.assert_array_equal(y.get(), np.full(3, -0.5, np.float32))


def test_numbers_that_decide_the_grid_make_a_plan_of_their_own(device: str) -> None:
    from minicnn_kernels.geometry import pool_window

    x = cupy().arange(64, dtype=np.float32).reshape(1, 1, 8, 8)
    for kernel in (2, 3):  # the same shapes, in and out
        window = pool_window("max_pool2d", x.shape, kernel, 2, kernel // 2 if kernel == 3 else 0)
        y, _ = registry.call("max_pool2d.forward", x, window)
        assert y.shape == (1, 1, 4, 4)
        assert float(y[0, 0, 0, 0]) == 9


def test_settings_of_precision() -> None:
    with pytest.raises(ValueError, match="one of 'highest', 'high', 'medium'"):
        precision.set_float32_matmul_precision("low")
    with pytest.raises(TypeError, match="expected True or False; got 1"):
        precision.set_conv_tf32(1)  # type: ignore[arg-type]
    with precision.set_float32_matmul_precision("medium"), precision.set_conv_tf32(False):
        assert precision.matmul_tf32()
        assert precision.get_float32_matmul_precision() == "medium"
        assert not precision.conv_tf32()
    assert not precision.matmul_tf32()
    assert precision.conv_tf32()
