"""What is particular to the compiled backend: threads, layouts, fallbacks, and that it writes where it should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import call, explain, threads, use_backend
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import conv_window, pool_window
from minicnn_kernels.numba_cpu import jit, product

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def numba_backend():
    with use_backend("numba"):
        yield


@pytest.fixture
def threads_kept(monkeypatch):
    """Forget the number of threads afterwards."""
    monkeypatch.setattr(threads, "_chosen", None)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


SMALL_RUN = """
import numpy as np
from minicnn_kernels import call, use_backend
from minicnn_kernels.geometry import conv_window, pool_window
rng = np.random.default_rng(0)
x, w, b = rng.standard_normal((1, 2, 5, 4)), rng.standard_normal((3, 2, 2, 3)), rng.standard_normal(3)
window = conv_window(x.shape, w.shape, stride=(2, 1), padding=1)
results = {}
for backend in ("numba", "numpy"):
    with use_backend(backend):
        y = call("conv2d.forward", x, w, b, window, 1)
        pooling = pool_window("max_pool2d", x.shape, 2)
        pooled, taps = call("max_pool2d.forward", x, pooling)
        results[backend] = [
            y,
            call("conv2d.grad_input", y, w, window, 1),
            call("conv2d.grad_weight", y, x, window, 1),
            call("matmul", x[0, 0], x[0, 1].T),
            pooled,
            call("max_pool2d.grad_input", pooled, taps, pooling),
            *call("batch_norm.statistics", x),
            call("batch_norm.normalize", x, b[:2], b[:2] ** 2, None, b[:2], 1e-5),
            *call("dropout.forward", x, 0.5, 2**63),
            call("softmax.forward", x, 1),
            call("silu.forward", x),
        ]
