"""Running a list of stages with one launch: threads take tasks, and wait for each other between the stages.

Every thread of the team runs through all stages, and takes tasks of each as of any loop (``../team.py``).

A stage is done when all of its tasks are, which is counted too. A thread with nothing left to do looks at that count
until it is full. Nobody waits for a task that nobody has taken; so it does not matter how many threads there are
or whether they really run at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import carray, types

from ...stages import ITEMSIZE, Distance, Laid, Memories, Stage, Within, launchers
from ...threads import available_threads
from ..addresses import HEADER, pointer
from ..atomics import APART, add, look
from ..cache import KernelCache
from ..jit import OPTIONS, in_sequence, run_on_team, serial, share
from ..vector.call import call
from ..workers import wait

WORD = 8
_WORDS, _NUMBERS = np.empty(0, np.int64), np.empty(0, np.float32)


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
def _follow(thread, table, stages, counts):  # type: ignore[no-untyped-def]
    """All stages of a table: function, tasks and address of the words of each; ``counts`` has zeros."""
    worker, threads, _ = thread
    for s in range(stages):
        stage, at = integers(table + s * 24, 3), counts + s * (threads + 1) * APART
        full, done = at + threads * APART, 0
        for t in share((worker, threads, at), stage[1]):
            call(stage[0], (t, worker, stage[2]))
            done += 1
        if done:
            add(full, done)
        looks = 0
        while look(full) < stage[1]:
            wait(looks)
            looks += 1


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
    at = integers(plan, 15)
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
        run_on_team(_follow, threads, (at[11], at[12], at[13]))


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
        counts = np.zeros((available_threads() + 1) * APART * len(self.stages) // WORD, np.int64)
        steps = np.array(further, np.int64)
        plan = (
            *(first, self.words, self.words.size, moved, groups, memories.ids, known, len(moves)),
            *(turns, steps, len(further), table, len(table), counts, counts.size),
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
