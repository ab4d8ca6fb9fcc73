// What the four parts of the runtime tell each other.
#pragma once
#include "runtime.h"

namespace cuda_cpu {

const size_t STACK = 128 << 10;              // bytes of a fiber's stack
const int SHARED = 1000;                     // Event::range of the first shared array
const int MAX_THREADS = 1024;
const size_t ARENA = 256 << 10;              // bytes for declared shared arrays

struct Slot {                                // a `__shared__` array
    size_t offset, bytes, element;
    const char *name, *type;
};

extern Launch current;
extern volatile int interrupted;             // Ctrl-C was pressed
extern long long block_number;               // of the block that runs
extern int self_number;                      // of the thread that runs, in its block
extern const char* fiber_stack;              // of that thread; null where threads are plain calls
extern unsigned epoch;                       // intervals between two barriers, counted over the whole launch
extern unsigned warp_epoch[MAX_THREADS / 32];

[[noreturn]] void fail_with(const Report& report);
Report report_of(const char* kind, long long pc);
void place_of(long long block, int thread, Side& side);

// launch.cpp
uint3 index_of(int thread);
void run_thread();                                           // the thread self_number, to its end

// threads.cpp
void run_fibers(int threads, unsigned& random);
void abandon_fibers();                                       // after a failure: their stacks are left as they are

// memory.cpp
void memory_block(int threads);                              // a block begins
void memory_block_ends();

// checker.cpp
void checker_start();                                        // a launch
void checker_block(const char* dynamic, size_t bytes);       // a block: shared memory is unwritten again
void checker_slot(const Slot& slot);                         // a shared array is declared
enum Access { READ, WRITE, ATOMIC, PROMISE };                // PROMISE: cp.async, whose bytes land later
void check(const void* at, int bytes, Access access, long long pc);
void note(int kind, long long pc);                           // a barrier, for the trace
void settle();                                               // the value of the last store can be read now

}  // namespace cuda_cpu
