// Max and average pooling, forward and backward.
//
// Forward: one thread per output looks at all taps of its window. Max pooling also notes the number a*kernel_w + b of the tap
// that won: the first of equal values, and a NaN wins over all numbers. If the window sees nothing but -inf (or padding,
// which counts as -inf), the first tap inside of the plane wins.
//
// Backward: windows overlap, so a thread per output that adds to its inputs would race. One thread per input pixel instead
// visits the windows that see it: tap (a, b) of output (i, j) looks here if i*stride = row + pad - a*dilation, as in
// col2im (im2col.cu). Max pooling takes the gradients of those windows in which this tap won, average pooling of all, each divided as in the
// forward pass.
#include "planes.cuh"

#ifndef tap_type
#define tap_type unsigned char
#endif

extern "C" __global__ void max_pool2d_forward(
    const real* __restrict__ x,           // (outer, h, w, inner)
    real* __restrict__ y,                 // (outer, out_h, out_w, inner)
    tap_type* __restrict__ winner,        // (outer, out_h, out_w, inner)
    int outer, int h, int w, int inner, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    const long long outputs = (long long)outer * out_h * out_w * inner;
    for (long long o = FIRST; o < outputs; o += STRIDE) {
        const Pixel out(o, out_h, out_w, inner);
        const int top = out.row * stride_h - pad_h;
        const int left = out.column * stride_w - pad_w;
        const real* plane = x + out.plane((long long)h * w, inner);
        real largest = -INFINITE;
        int tap = -1;
        for (int a = 0; a < kernel_h; ++a) {
            const int row = top + a * dilation_h;
            if (row < 0 || row >= h) continue;
            for (int b = 0; b < kernel_w; ++b) {
                const int column = left + b * dilation_w;
                if (column < 0 || column >= w) continue;
                const real value = plane[((long long)row * w + column) * inner];
                if (tap < 0 || value > largest || isnan(value)) {
                    largest = value;
                    tap = a * kernel_w + b;
                }
            }
        }
        y[o] = largest;
        winner[o] = tap < 0 ? 0 : tap;
    }
}

// The place h*w at which each winning tap looks; 0 if that is padding.
extern "C" __global__ void max_pool2d_indices(
    const tap_type* __restrict__ winner,  // (outer, out_h, out_w, inner)
    long long* __restrict__ places,       // (outer, out_h, out_w, inner)
    int outer, int h, int w, int inner, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    const long long outputs = (long long)outer * out_h * out_w * inner;
    for (long long o = FIRST; o < outputs; o += STRIDE) {
        const Pixel out(o, out_h, out_w, inner);
        const int row = out.row * stride_h - pad_h + winner[o] / kernel_w * dilation_h;
        const int column = out.column * stride_w - pad_w + winner[o] % kernel_w * dilation_w;
        const bool inside = row >= 0 && row < h && column >= 0 && column < w;
        places[o] = inside ? (long long)row * w + column : 0;
    }
}

extern "C" __global__ void max_pool2d_grad_input(
    const real* __restrict__ grad_y,      // (outer, out_h, out_w, inner)
    const tap_type* __restrict__ winner,  // (outer, out_h, out_w, inner)
    real* __restrict__ grad_x,            // (outer, h, w, inner)
    int outer, int h, int w, int inner, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    const long long pixels = (long long)outer * h * w * inner;
    for (long long p = FIRST; p < pixels; p += STRIDE) {
        const Pixel in(p, h, w, inner);
        const long long plane = in.plane((long long)out_h * out_w, inner);
        real sum = 0;
        for (int a = 0; a < kernel_h; ++a) {
            const int up = in.row + pad_h - a * dilation_h;
            const int i = up / stride_h;
            if (up < 0 || up % stride_h || i >= out_h) continue;
            for (int b = 0; b < kernel_w; ++b) {
                const int to_left = in.column + pad_w - b * dilation_w;
                const int j = to_left / stride_w;
                if (to_left < 0 || to_left % stride_w || j >= out_w) continue;
                const long long o = plane + ((long long)i * out_w + j) * inner;
                if (winner[o] == a * kernel_w + b) sum += grad_y[o];
            }
        }
        grad_x[p] = sum;
    }
}

// How many of a window's places along one axis count: it is cut off where the padding ends, and, without the padding, at the
// edges of the plane.
__device__ int counted(int start, int kernel, int size, int pad_after, int include_pad) {
    const int end = min(start + kernel, size + pad_after);
    return include_pad ? end - start : min(end, size) - max(start, 0);
}

__device__ real divisor(
    int i, int j, int h, int w, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int pad_bottom, int pad_right, int include_pad, int divisor_override) {
    if (divisor_override) return divisor_override;
    return (real)counted(i * stride_h - pad_h, kernel_h, h, pad_bottom, include_pad) *
           counted(j * stride_w - pad_w, kernel_w, w, pad_right, include_pad);
}

extern "C" __global__ void avg_pool2d_forward(
    const real* __restrict__ x,           // (outer, h, w, inner)
    real* __restrict__ y,                 // (outer, out_h, out_w, inner)
    int outer, int h, int w, int inner, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int pad_bottom, int pad_right, int out_h, int out_w, int include_pad, int divisor_override) {
    const long long outputs = (long long)outer * out_h * out_w * inner;
    for (long long o = FIRST; o < outputs; o += STRIDE) {
        const Pixel out(o, out_h, out_w, inner);
        const int top = out.row * stride_h - pad_h;
        const int left = out.column * stride_w - pad_w;
        const real* plane = x + out.plane((long long)h * w, inner);
        real sum = 0;
        for (int row = max(top, 0); row < min(top + kernel_h, h); ++row)
            for (int column = max(left, 0); column < min(left + kernel_w, w); ++column)
                sum += plane[((long long)row * w + column) * inner];
        y[o] = sum / divisor(out.row, out.column, h, w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, pad_bottom,
                             pad_right, include_pad, divisor_override);
    }
}

extern "C" __global__ void avg_pool2d_grad_input(
    const real* __restrict__ grad_y,      // (outer, out_h, out_w, inner)
    real* __restrict__ grad_x,            // (outer, h, w, inner)
    int outer, int h, int w, int inner, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int pad_bottom, int pad_right, int out_h, int out_w, int include_pad, int divisor_override) {
    const long long pixels = (long long)outer * h * w * inner;
    for (long long p = FIRST; p < pixels; p += STRIDE) {
        const Pixel in(p, h, w, inner);
        const real* plane = grad_y + in.plane((long long)out_h * out_w, inner);
        real sum = 0;
        for (int a = 0; a < kernel_h; ++a) {
            const int up = in.row + pad_h - a;
            const int i = up / stride_h;
            if (up < 0 || up % stride_h || i >= out_h) continue;
            for (int b = 0; b < kernel_w; ++b) {
                const int to_left = in.column + pad_w - b;
                const int j = to_left / stride_w;
                if (to_left < 0 || to_left % stride_w || j >= out_w) continue;
                sum += plane[((long long)i * out_w + j) * inner] /
                       divisor(i, j, h, w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, pad_bottom, pad_right,
                               include_pad, divisor_override);
            }
        }
        grad_x[p] = sum;
    }
}
