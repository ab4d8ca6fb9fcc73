// Softmax and its logarithm along one axis, forward and backward.
//
//     forward     y_c = e^(x_c - max x) / sum of e^(x - max x)              log y_c = x_c - max x - log(sum of e^(x - max x))
//     backward    grad_x_c = (g_c - sum of g*y) * y_c                       grad_x_c = g_c - e^(log y_c) * sum of g
//
// Subtracting the largest value keeps exp from overflowing and changes nothing else. Arrays are (outer, c, inner), and c is
// the axis. With -DLANES=32 a warp takes one line of c numbers, and shuffles sum up (reduce.cuh): right where the numbers of a
// line are neighbours, inner = 1. With -DLANES=1 one thread takes a line, and the lines of neighbouring threads are neighbours.
//
// Source: Goodfellow, Bengio & Courville, Deep Learning, 2016, section 6.2.2.3.
#include "reduce.cuh"

#ifndef LANES
#define LANES 32
#endif

__device__ real line_sum(real value) { return LANES == 32 ? warp_sum(value) : value; }
__device__ real line_max(real value) { return LANES == 32 ? warp_max(value) : value; }

// Where a line begins, or -1 behind the last one.
__device__ long long line_start(int outer, int c, int inner) {
    const long long line = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / LANES;
    return line < (long long)outer * inner ? line / inner * c * inner + line % inner : -1;
}
#define EACH(e, start) \
    for (long long e = start + threadIdx.x % LANES * inner; e < start + (long long)c * inner; e += LANES * inner)

extern "C" __global__ void softmax_forward(
    const real* __restrict__ x,         // (outer, c, inner)
    real* __restrict__ y,               // (outer, c, inner)
    int outer, int c, int inner, int logarithm) {
    const long long start = line_start(outer, c, inner);
    if (start < 0) return;              // the whole warp
    real largest = -INFINITE;
    EACH(e, start) largest = fmax(largest, x[e]);
    largest = line_max(largest);
    real sum = 0;
    EACH(e, start) sum += exp(x[e] - largest);
    sum = line_sum(sum);
    const real log_sum = log(sum);
    EACH(e, start) y[e] = logarithm ? x[e] - largest - log_sum : exp(x[e] - largest) / sum;
}

extern "C" __global__ void softmax_grad(
    const real* __restrict__ grad_y,    // (outer, c, inner)
    const real* __restrict__ y,         // (outer, c, inner)
    real* __restrict__ grad_x,          // (outer, c, inner)
    int outer, int c, int inner, int logarithm) {
    const long long start = line_start(outer, c, inner);
    if (start < 0) return;
    real sum = 0;
    EACH(e, start) sum += logarithm ? grad_y[e] : grad_y[e] * y[e];
    sum = line_sum(sum);
    EACH(e, start) grad_x[e] = logarithm ? grad_y[e] - exp(y[e]) * sum : (grad_y[e] - sum) * y[e];
}
