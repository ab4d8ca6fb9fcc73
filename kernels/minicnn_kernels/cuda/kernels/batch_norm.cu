// Batch normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, with the mean and the variance of each channel.
//
// Arrays are (outer, c, inner): for memory in the order (N, C, H, W) outer is N and inner H*W, for channels-last memory
// outer is N*H*W and inner 1.
//
// What usually follows is done while the numbers are in registers: a residual is added, and the sum clamped to
// [low, high]; ReLU is low = 0. Where the clamp has cut, no gradient passes.
//
//     grad_bias = sum of grad_y                  grad_weight = sum of grad_y * x_hat
//     grad_x = weight / sqrt(var + eps) * (grad_y - grad_bias/m - x_hat * grad_weight/m)
//
// With fixed statistics (evaluation) only the first of the three terms remains.
//
// Source: Ioffe & Szegedy, Batch normalization, 2015, algorithm 1 and section 3.
#include "moments.cuh"

extern "C" __global__ void batch_norm_statistics(
    const real* __restrict__ x,         // (outer, c, inner)
    real* __restrict__ mean,            // (parts, c)
    real* __restrict__ var,             // (parts, c)
    int outer, int c, int inner, int parts) {
    const Column column(c, (long long)outer * inner, parts);
    Moments mine = {0, 0, 0};
    EACH_POSITION(i, column) add(mine, x[element(i, column.channel, c, inner)]);
    mine = column_moments(mine);
    if (threadIdx.y > 0 || column.channel >= c) return;
    mean[blockIdx.y * c + column.channel] = mine.mean;
    var[blockIdx.y * c + column.channel] = mine.m2 / fmax(mine.count, real(1));
}

// Put the parts together, whose sizes are known (columns.cuh).
extern "C" __global__ void batch_norm_merge(
    const real* __restrict__ means,     // (parts, c)
    const real* __restrict__ vars,      // (parts, c)
    real* __restrict__ mean,            // (c)
    real* __restrict__ var,             // (c)
    int parts, int c, long long positions) {
    const long long some = (positions + parts - 1) / parts;
    for (long long channel = FIRST; channel < c; channel += STRIDE) {
        Moments all = {0, 0, 0};
        for (int part = 0; part < parts; ++part) {
            const real count = max(min(some, positions - part * some), 0ll);
            const long long at = (long long)part * c + channel;
            merge(all, {count, means[at], vars[at] * count});
        }
        mean[channel] = all.mean;
        var[channel] = all.m2 / fmax(all.count, real(1));
    }
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

// sums: of grad_weight and of grad_bias.
extern "C" __global__ void batch_norm_grad_sums(
    const real* __restrict__ grad_y,    // (outer, c, inner)
    const real* __restrict__ x,         // (outer, c, inner)
    const real* __restrict__ mean,      // (c)
    const real* __restrict__ var,       // (c)
    const real* __restrict__ y,         // (outer, c, inner) or null
    real* __restrict__ sums,            // (parts, 2, c)
    int outer, int c, int inner, int parts, real eps, real low, real high) {
    const Column column(c, (long long)outer * inner, parts);
    const real centre = column.channel < c ? mean[column.channel] : real(0);
    real products = 0, sum = 0;
    EACH_POSITION(i, column) {
        const long long e = element(i, column.channel, c, inner);
        const real g = passed(grad_y, y, e, low, high);
        products += g * (x[e] - centre);
        sum += g;
    }
    products = column_sum(products);
    sum = column_sum(sum);
    if (threadIdx.y > 0 || column.channel >= c) return;
    real* result = sums + (long long)blockIdx.y * 2 * c + column.channel;
    result[0] = products / sqrt(var[column.channel] + eps);
    result[c] = sum;
}

extern "C" __global__ void batch_norm_grad_input(
    const real* __restrict__ grad_y,       // (outer, c, inner)
    const real* __restrict__ x,            // (outer, c, inner)
    const real* __restrict__ mean,         // (c)
    const real* __restrict__ var,          // (c)
    const real* __restrict__ weight,       // (c) or null
    const real* __restrict__ y,            // (outer, c, inner) or null
    const real* __restrict__ sums,         // (2, c)
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
            value -= (sums[c + channel] + x_hat * sums[channel]) / count;
        }
        grad_x[e] = value * scale * (weight ? weight[channel] : 1);
        if (grad_residual) grad_residual[e] = g;
    }
}
