// The instructions that C has no words for: tensor cores and asynchronous copies (sm_80 and newer).
//
// TF32 is a float whose last 13 bits are ignored: 8 bits of exponent as a float has, 10 of mantissa as a half has. One
// mma instruction is executed by a warp together and computes D (16, 8) += A (16, 8) * B (8, 8). The matrices are spread
// over the lanes' registers, with g = lane / 4 and q = lane % 4:
//
//     a[0] = A[g][q]      a[1] = A[g + 8][q]      a[2] = A[g][q + 4]      a[3] = A[g + 8][q + 4]
//     b[0] = B[q][g]      b[1] = B[q + 4][g]
//     d[0] = D[g][2q]     d[1] = D[g][2q + 1]     d[2] = D[g + 8][2q]     d[3] = D[g + 8][2q + 1]
//
// cp.async copies from global into shared memory while the thread goes on; it does not pass through registers. Copies are
// committed in groups, and wait<N> waits until at most N groups are under way.
//
// Source: NVIDIA, PTX ISA, "Matrix fragments for mma.m16n8k8" and "cp.async".
#ifdef CUDA_CPU  // the executor's model of them

__device__ float to_tf32(float x) { return __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u); }
__device__ void mma_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2]) { cuda_cpu::warp_mma_tf32(d, a, b); }
template <int BYTES> __device__ void cp_async(float* shared, const float* global, bool taken) {
    cuda_cpu::async_copy(shared, global, BYTES, taken ? BYTES : 0);
}
__device__ void cp_async_commit() { cuda_cpu::async_commit(); }
template <int N> __device__ void cp_async_wait() { cuda_cpu::async_wait(N); }

#else

// Rounded to nearest, which the tensor cores themselves do not do.
__device__ float to_tf32(float x) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return __uint_as_float(bits);
}

__device__ void mma_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

// BYTES are 4 or 16. What is not taken becomes zeros; nothing is read then.
template <int BYTES> __device__ void cp_async(float* shared, const float* global, bool taken) {
    const unsigned to = (unsigned)__cvta_generic_to_shared(shared);
    const int size = taken ? BYTES : 0;
    if (BYTES == 16)  // past the first-level cache
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(size) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(global), "r"(size) : "memory");
}
__device__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> __device__ void cp_async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

#endif
