// Dropout: every element is set to 0 with probability p, the others are divided by 1 - p.
//
// The random number of an element is a hash (splitmix64) of the seed and of its position alone. No state is carried from one to
// the next, so every thread can draw its own, and every backend draws the same mask. The position counts in the order
// (N, C, *), wherever the element lies in memory; here memory is (n, pixels, c), which is channels-last, or with pixels = 1
// any order that counts as it lies. A captured graph keeps its arguments, but not what they point to: there the seed is read
// from memory of the device, drawn, so that every replay can have another. threshold is p in units of 2^-24.
//
// Sources: Srivastava et al., Dropout, 2014; Steele, Lea & Flood, Fast splittable pseudorandom number generators, 2014, figure 17.
#include "common.cuh"

__device__ unsigned random(unsigned long long seed, long long position) {
    unsigned long long z = seed + (position + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z >> 40;                                // 24 bits; the hash's last step changes only lower ones
}

extern "C" __global__ void dropout_forward(
    const real* __restrict__ x,                    // (n, pixels, c)
    const unsigned long long* __restrict__ drawn,  // (1) or null: the seed
    real* __restrict__ y,                          // (n, pixels, c)
    bool* __restrict__ keep,                       // (n, pixels, c)
    int n, int pixels, int c, unsigned long long seed, unsigned threshold, real scale) {
    const long long size = (long long)n * pixels * c;
    if (drawn) seed = drawn[0];
    for (long long e = FIRST; e < size; e += STRIDE) {
        const long long place = e / c;             // sample and pixel
        const long long position = (place / pixels * c + e % c) * pixels + place % pixels;
        const bool kept = random(seed, position) >= threshold;
        keep[e] = kept;
        y[e] = kept ? x[e] * scale : real(0);      // a choice: inf * 0 would be NaN
    }
}

extern "C" __global__ void dropout_grad(
    const real* __restrict__ grad_y,               // (size)
    const bool* __restrict__ keep,                 // (size)
    real* __restrict__ grad_x,                     // (size)
    long long size, real scale) {
    for (long long e = FIRST; e < size; e += STRIDE) grad_x[e] = keep[e] ? grad_y[e] * scale : real(0);
}
