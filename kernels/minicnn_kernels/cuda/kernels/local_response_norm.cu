// Local response normalisation: a channel is damped by its neighbours at the same place.
//
//     scale = k + alpha/size * (sum of x^2 over the window of channels)               y = x * scale^-beta
//     grad_x = grad_y * scale^-beta - 2*alpha*beta/size * x * (sum of grad_y * x * scale^(-beta - 1) over the mirrored window)
//
// The window of channel c is c - size/2 .. c + (size - 1)/2. The channels whose window holds c are its mirror image: backward,
// an input collects from these. Arrays are (outer, c, inner), as in batch_norm.cu; one thread per result.
//
// Source: Krizhevsky, Sutskever & Hinton, ImageNet classification with deep convolutional neural networks, 2012, section 3.3 (there
// alpha is not divided by size; here, as in PyTorch, it is).
#include "common.cuh"

extern "C" __global__ void local_response_norm_forward(
    const real* __restrict__ x,          // (outer, c, inner)
    real* __restrict__ y,                // (outer, c, inner)
    real* __restrict__ scale,            // (outer, c, inner)
    int outer, int c, int inner, int size, real alpha, real beta, real k) {
    const long long elements = (long long)outer * c * inner;
    for (long long e = FIRST; e < elements; e += STRIDE) {
        const int channel = e / inner % c;
        const int first = max(channel - size / 2, 0), last = min(channel + (size - 1) / 2, c - 1);
        real sum = 0;
        for (int other = first; other <= last; ++other) {
            const real value = x[e + (long long)(other - channel) * inner];
            sum += value * value;
        }
        const real damped = k + alpha / size * sum;
        scale[e] = damped;
        y[e] = x[e] * pow(damped, -beta);
    }
}

extern "C" __global__ void local_response_norm_grad(
    const real* __restrict__ grad_y,     // (outer, c, inner)
    const real* __restrict__ x,          // (outer, c, inner)
    const real* __restrict__ scale,      // (outer, c, inner)
    real* __restrict__ grad_x,           // (outer, c, inner)
    int outer, int c, int inner, int size, real alpha, real beta) {
    const long long elements = (long long)outer * c * inner;
    for (long long e = FIRST; e < elements; e += STRIDE) {
        const int channel = e / inner % c;
        const int first = max(channel - (size - 1) / 2, 0), last = min(channel + size / 2, c - 1);
        real sum = 0;
        for (int other = first; other <= last; ++other) {
            const long long at = e + (long long)(other - channel) * inner;
            sum += grad_y[at] * x[at] * pow(scale[at], -beta - 1);
        }
        grad_x[e] = grad_y[e] * pow(scale[e], -beta) - 2 * alpha * beta / size * x[e] * sum;
    }
}
