// Sums for each channel, over everything else.
//
// Arrays are (outer, c, inner). Thread (x, y) of a block adds up for one channel, and the threads with other y for the same
// one; then these add up in shared memory, the upper half of them to the lower, until one is left. The order is fixed. A block has
// 256 threads: 32 channels and 8 threads for each where neighbours in memory are channels (inner = 1), else one channel and 256
// threads. Either way a warp reads one piece of memory.
//
// There may be fewer channels than a GPU has room for. So the positions are cut into `parts`, blocks along y, whose results
// sum_parts (channels.cu) adds up, always in the same order.
#include "common.cuh"

// The positions that a thread adds up: first, first + blockDim.y ...; none if there is no such channel.
struct Column {
    int channel;
    long long first, end;
    __device__ Column(int c, long long positions, int parts) : channel(blockIdx.x * blockDim.x + threadIdx.x) {
        const long long some = (positions + parts - 1) / parts;
        first = blockIdx.y * some + threadIdx.y;
        end = channel < c ? min((blockIdx.y + 1) * some, positions) : 0;
    }
};
#define EACH_POSITION(i, column) for (long long i = column.first; i < column.end; i += blockDim.y)

// The element of a channel at a position, which counts the outer and the inner ones.
__device__ long long element(long long position, int channel, int c, int inner) {
    return (position / inner * c + channel) * inner + position % inner;
}

// The sum of the values of all threads of a channel, in the one with y = 0.
__device__ real column_sum(real value) {
    __shared__ real values[256];
    const int me = threadIdx.y * blockDim.x + threadIdx.x;
    __syncthreads();                                  // an earlier sum has been read
    values[me] = value;
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half) values[me] += values[me + half * blockDim.x];
    }
    return threadIdx.y == 0 ? values[me] : real(0);
}
