// Resizing planes: nearest neighbour and bilinear, forward and backward.
//
// Which input pixels an output pixel looks at does not depend on the plane, so it comes in tables: nearest copies
// x[rows[i], columns[j]]; bilinear mixes, along each axis, (1 - f)*x[low] + f*x[low + 1], the border pixel being repeated.
//
// Backward, an input pixel collects from the outputs that looked at it. The tables rise, so these are neighbours: starts[k] is
// the first output with low >= k (or rows >= k), and the outputs whose low is k are starts[k] .. starts[k + 1] - 1. A
// pixel is the upper neighbour of those whose low is k - 1, too.
#include "planes.cuh"

extern "C" __global__ void resize_nearest_forward(
    const real* __restrict__ x,              // (outer, h, w, inner)
    const int* __restrict__ rows,            // (out_h)
    const int* __restrict__ columns,         // (out_w)
    real* __restrict__ y,                    // (outer, out_h, out_w, inner)
    int outer, int h, int w, int inner, int out_h, int out_w) {
    const long long size = (long long)outer * out_h * out_w * inner;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const Pixel out(e, out_h, out_w, inner);
        const long long pixel = (long long)rows[out.row] * w + columns[out.column];
        y[e] = x[out.plane((long long)h * w, inner) + pixel * inner];
    }
}

extern "C" __global__ void resize_nearest_grad_input(
    const real* __restrict__ grad_y,         // (outer, out_h, out_w, inner)
    const int* __restrict__ row_starts,      // (h + 1)
    const int* __restrict__ column_starts,   // (w + 1)
    real* __restrict__ grad_x,               // (outer, h, w, inner)
    int outer, int h, int w, int inner, int out_h, int out_w) {
    const long long size = (long long)outer * h * w * inner;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const Pixel in(e, h, w, inner);
        const int row = in.row, column = in.column;
        const real* plane = grad_y + in.plane((long long)out_h * out_w, inner);
        real sum = 0;
        for (int i = row_starts[row]; i < row_starts[row + 1]; ++i)
            for (int j = column_starts[column]; j < column_starts[column + 1]; ++j)
                sum += plane[((long long)i * out_w + j) * inner];
        grad_x[e] = sum;
    }
}

extern "C" __global__ void resize_bilinear_forward(
    const real* __restrict__ x,              // (outer, h, w, inner)
    const int* __restrict__ rows,            // (out_h)
    const real* __restrict__ row_parts,      // (out_h)
    const int* __restrict__ columns,         // (out_w)
    const real* __restrict__ column_parts,   // (out_w)
    real* __restrict__ y,                    // (outer, out_h, out_w, inner)
    int outer, int h, int w, int inner, int out_h, int out_w) {
    const long long size = (long long)outer * out_h * out_w * inner;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const Pixel out(e, out_h, out_w, inner);
        const int row = rows[out.row], column = columns[out.column];
        const real* plane = x + out.plane((long long)h * w, inner);
        const real* upper = plane + (long long)row * w * inner;
        const real* lower = plane + (long long)min(row + 1, h - 1) * w * inner;
        const long long left = (long long)column * inner, right = (long long)min(column + 1, w - 1) * inner;
        const real f = row_parts[out.row], g = column_parts[out.column];
        y[e] = (upper[left] * (1 - f) + lower[left] * f) * (1 - g) + (upper[right] * (1 - f) + lower[right] * f) * g;
    }
}

// How much of output i an input pixel has: low is the pixel before it, or the pixel itself.
__device__ real part(int pixel, int size, int low, real f) {
    return (low == pixel ? 1 - f : real(0)) + (min(low + 1, size - 1) == pixel ? f : real(0));
}

extern "C" __global__ void resize_bilinear_grad_input(
    const real* __restrict__ grad_y,         // (outer, out_h, out_w, inner)
    const int* __restrict__ rows,            // (out_h)
    const real* __restrict__ row_parts,      // (out_h)
    const int* __restrict__ row_starts,      // (h + 1)
    const int* __restrict__ columns,         // (out_w)
    const real* __restrict__ column_parts,   // (out_w)
    const int* __restrict__ column_starts,   // (w + 1)
    real* __restrict__ grad_x,               // (outer, h, w, inner)
    int outer, int h, int w, int inner, int out_h, int out_w) {
    const long long size = (long long)outer * h * w * inner;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const Pixel in(e, h, w, inner);
        const int row = in.row, column = in.column;
        const real* plane = grad_y + in.plane((long long)out_h * out_w, inner);
        real sum = 0;
        for (int i = row_starts[max(row - 1, 0)]; i < row_starts[row + 1]; ++i) {
            real along = 0;
            for (int j = column_starts[max(column - 1, 0)]; j < column_starts[column + 1]; ++j)
                along += plane[((long long)i * out_w + j) * inner] * part(column, w, columns[j], column_parts[j]);
            sum += along * part(row, h, rows[i], row_parts[i]);
        }
        grad_x[e] = sum;
    }
}
