// What the executor's runtime (launch.cpp, threads.cpp, memory.cpp, checker.cpp) and the code of a kernel (cuda_cpu.h) share.
#pragma once
#include <cstddef>

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace cuda_cpu {

struct Side {                     // one of the two who disagree
    unsigned block[3], thread[3];
    long long pc;                 // where in the code: an offset into the shared object, or -1
    int writes;
};
struct Report {                   // why a launch failed; call.py makes the message from it
    char kind[16];                // "race", "bounds", "unwritten", "barrier", "warp", "fault", "failed", "interrupted"
    Side me, other;
    char array[64];
    long long element;
    char text[256];
};
struct Event {                    // one step of the thread that is traced
    int kind;                     // 'r' a load, 'w' a store, 'b' a barrier
    int range;                    // number of the argument, or 1000 + number of the shared array
    long long element, pc;
    int size;
    char value[16];
};
struct Launch {
    unsigned grid[3], block[3];
    size_t shared_bytes;
    int fibers, order, checked;   // order 0: forward, 1: backward, from 2 on: random, drawn from this seed
    long long traced_block;       // -1: nobody is traced
    int traced_thread;
};

[[noreturn]] __attribute__((format(printf, 3, 4))) void fail(const char* kind, long long pc, const char* format, ...);
long long offset_of(const void* pc);                       // in the shared object
__attribute__((format(printf, 1, 2))) int print(const char* format, ...);

// shared memory
size_t shared_slot(const char* name, const char* type, size_t bytes, size_t element);
char* slot_at(size_t offset);
void* dynamic_shared();

// what threads do together
int thread_number();                                       // in the block
void block_barrier(int number, int vote, int* results);    // results: how many voted, any, all
void warp_barrier(unsigned mask, const char* where, bool orders_memory);
void warp_publish(unsigned mask, const void* value, size_t bytes, const char* where);
bool warp_present(unsigned mask, int lane);
void warp_read(unsigned mask, int lane, void* value, size_t bytes, const char* where);
void warp_mma_tf32(float* d, const float* a, const float* b);

// memory
void atomic_load(void* value, const void* from, size_t bytes);
void atomic_store(void* to, const void* value, size_t bytes);
void async_copy(void* to, const void* from, int bytes, int taken);
void async_commit();
void async_wait(int pending);

}  // namespace cuda_cpu
