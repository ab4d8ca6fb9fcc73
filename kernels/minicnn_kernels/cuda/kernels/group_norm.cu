// Group, instance and layer normalisation: mean 0 and variance 1 within a group of channels of one sample.
//
//     x_hat = (x - mean) * rstd                        y = weight * x_hat + bias            rstd = 1 / sqrt(var + eps)
//     grad_x = rstd * (h - mean of h - x_hat * mean of (h * x_hat))                         h = grad_y * weight
//
// Arrays are (n, before, c, inner): for memory in the order (N, C, H, W) before is 1 and inner H*W, for channels-last memory
// before is H*W and inner 1. A layer norm of rows (M, D) is one group of D channels: n = M, c = D.
//
// forward and grad_input: one block for each group of each sample, a "channel" of its own for columns.cuh. The gradients of weight
// and bias are sums for each channel.
//
// Sources: Ba, Kiros & Hinton, Layer normalization, 2016; Wu & He, Group normalization, 2018, section 3.1.
#include "moments.cuh"

// The elements of one group of one sample, by a number that counts as they lie.
struct Group {
    long long start;       // of its first channel
    int sample, size, c, inner, first;
    long long count;
    __device__ Group(int before, int groups, int c, int inner)
        : sample(blockIdx.x / groups), size(c / groups), c(c), inner(inner), first(blockIdx.x % groups * size) {
        start = ((long long)sample * before * c + first) * inner;
        count = (long long)before * size * inner;
    }
    __device__ int channel(long long k) const { return first + k / inner % size; }
    __device__ long long at(long long k) const { return start + (k / inner / size * c + k / inner % size) * inner + k % inner; }
};

extern "C" __global__ void group_norm_forward(
    const real* __restrict__ x,          // (n, before, c, inner)
    const real* __restrict__ weight,     // (c) or null
    const real* __restrict__ bias,       // (c) or null
    real* __restrict__ y,                // (n, before, c, inner)
    real* __restrict__ mean,             // (n, groups)
    real* __restrict__ rstd,             // (n, groups)
    int n, int groups, int before, int c, int inner, real eps) {
    __shared__ real shared[2];
    const Group group(before, groups, c, inner);
    Moments mine = {0, 0, 0};
    for (long long k = threadIdx.y; k < group.count; k += blockDim.y) add(mine, x[group.at(k)]);
    mine = column_moments(mine);
    if (threadIdx.y == 0) {
        mean[blockIdx.x] = shared[0] = mine.mean;
        rstd[blockIdx.x] = shared[1] = 1 / sqrt(mine.m2 / mine.count + eps);
    }
    __syncthreads();
    const real centre = shared[0], scale = shared[1];
    for (long long k = threadIdx.y; k < group.count; k += blockDim.y) {
        const long long e = group.at(k);
        real value = (x[e] - centre) * scale;
        if (weight) value *= weight[group.channel(k)];
        if (bias) value += bias[group.channel(k)];
        y[e] = value;
    }
}

extern "C" __global__ void group_norm_grad_input(
    const real* __restrict__ grad_y,     // (n, before, c, inner)
    const real* __restrict__ x,          // (n, before, c, inner)
    const real* __restrict__ mean,       // (n, groups)
    const real* __restrict__ rstd,       // (n, groups)
    const real* __restrict__ weight,     // (c) or null
    real* __restrict__ grad_x,           // (n, before, c, inner)
    int n, int groups, int before, int c, int inner) {
    __shared__ real shared[2];
    const Group group(before, groups, c, inner);
    const real centre = mean[blockIdx.x], scale = rstd[blockIdx.x];
    real sum = 0, products = 0;
    for (long long k = threadIdx.y; k < group.count; k += blockDim.y) {
        const long long e = group.at(k);
        const real h = weight ? grad_y[e] * weight[group.channel(k)] : grad_y[e];
        sum += h;
        products += h * (x[e] - centre) * scale;
    }
    sum = column_sum(sum);
    products = column_sum(products);
    if (threadIdx.y == 0) {
        shared[0] = sum / group.count;
        shared[1] = products / group.count;
    }
    __syncthreads();
    for (long long k = threadIdx.y; k < group.count; k += blockDim.y) {
        const long long e = group.at(k);
        const real h = weight ? grad_y[e] * weight[group.channel(k)] : grad_y[e];
        grad_x[e] = scale * (h - shared[0] - (x[e] - centre) * scale * shared[1]);
    }
}

// sums: of grad_weight and of grad_bias.
extern "C" __global__ void group_norm_grad_sums(
    const real* __restrict__ grad_y,     // (n, before, c, inner)
    const real* __restrict__ x,          // (n, before, c, inner)
    const real* __restrict__ mean,       // (n, groups)
    const real* __restrict__ rstd,       // (n, groups)
    real* __restrict__ sums,             // (parts, 2, c)
    int n, int groups, int before, int c, int inner, int parts) {
    const Column column(c, (long long)n * before * inner, parts);
    const int group = column.channel / (c / groups);
    real products = 0, sum = 0;
    EACH_POSITION(i, column) {
        const long long e = element(i, column.channel, c, inner), of = i / inner / before * groups + group;
        products += grad_y[e] * (x[e] - mean[of]) * rstd[of];
        sum += grad_y[e];
    }
    products = column_sum(products);
    sum = column_sum(sum);
    if (threadIdx.y > 0 || column.channel >= c) return;
    real* result = sums + (long long)blockIdx.y * 2 * c + column.channel;
    result[0] = products;
    result[c] = sum;
}
