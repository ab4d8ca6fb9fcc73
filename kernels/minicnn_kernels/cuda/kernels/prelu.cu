// PReLU: a leaky ReLU whose slope is learned, one for all channels or one each.
//
// A slope is used by all negative inputs of its channel, so its gradient is the sum of grad_y * x over these. Arrays are
// (outer, c, inner), as in batch_norm.cu.
//
// Source: He et al., Delving deep into rectifiers, 2015, section 2.1.
#include "columns.cuh"

extern "C" __global__ void prelu_forward(
    const real* __restrict__ x,          // (outer, c, inner)
    const real* __restrict__ weight,     // (weights)
    real* __restrict__ y,                // (outer, c, inner)
    int outer, int c, int inner, int weights) {
    const long long size = (long long)outer * c * inner;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const real slope = weight[weights == 1 ? 0 : e / inner % c];
        y[e] = x[e] > 0 ? x[e] : slope * x[e];
    }
}

extern "C" __global__ void prelu_grad_input(
    const real* __restrict__ grad_y,     // (outer, c, inner)
    const real* __restrict__ x,          // (outer, c, inner)
    const real* __restrict__ weight,     // (weights)
    real* __restrict__ grad_x,           // (outer, c, inner)
    int outer, int c, int inner, int weights) {
    const long long size = (long long)outer * c * inner;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const real slope = weight[weights == 1 ? 0 : e / inner % c];
        grad_x[e] = x[e] > 0 ? grad_y[e] : slope * grad_y[e];
    }
}

extern "C" __global__ void prelu_grad_weight(
    const real* __restrict__ grad_y,     // (outer, c, inner)
    const real* __restrict__ x,          // (outer, c, inner)
    real* __restrict__ sums,             // (parts, c)
    int outer, int c, int inner, int parts) {
    const Column column(c, (long long)outer * inner, parts);
    real sum = 0;
    EACH_POSITION(i, column) {
        const long long e = element(i, column.channel, c, inner);
        sum += grad_y[e] * (x[e] > 0 ? real(0) : x[e]);
    }
    sum = column_sum(sum);
    if (threadIdx.y == 0 && column.channel < c) sums[blockIdx.y * c + column.channel] = sum;
}
