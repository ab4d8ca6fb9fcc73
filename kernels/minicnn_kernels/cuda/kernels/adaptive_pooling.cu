// Adaptive pooling: the size of the output is given, and the plane is cut into as many bins.
//
// Along one axis of `size` pixels, bin i of `bins` begins at floor(i*size/bins) and ends before ceil((i+1)*size/bins): bins
// share a pixel where size is not a multiple of bins. Backward, a pixel collects from the bins that hold it; by the same
// formulas turned round, these are floor(pixel*bins/size) .. ceil((pixel+1)*bins/size) - 1.
//
// One thread per result. The maximum also has its place h*w: of equal values the first, and the last NaN, as in pooling.cu.
#include "planes.cuh"

// Part i of `parts` of `size`: from `first` to before `end`.
struct Span {
    int first, end;
    __device__ Span(int i, long long size, long long parts)
        : first(i * size / parts), end(((i + 1) * size + parts - 1) / parts) {}
    __device__ int length() const { return end - first; }
};

extern "C" __global__ void adaptive_avg_pool2d_forward(
    const real* __restrict__ x,           // (outer, h, w, inner)
    real* __restrict__ y,                 // (outer, out_h, out_w, inner)
    int outer, int h, int w, int inner, int out_h, int out_w) {
    const long long outputs = (long long)outer * out_h * out_w * inner;
    for (long long o = FIRST; o < outputs; o += STRIDE) {
        const Pixel out(o, out_h, out_w, inner);
        const Span rows(out.row, h, out_h), columns(out.column, w, out_w);
        const real* plane = x + out.plane((long long)h * w, inner);
        real sum = 0;
        for (int row = rows.first; row < rows.end; ++row)
            for (int column = columns.first; column < columns.end; ++column)
                sum += plane[((long long)row * w + column) * inner];
        y[o] = sum / ((real)rows.length() * columns.length());
    }
}

extern "C" __global__ void adaptive_avg_pool2d_grad_input(
    const real* __restrict__ grad_y,      // (outer, out_h, out_w, inner)
    real* __restrict__ grad_x,            // (outer, h, w, inner)
    int outer, int h, int w, int inner, int out_h, int out_w) {
    const long long pixels = (long long)outer * h * w * inner;
    for (long long p = FIRST; p < pixels; p += STRIDE) {
        const Pixel in(p, h, w, inner);
        const Span above(in.row, out_h, h), beside(in.column, out_w, w);    // the bins that hold this pixel
        const real* plane = grad_y + in.plane((long long)out_h * out_w, inner);
        real sum = 0;
        for (int i = above.first; i < above.end; ++i)
            for (int j = beside.first; j < beside.end; ++j) {
                const Span rows(i, h, out_h), columns(j, w, out_w);
                sum += plane[((long long)i * out_w + j) * inner] / ((real)rows.length() * columns.length());
            }
        grad_x[p] = sum;
    }
}

extern "C" __global__ void adaptive_max_pool2d_forward(
    const real* __restrict__ x,           // (outer, h, w, inner)
    real* __restrict__ y,                 // (outer, out_h, out_w, inner)
    long long* __restrict__ places,       // (outer, out_h, out_w, inner)
    int outer, int h, int w, int inner, int out_h, int out_w) {
    const long long outputs = (long long)outer * out_h * out_w * inner;
    for (long long o = FIRST; o < outputs; o += STRIDE) {
        const Pixel out(o, out_h, out_w, inner);
        const Span rows(out.row, h, out_h), columns(out.column, w, out_w);
        const real* plane = x + out.plane((long long)h * w, inner);
        real largest = 0;
        long long place = -1;
        for (int row = rows.first; row < rows.end; ++row)
            for (int column = columns.first; column < columns.end; ++column) {
                const real value = plane[((long long)row * w + column) * inner];
                if (place < 0 || value > largest || isnan(value)) {
                    largest = value;
                    place = (long long)row * w + column;
                }
            }
        y[o] = largest;
        places[o] = place;
    }
}
