// The threads of a block: fibers that take turns, and what they do together.
//
// A fiber has its own stack, runs until it must wait, and the scheduler takes the next one. Where a kernel has no barriers
// and no warp functions, its threads are plain calls (launch.cpp).
#include "internal.h"

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace cuda_cpu {

const char* fiber_stack;
unsigned epoch, warp_epoch[MAX_THREADS / 32];

namespace {

enum State : char { READY, AT_BLOCK, AT_WARP, DONE };
struct Fiber {
    ucontext_t context;
    jmp_buf place;
    bool started;
    State state;
    unsigned mask;                           // AT_WARP: the lanes that meet
    int barrier;                             // AT_BLOCK: which __syncthreads() of the source
    bool orders_memory;
    const char* where;
    long long pc;
    char* stack;
};

std::vector<Fiber*> fibers;
Fiber* self;                                 // null where threads are plain calls
jmp_buf scheduler;
char published[MAX_THREADS][32];             // what each lane shows to its warp
int votes, voters, verdict[3];

void fiber_main() {
    for (;;) {
        run_thread();
        self->state = DONE;
        if (!_setjmp(self->place)) _longjmp(scheduler, 1);
    }
}

void park(State state, const char* where, long long pc) {
    if (!self) fail("failed", pc, "%s in a kernel that was started without fibers", where);
    if (interrupted) fail("interrupted", pc, "interrupted");
    settle();
    self->state = state;
    self->where = where;
    self->pc = pc;
    if (!_setjmp(self->place)) _longjmp(scheduler, 1);
}

void resume(int thread) {
    self = fibers[thread];
    self_number = thread;
    fiber_stack = self->stack;
    threadIdx = index_of(thread);
    self->state = READY;
    if (!_setjmp(scheduler)) {
        if (self->started) _longjmp(self->place, 1);
        self->started = true;
        setcontext(&self->context);
    }
    self = nullptr;
    fiber_stack = nullptr;
}

void make_fibers(int count) {
    while ((int)fibers.size() < count) {
        Fiber* f = new Fiber();
        char* pages = (char*)mmap(nullptr, STACK + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (pages == MAP_FAILED) {
            delete f;
            fail("failed", -1, "no memory for the stacks of %d threads", count);
        }
        mprotect(pages, 4096, PROT_NONE);                    // a stack that is too small faults
        f->stack = pages + 4096;
        fibers.push_back(f);
    }
    for (int i = 0; i < count; ++i) {
        Fiber& f = *fibers[i];
        f.state = READY;
        if (f.started) continue;                             // it waits at the end of fiber_main's loop
        getcontext(&f.context);
        f.context.uc_link = nullptr;
        f.context.uc_stack.ss_sp = f.stack;
        f.context.uc_stack.ss_size = STACK;
        makecontext(&f.context, fiber_main, 0);
    }
}

// A thread that waits at a barrier makes the report.
[[noreturn]] void fail_at(int thread, const char* kind, const std::string& text) {
    self_number = thread;
    threadIdx = index_of(thread);
    fail(kind, fibers[thread]->pc, "%s", text.c_str());
}

bool release_warps(int threads) {
    bool any = false;
    for (int first = 0; first < threads; first += 32) {
        const int lanes = std::min(32, threads - first);
        for (int l = 0; l < lanes; ++l) {
            const Fiber& f = *fibers[first + l];
            if (f.state != AT_WARP) continue;
            bool all = true;
            for (int k = 0; k < lanes && all; ++k)
                if (f.mask >> k & 1) {
                    const Fiber& g = *fibers[first + k];
                    all = (g.state == AT_WARP && g.mask == f.mask) || g.state == DONE;
                }
            if (!all) continue;
            if (f.orders_memory) ++warp_epoch[first / 32];
            const unsigned mask = f.mask;
            for (int k = 0; k < lanes; ++k)
                if (mask >> k & 1 && fibers[first + k]->state == AT_WARP) fibers[first + k]->state = READY;
            any = true;
        }
    }
    return any;
}

void release_block(int threads, int done) {
    const int first = std::find_if(fibers.begin(), fibers.begin() + threads, [](Fiber* f) { return f->state == AT_BLOCK; }) - fibers.begin();
    if (done)
        fail_at(first, "barrier", "waits in __syncthreads(), but " + std::to_string(done) + " of the " + std::to_string(threads) +
                                      " threads of its block have returned without reaching it");
    for (int i = 0; i < threads; ++i)
        if (fibers[i]->barrier != fibers[0]->barrier) {
            Report r = report_of("barrier", fibers[i]->pc);
            place_of(block_number, i, r.me);
            place_of(block_number, 0, r.other);
            r.other.pc = fibers[0]->pc;
            snprintf(r.text, sizeof r.text, "the threads of a block wait in different __syncthreads()");
            fail_with(r);
        }
    verdict[0] = votes;
    verdict[1] = votes > 0;
    verdict[2] = votes == voters;
    votes = voters = 0;
    for (int i = 0; i < threads; ++i) fibers[i]->state = READY;
    ++epoch;
}

}  // namespace

void run_fibers(int threads, unsigned& random) {
    make_fibers(threads);
    std::vector<int> order(threads);
    for (int i = 0; i < threads; ++i) order[i] = current.order == 1 ? threads - 1 - i : i;
    if (current.order > 1)
        for (int i = threads - 1; i > 0; --i) {
            random = random * 1664525u + 1013904223u;
            std::swap(order[i], order[(random >> 8) % (i + 1)]);
        }
    for (;;) {
        bool ran = false;
        for (int i : order)
            if (fibers[i]->state == READY) {
                resume(i);
                ran = true;
            }
        ran |= release_warps(threads);
        int at_block = 0, done = 0;
        for (int i = 0; i < threads; ++i) {
            at_block += fibers[i]->state == AT_BLOCK;
            done += fibers[i]->state == DONE;
        }
        if (done == threads) return;
        if (at_block && at_block + done == threads) {
            release_block(threads, done);
        } else if (!ran) {
            for (int i = 0; i < threads; ++i)
                if (fibers[i]->state != DONE)
                    fail_at(i, "barrier", std::string("deadlock: it waits in ") + fibers[i]->where + " for threads that are elsewhere");
        }
    }
}

void abandon_fibers() {
    for (Fiber* f : fibers) f->started = false;
    self = nullptr;
    fiber_stack = nullptr;
    votes = voters = 0;
}

int thread_number() { return self_number; }

__attribute__((noinline)) void block_barrier(int number, int vote, int* results) {
    const long long pc = offset_of(__builtin_return_address(0));
    votes += !!vote;
    ++voters;
    if (self) self->barrier = number;
    note('b', pc);
    park(AT_BLOCK, "__syncthreads()", pc);
    if (results) memcpy(results, verdict, sizeof verdict);
}

static void wait_for_warp(unsigned mask, const char* where, bool orders_memory, long long pc) {
    if (self) {
        self->mask = mask;
        self->orders_memory = orders_memory;
    }
    park(AT_WARP, where, pc);
}

__attribute__((noinline)) void warp_barrier(unsigned mask, const char* where, bool orders_memory) {
    const long long pc = offset_of(__builtin_return_address(0));
    if (orders_memory) note('b', pc);
    wait_for_warp(mask, where, orders_memory, pc);
}

__attribute__((noinline)) void warp_publish(unsigned mask, const void* value, size_t bytes, const char* where) {
    const long long pc = offset_of(__builtin_return_address(0));
    const int lane = self_number & 31;
    if (!(mask >> lane & 1)) fail("warp", pc, "%s: the calling lane %d is not in its own mask 0x%08x", where, lane, mask);
    memcpy(published[self_number], value, bytes);
    wait_for_warp(mask, where, false, pc);
}

bool warp_present(unsigned mask, int lane) {
    const int thread = (self_number & ~31) + lane;
    return mask >> lane & 1 && thread < (int)(blockDim.x * blockDim.y * blockDim.z) && fibers[thread]->state != DONE;
}

__attribute__((noinline)) void warp_read(unsigned mask, int lane, void* value, size_t bytes, const char* where) {
    if (!warp_present(mask, lane))
        fail("warp", offset_of(__builtin_return_address(0)), "%s reads lane %d, which takes no part (mask 0x%08x, %u threads in the block)",
             where, lane, mask, blockDim.x * blockDim.y * blockDim.z);
    memcpy(value, published[(self_number & ~31) + lane], bytes);
}

// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32: D (16, 8) += A (16, 8) * B (8, 8), spread over the registers of
// a warp as the PTX manual says. The inputs' last 13 bits are ignored, the products are exact, and D is rounded once.
__attribute__((noinline)) void warp_mma_tf32(float* d, const float* a, const float* b) {
    const char* where = "mma.sync";
    const long long pc = offset_of(__builtin_return_address(0));
    float registers[6];
    for (int i = 0; i < 6; ++i) {
        uint32_t bits;
        memcpy(&bits, i < 4 ? a + i : b + i - 4, 4);
        bits &= 0xffffe000u;
        memcpy(registers + i, &bits, 4);
    }
    memcpy(published[self_number], registers, sizeof registers);
    wait_for_warp(~0u, where, false, pc);
    for (int l = 0; l < 32; ++l)
        if (!warp_present(~0u, l)) fail("warp", pc, "mma.sync needs all 32 lanes of the warp; lane %d takes no part", l);
    const int group = (self_number & 31) >> 2, quad = self_number & 3;
    const auto show = [](int lane) { return (const float*)published[(self_number & ~31) + lane]; };
    for (int e = 0; e < 4; ++e) {
        const int row = group + (e >> 1) * 8, column = quad * 2 + (e & 1);
        double sum = d[e];
        for (int k = 0; k < 8; ++k)
            sum += (double)show((row & 7) * 4 + (k & 3))[(k >> 2) * 2 + (row >> 3)] * show(column * 4 + (k & 3))[4 + (k >> 2)];
        d[e] = (float)sum;
    }
    wait_for_warp(~0u, where, false, pc);
}

}  // namespace cuda_cpu
