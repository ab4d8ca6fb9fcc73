"""Capture and replay on the stand-in."""

from __future__ import annotations

import gc
from contextlib import suppress

import numpy as np
import pytest

from tests import standin


def captured(cp, work, pool=None):
    stream = cp.cuda.Stream(non_blocking=True)
    with stream, cp.cuda.using_allocator((pool or cp.cuda.MemoryPool()).malloc):
        stream.begin_capture()
        try:
            result = work()
        except Exception:
            with suppress(cp.cuda.runtime.CUDARuntimeError):
                stream.end_capture()
            raise
        return stream.end_capture(), result


def test_nothing_runs_until_the_graph_is_launched(cp):
    pool = cp.cuda.MemoryPool()
    w, x = cp.zeros(3, "f"), cp.ones(3, "f")

    def step():
        y = np.exp(x) + 1
        w[...] += y
        return y

    graph, y = captured(cp, step, pool)
    assert not w.get().any()
    assert np.isnan(y.get()).all()
    with standin.counted() as counts:
        graph.launch()
        graph.launch()
    assert counts == {"graph launches": 2}
    np.testing.assert_allclose(w.get(), 2 * (np.exp(1) + 1), rtol=1e-6)
    x[...] = 0  # the graph reads what is there now
    graph.launch()
    np.testing.assert_allclose(y.get(), 2)


def test_kernels_are_captured_with_their_arguments(cp):
    source = """extern "C" __global__ void add(float* y, const float* step, float scale) {
        y[threadIdx.x] += scale * step[0];
    }"""
    kernel, y, step = cp.RawKernel(source, "add"), cp.zeros(4, "f"), cp.ones(1, "f")
    scale = np.float32(2)
    graph, _ = captured(cp, lambda: kernel((1,), (4,), (y, step, scale)))
    scale, step[...] = np.float32(5), 10  # the scalar is in the graph, the array is not
    graph.launch()
    assert y.get().tolist() == [20] * 4


@pytest.mark.parametrize(
    ("mistake", "error", "says"),
    [
        (lambda cp, x: x.sum().item(), RuntimeError, "is capturing"),
        (lambda cp, x: float(x[0]), RuntimeError, "is capturing"),
        (lambda cp, x: x.get(), RuntimeError, "is capturing"),
        (lambda cp, x: x[x > 0], RuntimeError, "is capturing"),
        (lambda cp, x: bool(x.any()), RuntimeError, "is capturing"),
        (lambda cp, x: np.unique(x), RuntimeError, "is capturing"),
        (lambda cp, x: x.set(np.zeros(3, "f")), RuntimeError, "is capturing"),
        (lambda cp, x: cp.outer(x, x) @ x, NotImplementedError, "calling cuBLAS API during stream capture"),
        (lambda cp, x: np.einsum("i,i->", x, x), NotImplementedError, "calling cuBLAS API during stream capture"),
    ],
)
def test_what_cannot_be_captured(cp, mistake, error, says):
    x = cp.ones(3, "f")
    with pytest.raises(error, match=says):
        captured(cp, lambda: mistake(cp, x))


def test_copies_from_the_host_are_recorded_and_the_replays_have_other_numbers(cp):
    """CuPy refuses none of them; the memory from which they are copied serves others by the time of a replay."""
    pool, x = cp.cuda.MemoryPool(), cp.arange(3.0)

    def work():
        return cp.asarray([1.0, 2.0]), x[[0, 1]], x[np.array([0, 1])]

    graph, (y, *picked) = captured(cp, work, pool)
    graph.launch()
    assert np.isnan(y.get()).all()
    assert all(part.get().tolist() != [0, 1] for part in picked)


def test_waiting_breaks_the_capture(cp):
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureUnsupported"):
            stream.synchronize()
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureInvalidated"):
            stream.end_capture()
    assert not stream.is_capturing()


def test_the_legacy_stream(cp):
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError):
        cp.cuda.Stream.null.begin_capture()
    blocking = cp.cuda.Stream()
    blocking.begin_capture()
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureImplicit"):
        cp.zeros(3) + 1
    blocking.end_capture()


def test_memory_of_a_graph_that_went_back_to_the_driver(cp):
    pool = cp.cuda.MemoryPool()
    x = cp.ones(3, "f")
    graph, _ = captured(cp, lambda: float_sum(x), pool)
    graph.launch()
    del pool  # and with it the memory of the intermediate results
    gc.collect()
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorIllegalAddress"):
        graph.launch()


def float_sum(x):
    np.exp(x).sum()


def test_memory_of_a_graph_that_others_were_given(cp):
    """The default pool hands freed memory out again: a replay writes into what is another array by now."""
    x = cp.ones(3, "f")
    graph, _ = captured(cp, lambda: float_sum(x), cp.get_default_memory_pool())
    other = [cp.zeros(3, "f") for _ in range(4)]
    graph.launch()
    assert any(y.get().any() for y in other)


def test_a_graph_reads_rubbish_anew(cp):
    """What an `empty` of the capture holds is not carried from one replay to the next."""
    total = cp.zeros(3, "f")

    def work():
        y = cp.empty(3, "f")
        total[...] += y
        y.fill(1)

    pool = cp.cuda.MemoryPool()
    graph, _ = captured(cp, work, pool)
    graph.launch()
    graph.launch()
    assert np.isnan(total.get()).all()


def test_streams_join_a_capture(cp):
    first, second = cp.cuda.Stream(non_blocking=True), cp.cuda.Stream(non_blocking=True)
    x, y = cp.ones(3, "f"), cp.zeros(3, "f")
    first.begin_capture()
    second.wait_event(first.record())
    with second:
        y[...] = x
    first.wait_event(second.record())
    graph = first.end_capture()
    assert not y.get().any()
    graph.launch()
    assert y.get().all()


def test_streams_that_nobody_waits_for(cp):
    first, second = cp.cuda.Stream(non_blocking=True), cp.cuda.Stream(non_blocking=True)
    x, y = cp.ones(3, "f"), cp.zeros(3, "f")
    first.begin_capture()
    second.wait_event(first.record())
    first.wait_event(second.record())
    with second:
        y[...] = x
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureUnjoined"):
        first.end_capture()
    assert not first.is_capturing()
    assert not second.is_capturing()


def test_a_captured_event_is_not_done(cp):
    stream = cp.cuda.Stream(non_blocking=True)
    stream.begin_capture()
    assert not stream.record().done
    stream.end_capture()
    assert stream.record().done


def test_times(cp):
    start, end = cp.cuda.Event(), cp.cuda.Event()
    start.record()
    end.record()
    end.synchronize()
    assert cp.cuda.get_elapsed_time(start, end) >= 0
