"""Running a list of stages with one launch: threads take tasks, and wait for each other between the stages.

Every thread of the team runs through all stages. The tasks of a stage are cut into as many shares as there are
threads; a thread takes the tasks of its own share, one by one, then those that are left of the others'. So neighbours
stay in the same core's cache where both threads are on time, and a thread that comes late (it takes tens of
microseconds to wake up), or is kept away by another program, holds nobody up. To take a task is to add 1 to the
share's counter, in one indivisible instruction.

A stage is done when all of its tasks are, which is counted too. A thread with nothing left to do looks at that count
until it is full. Nobody waits for a task that nobody has taken; so it does not matter how many threads there are
or whether they really run at the same time.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from ...stages import ITEMSIZE, LINE, Distance, Laid, Memories, Stage, Within, launchers
from ...threads import available_threads
from ..addresses import HEADER, pointer
from ..cache import KernelCache
from ..jit import OPTIONS, in_sequence, run_on_team, serial
from ..vector.call import call

WORD = 8
SPINS = 2000  # looks at a count before the thread lets others run between two looks: some 50 microseconds
_X86, _ARM = {"x86_64", "amd64"}, {"aarch64", "arm64"}
_I64 = ir.IntType(64)
_WORDS, _NUMBERS = np.empty(0, np.int64), np.empty(0, np.float32)


@intrinsic
def _add(typing_context, address, number):  # type: ignore[no-untyped-def]
    """Add to the integer at an address, and return what it was before."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        place = builder.inttoptr(values[0], _I64.as_pointer())
        return builder.atomic_rmw("add", place, values[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def _look(typing_context, address):  # type: ignore[no-untyped-def]
    """The integer at an address, and with it all that was written before it."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        return builder.load_atomic(builder.inttoptr(values[0], _I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def _pause(typing_context):  # type: ignore[no-untyped-def]
    """Tell the core that it waits: it saves power, and the other thread of the same core runs faster."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        machine = platform.machine().lower()
        if machine in _X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        elif machine in _ARM:
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
            hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.aarch64.hint")
            builder.call(hint, [ir.IntType(32)(1)])
        return context.get_dummy_value()

    return types.void(), generate


@cache
def _let_others_run() -> int:
    """Address of the system's function by which a thread lets others have its core; 0 if there is none."""
    with suppress(OSError, AttributeError, TypeError):
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    return 0


@serial
def integers(address, count):  # type: ignore[no-untyped-def]
    """The integers at an address."""
    return carray(pointer(np.uintp(address), _WORDS), (count,))


@serial
def numbers(address, count):  # type: ignore[no-untyped-def]
    """The float32 numbers at an address."""
    return carray(pointer(np.uintp(address), _NUMBERS), (count,))


def loop(function: Callable[..., Any]) -> Callable[[], int]:
    """Compile ``function(task, worker, words)``, kept on disk like other kernels; what is returned gives its address.

    ``words`` is the address of the stage's integers, and ``worker`` the number of the thread.
    """
    body = serial(function)

    def entry(task, worker, words):  # type: ignore[no-untyped-def]
        body(task, worker, words)

    @cache
    def address() -> int:
        compiled = numba.njit(**OPTIONS)(entry)
        with suppress(RuntimeError):  # no directory for the cache: the launchers have warned of that
            compiled._cache = KernelCache(function)
        signature = (types.int64,) * 3
        compiled.compile(signature)
        found = compiled.overloads[signature]
        _alive.append(compiled)
        return int(found.library.get_pointer_to_function(found.fndesc.llvm_cfunc_wrapper_name))

    _loops.append(address)
    return address


_loops: list[Callable[[], int]] = []
_alive: list[Any] = []


@serial
def _take(stage, worker, threads, counts):  # type: ignore[no-untyped-def]
    """The tasks of a stage that this thread gets; how many."""
    function, tasks, words, done = stage[0], stage[1], stage[2], 0
    for k in range(threads):
        share = (worker + k) % threads
        first, end = tasks * share // threads, tasks * (share + 1) // threads
        if first == end:
            continue
        counter = counts + share * LINE
        while True:
            t = first + _add(counter, 1)
            if t >= end:
                break
            call(function, (t, worker, words))
            done += 1
    return done


@serial
def _follow(thread, table, stages, counts, let_others_run):  # type: ignore[no-untyped-def]
    """All stages of a table: function, tasks and address of the words of each; ``counts`` has zeros."""
    worker, threads = np.int64(thread[0]), np.int64(thread[1])
    for s in range(stages):
        stage, at = integers(table + s * 24, 3), counts + s * (threads + 1) * LINE
        full = at + threads * LINE
        done = _take(stage, worker, threads, at)
        if done:
            _add(full, done)
        looks = 0
        while _look(full) < stage[1]:
            _pause()
            looks += 1
            if looks > SPINS and let_others_run:
                call(let_others_run, (0,))


def _offset(x: Laid) -> int:
    """Bytes from the beginning of the arena."""
    return x.buffer.offset + x.start * ITEMSIZE


def _step(word: Any, images: int) -> int:
    """How many bytes further the next images are."""
    if isinstance(word, Distance):
        return _step(word.to, images) - _step(word.start, images)
    if isinstance(word, Laid) and word.buffer.whole:
        return images * word.strides[0] * ITEMSIZE
    return 0


@serial
def _find_memories(first, moves, groups, ids, known, memories):  # type: ignore[no-untyped-def]
    """Write down where the arrays are now: into the words that lie in one that is elsewhere than before."""
    for m in range(memories):
        if groups[m] == groups[m + 1]:  # nothing lies there, and it may be gone
            continue
        place = integers(ids[m] + HEADER, 1)[0]  # as in ``addresses.py``
        if place != known[m]:
            known[m] = place
            for i in range(groups[m], groups[m + 1]):
                first[moves[2 * i]] = place + moves[2 * i + 1]


@in_sequence
def _launch(threads, plan):  # type: ignore[no-untyped-def]
    """What :class:`Launch` has made, given by its address: it takes Numba some microseconds to look at an array."""
    at = integers(plan, 16)
    first, words, size = integers(at[0], 1), integers(at[1], at[2]), at[2]
    _find_memories(first, integers(at[3], 1), integers(at[4], 1), integers(at[5], 1), integers(at[6], 1), at[7])
    further, counts = integers(at[9], 1), integers(at[13], at[14])
    for turn in range(at[8]):
        if at[0] != at[1]:
            for i in range(size):
                words[i] = first[i]
            for i in range(at[10]):
                words[further[2 * i]] += turn * further[2 * i + 1]
        for i in range(at[14]):
            counts[i] = 0
        run_on_team(_follow, threads, (at[11], at[12], at[13], at[15]))


class Launch:
    """Stages with all addresses, ready to run.

    Parameters
    ----------
    stages : sequence of Stage
    memories : Memories
        The arrays that the stages' buffers lie in; where they are is looked up in each run.
    images, turns : int
        The stages are run several times, each time for the next so many images of the batch.
    """

    def __init__(self, stages: Sequence[Stage], memories: Memories, images: int = 0, turns: int = 1) -> None:
        self.stages = list(stages)  # keep the arrays alive
        words: list[int] = []
        moves: list[list[tuple[int, int]]] = [[] for _ in memories.ids]  # words that are addresses, by what they lie in
        starts: list[int] = []
        within: list[tuple[int, int]] = []
        further: list[tuple[int, int]] = []  # words that are other ones for the next images: by how much
        for stage in self.stages:
            starts.append(len(words))
            for word in stage.words:
                step = _step(word, images)
                if step:
                    further.append((len(words), step))
                if isinstance(word, Distance):
                    words.append(_offset(word.to) - _offset(word.start))
                elif isinstance(word, Within):
                    within.append((len(words), starts[-1] + word.number))
                    words.append(0)
                elif isinstance(word, Laid):
                    moves[memories.number(word.buffer)].append((len(words), _offset(word)))
                    words.append(0)
                else:
                    words.append(word.ctypes.data if isinstance(word, np.ndarray) else int(word))
            words += [0] * (-len(words) % 8)
        self.words = np.array(words, np.int64)  # what the stages read
        for at, number in within:
            self.words[at] = self.words.ctypes.data + number * WORD
        table = np.zeros((len(self.stages), 3), np.int64)
        table[:, 0] = [stage.loop for stage in self.stages]
        table[:, 1] = [stage.tasks for stage in self.stages]
        table[:, 2] = self.words.ctypes.data + np.array(starts, np.int64) * WORD
        first = self.words if turns == 1 else self.words.copy()  # the same for the first images
        groups = np.cumsum([0, *map(len, moves)])
        moved, known = np.array([move for part in moves for move in part], np.int64), np.zeros(len(moves), np.int64)
        counts = np.zeros((available_threads() + 1) * LINE * len(self.stages) // WORD, np.int64)
        steps = np.array(further, np.int64)
        plan = (
            *(first, self.words, self.words.size, moved, groups, memories.ids, known, len(moves)),
            *(turns, steps, len(further), table, len(table), counts, counts.size, _let_others_run()),
        )
        self._arrays = [part for part in plan if isinstance(part, np.ndarray)]  # keep them alive
        self._plan = np.array([part.ctypes.data if isinstance(part, np.ndarray) else part for part in plan], np.int64)
        self._address = int(self._plan.ctypes.data)

    def __call__(self) -> None:
        """Run all stages."""
        _launch(self._address)


def compile_all() -> None:
    """Compile all loops, and what launches them, ahead."""
    for address in _loops:
        address()
    Launch([], Memories([]))()


launchers["numba"] = Launch
