// What is still done to a result, channel by channel: a scale, a bias, a residual, a clamp; and the gradient of the bias, which is
// added everywhere, so that its gradient is the sum of everything.
//
// Arrays are (outer, c, inner), as in batch_norm.cu.
#include "columns.cuh"

extern "C" __global__ void finish(
    real* __restrict__ y,                // (outer, c, inner)
    const real* __restrict__ scale,      // (c) or null
    const real* __restrict__ bias,       // (c) or null
    const real* __restrict__ residual,   // (outer, c, inner) or null
    int outer, int c, int inner, real low, real high) {
    const long long size = (long long)outer * c * inner;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const int channel = e / inner % c;
        real value = y[e];
        if (scale) value *= scale[channel];
        if (bias) value += bias[channel];
        if (residual) value += residual[e];
        if (value < low) value = low;
        if (value > high) value = high;
        y[e] = value;
    }
}

extern "C" __global__ void channel_sum(
    const real* __restrict__ x,          // (outer, c, inner)
    real* __restrict__ sums,             // (parts, c)
    int outer, int c, int inner, int parts) {
    const Column column(c, (long long)outer * inner, parts);
    real sum = 0;
    EACH_POSITION(i, column) sum += x[element(i, column.channel, c, inner)];
    sum = column_sum(sum);
    if (threadIdx.y == 0 && column.channel < c) sums[blockIdx.y * c + column.channel] = sum;
}

// Adds up what several blocks have found out, always in the same order.
extern "C" __global__ void sum_parts(
    const real* __restrict__ found,      // (parts, size)
    real* __restrict__ sums,             // (size)
    int parts, long long size) {
    for (long long e = FIRST; e < size; e += STRIDE) {
        real sum = 0;
        for (int part = 0; part < parts; ++part) sum += found[part * size + e];
        sums[e] = sum;
    }
}
