// What all kernels share.
//
// `real` is the type of the numbers, float unless -Dreal=double says otherwise. Sums of many numbers are made in `real` too.
//
// A kernel is started with as many threads as there are elements, or with fewer, and then each thread takes the elements
// FIRST, FIRST + STRIDE, FIRST + 2*STRIDE ... (a "grid-stride loop"). Neighbouring threads take neighbouring elements,
// so that the 32 threads of a warp read one piece of memory at once.
#ifndef real
#define real float
#endif

#define FIRST ((long long)blockIdx.x * blockDim.x + threadIdx.x)
#define STRIDE ((long long)gridDim.x * blockDim.x)
#define INFINITE real(__int_as_float(0x7f800000))  // NVRTC knows no INFINITY