for got, expected in zip(results["numba"], results["numpy"], strict=True):
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
"""


def run_python(code: str, **environment: str) -> None:
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "kernels"), **environment}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_kernels_run_as_plain_python_for_debugging():
    run_python(SMALL_RUN, NUMBA_DISABLE_JIT="1")


def many_results() -> list[np.ndarray]:
    """Operations that sum: their order must not follow the threads."""
    x = channels_last(rng().standard_normal((3, 5, 17, 13)).astype(np.float32))
    w = rng().standard_normal((7, 5, 3, 3)).astype(np.float32)
    window = conv_window(x.shape, w.shape, stride=2, padding=1)
    y = call("conv2d.forward", x, w, None, window, 1)
    rows = x.reshape(-1, 13)
    normal, mean, rstd = call("layer_norm.forward", rows, None, None, 1e-5)
    pooling = pool_window("max_pool2d", x.shape, 3, 1)
    pooled, taps = call("max_pool2d.forward", x, pooling)
    return [
        y,
        call("conv2d.grad_input", y, w, window, 1),
        call("conv2d.grad_weight", y, x, window, 1),
        call("conv2d.grad_weight", x, x, conv_window(x.shape, (5, 1, 3, 3), padding=1, groups=5), 5),
        call("conv2d.grad_bias", x),
        *call("group_norm.forward", x, 5, None, None, 1e-5),
        call("matmul", rows.T, rows),
        *call("batch_norm.statistics", x),
        *call("batch_norm.grad", x, x, x[0, :, 0, 0], x[0, :, 0, 0] ** 2, None, 1e-5, False)[:3],
        normal,
        *call("layer_norm.grad", normal, rows, mean, rstd, None),
        call("max_pool2d.grad_input", pooled, taps, pooling),
        *call("prelu.grad", x, x, np.float32([0.5])),
        *call("dropout.forward", x, 0.3, 7),
    ]


@pytest.mark.skipif(threads.available_threads() < 2, reason="needs two cores")
@pytest.mark.usefixtures("threads_kept")
def test_the_number_of_threads_changes_no_bit():
    threads.set_num_threads(1)
    one = many_results()
    threads.set_num_threads(2)
    for alone, together in zip(one, many_results(), strict=True):
        np.testing.assert_array_equal(alone, together)


def test_a_small_product_of_great_depth_is_summed_in_parts():
    a, b = rng().standard_normal((3, 20000)), rng().standard_normal((20000, 5))
    np.testing.assert_allclose(call("matmul", a, b), a @ b, rtol=1e-9, atol=1e-9)


def test_four_python_threads_at_once():
    x = rng().standard_normal((4, 60, 70))

    def work(i: int) -> np.ndarray:
        for _ in range(30):
            y = call("matmul", x[i], x[i].T)
        return y

    with ThreadPoolExecutor(4) as pool:
        for i, y in enumerate(pool.map(work, range(4))):
            np.testing.assert_allclose(y, x[i] @ x[i].T, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("threads_kept")
def test_set_num_threads_takes_what_the_machine_has():
    most = threads.available_threads()
    threads.set_num_threads(most)
    assert threads.get_num_threads() == most
    for wrong in (0, -1, most + 1):
        with pytest.raises(ValueError, match=f"expected 1 to {most} threads; got {wrong}"):
            threads.set_num_threads(wrong)
    with pytest.raises(TypeError, match="expected an int"):
        threads.set_num_threads(1.5)  # type: ignore[arg-type]
    assert threads.get_num_threads() == most


def test_the_environment_limits_the_threads():
    run_python(
        "import os; os.environ['NUMBA_NUM_THREADS'] = '1'; import minicnn_kernels.threads as t; "
        "assert t.available_threads() == t.get_num_threads() == 1"
    )


def test_threads_are_remembered_without_importing_numba():
    run_python("import sys, minicnn_kernels.threads as t; t.set_num_threads(1); assert 'numba' not in sys.modules")


def test_float16_is_declined_and_computed_by_numpy():
    x = np.float16([-1, 2])
    assert "'numba' kernel declines: it is compiled for float32 and float64, and the array is float16" in explain(
        "relu.forward", x
    )
    y = call("relu.forward", x)
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, [0, 2])


@pytest.mark.skipif(not jit.JIT, reason="nothing is compiled")
def test_read_only_arguments_compile_nothing_new():
    x = rng().standard_normal((3, 4))
    call("matmul", x, x.T)
    known = len(product._product.compiled.signatures)
    x.flags.writeable = False
    np.testing.assert_allclose(call("matmul", x, x.T), x @ x.T)
    assert len(product._product.compiled.signatures) == known


@pytest.mark.skipif(not jit.JIT, reason="nothing is compiled")
def test_kernels_compile_where_no_cache_can_be_written(monkeypatch):
    def no_place(function: Any) -> None:
        raise RuntimeError(f"cannot cache function {function.__name__!r}: no locator available for file 'f.py'")

    monkeypatch.setattr(jit, "KernelCache", no_place)
    jit._warn_of_no_cache.cache_clear()

    def double(thread: Any, y: Any, x: Any) -> None:
        for i in jit.share(thread, len(x)):
            y[i] = 2 * x[i]

    def triple(thread: Any, y: Any, x: Any) -> None:
        for i in jit.share(thread, len(x)):
            y[i] = 3 * x[i]

    with pytest.warns(RuntimeWarning, match="set NUMBA_CACHE_DIR") as caught:
        functions = [jit.parallel(double), jit.parallel(triple)]
    assert len(caught) == 1
    x = np.arange(100.0)
    for factor, function in zip((2, 3), functions, strict=True):
        y = np.zeros(100)
        function(y, x)
        np.testing.assert_array_equal(y, factor * x)


def test_a_loop_without_thread_is_refused():
    with pytest.raises(TypeError, match=r"takes `thread` first, and gives it to share\(\)"):
        jit.parallel(lambda x: None)


CACHED_RUN = """
import sys
import numpy as np
from minicnn_kernels import call, use_backend
from minicnn_kernels.numba_cpu import activations
use_backend("numba")
y = call("sigmoid.forward", np.zeros(1, sys.argv[1]))
hits = sum(activations._values.compiled.stats.cache_hits.values())
print(y[0], "loaded" if hits else "compiled")
"""


@pytest.mark.skipif(not jit.JIT, reason="nothing is compiled")
@pytest.mark.slow
def test_cached_code_follows_every_file_it_was_made_of_and_survives_damage(tmp_path):
    package = tmp_path / "minicnn_kernels"
    shutil.copytree(ROOT / "kernels" / "minicnn_kernels", package, ignore=shutil.ignore_patterns("__pycache__"))

    def sigmoid_of_0(dtype: str = "float32") -> str:
        variables = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, "-W", "error", "-c", CACHED_RUN, dtype]
        done = subprocess.run(command, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert [sigmoid_of_0(), sigmoid_of_0()] == ["0.5 compiled", "0.5 loaded"]
    mathematics = package / "numba_cpu" / "mathematics.py"  # called from activations.py
    before, after = "return _scaled32(y + ONE, n)\n", "return _scaled32(y + _F(0.5), n)\n"
    changed = mathematics.read_text("utf-8").replace(before, after)
    mathematics.write_text(changed, "utf-8")
    assert [sigmoid_of_0(), sigmoid_of_0()] == ["0.6666667 compiled", "0.6666667 loaded"]
    pooling = package / "numba_cpu" / "pooling.py"  # not used by activations.py
    pooling.write_text("# a comment\n" + pooling.read_text("utf-8"), "utf-8")
    assert sigmoid_of_0() == "0.6666667 loaded"
    for ending in ("nbc", "nbi"):
        for path in (tmp_path / "cache").rglob(f"*.{ending}"):
            path.write_bytes(path.read_bytes()[:-100])
        assert [sigmoid_of_0(), sigmoid_of_0()] == ["0.6666667 compiled", "0.6666667 loaded"]


@pytest.mark.skipif(not jit.JIT, reason="nothing is compiled")
def test_code_for_other_types_is_not_taken_from_the_cache(tmp_path, monkeypatch):
    """Two processes that compile at once can leave an index that names the other one's code."""
    from numba import float32, float64

    monkeypatch.setattr(jit.numba.config, "CACHE_DIR", str(tmp_path))
    kept = jit.KernelCache(rng)  # any function written in a file
    wrong, right = SimpleNamespace(signature=float32(float32)), SimpleNamespace(signature=float64(float64))
    for stored, loaded in ((wrong, None), (right, right)):
        monkeypatch.setattr("numba.core.caching.FunctionCache.load_overload", lambda *_, stored=stored: stored)
        assert kept.load_overload((float64,), None) is loaded


