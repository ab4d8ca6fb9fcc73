// Runs the threads of a CUDA kernel on one thread of the CPU.
//
// Blocks run one after another. The threads of a block are plain calls; where the kernel has barriers or warp
// functions, they are fibers: each has its own stack, runs until it must wait, and the scheduler takes the next one.
#include "internal.h"

#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace cuda_cpu {

Launch current;
long long block_number;
int self_number;
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
struct Async {                               // a cp.async that has not landed
    void* to;
    const void* from;
    int bytes, taken, group;
    long long pc;
};

std::vector<Fiber*> fibers;
Fiber* self;                                 // null where threads are plain calls
jmp_buf scheduler, failed;
Report* report;
void (*body)(void**);
void** arguments;
char published[MAX_THREADS][32];             // what each lane shows to its warp
std::vector<Async> flying[MAX_THREADS];
int groups[MAX_THREADS];
int votes, voters, verdict[3];
std::vector<Slot> slots;
alignas(128) char arena[256 << 10];          // the declared shared arrays, each with a gap behind it
size_t arena_end = 64;
std::vector<char> dynamic;
std::string output;

uint3 index_of(int thread) {
    const unsigned t = thread;
    return {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
}

void fiber_main() {
    for (;;) {
        body(arguments);
        settle();
        self->state = DONE;
        if (!_setjmp(self->place)) _longjmp(scheduler, 1);
    }
}

void park(State state, const char* where, long long pc) {
    if (!self) fail("failed", pc, "%s in a kernel that was started without fibers", where);
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

void run_fibers(int threads, uint32_t& random) {
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

void run_block(int threads, uint32_t& random) {
    memset(arena, 0xff, sizeof arena);                       // all bits set is a NaN: shared memory starts undefined
    memset(dynamic.data(), 0xff, dynamic.size());
    ++epoch;
    checker_block((char*)dynamic_shared(), current.shared_bytes);
    for (int i = 0; i < threads; ++i) {
        flying[i].clear();
        groups[i] = 0;
    }
    if (current.fibers) {
        run_fibers(threads, random);
    } else {
        for (int i = 0; i < threads; ++i) {
            self_number = current.order == 1 ? threads - 1 - i : i;
            threadIdx = index_of(self_number);
            body(arguments);
            settle();
        }
    }
    const char* end = (char*)dynamic_shared() + current.shared_bytes;
    if (std::any_of(end, end + 64, [](char c) { return c != (char)0xff; }))
        fail("bounds", -1, "wrote past the %zu bytes of dynamic shared memory", current.shared_bytes);
}

void on_fault(int number, siginfo_t* info, void* context) {
    const mcontext_t& machine = ((ucontext_t*)context)->uc_mcontext;
#if defined(__x86_64__)
    const void* pc = (const void*)(machine.gregs[REG_RIP] + 1);
#elif defined(__aarch64__)
    const void* pc = (const void*)(machine.pc + 1);
#else
    const void* pc = nullptr;
    (void)machine;
#endif
    const char* at = (const char*)info->si_addr;
    if (number == SIGFPE)
        fail("fault", offset_of(pc), "an integer division by zero");
    if (fiber_stack && at >= fiber_stack - 4096 && at < fiber_stack)
        fail("fault", offset_of(pc), "the local variables need more than the %zu bytes of a thread's stack", STACK);
    fail("fault", offset_of(pc), "an access to memory that does not exist");
}

const int FAULTS[] = {SIGFPE, SIGSEGV, SIGBUS};

}  // namespace

// ---- failing ---------------------------------------------------------------------------------------------------------

long long offset_of(const void* pc) {
    static const char* base;
    if (!base) {
        Dl_info mine;
        dladdr((void*)&current, &mine);
        base = (const char*)mine.dli_fbase;
    }
    return pc ? (const char*)pc - base - 1 : -1;             // inside the call, not behind it
}

void place_of(long long block, int thread, Side& side) {
    const uint3 t = index_of(thread);
    const unsigned at[3] = {(unsigned)(block % gridDim.x), (unsigned)(block / gridDim.x % gridDim.y),
                            (unsigned)(block / gridDim.x / gridDim.y)};
    memcpy(side.block, at, sizeof at);
    memcpy(side.thread, &t, sizeof t);
}

Report report_of(const char* kind, long long pc) {
    Report r = {};
    snprintf(r.kind, sizeof r.kind, "%s", kind);
    place_of(block_number, self_number, r.me);
    r.me.pc = pc;
    r.other.pc = -1;
    r.element = -1;
    return r;
}

void fail_with(const Report& r) {
    *report = r;
    for (Fiber* f : fibers) f->started = false;              // their stacks are abandoned
    _longjmp(failed, 1);
}

void fail(const char* kind, long long pc, const char* format, ...) {
    Report r = report_of(kind, pc);
    va_list list;
    va_start(list, format);
    vsnprintf(r.text, sizeof r.text, format, list);
    va_end(list);
    fail_with(r);
}

int print(const char* format, ...) {
    char line[1024];
    va_list list;
    va_start(list, format);
    const int n = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    output += line;
    return n;
}

// ---- shared memory ---------------------------------------------------------------------------------------------------

size_t shared_slot(const char* name, const char* type, size_t bytes, size_t element) {
    const size_t offset = arena_end;
    if (offset + bytes + 128 > sizeof arena) fail("failed", -1, "%s: more shared memory than a GPU has", name);
    arena_end = (offset + bytes + 127) / 64 * 64;
    slots.push_back({offset, bytes, element, name, type});
    checker_slot(slots.back());
    return offset;
}

char* slot_at(size_t offset) { return arena + offset; }
void* dynamic_shared() { return dynamic.data() + (128 - (uintptr_t)dynamic.data() % 128); }

// ---- threads together ------------------------------------------------------------------------------------------------

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

// ---- memory ----------------------------------------------------------------------------------------------------------

__attribute__((noinline)) void atomic_load(void* value, const void* from, size_t bytes) {
    check(from, (int)bytes, ATOMIC, offset_of(__builtin_return_address(0)));
    memcpy(value, from, bytes);
}

void atomic_store(void* to, const void* value, size_t bytes) { memcpy(to, value, bytes); }

// cp.async: the bytes land when their group is waited for, so that a missing wait finds unwritten memory.
__attribute__((noinline)) void async_copy(void* to, const void* from, int bytes, int taken) {
    const long long pc = offset_of(__builtin_return_address(0));
    if ((uintptr_t)to % bytes || (uintptr_t)from % bytes)
        fail("bounds", pc, "cp.async of %d bytes from or to an address that is not a multiple of %d", bytes, bytes);
    check(to, bytes, PROMISE, pc);
    flying[self_number].push_back({to, from, bytes, taken, groups[self_number], pc});
}

void async_commit() { ++groups[self_number]; }

void async_wait(int pending) {
    std::vector<Async>& queue = flying[self_number];
    size_t kept = 0;
    for (const Async& a : queue) {
        if (a.group >= groups[self_number] - pending) {
            queue[kept++] = a;
            continue;
        }
        if (a.taken) check(a.from, a.taken, READ, a.pc);
        check(a.to, a.bytes, WRITE, a.pc);
        memcpy(a.to, a.from, a.taken);
        memset((char*)a.to + a.taken, 0, a.bytes - a.taken);
        settle();
    }
    queue.resize(kept);
}

}  // namespace cuda_cpu

// ---- what Python calls -----------------------------------------------------------------------------------------------

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT const char* cuda_cpu_output() { return cuda_cpu::output.c_str(); }

// Returns 0, or 1 with the reason in `report`.
EXPORT int cuda_cpu_launch(void (*kernel)(void**), const cuda_cpu::Launch* launch, void** arguments, cuda_cpu::Report* report) {
    using namespace cuda_cpu;
    current = *launch;
    cuda_cpu::report = report;
    cuda_cpu::arguments = arguments;
    body = kernel;
    output.clear();
    gridDim = {launch->grid[0], launch->grid[1], launch->grid[2]};
    blockDim = {launch->block[0], launch->block[1], launch->block[2]};
    const int threads = blockDim.x * blockDim.y * blockDim.z;
    const long long blocks = (long long)gridDim.x * gridDim.y * gridDim.z;
    self = nullptr;
    fiber_stack = nullptr;
    votes = voters = 0;
    dynamic.resize(launch->shared_bytes + 256);
    checker_start();

    static char alternate[64 << 10];
    stack_t other = {}, before;
    other.ss_sp = alternate;
    other.ss_size = sizeof alternate;
    sigaltstack(&other, &before);
    struct sigaction action = {}, old[3];
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (int i = 0; i < 3; ++i) sigaction(FAULTS[i], &action, old + i);

    int wrong = _setjmp(failed);
    if (!wrong) {
        uint32_t random = launch->order;
        for (long long b = 0; b < blocks; ++b) {
            // in random order every block comes once if the factor, a prime, has no common divisor with their number
            const bool mixed = launch->order > 1 && blocks % 2654435761LL;
            block_number = launch->order == 1 ? blocks - 1 - b : mixed ? (b % blocks * 2654435761LL + launch->order) % blocks : b;
            blockIdx = {(unsigned)(block_number % gridDim.x), (unsigned)(block_number / gridDim.x % gridDim.y),
                        (unsigned)(block_number / gridDim.x / gridDim.y)};
            run_block(threads, random);
        }
    }
    for (int i = 0; i < 3; ++i) sigaction(FAULTS[i], old + i, nullptr);
    sigaltstack(&before, nullptr);
    return wrong;
}
