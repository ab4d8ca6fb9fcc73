"""The executor: what it runs, and what it finds."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minicnn_kernels.cuda import on_cpu, source
from minicnn_kernels.cuda.on_cpu import CompileError, KernelError, Program, build

from . import needs


@pytest.fixture(autouse=True, scope="module")
def _compiler() -> None:
    needs.compiler()


@cache
def program(text: str) -> Program:
    """Compiled at the first test that needs it."""
    return Program(text)


WRONG = r"""
extern "C" __global__ void past_the_end(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n) y[i] = x[i];
}
extern "C" __global__ void before_the_start(const float* x, float* y) {
    y[threadIdx.x] = x[(int)threadIdx.x - 1];
}
extern "C" __global__ void far_away(float* y) {
    y[100000000] = 1;
}
extern "C" __global__ void histogram(const int* x, float* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    y[x[i]] += 1.f;
}
extern "C" __global__ void no_barrier(float* y) {
    __shared__ float s[64];
    s[threadIdx.x] = threadIdx.x;
    y[threadIdx.x] = s[63 - threadIdx.x];
}
extern "C" __global__ void no_second_barrier(float* y) {
    __shared__ float s[64];
    for (int k = 0; k < 2; ++k) {
        s[threadIdx.x] = k;
        __syncthreads();
        y[threadIdx.x] = s[63 - threadIdx.x];
    }
}
extern "C" __global__ void shuffle_orders_nothing(float* y) {
    __shared__ float s[32];
    s[threadIdx.x] = threadIdx.x;
    __shfl_sync(~0u, 1, 0);
    y[threadIdx.x] = s[31 - threadIdx.x];
}
extern "C" __global__ void half_a_block(float* y) {
    if (threadIdx.x < 32)
        __syncthreads();
    y[threadIdx.x] = 1;
}
extern "C" __global__ void two_barriers(float* y) {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
    y[threadIdx.x] = 1;
}
extern "C" __global__ void half_a_warp(float* y) {
    float v = threadIdx.x;
    if (threadIdx.x & 1)
        v = __shfl_xor_sync(0xffffffffu, v, 1);
    y[threadIdx.x] = v;
}
extern "C" __global__ void not_in_its_mask(float* y) {
    y[threadIdx.x] = __shfl_sync(0xffff0000u, 1.f, 31);
}
extern "C" __global__ void waits_for_ever(float* y) {
    if (threadIdx.x < 16) __syncwarp();
    __syncthreads();
    y[threadIdx.x] = 1;
}
extern "C" __global__ void dynamic(float* y) {
    extern __shared__ float s[];
    s[threadIdx.x] = 1;
    y[threadIdx.x] = s[threadIdx.x];
}
extern "C" __global__ void blocks_meet(float* y) {
    y[0] = blockIdx.x;
}
extern "C" __global__ void many_read_one_writes(float* y) {
    float v = y[0];
    __syncwarp();
    if (threadIdx.x == 0) y[0] = v + 1;
}
extern "C" __global__ void divides(int* y, int by) {
    y[threadIdx.x] /= by;
}
extern "C" __global__ void refuses(float* y) {
    assert(y[0] > 0);
}
__device__ int deeper(int n, int* y) {
    int a[64];
    a[n & 31] = n;
    return n < 100000 ? deeper(n + 1, a) + a[1] : y[0];
}
extern "C" __global__ void recurses(int* y) {
    y[0] = deeper(0, y);
}
"""


def floats(n: int = 64) -> np.ndarray:
    return np.zeros(n, np.float32)


FOUND: list[tuple[str, int, int, tuple[Any, ...], str, tuple[str, ...]]] = [
    ("past_the_end", 1, 128, (floats(100), floats(100), 100), "bounds", ("reads x[100]", "line 4", "shape (100,)")),
    ("before_the_start", 1, 32, (floats(), floats()), "bounds", ("reads x[-1]", "line 7")),
    ("far_away", 1, 1, (floats(),), "bounds", ("stores", "far from every argument", "line 10")),
    (
        "histogram",
        1,
        32,
        (np.zeros(32, np.int32), floats()),
        "race",
        ("y[0]", "thread (0, 0, 0)", "line 14", "atomics"),
    ),
    ("no_barrier", 1, 64, (floats(),), "unwritten", ("s[63]", "line 19")),
    ("no_second_barrier", 1, 64, (floats(),), "race", ("s[", "line 24", "line 26", "__syncthreads()")),
    ("shuffle_orders_nothing", 1, 32, (floats(),), "race", ("s[31]", "line 33")),
    ("half_a_block", 1, 64, (floats(),), "barrier", ("32 of the 64 threads", "line 37")),
    ("two_barriers", 1, 64, (floats(),), "barrier", ("different __syncthreads()", "line 42", "line 44")),
    ("half_a_warp", 1, 32, (floats(),), "warp", ("reads lane 0", "line 50")),
    ("half_a_warp", 1, 20, (floats(),), "warp", ("takes no part", "line 50")),
    ("not_in_its_mask", 1, 32, (floats(),), "warp", ("lane 0 is not in its own mask 0xffff0000", "line 54")),
    ("waits_for_ever", 1, 32, (floats(),), "barrier", ("deadlock", "__syncwarp()", "line 57")),
    ("dynamic", 1, 32, (floats(),), "bounds", ("dynamic shared memory[16]", "line 63")),
    ("blocks_meet", 2, 1, (floats(),), "race", ("block (1, 0, 0)", "block (0, 0, 0)", "Blocks run in any order")),
    ("many_read_one_writes", 1, 64, (floats(),), "race", ("y[0]", "writes", "read")),
    ("divides", 1, 4, (np.ones(4, np.int32), 0), "fault", ("division by zero", "line 75")),
    ("refuses", 1, 1, (floats(),), "failed", ("assert(y[0] > 0)",)),
    ("recurses", 1, 1, (np.zeros(1, np.int32),), "fault", ("local variables", "stack")),
]


@pytest.mark.parametrize(("kernel", "grid", "block", "arguments", "kind", "says"), FOUND, ids=[row[0] for row in FOUND])
def test_it_finds(
    kernel: str, grid: int, block: int, arguments: tuple[Any, ...], kind: str, says: tuple[str, ...]
) -> None:
    with pytest.raises(KernelError) as raised:
        program(WRONG).launch(kernel, grid, block, arguments, shared_memory=64 if kernel == "dynamic" else 0)
    assert raised.value.kind == kind
    for words in says:
        assert words in str(raised.value), str(raised.value)


def test_a_race_names_both_threads_and_the_element() -> None:
    with pytest.raises(KernelError) as raised:
        program(WRONG).launch("no_second_barrier", 1, 64, (floats(),))
    error = raised.value
    assert (error.kernel, error.array) == ("no_second_barrier", "s")
    assert {error.line, error.other_line} == {24, 26}
    assert error.thread is not None
    assert error.other_thread is not None
    assert error.thread[0] + error.other_thread[0] == 63, "the element's owner, and who reads it"
    assert error.index in [(error.thread[0],), (error.other_thread[0],)]


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


def test_a_failed_launch_leaves_the_program_usable() -> None:
    y = floats()
    for _ in range(3):
        with pytest.raises(KernelError):
            program(WRONG).launch("two_barriers", 1, 64, (y,))
        program(WRONG).launch("blocks_meet", 1, 1, (y,))


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


TENSOR_CORES = """
extern "C" __global__ void product(
    const float* a,    // (16, 8)
    const float* b,    // (8, 8)
    float* c) {        // (16, 8)
    const int group = threadIdx.x / 4, quad = threadIdx.x % 4;
    float x[4], y[2], d[4];
    for (int e = 0; e < 4; ++e) x[e] = a[(group + e % 2 * 8) * 8 + quad + e / 2 * 4];
    for (int e = 0; e < 2; ++e) y[e] = b[(quad + e * 4) * 8 + group];
    for (int e = 0; e < 4; ++e) d[e] = c[(group + e / 2 * 8) * 8 + quad * 2 + e % 2];
    mma_tf32(d, x, y);
    for (int e = 0; e < 4; ++e) c[(group + e / 2 * 8) * 8 + quad * 2 + e % 2] = d[e];
}
extern "C" __global__ void half_a_product(float* c) {
    float x[4] = {}, y[2] = {}, d[4] = {};
    mma_tf32(d, x, y);
    c[threadIdx.x] = d[0];
}
extern "C" __global__ void rounded(float* x) { x[threadIdx.x] = to_tf32(x[threadIdx.x]); }
extern "C" __global__ void copies(const float* x, float* y, int wait, int taken) {
    __shared__ __align__(16) float s[128];
    cp_async<16>(s + threadIdx.x * 4, x + threadIdx.x * 4, threadIdx.x < taken);
    cp_async_commit();
    if (wait) cp_async_wait<0>(); else cp_async_wait<1>();
    __syncthreads();
    for (int i = 0; i < 4; ++i) y[threadIdx.x * 4 + i] = s[127 - threadIdx.x * 4 - i];
}
extern "C" __global__ void misaligned(const float* x) {
    __shared__ __align__(16) float s[128];
    cp_async<16>(s + threadIdx.x * 4, x + 1, true);
}
"""


def tensor_cores() -> Program:
    return program(source.read("tensor_cores.cuh") + TENSOR_CORES)


def test_the_model_of_the_tensor_cores() -> None:
    rng = np.random.default_rng(3)
    a, b, c = (rng.standard_normal(shape).astype(np.float32) for shape in ((16, 8), (8, 8), (16, 8)))
    cut = [(x.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64) for x in (a, b)]
    expected = (c + cut[0] @ cut[1]).astype(np.float32)
    tensor_cores().launch("product", 1, 32, (a, b, c))
    np.testing.assert_array_equal(c, expected)
    with pytest.raises(KernelError, match=r"mma\.sync needs all 32 lanes"):
        tensor_cores().launch("half_a_product", 1, 24, (floats(),))


def test_rounding_to_tf32() -> None:
    unit = np.float32(2**-10)  # the last bit of a number from 1 to 2
    x = np.array([1 + 0.49 * unit, 1 + 0.5 * unit, 1 + 1.5 * unit, -1 - 0.5 * unit, 3.0, np.inf], np.float32)
    tensor_cores().launch("rounded", 1, 6, (x,))
    np.testing.assert_array_equal(x, np.array([1, 1 + unit, 1 + 2 * unit, -1 - unit, 3, np.inf], np.float32))


def test_asynchronous_copies_land_when_they_are_waited_for() -> None:
    x, y = np.arange(128, dtype=np.float32), floats(128)
    tensor_cores().launch("copies", 1, 32, (x, y, 1, 32))
    np.testing.assert_array_equal(y, x[::-1])
    tensor_cores().launch("copies", 1, 32, (x, y, 1, 3))
    np.testing.assert_array_equal(y[::-1], np.where(x < 12, x, 0))
    with pytest.raises(KernelError, match=r"reads s\[127\], which no thread has written"):
        tensor_cores().launch("copies", 1, 32, (x, y, 0, 32))
    with pytest.raises(KernelError, match="multiple of 16"):
        tensor_cores().launch("misaligned", 1, 1, (x,))


def test_ctrl_c_ends_a_kernel_that_does_not_end() -> None:
    waits = 'extern "C" __global__ void waits(float* x) { volatile float* v = x; while (v[0] == 0); }'
    kernel = program(waits)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        kernel.launch("waits", 1, 1, (floats(),))
    timer.join()


def test_an_error_survives_pickling() -> None:
    with pytest.raises(KernelError) as raised:
        program(WRONG).launch("far_away", 1, 1, (floats(),))
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.kind, copy.line) == (str(raised.value), "bounds", raised.value.line)
