// Mean and variance of many numbers, in one pass over them.
//
// A variance from the sum of x and the sum of x^2 cancels; two passes read x twice. Welford's method keeps count, mean and m2, the
// sum of (x - mean)^2, and corrects them with each number. Chan's formula merges two such triples, so that threads count
// their own numbers first and then merge in pairs:
//
//     delta = mean_b - mean_a                    mean = mean_a + delta * count_b / count
//     count = count_a + count_b                  m2   = m2_a + m2_b + delta^2 * count_a * count_b / count
//
// Source: Chan, Golub & LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979, formula 2.1.
#include "columns.cuh"

struct Moments {
    real count, mean, m2;
};

__device__ void add(Moments& a, real x) {
    a.count += 1;
    const real delta = x - a.mean;
    a.mean += delta / a.count;
    a.m2 += delta * (x - a.mean);
}

__device__ void merge(Moments& a, const Moments& b) {
    if (b.count == 0) return;
    const real count = a.count + b.count;
    const real delta = b.mean - a.mean;
    a.mean += delta * (b.count / count);
    a.m2 += b.m2 + delta * delta * (a.count * b.count / count);
    a.count = count;
}

// Those of all threads of a channel (columns.cuh), in the one with y = 0.
__device__ Moments column_moments(const Moments& mine) {
    __shared__ Moments all[256];
    const int me = threadIdx.y * blockDim.x + threadIdx.x;
    all[me] = mine;
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half) merge(all[me], all[me + half * blockDim.x]);
    }
    return threadIdx.y == 0 ? all[me] : mine;
}
