// The memory of a kernel: shared arrays, atomics, and copies that land later.
#include "internal.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace cuda_cpu {
namespace {

struct Async {                               // a cp.async that has not landed
    void* to;
    const void* from;
    int bytes, taken, group;
    long long pc;
};

std::vector<Async> flying[MAX_THREADS];
int groups[MAX_THREADS];
std::vector<Slot> slots;
alignas(128) char arena[ARENA];              // the declared shared arrays, each with a gap behind it
size_t arena_end = 64;
std::vector<char> dynamic;

}  // namespace

// All bits set is a NaN: shared memory starts undefined.
void memory_block(int threads) {
    dynamic.resize(current.shared_bytes + 256);
    memset(dynamic.data(), 0xff, dynamic.size());
    memset(arena, 0xff, arena_end);
    for (int i = 0; i < threads; ++i) {
        flying[i].clear();
        groups[i] = 0;
    }
}

void memory_block_ends() {
    const char* end = (char*)dynamic_shared() + current.shared_bytes;
    if (std::any_of(end, end + 64, [](char c) { return c != (char)0xff; }))
        fail("bounds", -1, "wrote past the %zu bytes of dynamic shared memory", current.shared_bytes);
}

size_t shared_slot(const char* name, const char* type, size_t bytes, size_t element) {
    const size_t offset = arena_end;
    if (offset + bytes + 128 > sizeof arena) fail("failed", -1, "%s: more shared memory than a GPU has", name);
    arena_end = (offset + bytes + 127) / 64 * 64;
    memset(arena + offset, 0xff, arena_end - offset);
    slots.push_back({offset, bytes, element, name, type});
    checker_slot(slots.back());
    return offset;
}

char* slot_at(size_t offset) { return arena + offset; }
void* dynamic_shared() { return dynamic.data() + (128 - (uintptr_t)dynamic.data() % 128); }

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
