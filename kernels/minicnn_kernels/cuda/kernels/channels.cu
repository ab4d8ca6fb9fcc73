// A bias for every channel, and its gradient: the bias is added everywhere, so its gradient is the sum of everything.
//
// Arrays are (outer, c, inner), as in batch_norm.cu.
#include "reduce.cuh"

extern "C" __global__ void add_bias(
    real* y,              // (outer, c, inner)
    const real* bias,     // (c)
    int outer, int c, int inner) {
    const long long size = (long long)outer * c * inner;
    for (long long e = FIRST; e < size; e += STRIDE) y[e] += bias[e / inner % c];
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
