// A 64 x 64 tile of a matrix product C = A B on tensor cores, by a block of 128 threads.
//
// The depth (the columns of A, the rows of B) is walked in steps of 16. Two pairs of tiles lie in shared memory: while the
// tensor cores multiply one, the copies into the other are under way. Each of the four warps has a quarter, 32 x 32, as
// 2 x 4 fragments of 16 x 8 in its registers.
//
// A tile is kept as its memory comes: with the depth running fastest ("by depth"), or with the row of A (the column of B) running
// fastest ("by row"). A few unused numbers at the end of each line put the 32 numbers that a warp reads at once into
// the 32 different banks of shared memory.
//
// -DSTRICT=1 keeps the precision of float: a number is the sum of two TF32 numbers, x = big + small, and the product is
// big*big + big*small + small*big; what is left out is below float's own rounding. It costs three times the instructions.
//
// Source: NVIDIA, CUTLASS, "Efficient GEMM in CUDA" and example 27 (3xTF32).
#include "tensor_cores.cuh"

#ifndef VECTOR
#define VECTOR 4                              // numbers copied at once: 4 where the channels are multiples of 4, else 1
#endif
#ifndef STRICT
#define STRICT 0
#endif

const int TILE = 64, DEPTH = 16, BLOCK = 128;
const int COPIES = TILE * DEPTH / VECTOR / BLOCK;                // that a thread makes for one tile
const int BY_DEPTH = DEPTH + 4, BY_ROW = TILE + 8;               // lengths of a line
const int TILE_SIZE = TILE * BY_DEPTH;                           // the larger of TILE * BY_DEPTH and DEPTH * BY_ROW

// Which row and which depth of a tile a thread's copy i is for.
__device__ int row_by_depth(int i) { return (threadIdx.x + i * BLOCK) / (DEPTH / VECTOR); }
__device__ int depth_by_depth() { return threadIdx.x % (DEPTH / VECTOR) * VECTOR; }
__device__ int row_by_row() { return threadIdx.x % (TILE / VECTOR) * VECTOR; }
__device__ int depth_by_row(int i) { return (threadIdx.x + i * BLOCK) / (TILE / VECTOR); }

__device__ void copy(float* tile, const float* from, bool taken) { cp_async<VECTOR * 4>(tile, from, taken); }

// A number taken apart, number = (outer * middles + middle) * inners + inner, and counted on without a division.
struct Digits {
    long long outer;
    int middle, inner;
    __device__ Digits(long long number, int middles, int inners)
        : outer(number / inners / middles), middle(number / inners % middles), inner(number % inners) {}
    __device__ void advance(int by, int middles, int inners) {
        inner += by;
        while (inner >= inners) {
            inner -= inners;
            if (++middle == middles) {
                middle = 0;
                ++outer;
            }
        }
    }
};

__device__ float finite(float x) { return x - x == 0 ? x : 0; }

// d += a * b, in TF32 or in two parts each. Infinity has no small part, nor does it meet one: both would make it NaN.
__device__ void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
    float big_a[4], big_b[2];
#pragma unroll
    for (int e = 0; e < 4; ++e) big_a[e] = to_tf32(a[e]);
#pragma unroll
    for (int e = 0; e < 2; ++e) big_b[e] = to_tf32(b[e]);
    if (STRICT) {
        float small_a[4], small_b[2];
#pragma unroll
        for (int e = 0; e < 4; ++e) small_a[e] = to_tf32(finite(a[e] - big_a[e]));
#pragma unroll
        for (int e = 0; e < 2; ++e) small_b[e] = to_tf32(finite(b[e] - big_b[e]));
        float finite_a[4], finite_b[2];
#pragma unroll
        for (int e = 0; e < 4; ++e) finite_a[e] = finite(big_a[e]);
#pragma unroll
        for (int e = 0; e < 2; ++e) finite_b[e] = finite(big_b[e]);
        mma_tf32(d, small_a, finite_b);
        mma_tf32(d, finite_a, small_b);
    }
    mma_tf32(d, big_a, big_b);
}

// load(a, b) starts the copies of the next step into two tiles; store(row, column, value) is called for each number.
template <bool A_BY_DEPTH, bool B_BY_DEPTH, class Load, class Store>
__device__ void tile_product(int steps, Load load, Store store) {
    __shared__ __align__(16) float a_tiles[2][TILE_SIZE];
    __shared__ __align__(16) float b_tiles[2][TILE_SIZE];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int group = lane / 4, quad = lane % 4;
    const int first_row = warp % 2 * 32, first_column = warp / 2 * 32;
    float sums[2][4][4] = {};

    if (steps > 0) load(a_tiles[0], b_tiles[0]);
    cp_async_commit();
    for (int step = 0; step < steps; ++step) {
        if (step + 1 < steps) load(a_tiles[(step + 1) % 2], b_tiles[(step + 1) % 2]);
        cp_async_commit();
        cp_async_wait<1>();                   // this step's copies have landed: those of this thread ...
        __syncthreads();                      // ... and those of all others
        const float* a_tile = a_tiles[step % 2];
        const float* b_tile = b_tiles[step % 2];
#pragma unroll
        for (int slice = 0; slice < DEPTH; slice += 8) {
            float a[2][4], b[4][2];
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const int row = first_row + i * 16 + group + e % 2 * 8, depth = slice + quad + e / 2 * 4;
                    a[i][e] = a_tile[A_BY_DEPTH ? row * BY_DEPTH + depth : depth * BY_ROW + row];
                }
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    const int column = first_column + j * 8 + group, depth = slice + quad + e * 4;
                    b[j][e] = b_tile[B_BY_DEPTH ? column * BY_DEPTH + depth : depth * BY_ROW + column];
                }
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j) multiply_add(sums[i][j], a[i], b[j]);
        }
        __syncthreads();                      // all have read these tiles: the next copies may overwrite them
    }
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e)
                store(first_row + i * 16 + group + e / 2 * 8, first_column + j * 8 + quad * 2 + e % 2, sums[i][j][e]);
}
