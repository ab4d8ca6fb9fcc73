// im2col and col2im: the patches under a sliding window as the columns of a matrix, and back.
//
// im2col copies. Tap (a, b) of the window at output (i, j) looks at input row i*stride + a*dilation - pad, and so for
// columns; outside of the plane there are zeros. One thread makes one entry of the columns: it takes its number apart
// into the six indices, the last first, looks where that tap looks, and writes. All entries are independent.
//
// col2im is its transpose: every entry of the columns is added to the pixel that it was copied from. Written like that,
// a thread per entry that adds, threads would meet at a pixel (a race; with atomics, sums in a random order). So it is
// turned round, into a gather: one thread per pixel looks for the entries that were copied from it. Tap (a, b) has
// looked at row y if i*stride = y + pad - a*dilation for some output row i; that is, if the right side is divisible by
// the stride and the quotient is an output row.
#include "common.cuh"

extern "C" __global__ void im2col(
    const real* __restrict__ x,        // (n, c, h, w)
    real* __restrict__ columns,        // (n, c, kernel_h, kernel_w, out_h, out_w)
    int n, int c, int h, int w, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    const long long entries = (long long)n * c * kernel_h * kernel_w * out_h * out_w;
    for (long long e = FIRST; e < entries; e += STRIDE) {
        long long rest = e;
        const int j = rest % out_w;
        rest /= out_w;
        const int i = rest % out_h;
        rest /= out_h;
        const int b = rest % kernel_w;
        rest /= kernel_w;
        const int a = rest % kernel_h;
        const long long plane = rest / kernel_h;                       // sample and channel
        const int row = i * stride_h + a * dilation_h - pad_h;
        const int column = j * stride_w + b * dilation_w - pad_w;
        const bool inside = row >= 0 && row < h && column >= 0 && column < w;
        columns[e] = inside ? x[(plane * h + row) * w + column] : real(0);
    }
}

extern "C" __global__ void col2im(
    const real* __restrict__ columns,  // (n, c, kernel_h, kernel_w, out_h, out_w)
    real* __restrict__ x,              // (n, c, h, w)
    int n, int c, int h, int w, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    const long long pixels = (long long)n * c * h * w;
    for (long long p = FIRST; p < pixels; p += STRIDE) {
        const int column = p % w;
        const int row = p / w % h;
        const long long plane = p / w / h;
        real sum = 0;
        for (int a = 0; a < kernel_h; ++a) {
            const int up = row + pad_h - a * dilation_h;               // i * stride_h, if tap a has looked here
            const int i = up / stride_h;
            if (up < 0 || up % stride_h || i >= out_h) continue;
            for (int b = 0; b < kernel_w; ++b) {
                const int left = column + pad_w - b * dilation_w;
                const int j = left / stride_w;
                if (left < 0 || left % stride_w || j >= out_w) continue;
                sum += columns[(((plane * kernel_h + a) * kernel_w + b) * out_h + i) * out_w + j];
            }
        }
        x[p] = sum;
    }
}
