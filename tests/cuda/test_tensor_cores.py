"""The models of tensor cores and of asynchronous copies."""

from __future__ import annotations

import numpy as np
import pytest
from minicnn_kernels.cuda import source
from minicnn_kernels.cuda.on_cpu import KernelError, Program

from .programs import floats, program

pytestmark = pytest.mark.usefixtures("gxx")


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
