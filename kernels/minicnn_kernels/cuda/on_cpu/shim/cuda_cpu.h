// CUDA C for g++: the words, the built-in functions and the vector types that a kernel may use.
//
// Every function that threads do together, or that must not be taken for an ordinary access to memory, is a call of the
// runtime (runtime.h). In the source that g++ sees, `__shared__` declarations are already replaced (source.py).
#pragma once
#include "runtime.h"

#include <cfloat>
#include <climits>
#include <cmath>
#include <cstring>
#include <type_traits>

#define CUDA_CPU 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __constant__ static
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define CUDA_CPU_INLINE static inline __attribute__((always_inline))
// what Python calls; it reads the list of arguments, which is no access of the kernel's
#define CUDA_CPU_ENTRY __attribute__((visibility("default"), no_sanitize("thread")))
static const int warpSize = 32;

// ---- vector types ----------------------------------------------------------------------------------------------------
typedef unsigned char uchar;
#define CUDA_CPU_VECTOR(T, NAME)                                                                    \
    struct alignas(2 * sizeof(T)) NAME##2 { T x, y; };                                              \
    struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) NAME##4 { T x, y, z, w; };              \
    static inline NAME##2 make_##NAME##2(T x, T y) { return {x, y}; }                               \
    static inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { return {x, y, z, w}; }
#define CUDA_CPU_VECTOR3(T, NAME)                                                                   \
    struct NAME##3 { T x, y, z; };                                                                  \
    static inline NAME##3 make_##NAME##3(T x, T y, T z) { return {x, y, z}; }
CUDA_CPU_VECTOR(float, float)
CUDA_CPU_VECTOR(double, double)
CUDA_CPU_VECTOR(int, int)
CUDA_CPU_VECTOR(unsigned, uint)
CUDA_CPU_VECTOR(uchar, uchar)
CUDA_CPU_VECTOR3(float, float)
CUDA_CPU_VECTOR3(double, double)
CUDA_CPU_VECTOR3(int, int)

namespace cuda_cpu {
template <class T> struct same { typedef T type; };

// NumPy's name of a type: "f4", "u1"; empty if it is no number
template <class T> const char* type() {
    typedef std::remove_cv_t<T> N;
    if (std::is_floating_point<N>::value) return sizeof(N) == 4 ? "f4" : "f8";
    if (!std::is_integral<N>::value) return "";
    const char* names[2][4] = {{"u1", "u2", "u4", "u8"}, {"i1", "i2", "i4", "i8"}};
    return names[std::is_signed<N>::value][sizeof(N) == 1 ? 0 : sizeof(N) == 2 ? 1 : sizeof(N) == 4 ? 2 : 3];
}

template <class T> CUDA_CPU_INLINE T shuffle(unsigned mask, T value, int source, const char* where) {
    static_assert(sizeof(T) <= 16, "a shuffle moves at most 16 bytes");
    T result;
    warp_publish(mask, &value, sizeof value, where);
    warp_read(mask, source, &result, sizeof result, where);
    warp_barrier(mask, where, false);
    return result;
}
CUDA_CPU_INLINE int lane() { return thread_number() & 31; }
template <class To, class From> CUDA_CPU_INLINE To bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "");
    To result;
    memcpy(&result, &value, sizeof result);
    return result;
}
CUDA_CPU_INLINE int vote(int number, int mine, int which) {
    int results[3];
    block_barrier(number, mine, results);
    return results[which];
}
}  // namespace cuda_cpu

// ---- barriers and votes ----------------------------------------------------------------------------------------------
#define __syncthreads() cuda_cpu::block_barrier(__COUNTER__, 0, nullptr)
#define __syncthreads_count(p) cuda_cpu::vote(__COUNTER__, !!(p), 0)
#define __syncthreads_or(p) cuda_cpu::vote(__COUNTER__, !!(p), 1)
#define __syncthreads_and(p) cuda_cpu::vote(__COUNTER__, !!(p), 2)
CUDA_CPU_INLINE void __syncwarp(unsigned mask = ~0u) { cuda_cpu::warp_barrier(mask, "__syncwarp()", true); }
CUDA_CPU_INLINE unsigned __ballot_sync(unsigned mask, int p) {
    unsigned result = 0;
    int mine = !!p;
    cuda_cpu::warp_publish(mask, &mine, sizeof mine, "__ballot_sync");
    for (int l = 0; l < 32; ++l)
        if (cuda_cpu::warp_present(mask, l)) {
            int its;
            cuda_cpu::warp_read(mask, l, &its, sizeof its, "__ballot_sync");
            result |= (unsigned)its << l;
        }
    cuda_cpu::warp_barrier(mask, "__ballot_sync", false);
    return result;
}
CUDA_CPU_INLINE int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
CUDA_CPU_INLINE int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, !p) == 0; }

