// Sums over the threads of a warp. The order of the additions is fixed, so a result never varies.
//
// Lane l adds the value of lane l + 16, then of l + 8, 4, 2, 1: after five shuffles lane 0 has the sum. XOR in place of + gives
// it to all lanes.
#include "common.cuh"

__device__ real warp_sum(real value) {
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
    return value;
}

__device__ real warp_max(real value) {
    for (int distance = 16; distance > 0; distance /= 2) value = fmax(value, __shfl_xor_sync(~0u, value, distance));
    return value;
}
