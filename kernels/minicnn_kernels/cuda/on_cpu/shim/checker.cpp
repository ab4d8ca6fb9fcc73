// Looks at every load and store of a kernel that was compiled for it.
//
// g++ -fsanitize=thread calls __tsan_read4 and so on before each access; those functions are defined here, in place of
// the sanitizer's own. An access must lie in an argument, in shared memory or in a local variable; it must not read
// shared memory that nobody has written; and two accesses to one element, one of them a store, must be ordered: by
// __syncthreads() within a block, by __syncwarp() within a warp. Nothing orders the blocks of a launch.
#include "internal.h"

#include <cstdio>
#include <cstring>
#include <link.h>
#include <vector>

namespace cuda_cpu {
namespace {

struct Who {                                 // the last access of its kind to an element
    int block = -1, thread = 0;
    unsigned epoch = 0, warp_epoch = 0;
    int pc = -1;
    bool atomic = false;
};
struct Cell {
    Who writer, reader[2];
    bool written;
};
struct Range {
    const char *begin, *end;
    int element;                             // bytes
    const char *name, *type;
    bool written;                            // from the start
    std::vector<Cell> cells;

    void reset() {
        Cell blank;
        blank.written = written;
        cells.assign((end - begin) / element + 1, blank);
    }
};
std::vector<Range> given, shared;            // the arguments; shared memory: the dynamic one, then the declared arrays
const char* pending;                         // where the last store of the traced thread goes
std::vector<Event> events;

bool ordered(const Who& a) {
    if (a.block < 0) return true;
    if (a.block != block_number) return false;
    return a.thread == self_number || a.epoch != epoch ||
           (a.thread / 32 == self_number / 32 && a.warp_epoch != warp_epoch[self_number / 32]);
}

bool own_image(const char* at) {             // constants and threadIdx lie in the shared object itself
    static const char *low, *high;
    if (!low)
        dl_iterate_phdr(
            [](dl_phdr_info* info, size_t, void*) {
                const char *begin = nullptr, *end = nullptr;
                bool mine = false;
                for (int k = 0; k < info->dlpi_phnum; ++k) {
                    const auto& h = info->dlpi_phdr[k];
                    const char *a = (const char*)info->dlpi_addr + h.p_vaddr, *b = a + h.p_memsz;
                    if (h.p_type != PT_LOAD) continue;
                    if (!begin || a < begin) begin = a;
                    if (b > end) end = b;
                    mine |= (const char*)&low >= a && (const char*)&low < b;
                }
                if (mine) low = begin, high = end;
                return (int)mine;
            },
            nullptr);
    return at >= low && at < high;
}

bool local(const char* at) {
    const char* frame = (const char*)__builtin_frame_address(0);
    return fiber_stack ? at >= fiber_stack && at < fiber_stack + STACK : at >= frame && at < frame + (8 << 20);
}

bool traced() { return current.traced_block == block_number && current.traced_thread == self_number; }

void record(int kind, int range, long long element, const char* at, int bytes, long long pc) {
    Event e = {};
    e.kind = kind;
    e.range = range;
    e.element = element;
    e.size = bytes;
    e.pc = pc;
    if (at) memcpy(e.value, at, bytes < 16 ? bytes : 16);
    events.push_back(e);
    pending = kind == 'w' ? at : nullptr;
}

[[noreturn]] void complain(const char* kind, const Range& r, long long element, bool writes, long long pc, const Who* other = nullptr,
                           bool other_writes = false) {
    Report report = report_of(kind, pc);
    report.me.writes = writes;
    report.element = element;
    snprintf(report.array, sizeof report.array, "%s", r.name);
    if (other) {
        place_of(other->block, other->thread, report.other);
        report.other.pc = other->pc;
        report.other.writes = other_writes;
    }
    fail_with(report);
}

void check_range(Range& r, int number, const char* at, int bytes, Access access, long long pc) {
    const bool writes = access != READ;
    const long long first = (at - r.begin) / r.element;
    if (at + bytes > r.end) complain("bounds", r, (r.end - r.begin) / r.element, writes, pc);
    for (const char* p = at; p < at + bytes; p += r.element) {
        const long long element = (p - r.begin) / r.element;
        Cell& x = r.cells[element];
        if ((access == READ || access == ATOMIC) && !x.written) complain("unwritten", r, element, false, pc);
        if (!ordered(x.writer) && !(access == ATOMIC && x.writer.atomic)) complain("race", r, element, writes, pc, &x.writer, true);
        if (writes)
            for (const Who& reader : x.reader)
                if (!ordered(reader)) complain("race", r, element, true, pc, &reader, false);
        const Who me{(int)block_number, self_number, epoch, warp_epoch[self_number / 32], (int)pc, access == ATOMIC};
        if (writes) {
            x.writer = me;
            x.written = access != PROMISE;
            x.reader[0] = x.reader[1] = Who();
        } else if (ordered(x.reader[0])) {
            x.reader[0] = me;
        } else if (ordered(x.reader[1])) {
            x.reader[1] = me;
        } else {                             // keep readers of two warps: a writer is then unordered with one of them
            const bool same_warp = x.reader[0].block == block_number && x.reader[0].thread / 32 == self_number / 32;
            x.reader[same_warp ? 0 : 1] = me;
        }
    }
    if (traced() && access != PROMISE) record(writes ? 'w' : 'r', number, first, at, bytes, pc);
}

[[noreturn]] void lost(const char* at, bool writes, long long pc) {
    for (auto* set : {&shared, &given})
        for (Range& r : *set) {
            const long long distance = at < r.begin ? r.begin - at : at - r.end;
            if (distance <= 4096) {
                const long long bytes = at - r.begin;
                complain("bounds", r, bytes >= 0 ? bytes / r.element : -((-bytes + r.element - 1) / r.element), writes, pc);
            }
        }
    fail("bounds", pc, "%s at an address that is far from every argument", writes ? "stores" : "loads");
}

}  // namespace

void settle() {
    if (!pending) return;
    Event& e = events.back();
    memcpy(e.value, pending, e.size < 16 ? e.size : 16);
    pending = nullptr;
}

void note(int kind, long long pc) {
    settle();
    if (current.checked && traced()) record(kind, -1, -1, nullptr, 0, pc);
}

void check(const void* address, int bytes, Access access, long long pc) {
    if (!current.checked) return;
    if (interrupted) fail("interrupted", pc, "interrupted");
    settle();
    const char* at = (const char*)address;
    if (local(at) || (own_image(at) && !(at >= slot_at(0) && at < slot_at(ARENA)))) return;
    for (size_t i = 0; i < shared.size(); ++i)
        if (at >= shared[i].begin && at < shared[i].end) return check_range(shared[i], SHARED + (int)i, at, bytes, access, pc);
    for (size_t i = 0; i < given.size(); ++i)
        if (at >= given[i].begin && at < given[i].end) return check_range(given[i], (int)i, at, bytes, access, pc);
    lost(at, access != READ, pc);
}

void checker_start() {
    events.clear();
    pending = nullptr;
    for (Range& r : given) r.reset();
}

void checker_block(const char* dynamic, size_t bytes) {
    if (!current.checked) return;
    if (shared.empty()) shared.push_back({nullptr, nullptr, 4, "dynamic shared memory", "f4", false, {}});
    shared[0].begin = dynamic;
    shared[0].end = dynamic + bytes;
    for (Range& r : shared) r.reset();
}

void checker_slot(const Slot& slot) {
    if (shared.empty()) shared.push_back({nullptr, nullptr, 4, "dynamic shared memory", "f4", false, {}});
    const char* begin = slot_at(slot.offset);
    shared.push_back({begin, begin + slot.bytes, (int)slot.element, slot.name, slot.type, false, {}});
    shared.back().reset();
}

}  // namespace cuda_cpu

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void cuda_cpu_arrays(int count, void** begin, size_t* bytes, int* element, const char** name) {
    using namespace cuda_cpu;
    given.clear();
    for (int i = 0; i < count; ++i)
        given.push_back({(char*)begin[i], (char*)begin[i] + bytes[i], element[i], name[i], "", true, {}});
}
EXPORT size_t cuda_cpu_events(const cuda_cpu::Event** first) {
    *first = cuda_cpu::events.data();
    return cuda_cpu::events.size();
}
EXPORT const char* cuda_cpu_shared_name(int i) { return cuda_cpu::shared[i].name; }
EXPORT const char* cuda_cpu_shared_type(int i) { return cuda_cpu::shared[i].type; }

