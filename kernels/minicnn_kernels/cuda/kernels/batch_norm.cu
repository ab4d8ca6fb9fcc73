// Batch normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, with the mean and the variance of each channel.
//
// Arrays are (outer, c, inner): for memory in the order (N, C, H, W) outer is N and inner H*W, for channels-last memory
// outer is N*H*W and inner 1.
//
// Statistics in one pass. A variance from the sum of x and the sum of x^2 cancels; two passes read x twice. Welford's
// method keeps count, mean and m2, the sum of (x - mean)^2, and corrects them with each number. Chan's formula merges two such
// triples, so that threads count their own numbers first and then merge in pairs:
//
//     delta = mean_b - mean_a                    mean = mean_a + delta * count_b / count
//     count = count_a + count_b                  m2   = m2_a + m2_b + delta^2 * count_a * count_b / count
//
// What usually follows is done while the numbers are in registers: a residual is added, and the sum clamped to
// [low, high]; ReLU is low = 0. Where the clamp has cut, no gradient passes.
//
//     grad_bias = sum of grad_y                  grad_weight = sum of grad_y * x_hat
//     grad_x = weight / sqrt(var + eps) * (grad_y - grad_bias/m - x_hat * grad_weight/m)
//
// With fixed statistics (evaluation) only the first of the three terms remains.
//
// Sources: Ioffe & Szegedy, Batch normalization, 2015, algorithm 1 and section 3; Chan, Golub & LeVeque, Updating formulae
// and a pairwise algorithm for computing sample variances, 1979, formula 2.1.
#include "reduce.cuh"

struct Moments {
    real count, mean, m2;
};

__device__ void add(Moments& a, real x) {
    a.count += 1;
    const real delta = x - a.mean;
    a.mean += delta / a.count;
    a.m2 += delta * (x - a.mean);
}

__device__ void merge(Moments& a, const Moments& b) {
    if (b.count == 0) return;
    const real count = a.count + b.count;
    const real delta = b.mean - a.mean;
    a.mean += delta * (b.count / count);
    a.m2 += b.m2 + delta * delta * (a.count * b.count / count);
    a.count = count;
}

// One block per channel.
extern "C" __global__ void batch_norm_statistics(
    const real* __restrict__ x,         // (outer, c, inner)
    real* __restrict__ mean,            // (c)
    real* __restrict__ var,             // (c)
    int outer, int c, int inner) {
    __shared__ Moments parts[32];
    const int channel = blockIdx.x;
    const long long count = (long long)outer * inner;
    Moments mine = {0, 0, 0};
    for (long long i = threadIdx.x; i < count; i += blockDim.x)
        add(mine, x[(i / inner * c + channel) * inner + i % inner]);
    for (int distance = 16; distance > 0; distance /= 2) {
        const Moments other = {__shfl_down_sync(~0u, mine.count, distance), __shfl_down_sync(~0u, mine.mean, distance),
                               __shfl_down_sync(~0u, mine.m2, distance)};
        merge(mine, other);
    }
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = mine;
    __syncthreads();
    if (threadIdx.x > 0) return;
    for (int w = 1; w < blockDim.x / 32; ++w) merge(mine, parts[w]);
    mean[channel] = mine.mean;
    var[channel] = mine.m2 / fmax(mine.count, real(1));
}

extern "C" __global__ void batch_norm_normalize(
    const real* __restrict__ x,         // (outer, c, inner)
    const real* __restrict__ mean,      // (c)
    const real* __restrict__ var,       // (c)
    const real* __restrict__ weight,    // (c) or null
    const real* __restrict__ bias,      // (c) or null
    const real* __restrict__ residual,  // (outer, c, inner) or null
    real* __restrict__ y,               // (outer, c, inner)
    int outer, int c, int inner, real eps, real low, real high) {
    const long long size = (long long)outer * c * inner;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const int channel = e / inner % c;
        const real scale = (weight ? weight[channel] : 1) / sqrt(var[channel] + eps);
        real value = (x[e] - mean[channel]) * scale;
        if (bias) value += bias[channel];
        if (residual) value += residual[e];
        if (value < low) value = low;
        if (value > high) value = high;
        y[e] = value;
    }
}

// The gradient where the clamp has not cut; y is the clamped result, null if there was no clamp.
__device__ real passed(const real* grad_y, const real* y, long long e, real low, real high) {
    const bool cut = y && ((y[e] <= low && low > -INFINITE) || (y[e] >= high && high < INFINITE));
    return cut ? real(0) : grad_y[e];
}

// One block per channel.
extern "C" __global__ void batch_norm_grad_sums(
    const real* __restrict__ grad_y,    // (outer, c, inner)
    const real* __restrict__ x,         // (outer, c, inner)
    const real* __restrict__ mean,      // (c)
    const real* __restrict__ var,       // (c)
    const real* __restrict__ y,         // (outer, c, inner) or null
    real* __restrict__ grad_weight,     // (c)
    real* __restrict__ grad_bias,       // (c)
    int outer, int c, int inner, real eps, real low, real high) {
    const int channel = blockIdx.x;
    const long long count = (long long)outer * inner;
    const real centre = mean[channel];
    real products = 0, sum = 0;
    for (long long i = threadIdx.x; i < count; i += blockDim.x) {
        const long long e = (i / inner * c + channel) * inner + i % inner;
        const real g = passed(grad_y, y, e, low, high);
        products += g * (x[e] - centre);
        sum += g;
    }
    products = block_sum(products);
    sum = block_sum(sum);
    if (threadIdx.x > 0) return;
    grad_weight[channel] = products / sqrt(var[channel] + eps);
    grad_bias[channel] = sum;
}

extern "C" __global__ void batch_norm_grad_input(
    const real* __restrict__ grad_y,       // (outer, c, inner)
    const real* __restrict__ x,            // (outer, c, inner)
    const real* __restrict__ mean,         // (c)
    const real* __restrict__ var,          // (c)
    const real* __restrict__ weight,       // (c) or null
    const real* __restrict__ y,            // (outer, c, inner) or null
    const real* __restrict__ grad_weight,  // (c)
    const real* __restrict__ grad_bias,    // (c)
    real* __restrict__ grad_x,             // (outer, c, inner)
    real* __restrict__ grad_residual,      // (outer, c, inner) or null
    int outer, int c, int inner, real eps, real low, real high, int fixed) {
    const long long size = (long long)outer * c * inner;
    const real count = (real)outer * inner;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const int channel = e / inner % c;
        const real scale = 1 / sqrt(var[channel] + eps);
        const real g = passed(grad_y, y, e, low, high);
        real value = g;
        if (!fixed) {
            const real x_hat = (x[e] - mean[channel]) * scale;
            value -= (grad_bias[channel] + x_hat * grad_weight[channel]) / count;
        }
        grad_x[e] = value * scale * (weight ? weight[channel] : 1);
        if (grad_residual) grad_residual[e] = g;
    }
}
