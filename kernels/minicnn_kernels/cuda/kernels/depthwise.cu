// Depthwise convolution: every output channel looks at one input channel, o at o / multiplier, so there is no matrix product
// and memory is the limit. Planes as in im2col.cu, whose gather this repeats with a multiplication in it.
//
// forward and grad_input: one thread per result. grad_weight: one block per weight, which is used at every output position of
// every sample; its threads share these and sum up (reduce.cuh).
#include "reduce.cuh"

extern "C" __global__ void depthwise_forward(
    const real* __restrict__ x,        // (n, c, h, w)
    const real* __restrict__ weight,   // (c * multiplier, kernel_h, kernel_w)
    const real* __restrict__ bias,     // (c * multiplier) or null
    real* __restrict__ y,              // (n, c * multiplier, out_h, out_w)
    int n, int c, int h, int w, int multiplier, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    const int channels = c * multiplier;
    const long long outputs = (long long)n * channels * out_h * out_w;
    for (long long o = FIRST; o < outputs; o += STRIDE) {
        const int top = o / out_w % out_h * stride_h - pad_h;
        const int left = o % out_w * stride_w - pad_w;
        const int channel = o / out_w / out_h % channels;
        const long long sample = o / out_w / out_h / channels;
        const real* plane = x + (sample * c + channel / multiplier) * h * w;
        real sum = bias ? bias[channel] : real(0);
        for (int a = 0; a < kernel_h; ++a) {
            const int row = top + a * dilation_h;
            if (row < 0 || row >= h) continue;
            for (int b = 0; b < kernel_w; ++b) {
                const int column = left + b * dilation_w;
                if (column < 0 || column >= w) continue;
                sum += plane[(long long)row * w + column] * weight[(channel * kernel_h + a) * kernel_w + b];
            }
        }
        y[o] = sum;
    }
}

extern "C" __global__ void depthwise_grad_input(
    const real* __restrict__ grad_y,   // (n, c * multiplier, out_h, out_w)
    const real* __restrict__ weight,   // (c * multiplier, kernel_h, kernel_w)
    real* __restrict__ grad_x,         // (n, c, h, w)
    int n, int c, int h, int w, int multiplier, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    const long long pixels = (long long)n * c * h * w;
    for (long long p = FIRST; p < pixels; p += STRIDE) {
        const int column = p % w;
        const int row = p / w % h;
        const int channel = p / w / h % c * multiplier;            // the first of those that look here
        const real* planes = grad_y + p / w / h * multiplier * out_h * out_w;
        real sum = 0;
        for (int a = 0; a < kernel_h; ++a) {
            const int up = row + pad_h - a * dilation_h;
            const int i = up / stride_h;
            if (up < 0 || up % stride_h || i >= out_h) continue;
            for (int b = 0; b < kernel_w; ++b) {
                const int to_left = column + pad_w - b * dilation_w;
                const int j = to_left / stride_w;
                if (to_left < 0 || to_left % stride_w || j >= out_w) continue;
                for (int m = 0; m < multiplier; ++m)
                    sum += planes[((long long)m * out_h + i) * out_w + j] *
                           weight[((channel + m) * kernel_h + a) * kernel_w + b];
            }
        }
        grad_x[p] = sum;
    }
}

// Block (b, a, channel).
extern "C" __global__ void depthwise_grad_weight(
    const real* __restrict__ grad_y,   // (n, c * multiplier, out_h, out_w)
    const real* __restrict__ x,        // (n, c, h, w)
    real* __restrict__ grad_weight,    // (c * multiplier, kernel_h, kernel_w)
    int n, int c, int h, int w, int multiplier, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    const int channels = c * multiplier;
    const int tap = blockIdx.x % (kernel_h * kernel_w);
    const int channel = blockIdx.x / (kernel_h * kernel_w);
    const int down = tap / kernel_w * dilation_h - pad_h;          // from an output's first row to where this tap looks
    const int across = tap % kernel_w * dilation_w - pad_w;
    const long long positions = (long long)n * out_h * out_w;
    real sum = 0;
    for (long long k = threadIdx.x; k < positions; k += blockDim.x) {
        const int row = k / out_w % out_h * stride_h + down;
        const int column = k % out_w * stride_w + across;
        const long long sample = k / out_w / out_h;
        if (row < 0 || row >= h || column < 0 || column >= w) continue;
        sum += grad_y[(sample * channels + channel) * out_h * out_w + k % ((long long)out_h * out_w)] *
               x[((sample * c + channel / multiplier) * h + row) * w + column];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) grad_weight[blockIdx.x] = sum;
}
