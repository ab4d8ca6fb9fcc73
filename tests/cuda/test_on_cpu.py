"""The executor: what it runs, and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minicnn_kernels.cuda import on_cpu
from minicnn_kernels.cuda.on_cpu import CompileError, KernelError, Program, build

from .programs import floats, program

pytestmark = pytest.mark.usefixtures("gxx")


RIGHT = r"""
__constant__ float table[4] = {1, 2, 3, 4};
template <class T> __device__ T twice(T v) {
    __shared__ T s[64];
    s[threadIdx.x] = v;
    __syncthreads();
    return s[63 - threadIdx.x] * 2;
}
extern "C" __global__ void reversed(const float* x, float* y) { y[threadIdx.x] = twice(x[threadIdx.x]); }
extern "C" __global__ void histogram(const int* x, int* y) {
    atomicAdd(&y[x[blockIdx.x * blockDim.x + threadIdx.x]], 1);
}
extern "C" __global__ void extremes(const int* x, int* y) {
    int v = x[threadIdx.x];
    atomicMax(y, v); atomicMin(y + 1, v); atomicSub(y + 5, v);
    atomicOr(y + 2, v); atomicAnd(y + 3, v); atomicXor(y + 4, v);
    for (int old = y[6], seen; ; old = seen) {
        seen = atomicCAS(y + 6, old, old + v);
        if (seen == old) break;
    }
}
extern "C" __global__ void constants(float* y) {
    float a[8];
    for (int i = 0; i < 8; ++i) a[i] = i * table[threadIdx.x % 4];
    y[threadIdx.x] = a[(threadIdx.x * 3) % 8];
}
extern "C" __global__ void shuffles(int* y) {     // (5, 32)
    int l = threadIdx.x, v = l * l;
    y[l] = __shfl_sync(~0u, v, l + 3, 8);
    y[32 + l] = __shfl_xor_sync(~0u, v, 5);
    y[64 + l] = __shfl_down_sync(~0u, v, 3, 16);
    y[96 + l] = __shfl_up_sync(~0u, v, 2);
    y[128 + l] = __ballot_sync(~0u, l % 3 == 0);
}
extern "C" __global__ void votes(int* y) {        // (3, 40)
    int t = threadIdx.x;
    y[t] = __syncthreads_count(t % 3 == 0);
    y[40 + t] = __syncthreads_or(t == 39) + 10 * __syncthreads_or(0);
    y[80 + t] = __syncthreads_and(t < 40) + 10 * __syncthreads_and(t);
}
extern "C" __global__ void vectors(const float4* x, float4* y, float2* z) {
    float4 v = x[threadIdx.x];
    y[threadIdx.x] = make_float4(v.w, v.z, v.y, v.x);
    z[threadIdx.x] = make_float2(v.x + v.y, v.z + v.w);
}
extern "C" __global__ void sizes(int* y) {
    if (threadIdx.x + threadIdx.y + threadIdx.z + blockIdx.x + blockIdx.y + blockIdx.z == 0) {
        y[0] = gridDim.x; y[1] = gridDim.y; y[2] = gridDim.z; y[3] = blockDim.x; y[4] = blockDim.y; y[5] = blockDim.z;
    }
    int number = threadIdx.x + 10 * threadIdx.y + 100 * threadIdx.z + 1000 * blockIdx.x + 10000 * blockIdx.y;
    atomicAdd(y + 6, number);
}
extern "C" __global__ void tells(int n) { printf("%d of %d\n", threadIdx.x, n); }
extern "C" __global__ void in_place(float* x, const float* y) { x[threadIdx.x] = y[threadIdx.x] + 1; }
"""


def test_shared_memory_barriers_and_templates() -> None:
    x, y = np.arange(64, dtype=np.float32), floats()
    for order in ("forward", "backward", 5):
        program(RIGHT).launch("reversed", 1, 64, (x, y), order=order)
        np.testing.assert_array_equal(y, 2 * x[::-1])


def test_atomics() -> None:
    x = np.random.default_rng(0).integers(0, 10, 128).astype(np.int32)
    y = np.zeros(10, np.int32)
    program(RIGHT).launch("histogram", 4, 32, (x, y))
    np.testing.assert_array_equal(y, np.bincount(x, minlength=10))
    y = np.array([0, 99, 0, -1, 0, 0, 0], np.int32)
    x = np.arange(5, 37, dtype=np.int32)
    with pytest.raises(KernelError, match="race"):  # reads y[6] beside the atomics of others
        program(RIGHT).launch("extremes", 1, 32, (x, y))
    y = np.array([0, 99, 0, -1, 0, 0, 0], np.int32)
    Program(RIGHT, checked=False).launch("extremes", 1, 32, (x, y))
    bits = [np.bitwise_or.reduce(x), np.bitwise_and.reduce(x), np.bitwise_xor.reduce(x)]
    assert y.tolist() == [36, 5, *bits, -x.sum(), x.sum()]


def test_constants_and_local_arrays() -> None:
    y = floats()
    program(RIGHT).launch("constants", 1, 64, (y,))
    t = np.arange(64)
    np.testing.assert_array_equal(y, t * 3 % 8 * (1 + t % 4))


def test_shuffles_and_votes() -> None:
    y, lane = np.zeros((5, 32), np.int32), np.arange(32)
    program(RIGHT).launch("shuffles", 1, 32, (y,))
    v = lane**2
    np.testing.assert_array_equal(y[0], v[lane // 8 * 8 + (lane + 3) % 8])
    np.testing.assert_array_equal(y[1], v[lane ^ 5])
    np.testing.assert_array_equal(y[2], v[np.where(lane % 16 + 3 < 16, lane + 3, lane).clip(max=31)])
    np.testing.assert_array_equal(y[3], v[np.where(lane >= 2, lane - 2, lane)])
    assert set(y[4].view(np.uint32).tolist()) == {sum(1 << int(i) for i in lane if i % 3 == 0)}
    y = np.zeros((3, 40), np.int32)
    program(RIGHT).launch("votes", 1, 40, (y,))
    assert [set(row.tolist()) for row in y] == [{14}, {1}, {1}]


def test_vectors_and_sizes() -> None:
    x = np.arange(32, dtype=np.float32)
    y, z = np.zeros_like(x), floats(16)
    program(RIGHT).launch("vectors", 1, 8, (x, y, z))
    np.testing.assert_array_equal(y.reshape(8, 4), x.reshape(8, 4)[:, ::-1])
    np.testing.assert_array_equal(z, x.reshape(16, 2).sum(1))
    y = np.zeros(7, np.int32)
    program(RIGHT).launch("sizes", (2, 3), (4, 2, 3), (y,))
    assert y[:6].tolist() == [2, 3, 1, 4, 2, 3]
    assert y[6] == 6 * 24 * (1.5 + 5 + 100) + 144 * (500 + 10000)


def test_printf(capsys: pytest.CaptureFixture[str]) -> None:
    program(RIGHT).launch("tells", 1, 2, (7,))
    assert capsys.readouterr().out == "0 of 7\n1 of 7\n"


def test_an_array_may_be_given_twice_where_nothing_forbids_it() -> None:
    x = floats(4)
    program(RIGHT).launch("in_place", 1, 4, (x, x))
    np.testing.assert_array_equal(x, 1)


def test_threads_of_python_take_turns() -> None:
    wrong: list[Any] = []

    def work(seed: int) -> None:
        x = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
        for _ in range(20):
            y = floats()
            program(RIGHT).launch("reversed", 1, 64, (x, y))
            if not np.array_equal(y, 2 * x[::-1]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_trace() -> None:
    y = floats()
    steps = on_cpu.trace(program(RIGHT), "reversed", 1, 64, (np.arange(64, dtype=np.float32), y), thread=3)
    assert [(s.kind, s.array, s.index, s.value) for s in steps] == [
        ("load", "x", (3,), 3),
        ("store", "s", (3,), 3),
        ("barrier", None, None, None),
        ("load", "s", (60,), 60),
        ("store", "y", (3,), 120),
    ]
    assert steps[1].line is not None
    assert steps[1].line.text == "s[threadIdx.x] = v;"
    steps = on_cpu.trace(
        program(RIGHT), "vectors", 1, 8, (np.arange(32, dtype=np.float32), floats(32), floats(16)), thread=2
    )
    moved = {s.array: np.ravel(s.value).tolist() for s in steps if s.kind == "store"}
    assert "x" in {s.array for s in steps}
    assert set(moved) == {"y", "z"}
    with pytest.raises(ValueError, match="not among"):
        on_cpu.trace(program(RIGHT), "reversed", 1, 64, (floats(), floats()), thread=64)
    with pytest.raises(ValueError, match="checked"):
        on_cpu.trace(Program(RIGHT, checked=False), "tells", 1, 1, (1,))


def test_launches_that_no_device_can_do() -> None:
    for grid, block, shared, says in (
        (1, 2048, 0, "1024 threads"),
        (1, (1, 1, 65), 0, "64 along z"),
        (0, 1, 0, "at least 1 block"),
        ((1, 2**16), 1, 0, "2\\^16"),
        (1, 1, 2**20, "bytes of shared memory"),
    ):
        with pytest.raises(ValueError, match=says):
            program(RIGHT).launch("tells", grid, block, (1,), shared_memory=shared)
    with pytest.raises(TypeError, match="one to three ints"):
        program(RIGHT).launch("tells", 1.5, 1, (1,))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no kernel 'tell'"):
        program(RIGHT).launch("tell", 1, 1, (1,))
    with pytest.raises(ValueError, match="seed of a random order"):
        program(RIGHT).launch("tells", 1, 1, (1,), order="sideways")


def test_sources_that_are_none() -> None:
    with pytest.raises(ValueError, match="declares no kernel"):
        Program("int main() { return 0; }")
    with pytest.raises(CompileError, match=r"kernel.cu:2:\d+: error.*'z'|kernel.cu:2:\d+: error.*‘z’"):
        Program('extern "C" __global__ void f(float* x) {\n    x[0] = z;\n}')
    large = "float a[60000]; for (int i = 0; i < n; ++i) a[x[i] > 0] = x[i]; x[0] = a[n];"
    with pytest.raises(CompileError, match="frame size"):
        Program(f'extern "C" __global__ void f(float* x, int n) {{ {large} }}')
    with pytest.raises(TypeError, match="type that a launch cannot pass"):
        Program('extern "C" __global__ void f(float** x) {}')


def test_a_missing_compiler_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    build.compiler.cache_clear()
    try:
        with pytest.raises(CompileError, match=r"g\+\+ is needed .* Fix: apt install g\+\+"):
            Program('extern "C" __global__ void f(float* x) { x[0] = 2; }')
    finally:
        build.compiler.cache_clear()


def test_compiled_code_is_kept_and_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = 'extern "C" __global__ void f(float* x) { x[0] = 2; }'
    Program(source)
    files = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "minicnn" / "on_cpu").iterdir()}
    assert len(files) == 2, "the runtime and the kernel, and nothing half-written"
    Program(source)
    assert files == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "minicnn" / "on_cpu").iterdir()}
    Program(source, defines={"x": "x"})
    Program(source, checked=False)
    assert len(list((tmp_path / "minicnn" / "on_cpu").iterdir())) == 4


def test_two_processes_that_compile_at_once(tmp_path: Path) -> None:
    code = (
        "import numpy as np; from minicnn_kernels.cuda import on_cpu; x = np.zeros(1, np.float32); "
        "on_cpu.Program('extern \"C\" __global__ void f(float* x) { x[0] = 2; }').launch('f', 1, 1, (x,)); print(x[0])"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    runs = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [run.communicate()[0].strip() for run in runs] == ["2.0", "2.0"]
    assert len(list((tmp_path / "minicnn" / "on_cpu").iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    x = floats(1)
    Program('extern "C" __global__ void f(float* x) { x[0] = 3; }').launch("f", 1, 1, (x,))
    assert x[0] == 3


def test_ctrl_c_ends_a_kernel_that_does_not_end() -> None:
    waits = 'extern "C" __global__ void waits(float* x) { volatile float* v = x; while (v[0] == 0); }'
    kernel = program(waits)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        kernel.launch("waits", 1, 1, (floats(),))
    timer.join()
