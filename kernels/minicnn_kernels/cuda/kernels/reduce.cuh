// Sums over the threads of a warp and of a block. The order of the additions is fixed, so a result never varies.
//
// In a warp, lane l adds the value of lane l + 16, then of l + 8, 4, 2, 1: after five shuffles lane 0 has the sum. XOR in
// place of + gives it to all lanes. Between warps the sums travel through shared memory. Blocks are whole warps.
#include "common.cuh"

__device__ real warp_sum(real value) {
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
    return value;
}

__device__ real warp_max(real value) {
    for (int distance = 16; distance > 0; distance /= 2) value = fmax(value, __shfl_xor_sync(~0u, value, distance));
    return value;
}

__device__ real block_sum(real value) {
    __shared__ real parts[32];
    value = warp_sum(value);
    __syncthreads();                                   // everybody has read the parts of an earlier sum
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    real sum = 0;
    for (int w = 0; w < blockDim.x / 32; ++w) sum += parts[w];
    return sum;
}