// ---- shuffles: `w` lanes form a group, and a lane beyond its end gets its own value back -----------------------------
template <class T> CUDA_CPU_INLINE T __shfl_sync(unsigned mask, T value, int source, int w = 32) {
    return cuda_cpu::shuffle(mask, value, (cuda_cpu::lane() & -w) + (source & (w - 1)), "__shfl_sync");
}
template <class T> CUDA_CPU_INLINE T __shfl_xor_sync(unsigned mask, T value, int other, int w = 32) {
    const int l = cuda_cpu::lane(), s = l ^ other;
    return cuda_cpu::shuffle(mask, value, s < (l & -w) + w ? s : l, "__shfl_xor_sync");
}
template <class T> CUDA_CPU_INLINE T __shfl_down_sync(unsigned mask, T value, unsigned by, int w = 32) {
    const int l = cuda_cpu::lane();
    return cuda_cpu::shuffle(mask, value, (l & (w - 1)) + (int)by < w ? l + (int)by : l, "__shfl_down_sync");
}
template <class T> CUDA_CPU_INLINE T __shfl_up_sync(unsigned mask, T value, unsigned by, int w = 32) {
    const int l = cuda_cpu::lane();
    return cuda_cpu::shuffle(mask, value, (l & (w - 1)) >= (int)by ? l - (int)by : l, "__shfl_up_sync");
}

// ---- atomics: each returns the old value ----------------------------------------------------------------------------
#define CUDA_CPU_ATOMIC(NAME, NEW)                                                                  \
    template <class T> CUDA_CPU_INLINE T NAME(T* at, typename cuda_cpu::same<T>::type v) {          \
        T o;                                                                                        \
        cuda_cpu::atomic_load(&o, at, sizeof o);                                                    \
        T n = (NEW);                                                                                \
        cuda_cpu::atomic_store(at, &n, sizeof n);                                                   \
        return o;                                                                                   \
    }
CUDA_CPU_ATOMIC(atomicAdd, o + v)
CUDA_CPU_ATOMIC(atomicSub, o - v)
CUDA_CPU_ATOMIC(atomicExch, v)
CUDA_CPU_ATOMIC(atomicMax, o > v ? o : v)
CUDA_CPU_ATOMIC(atomicMin, o < v ? o : v)
CUDA_CPU_ATOMIC(atomicAnd, o & v)
CUDA_CPU_ATOMIC(atomicOr, o | v)
CUDA_CPU_ATOMIC(atomicXor, o ^ v)
CUDA_CPU_ATOMIC(atomicInc, o >= v ? 0 : o + 1)
template <class T>
CUDA_CPU_INLINE T atomicCAS(T* at, typename cuda_cpu::same<T>::type expected, typename cuda_cpu::same<T>::type v) {
    T o;
    cuda_cpu::atomic_load(&o, at, sizeof o);
    T n = o == expected ? v : o;
    cuda_cpu::atomic_store(at, &n, sizeof n);
    return o;
}

// ---- memory ----------------------------------------------------------------------------------------------------------
template <class T> CUDA_CPU_INLINE T __ldg(const T* p) { return *p; }
template <class T> CUDA_CPU_INLINE T __ldcs(const T* p) { return *p; }
template <class T> CUDA_CPU_INLINE void __stcs(T* p, typename cuda_cpu::same<T>::type v) { *p = v; }
CUDA_CPU_INLINE void __threadfence() {}
CUDA_CPU_INLINE void __threadfence_block() {}

// ---- arithmetic ------------------------------------------------------------------------------------------------------
CUDA_CPU_INLINE float __int_as_float(int v) { return cuda_cpu::bits<float>(v); }
CUDA_CPU_INLINE int __float_as_int(float v) { return cuda_cpu::bits<int>(v); }
CUDA_CPU_INLINE float __uint_as_float(unsigned v) { return cuda_cpu::bits<float>(v); }
CUDA_CPU_INLINE unsigned __float_as_uint(float v) { return cuda_cpu::bits<unsigned>(v); }
CUDA_CPU_INLINE int __popc(unsigned v) { return __builtin_popcount(v); }
CUDA_CPU_INLINE int __ffs(int v) { return __builtin_ffs(v); }
CUDA_CPU_INLINE int __clz(int v) { return v ? __builtin_clz(v) : 32; }
CUDA_CPU_INLINE unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
CUDA_CPU_INLINE float rsqrtf(float v) { return 1.f / sqrtf(v); }
CUDA_CPU_INLINE float rsqrt(float v) { return 1.f / sqrtf(v); }
CUDA_CPU_INLINE double rsqrt(double v) { return 1. / std::sqrt(v); }
#define __expf expf
#define __logf logf
CUDA_CPU_INLINE float __fdividef(float a, float b) { return a / b; }
CUDA_CPU_INLINE float __saturatef(float v) { return v > 0 ? (v < 1 ? v : 1) : 0; }
CUDA_CPU_INLINE float __frcp_rn(float v) { return 1.f / v; }
CUDA_CPU_INLINE float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
using std::abs;
using std::ceil;
using std::exp;
using std::expm1;
using std::fabs;
using std::floor;
using std::fma;
using std::fmax;
using std::fmin;
using std::log;
using std::pow;
using std::sqrt;
using std::tanh;
#undef isnan
#undef isinf
using std::isinf;
using std::isnan;
template <class A, class B> CUDA_CPU_INLINE constexpr std::common_type_t<A, B> max(A a, B b) { return a > b ? a : b; }
template <class A, class B> CUDA_CPU_INLINE constexpr std::common_type_t<A, B> min(A a, B b) { return a < b ? a : b; }

// ---- telling ---------------------------------------------------------------------------------------------------------
#define printf(...) cuda_cpu::print(__VA_ARGS__)
#define __trap() cuda_cpu::fail("failed", cuda_cpu::offset_of(__builtin_return_address(0)), "__trap()")
#define assert(condition) \
    ((condition) ? (void)0 : cuda_cpu::fail("failed", -1, "assert(%s) in line %d", #condition, __LINE__))