@pytest.mark.skipif(not jit.JIT, reason="nothing is compiled")
def test_a_full_disk_does_not_stop_a_kernel(monkeypatch):
    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("numba.core.caching.FunctionCache.save_overload", full)
    assert jit.KernelCache(threads.get_num_threads).save_overload((), None) is None


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (5, 3, 33), (4, 513, 32), (67, 40, 17), (3, 9000, 2)])
def test_a_product_reads_and_writes_its_own_matrices_only(m, k, n):
    """A and B lie in a sea of NaN and C among sevens: nothing leaks in either direction."""
    a, b, c = (np.full((rows + 4, columns + 6), np.nan) for rows, columns in ((m, k), (k, n), (m, n)))
    c[...] = 7
    inside = slice(2, -2), slice(3, -3)
    a[inside], b[inside] = rng().standard_normal((m, k)), rng().standard_normal((k, n))
    bias = rng().standard_normal(n)
    product.product(
        c.reshape(-1),
        a.reshape(-1),
        b.reshape(-1),
        n=n,
        a_sizes=(1, 1, m, 1, 1, k),
        a_strides=(0, 0, k + 6, 0, 0, 1),
        b_strides=(0, 0, n + 6, 1),
        c_strides=(0, 0, n + 6, 1),
        bias=bias,
        starts=((2 * (n + 6) + 3, 2 * (k + 6) + 3, 2 * (n + 6) + 3, 0),),
    )
    np.testing.assert_allclose(c[inside], a[inside] @ b[inside] + bias, rtol=1e-9, atol=1e-9)
    c[inside] = 7
    assert (c == 7).all()


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_a_convolution_reads_only_what_its_windows_touch(groups):
    """Stride 3 leaves the last rows and columns out: NaN there must not matter, and gets no gradient."""
    x = rng().standard_normal((2, 6, 9, 9))
    x[:, :, 8:], x[..., 8:] = np.nan, np.nan
    w = rng().standard_normal((6, 6 // groups, 2, 2))
    window = conv_window(x.shape, w.shape, stride=3, groups=groups)
    y = call("conv2d.forward", x, w, None, window, groups)
    assert np.isfinite(y).all()
    assert np.isfinite(call("conv2d.grad_weight", y, x, window, groups)).all()
    grad_x = call("conv2d.grad_input", y, w, window, groups)
    assert np.isfinite(grad_x).all()
    assert (grad_x[:, :, 8:] == 0).all()
    assert (grad_x[:, :, 2::3] == 0).all()


def test_exponential_and_tanh_keep_the_accuracy_and_the_edges_of_the_library():
    """float32 has polynomials of its own; their relative error is a few units in the last place."""
    x = np.concatenate([np.linspace(-90, 90, 4001), np.linspace(-1, 1, 4001), [np.inf, -np.inf, np.nan]])
    x = x.astype(np.float32)
    with np.errstate(over="ignore"):
        sigmoid = 1 / (1 + np.exp(-x.astype(np.float64)))
    tanh = np.tanh(x.astype(np.float64))
    np.testing.assert_allclose(call("sigmoid.forward", x), sigmoid, rtol=5e-7, atol=1e-38)
    np.testing.assert_allclose(call("tanh.forward", x), tanh, rtol=5e-7, atol=1e-38)
    assert call("elu.grad", np.ones_like(x), x, 1.0)[-2] == 0
    logits = np.float32([[0, 1000, -1000], [-np.inf, 0, 0]])
    np.testing.assert_allclose(call("softmax.forward", logits, 1), [[0, 1, 0], [0, 0.5, 0.5]])


def test_results_are_channels_last_and_channels_last_inputs_are_not_copied():
    x = channels_last(np.ones((2, 3, 6, 6), np.float32))
    y = call("conv2d.forward", x, np.ones((4, 3, 3, 3), np.float32), None, conv_window(x.shape, (4, 3, 3, 3)), 1)
    for z in (y, call("relu.forward", y), call("max_pool2d.forward", y, pool_window("max_pool2d", y.shape, 2))[0]):
        assert np.moveaxis(z, 1, -1).flags.c_contiguous


def test_arrays_of_several_types_are_not_compiled_for():
    a, b = np.ones((2, 64), np.float32), np.ones((64, 3))
    np.testing.assert_array_equal(call("matmul", a, b), 64)
    assert "float32 and float64" in explain("matmul", a, b)
    residual = np.ones((2, 3))
    with pytest.raises(TypeError, match="residual must have the result's type, float32; it is float64"):
        call("matmul", np.ones((8, 4), np.float32), np.ones((4, 3), np.float32), None, Epilogue(residual=residual))


@pytest.mark.parametrize("backend", ["reference", "numpy", "numba"])
def test_a_stack_of_matrices_takes_no_bias(backend):
    with use_backend(backend), pytest.raises(ValueError, match=r"got a stack of shape \(5,\)"):
        call("matmul", np.ones((5, 2, 3)), np.ones((3, 4)), np.ones(4))
