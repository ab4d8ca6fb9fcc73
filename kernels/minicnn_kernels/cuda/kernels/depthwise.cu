// Depthwise convolution: every output channel looks at one input channel, o at o / multiplier, so there is no matrix product
// and memory is the limit. The gather of im2col.cu with a multiplication in it, on channels-last memory.
//
// forward and grad_input: one thread per result, so that neighbouring threads have neighbouring channels. grad_weight: a weight
// is used at every output position of every sample: a sum for each channel (columns.cuh), for each tap, blocks along z.
#include "columns.cuh"
#include "planes.cuh"

extern "C" __global__ void depthwise_forward(
    const real* __restrict__ x,         // (n, h, w, c)
    const real* __restrict__ weight,    // (c * multiplier, kernel_h, kernel_w)
    const real* __restrict__ scale,     // (c * multiplier) or null
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
        if (scale) sum *= scale[out.inner];
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

extern "C" __global__ void depthwise_grad_weight(
    const real* __restrict__ grad_y,    // (n, out_h, out_w, c * multiplier)
    const real* __restrict__ x,         // (n, h, w, c)
    real* __restrict__ sums,            // (parts, c * multiplier, kernel_h, kernel_w)
    int n, int c, int h, int w, int multiplier, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w, int parts) {
    const int channels = c * multiplier, taps = kernel_h * kernel_w, tap = blockIdx.z;
    const int down = tap / kernel_w * dilation_h - pad_h;          // from an output's first row to where this tap looks
    const int across = tap % kernel_w * dilation_w - pad_w;
    const Column column(channels, (long long)n * out_h * out_w, parts);
    real sum = 0;
    EACH_POSITION(i, column) {
        const Pixel out(i, out_h, out_w, 1);
        const int row = out.row * stride_h + down;
        const int left = out.column * stride_w + across;
        if (row < 0 || row >= h || left < 0 || left >= w) continue;
        sum += grad_y[i * channels + column.channel] *
               x[((out.outer * h + row) * w + left) * c + column.channel / multiplier];
    }
    sum = column_sum(sum);
    if (threadIdx.y == 0 && column.channel < channels)
        sums[((long long)blockIdx.y * channels + column.channel) * taps + tap] = sum;
}
