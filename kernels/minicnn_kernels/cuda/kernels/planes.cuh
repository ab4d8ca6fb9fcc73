// Planes of pixels in memory (outer, h, w, inner). For arrays in the order (N, C, H, W) outer is N*C and inner 1, for
// channels-last arrays outer is N and inner C: what does not mix channels is one kernel for both orders.
#include "common.cuh"

// Which pixel of which plane an element is.
struct Pixel {
    long long outer;
    int row, column, inner;
    __device__ Pixel(long long element, int rows, int columns, int inners) {
        inner = element % inners;
        element /= inners;
        column = element % columns;
        element /= columns;
        row = element % rows;
        outer = element / rows;
    }
    // Where this plane begins in an array whose planes have so many pixels.
    __device__ long long plane(long long pixels, int inners) const { return outer * pixels * inners + inner; }
};
