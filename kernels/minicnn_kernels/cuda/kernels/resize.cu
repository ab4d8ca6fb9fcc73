// Resizing planes: nearest neighbour and bilinear, forward and backward.
//
// Which input pixels an output pixel looks at does not depend on the plane, so it comes in tables: nearest copies
// x[rows[i], columns[j]]; bilinear mixes, along each axis, (1 - f)*x[low] + f*x[low + 1], the border pixel being repeated.
//
// Backward, an input pixel collects from the outputs that looked at it. The tables rise, so these are neighbours: starts[k] is
// the first output with low >= k (or rows >= k), and the outputs whose low is k are starts[k] .. starts[k + 1] - 1. A
// pixel is the upper neighbour of those whose low is k - 1, too.
#include "common.cuh"

extern "C" __global__ void resize_nearest_forward(
    const real* __restrict__ x,              // (planes, h, w)
    const int* __restrict__ rows,            // (out_h)
    const int* __restrict__ columns,         // (out_w)
    real* __restrict__ y,                    // (planes, out_h, out_w)
    int planes, int h, int w, int out_h, int out_w) {
    const long long size = (long long)planes * out_h * out_w;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const long long plane = e / out_w / out_h;
        y[e] = x[(plane * h + rows[e / out_w % out_h]) * w + columns[e % out_w]];
    }
}

extern "C" __global__ void resize_nearest_grad_input(
    const real* __restrict__ grad_y,         // (planes, out_h, out_w)
    const int* __restrict__ row_starts,      // (h + 1)
    const int* __restrict__ column_starts,   // (w + 1)
    real* __restrict__ grad_x,               // (planes, h, w)
    int planes, int h, int w, int out_h, int out_w) {
    const long long size = (long long)planes * h * w;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const int row = e / w % h;
        const int column = e % w;
        const real* plane = grad_y + e / w / h * out_h * out_w;
        real sum = 0;
        for (int i = row_starts[row]; i < row_starts[row + 1]; ++i)
            for (int j = column_starts[column]; j < column_starts[column + 1]; ++j) sum += plane[(long long)i * out_w + j];
        grad_x[e] = sum;
    }
}

extern "C" __global__ void resize_bilinear_forward(
    const real* __restrict__ x,              // (planes, h, w)
    const int* __restrict__ rows,            // (out_h)
    const real* __restrict__ row_parts,      // (out_h)
    const int* __restrict__ columns,         // (out_w)
    const real* __restrict__ column_parts,   // (out_w)
    real* __restrict__ y,                    // (planes, out_h, out_w)
    int planes, int h, int w, int out_h, int out_w) {
    const long long size = (long long)planes * out_h * out_w;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const int i = e / out_w % out_h;
        const int j = e % out_w;
        const int left = columns[j];
        const int right = min(left + 1, w - 1);
        const real* upper = x + (e / out_w / out_h * h + rows[i]) * w;
        const real* lower = x + (e / out_w / out_h * h + min(rows[i] + 1, h - 1)) * w;
        const real f = row_parts[i];
        const real g = column_parts[j];
        y[e] = (upper[left] * (1 - f) + lower[left] * f) * (1 - g) + (upper[right] * (1 - f) + lower[right] * f) * g;
    }
}

// How much of output i an input pixel has: low is the pixel before it, or the pixel itself.
__device__ real part(int pixel, int size, int low, real f) {
    return (low == pixel ? 1 - f : real(0)) + (min(low + 1, size - 1) == pixel ? f : real(0));
}

extern "C" __global__ void resize_bilinear_grad_input(
    const real* __restrict__ grad_y,         // (planes, out_h, out_w)
    const int* __restrict__ rows,            // (out_h)
    const real* __restrict__ row_parts,      // (out_h)
    const int* __restrict__ row_starts,      // (h + 1)
    const int* __restrict__ columns,         // (out_w)
    const real* __restrict__ column_parts,   // (out_w)
    const int* __restrict__ column_starts,   // (w + 1)
    real* __restrict__ grad_x,               // (planes, h, w)
    int planes, int h, int w, int out_h, int out_w) {
    const long long size = (long long)planes * h * w;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const int row = e / w % h;
        const int column = e % w;
        const real* plane = grad_y + e / w / h * out_h * out_w;
        real sum = 0;
        for (int i = row_starts[max(row - 1, 0)]; i < row_starts[row + 1]; ++i) {
            real along = 0;
            for (int j = column_starts[max(column - 1, 0)]; j < column_starts[column + 1]; ++j)
                along += plane[(long long)i * out_w + j] * part(column, w, columns[j], column_parts[j]);
            sum += along * part(row, h, rows[i], row_parts[i]);
        }
        grad_x[e] = sum;
    }
}