#define PC cuda_cpu::offset_of(__builtin_return_address(0))
#define HOOK(BYTES) \
    extern "C" void __tsan_read##BYTES(void* p) { cuda_cpu::check(p, BYTES, cuda_cpu::READ, PC); } \
    extern "C" void __tsan_write##BYTES(void* p) { cuda_cpu::check(p, BYTES, cuda_cpu::WRITE, PC); } \
    extern "C" void __tsan_unaligned_read##BYTES(void* p) { cuda_cpu::check(p, BYTES, cuda_cpu::READ, PC); } \
    extern "C" void __tsan_unaligned_write##BYTES(void* p) { cuda_cpu::check(p, BYTES, cuda_cpu::WRITE, PC); }
HOOK(1) HOOK(2) HOOK(4) HOOK(8) HOOK(16)
extern "C" void __tsan_read_range(void* p, size_t n) { cuda_cpu::check(p, (int)n, cuda_cpu::READ, PC); }
extern "C" void __tsan_write_range(void* p, size_t n) { cuda_cpu::check(p, (int)n, cuda_cpu::WRITE, PC); }
extern "C" void __tsan_volatile_read4(void* p) { cuda_cpu::check(p, 4, cuda_cpu::READ, PC); }
extern "C" void __tsan_volatile_write4(void* p) { cuda_cpu::check(p, 4, cuda_cpu::WRITE, PC); }
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
