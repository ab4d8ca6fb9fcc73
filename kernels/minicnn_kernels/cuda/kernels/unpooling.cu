// Max unpooling: values go to the places h*w that indices name, in planes of zeros; and back.
//
// Two values may go to one place. So that no threads meet there, one thread takes a whole plane and puts its values in order:
// `scatter` adds them up, `forward` lets the last one stay. The planes of neighbouring threads are neighbouring channels of
// channels-last memory (planes.cuh tells of the order), which is read and written together. Backward, each value's gradient is read where the
// value was put, one thread per value.
//
// A place outside of the plane makes the plane NaN: there is nobody to raise an error, and foreign memory is not touched.
#include "common.cuh"

template <bool ADDED>
__device__ void place(const real* x, const long long* places, real* y, long long o, int count, int area, int inner) {
    bool outside = false;
    for (int p = 0; p < area; ++p) y[(o / inner * area + p) * inner + o % inner] = 0;
    for (int i = 0; i < count; ++i) {
        const long long from = (o / inner * count + i) * inner + o % inner, p = places[from];
        if (p < 0 || p >= area) {
            outside = true;
            continue;
        }
        real& to = y[(o / inner * area + p) * inner + o % inner];
        to = ADDED ? to + x[from] : x[from];
    }
    for (int p = 0; outside && p < area; ++p) y[(o / inner * area + p) * inner + o % inner] = INFINITE - INFINITE;
}

extern "C" __global__ void max_unpool2d_scatter(
    const real* __restrict__ x,               // (outer, count, inner)
    const long long* __restrict__ places,     // (outer, count, inner)
    real* __restrict__ y,                     // (outer, area, inner)
    int outer, int count, int area, int inner) {
    for (long long o = FIRST; o < (long long)outer * inner; o += STRIDE) place<true>(x, places, y, o, count, area, inner);
}

extern "C" __global__ void max_unpool2d_forward(
    const real* __restrict__ x,               // (outer, count, inner)
    const long long* __restrict__ places,     // (outer, count, inner)
    real* __restrict__ y,                     // (outer, area, inner)
    int outer, int count, int area, int inner) {
    for (long long o = FIRST; o < (long long)outer * inner; o += STRIDE) place<false>(x, places, y, o, count, area, inner);
}

extern "C" __global__ void max_unpool2d_grad_input(
    const real* __restrict__ grad_y,          // (outer, area, inner)
    const long long* __restrict__ places,     // (outer, count, inner)
    real* __restrict__ grad_x,                // (outer, count, inner)
    int outer, int count, int area, int inner) {
    const long long size = (long long)outer * count * inner;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const long long p = places[e], plane = e / inner / count * area;
        const bool inside = p >= 0 && p < area;
        grad_x[e] = inside ? grad_y[(plane + p) * inner + e % inner] : INFINITE - INFINITE;
    }
}
