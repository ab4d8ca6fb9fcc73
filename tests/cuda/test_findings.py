"""What the executor finds in kernels that are wrong."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from minicnn_kernels.cuda.on_cpu import KernelError

from .programs import floats, program

pytestmark = pytest.mark.usefixtures("gxx")


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


def test_a_failed_launch_leaves_the_program_usable() -> None:
    y = floats()
    for _ in range(3):
        with pytest.raises(KernelError):
            program(WRONG).launch("two_barriers", 1, 64, (y,))
        program(WRONG).launch("blocks_meet", 1, 1, (y,))


def test_an_error_survives_pickling() -> None:
    with pytest.raises(KernelError) as raised:
        program(WRONG).launch("far_away", 1, 1, (floats(),))
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.kind, copy.line) == (str(raised.value), "bounds", raised.value.line)
