// Depthwise convolution: every output channel looks at one input channel, o at o / multiplier, so there is no matrix product
// and memory is the limit. The gather of im2col.cu with a multiplication in it, on channels-last memory.
//
// forward and grad_input: one thread per result, so that neighbouring threads have neighbouring channels. grad_weight: a weight
// is used at every output position of every sample. A block takes one tap and 32 channels, 8 threads for each channel; these
// share the positions, and then add up in shared memory.
#include "planes.cuh"

extern "C" __global__ void depthwise_forward(
    const real* __restrict__ x,         // (n, h, w, c)
    const real* __restrict__ weight,    // (c * multiplier, kernel_h, kernel_w)
    const real* __restrict__ bias,      // (c * multiplier) or null
    const real* __restrict__ residual,  // (n, out_h, out_w, c * multiplier) or null
    real* __restrict__ y,               // (n, out_h, out_w, c * multiplier)
    int n, int c, int h, int w, int multiplier, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w, real low, real high) {
    const int channels = c * multiplier;
    const long long outputs = (long long)n * out_h * out_w * channels;
    for (long long o = FIRST; o < outputs; o += STRIDE) {
        const Pixel out(o, out_h, out_w, channels);
        const int top = out.row * stride_h - pad_h;
        const int left = out.column * stride_w - pad_w;
        const real* plane = x + out.outer * h * w * c + out.inner / multiplier;
        real sum = 0;
        for (int a = 0; a < kernel_h; ++a) {
            const int row = top + a * dilation_h;
            if (row < 0 || row >= h) continue;
            for (int b = 0; b < kernel_w; ++b) {
                const int column = left + b * dilation_w;
                if (column < 0 || column >= w) continue;
                sum += plane[((long long)row * w + column) * c] * weight[(out.inner * kernel_h + a) * kernel_w + b];
            }
        }
        if (bias) sum += bias[out.inner];
        if (residual) sum += residual[o];
        if (sum < low) sum = low;
        if (sum > high) sum = high;
        y[o] = sum;
    }
}

extern "C" __global__ void depthwise_grad_input(
    const real* __restrict__ grad_y,    // (n, out_h, out_w, c * multiplier)
    const real* __restrict__ weight,    // (c * multiplier, kernel_h, kernel_w)
    real* __restrict__ grad_x,          // (n, h, w, c)
    int n, int c, int h, int w, int multiplier, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    const int channels = c * multiplier;
    const long long pixels = (long long)n * h * w * c;
    for (long long p = FIRST; p < pixels; p += STRIDE) {
        const Pixel in(p, h, w, c);
        const int channel = in.inner * multiplier;                 // the first of those that look here
        const real* plane = grad_y + in.outer * out_h * out_w * channels + channel;
        real sum = 0;
        for (int a = 0; a < kernel_h; ++a) {
            const int up = in.row + pad_h - a * dilation_h;
            const int i = up / stride_h;
            if (up < 0 || up % stride_h || i >= out_h) continue;
            for (int b = 0; b < kernel_w; ++b) {
                const int to_left = in.column + pad_w - b * dilation_w;
                const int j = to_left / stride_w;
                if (to_left < 0 || to_left % stride_w || j >= out_w) continue;
                for (int m = 0; m < multiplier; ++m)
                    sum += plane[((long long)i * out_w + j) * channels + m] *
                           weight[((channel + m) * kernel_h + a) * kernel_w + b];
            }
        }
        grad_x[p] = sum;
    }
}

// Block (tap, 32 channels), threads (32, 8).
extern "C" __global__ void depthwise_grad_weight(
    const real* __restrict__ grad_y,    // (n, out_h, out_w, c * multiplier)
    const real* __restrict__ x,         // (n, h, w, c)
    real* __restrict__ grad_weight,     // (c * multiplier, kernel_h, kernel_w)
    int n, int c, int h, int w, int multiplier, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    __shared__ real sums[8][32];
    const int channels = c * multiplier;
    const int taps = kernel_h * kernel_w;
    const int tap = blockIdx.x % taps;
    const int channel = blockIdx.x / taps * 32 + threadIdx.x;
    const int down = tap / kernel_w * dilation_h - pad_h;          // from an output's first row to where this tap looks
    const int across = tap % kernel_w * dilation_w - pad_w;
    const long long positions = channel < channels ? (long long)n * out_h * out_w : 0;
    real sum = 0;
    for (long long k = threadIdx.y; k < positions; k += 8) {
        const Pixel out(k, out_h, out_w, 1);
        const int row = out.row * stride_h + down;
        const int column = out.column * stride_w + across;
        if (row < 0 || row >= h || column < 0 || column >= w) continue;
        sum += grad_y[k * channels + channel] * x[((out.outer * h + row) * w + column) * c + channel / multiplier];
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || channel >= channels) return;
    for (int part = 1; part < 8; ++part) sum += sums[part][threadIdx.x];
    grad_weight[(long long)channel * taps + tap] = sum;
}
