// What is still done to a result, channel by channel: a scale, a bias, a residual, a clamp; and the gradient of the bias, which is
// added everywhere, so that its gradient is the sum of everything.
//
// Arrays are (outer, c, inner), as in batch_norm.cu.
#include "reduce.cuh"

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

// One block per channel.
extern "C" __global__ void channel_sum(
    const real* __restrict__ x,    // (outer, c, inner)
    real* __restrict__ sums,       // (c)
    int outer, int c, int inner) {
    const int channel = blockIdx.x;
    const long long count = (long long)outer * inner;
    real sum = 0;
    for (long long i = threadIdx.x; i < count; i += blockDim.x)
        sum += x[(i / inner * c + channel) * inner + i % inner];
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[channel] = sum;
}
