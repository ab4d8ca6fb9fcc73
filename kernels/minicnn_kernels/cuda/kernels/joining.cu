// Sums of two arrays, and arrays joined along an axis.
//
// Along the axis an array has a width, the number of its elements from the axis on; the result is as wide as all of them together,
// and each thread looks up whose an element is (lists.cuh). One launch joins MOST arrays, the columns first .. first +
// ends[arrays - 1] - 1 of the result; more arrays need more launches.
#include "common.cuh"
#include "lists.cuh"

extern "C" __global__ void add_forward(
    const real* a,                       // (size)
    const real* b,                       // (size)
    real* y,                             // (size)
    long long size) {
    for (long long e = FIRST; e < size; e += STRIDE) y[e] = a[e] + b[e];
}

extern "C" __global__ void cat_forward(
    real* __restrict__ y,                // (outer, width)
    const Arrays joined,
    const Numbers ends,
    int outer, int width, int arrays, int first, int columns) {
    const long long size = (long long)outer * columns;
    for (long long e = FIRST; e < size; e += STRIDE) {
        const int column = e % columns, array = owner(ends, arrays, column);
        const int start = array ? ends.of[array - 1] : 0, own = ends.of[array] - start;
        const long long row = e / columns;
        y[row * width + first + column] = joined.of[array][row * own + column - start];
    }
}
