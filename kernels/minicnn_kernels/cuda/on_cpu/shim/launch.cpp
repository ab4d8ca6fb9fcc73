// Runs a CUDA kernel on one thread of the CPU, one block after another, and tells why it failed.
#include "internal.h"

#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <ucontext.h>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace cuda_cpu {

Launch current;
volatile int interrupted;
long long block_number;
int self_number;

namespace {

jmp_buf failed;
Report* report;
void (*body)(void**);
void** arguments;
std::string output;

void run_block(int threads, unsigned& random) {
    ++epoch;
    memory_block(threads);
    checker_block((char*)dynamic_shared(), current.shared_bytes);
    if (current.fibers) {
        run_fibers(threads, random);
    } else {
        for (int i = 0; i < threads; ++i) {
            self_number = current.order == 1 ? threads - 1 - i : i;
            threadIdx = index_of(self_number);
            run_thread();
        }
    }
    memory_block_ends();
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

void on_interrupt(int) { interrupted = 1; }                  // seen at the next access or barrier

const int SIGNAL[] = {SIGFPE, SIGSEGV, SIGBUS, SIGINT};
const int SIGNALS = 4;

}  // namespace

void run_thread() {
    body(arguments);
    settle();
}

// ---- failing ---------------------------------------------------------------------------------------------------------

uint3 index_of(int thread) {
    const unsigned t = thread;
    return {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
}

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
    abandon_fibers();
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
    checker_start();

    static char alternate[64 << 10];
    stack_t other = {}, before;
    other.ss_sp = alternate;
    other.ss_size = sizeof alternate;
    sigaltstack(&other, &before);
    struct sigaction fault = {}, interrupt = {}, old[SIGNALS];
    fault.sa_sigaction = on_fault;
    fault.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    interrupt.sa_handler = on_interrupt;
    interrupt.sa_flags = SA_ONSTACK | SA_RESTART;
    interrupted = 0;
    for (int i = 0; i < SIGNALS; ++i) sigaction(SIGNAL[i], SIGNAL[i] == SIGINT ? &interrupt : &fault, old + i);

    int wrong = _setjmp(failed);
    if (!wrong) {
        unsigned random = launch->order;
        for (long long b = 0; b < blocks; ++b) {
            // in random order every block comes once if the factor, a prime, has no common divisor with their number
            const bool mixed = launch->order > 1 && blocks % 2654435761LL;
            block_number = launch->order == 1 ? blocks - 1 - b : mixed ? (b % blocks * 2654435761LL + launch->order) % blocks : b;
            blockIdx = {(unsigned)(block_number % gridDim.x), (unsigned)(block_number / gridDim.x % gridDim.y),
                        (unsigned)(block_number / gridDim.x / gridDim.y)};
            run_block(threads, random);
        }
    }
    for (int i = 0; i < SIGNALS; ++i) sigaction(SIGNAL[i], old + i, nullptr);
    sigaltstack(&before, nullptr);
    if (interrupted && !wrong) {                             // too late to be seen by the kernel
        snprintf(report->kind, sizeof report->kind, "interrupted");
        wrong = 1;
    }
    return wrong;
}
