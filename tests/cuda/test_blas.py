"""Matrix products by cuBLAS: on the stand-in, which refuses what cuBLAS refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minicnn_kernels.cuda import blas, runtime
from minicnn_kernels.cuda.runtime import cupy
from minicnn_kernels.errors import BackendError, DTypeError, ShapeError

from tests.standin import counted

from . import needs
from .needs import STAND_IN

LAYOUTS = ("rows", "columns", "part of rows", "every second")


def matrices(rng: np.random.Generator, shape: tuple[int, ...], layout: str, dtype: Any) -> tuple[np.ndarray, Any]:
    """Random matrices, and the same on the device, lying as it is said."""
    x = rng.standard_normal(shape).astype(dtype)
    cp = cupy()
    if layout == "columns":
        return x, cp.asarray(x.swapaxes(-1, -2).copy()).transpose(*range(len(shape) - 2), -1, -2)
    if layout == "rows":
        return x, cp.asarray(x)
    wide = cp.full((*shape[:-1], 2 * shape[-1] + 3), 77, dtype)
    view = wide[..., : shape[-1]] if layout == "part of rows" else wide[..., : 2 * shape[-1] : 2]
    view[...] = cp.asarray(x)
    return x, view


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_products_of_matrices_however_they_lie(device: str, data: st.DataObject) -> None:
    m, k, n = (data.draw(st.integers(0, 4)) for _ in range(3))
    batches = (
        ((), ()),
        ((2,), ()),
        ((), (3,)),
        ((2,), (2,)),
        ((2, 1), (3,)),
        ((2, 3), (1, 3)),
        ((0,), (0,)),
        ((1,), (2,)),
    )
    left, right = data.draw(st.sampled_from(batches))
    dtype = data.draw(st.sampled_from((np.float32, np.float64)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    (a, x), (b, y) = (
        matrices(rng, shape, data.draw(st.sampled_from(LAYOUTS)), dtype) for shape in ((*left, m, k), (*right, k, n))
    )
    expected = a @ b
    out = cupy().empty(expected.shape, dtype)
    runtime.blas().gemm(x, y, out)
    np.testing.assert_allclose(out.get(), expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-5)


@STAND_IN
def test_transposed_views_are_not_copied_and_stacks_are_one_call(device: str) -> None:
    rng = np.random.default_rng(0)
    gemm = runtime.blas().gemm
    cp = cupy()
    for left, right, stack in (((), (), ()), ((4,), (4,), (4,)), ((4,), (), (4,)), ((2, 3), (2, 3), (2, 3))):
        (_, x), (_, y) = (matrices(rng, (*left, 5, 6), "columns", "f"), matrices(rng, (*right, 6, 7), "columns", "f"))
        out = cp.empty((*stack, 5, 7), np.float32)
        gemm(x, y, out)  # makes the handle
        with counted() as counts:
            gemm(x, y, out)
        assert counts == {"library calls": 1}


def test_a_part_of_the_rows_of_a_larger_result(device: str) -> None:
    cp = cupy()
    out = cp.zeros((3, 10), np.float32)
    a, b = cp.ones((3, 2), np.float32), cp.ones((2, 4), np.float32)
    runtime.blas().gemm(a, b, out[:, 3:7])
    np.testing.assert_array_equal(out.get(), np.pad(np.full((3, 4), 2.0), ((0, 0), (3, 3))))


def test_what_is_refused(device: str) -> None:
    cp = cupy()
    a, b = cp.ones((3, 2), np.float32), cp.ones((2, 4), np.float32)
    gemm = runtime.blas().gemm
    with pytest.raises(ShapeError, match=r"got \(3, 2\) @ \(3, 2\)"):
        gemm(a, a, cp.empty((3, 2), np.float32))
    with pytest.raises(DTypeError, match="float32 or float64, one of them; got float32, float64"):
        gemm(a, b.astype(np.float64), cp.empty((3, 4), np.float32))
    with pytest.raises(ShapeError, match="rows of the result must be contiguous"):
        gemm(a, b, cp.empty((4, 3), np.float32).T)


@STAND_IN
def test_an_error_of_the_library_has_its_name(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = runtime.blas()._library
    monkeypatch.setitem(library.__dict__, "cublasGemmStridedBatchedEx", lambda *_: 13)
    cp = cupy()
    a = cp.ones((2, 2), np.float32)
    with pytest.raises(BackendError, match="cublasGemmStridedBatchedEx failed: CUBLAS_STATUS_EXECUTION_FAILED"):
        runtime.blas().gemm(a, a, cp.empty((2, 2), np.float32))


def test_each_stream_has_its_own_handle_and_workspace_and_may_capture(device: str) -> None:
    cp = cupy()
    a = cp.ones((2, 2), np.float32)
    out = cp.zeros((2, 2), np.float32)
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        runtime.blas().gemm(a, a, out)
        out.fill(0)
        stream.synchronize()
        stream.begin_capture()
        runtime.blas().gemm(a, a, out)
        graph = stream.end_capture()
        stream.synchronize()
        assert float(out.sum()) == 0
        graph.launch(stream)
        stream.synchronize()
    assert float(out.sum()) == 8
    runtime.blas().gemm(a, a, out)
    assert len(runtime.blas()._handles) == 2


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    needs.cupy()  # which brings cuda.pathfinder

    def missing(name: str) -> Any:
        raise RuntimeError(f"no {name}")

    monkeypatch.setattr("cuda.pathfinder.load_nvidia_dynamic_lib", missing)
    with pytest.raises(BackendError, match=r"cuBLAS cannot be loaded \(no cublas\)\. Fix: pip install"):
        blas.library()
    nowhere = SimpleNamespace(abs_path=None)  # loaded by another library: ctypes would open this program instead
    monkeypatch.setattr("cuda.pathfinder.load_nvidia_dynamic_lib", lambda name: nowhere)
    with pytest.raises(BackendError, match=r"cuBLAS cannot be loaded \(it is in memory already.*Fix: pip install"):
        blas.library()
