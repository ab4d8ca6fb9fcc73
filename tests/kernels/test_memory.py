"""The pool of large arrays: no two live arrays share memory, and every block comes back."""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicnn_kernels import memory
from minicnn_kernels.memory import (
    FIT,
    KEEP,
    LARGE,
    LEAST,
    PAGE,
    SLACK,
    empty,
    empty_cache,
    empty_like,
    memory_stats,
    size_class,
)

from .pools import MIB, address, fresh_pool  # noqa: F401 - a fixture for every test

ROOT = Path(__file__).parents[2]


# ------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool, np.float16])
@pytest.mark.parametrize("shape", [(), (0,), 5, (3, 0, 2), (2, 3), (300, 301), (2, 3, 129, 65)])
def test_an_array_is_what_np_empty_gives(shape: Any, dtype: Any) -> None:
    a, b = empty(shape, dtype), np.empty(shape, dtype)
    assert type(a) is np.ndarray
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert a.strides == b.strides or not a.size
    assert a.flags.c_contiguous
    assert a.flags.writeable
    assert a.flags.aligned
    a[...] = 1
    assert (a == 1).all()
    assert address(a) % (64 if a.nbytes >= LARGE else 16) == 0


@pytest.mark.parametrize(
    "elements", [0, 1, 100, LARGE - 1, LARGE, LARGE + 1, MIB - SLACK, MIB - SLACK + 1, MIB, 5 * MIB]
)
def test_behind_every_array_there_is_room_for_vectors(elements: int) -> None:
    """Writing there reaches neither a neighbour (looked at) nor unmapped memory (it would crash)."""
    arrays = [empty((elements,), np.uint8) for _ in range(3)]
    for number, a in enumerate(arrays):
        a[...] = number
    for a in arrays:
        ctypes.memset(address(a) + elements, 255, SLACK)
    for number, a in enumerate(arrays):
        assert (a == number).all()


def test_arrays_of_python_objects_are_numpys() -> None:
    a = empty((5000,), object)
    assert a[0] is None
    assert a.base is None


@pytest.mark.parametrize("shape", [(-1,), (-300, 300), (-300, -300), (-2, -3), (0, -1)])
def test_negative_sizes_are_refused_and_nothing_is_lost(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="negative dimensions"):
        empty(shape, np.float64)
    assert memory_stats().in_use == 0


@pytest.mark.parametrize("elements", [2**57, 2**62, 2**70])
def test_too_large_an_array_is_a_memory_error_and_nothing_is_lost(elements: int) -> None:
    kept = empty((MIB,), np.uint8)
    kept[...] = 1
    with pytest.raises(MemoryError, match=r"cannot allocate an array of .* GiB"):
        empty((elements,), np.float32)
    assert memory_stats().in_use == size_class(MIB)
    assert (kept == 1).all()
    empty((MIB,), np.uint8)[...] = 0


orders = st.permutations(range(4))
sizes = st.lists(st.integers(0, 9), min_size=4, max_size=4)


@given(sizes, orders, st.booleans(), st.integers(1, 2))
def test_empty_like_keeps_the_memory_order(shape: list[int], order: list[int], flip: bool, step: int) -> None:
    x = np.zeros(shape).transpose(order)[:, ::step]
    x = x[::-1] if flip else x
    a, b = empty_like(x), np.empty_like(x)
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if x.size and min(x.shape) > 1:  # strides of axes of length 1 say nothing
        assert a.strides == b.strides
    a[...] = 3
    assert (a == 3).all()


def test_size_classes_waste_little() -> None:
    for size in [*range(LARGE, 3 * MIB, 999), 2**30, 2**30 + 1]:
        found = size_class(size)
        assert found >= size + SLACK
        assert found % PAGE == 0
        assert found <= max((size + SLACK) * 9 / 8, size + SLACK + PAGE)


# -------------------------------------------------------------------------- blocks


def test_memory_comes_back_with_the_last_view() -> None:
    a = empty((512, 512), np.float32)
    place = address(a)
    views: list[Any] = [a[3:], a.T, a.reshape(-1)[5:].view(np.int32), memoryview(a[7]), a[::-2, None]]
    a[...] = 2
    del a
    while views:
        assert memory_stats().in_use == size_class(MIB)
        other = empty((512, 512), np.float32)
        assert address(other) != place
        other[...] = 7
        del other
        assert (np.asarray(views[-1]).view(np.int32) == np.float32(2).view(np.int32)).all()
        views.pop()
    stats = memory_stats()
    assert stats.in_use == 0
    assert stats.idle == 2 * size_class(MIB)
    assert {address(empty((512, 512), np.float32)) for _ in range(3)} <= {place, address(empty((512, 512), np.float32))}


def test_views_of_the_owner_give_nothing_back() -> None:
    a = empty((MIB,), np.uint8)
    owner = a.base[10:20].view()
    del a
    assert memory_stats().in_use == size_class(MIB)
    del owner
    assert memory_stats().idle == size_class(MIB)


def test_copies_and_pickles_are_arrays_of_their_own() -> None:
    a = empty((MIB,), np.uint8)
    a[...] = 9
    others = [pickle.loads(pickle.dumps(a)), copy.copy(a), copy.deepcopy(a), a.copy()]
    a[...] = 1
    assert all((other == 9).all() for other in others)
    del a
    assert memory_stats().in_use == 0


def test_hits_misses_and_the_nearest_size() -> None:
    a = empty((MIB,), np.uint8)
    before = memory_stats()
    del a
    a = empty((MIB - 20000,), np.uint8)  # the same class
    assert (memory_stats().hits - before.hits, memory_stats().misses - before.misses) == (1, 0)
    del a
    a = empty((int(size_class(MIB) / FIT),), np.uint8)  # a smaller one, near enough
    assert (memory_stats().hits - before.hits, memory_stats().misses - before.misses) == (2, 0)
    assert memory_stats().in_use == size_class(MIB)
    del a
    empty((MIB // 2,), np.uint8)
    assert (memory_stats().hits - before.hits, memory_stats().misses - before.misses) == (2, 1)


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(monkeypatch) -> None:
    monkeypatch.setattr(memory, "LEAST", 0)
    size = size_class(MIB)
    del [empty((MIB,), np.uint8) for _ in range(8)][:]  # 8 in use at most
    places = []
    for number in range(2, 12):  # sizes that do not fit each other
        a = empty((number * MIB,), np.uint8)
        places.append(address(a))
        del a
        stats = memory_stats()
        assert stats.idle + stats.in_use <= KEEP * stats.peak
    assert stats.peak == max(8 * size, size_class(11 * MIB))
    assert address(empty((11 * MIB,), np.uint8)) == places[-1]
    held = [empty((number * MIB,), np.uint8) for number in range(2, 12)]  # more than there may be idle
    before = memory_stats().misses
    held.append(empty((MIB,), np.uint8))
    assert memory_stats().misses == before + 1  # those were the oldest


def test_empty_cache_gives_memory_back_to_the_system() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    arrays = [empty((MIB,), np.uint8) for _ in range(64)]
    for a in arrays:
        a[...] = 1
    kept = arrays[0]
    del arrays, a
    assert memory_stats().idle == 63 * size_class(MIB)
    if Path("/proc/self/statm").exists():
        before = resident()
        empty_cache()
        assert before - resident() > 60 * MIB
    empty_cache()
    stats = memory_stats()
    assert (stats.idle, stats.in_use, stats.peak) == (0, size_class(MIB), size_class(MIB))
    assert (kept == 1).all()


def test_an_exception_that_holds_arrays_gives_them_back() -> None:
    def fail() -> None:
        a = empty((MIB,), np.uint8)
        a[...] = 0
        raise KeyError("with its frame")

    with pytest.raises(KeyError) as caught:
        fail()
    assert memory_stats().in_use == size_class(MIB)
    del caught
    gc.collect()
    assert memory_stats().in_use == 0


class Cycle:
    """Garbage whose finaliser takes and gives back pool memory, whenever the collector runs."""

    made = 0

    def __init__(self) -> None:
        self.me = self
        self.array = empty((MIB,), np.uint8)

    def __del__(self) -> None:
        Cycle.made += 1
        inner = empty((MIB // 2,), np.uint8)
        inner[:10] = 1


def test_the_collector_may_run_in_the_middle_of_an_allocation() -> None:
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for number in range(300):
            Cycle()
            a = empty((MIB // 4 + 5000 * (number % 50),), np.uint8)
            a[:10] = 5
    finally:
        gc.set_threshold(*before)
    del a
    gc.collect()
    assert Cycle.made == 300
    assert memory_stats().in_use == 0


def test_an_allocation_inside_of_an_allocation_is_not_pooled() -> None:
    assert memory._pool.turn.acquire(False)  # as it is while a finaliser runs there
    try:
        a = empty((MIB,), np.uint8)
        a[...] = 1
        empty_cache()
        assert memory_stats().in_use == 0
    finally:
        memory._pool.turn.release()
    del a
    assert memory_stats().idle == 0


actions = st.lists(st.tuples(st.integers(0, 5), st.integers(LARGE // 2, 4 * LARGE), st.integers(0, 20)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(actions)
def test_no_two_live_arrays_overlap(program: list[tuple[int, int, int]]) -> None:
    """Each array keeps the number written into it, whatever is taken, viewed and dropped beside it."""
    live: list[tuple[np.ndarray, int]] = []
    for number, (kind, size, which) in enumerate(program):
        if kind < 3 or not live:
            a = empty((size,), np.uint8)
            a[...] = number % 251
            live.append((a, number % 251))
        elif kind == 3:
            live.pop(which % len(live))
        elif kind == 4:  # only a view survives
            a, value = live.pop(which % len(live))
            live.append((a[len(a) // 3 :: 2], value))
        else:
            empty_cache()
        assert all((a == value).all() for a, value in live)
        stats = memory_stats()
        assert stats.in_use + stats.idle <= max(KEEP * stats.peak + 1, LEAST)
        assert stats.in_use >= sum(a.nbytes for a, _ in live if a.nbytes >= LARGE)
    bounds = sorted(np.lib.array_utils.byte_bounds(a) for a, _ in live)
    assert all(end <= start for (_, end), (start, _) in pairwise(bounds))


def test_threads_share_the_pool() -> None:
    barrier = threading.Barrier(4)

    def work(seed: int) -> bool:
        random = np.random.default_rng(seed)
        barrier.wait()
        held: list[tuple[np.ndarray, int]] = []
        for value in range(400):
            a = empty((int(random.integers(LARGE, 4 * LARGE)),), np.uint8)
            a[...] = value % 256
            held.append((a, value % 256))
            if len(held) > 5:
                old, number = held.pop(int(random.integers(5)))
                if not (old == number).all():
                    return False
        return all((a == number).all() for a, number in held)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(work, range(4)))
    finally:
        sys.setswitchinterval(interval)
    assert memory_stats().in_use == 0


def run_python(code: str) -> str:
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_arrays_that_live_until_the_interpreter_ends() -> None:
    code = """
import numpy as np, minicnn_kernels.memory as memory
class Last:
    def __del__(self): memory.empty((10**6,), np.uint8)
import builtins
builtins.kept = [memory.empty((10**6,), np.float32), Last()]
kept.append(kept)
x = memory.empty((10**6,), np.uint8)[3:]
"""
    assert run_python(code) == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_memory_of_its_own() -> None:
    code = """
import os, numpy as np, minicnn_kernels.memory as memory
a = memory.empty((10**6,), np.uint8)
a[...] = 1
b = memory.empty((10**6,), np.uint8)
del b
memory._pool.turn.acquire()  # another thread was in the pool when the process was forked
child = os.fork()
if child == 0:
    a[...] = 2
    c = memory.empty((10**6,), np.uint8)
    c[...] = 3
    os._exit(0 if memory.memory_stats().hits == 1 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert (a == 1).all()
"""
    assert run_python(code) == ""


# ----------------------------------------------------------------------- ownership


@pytest.mark.parametrize("make", [np.empty, empty])
@pytest.mark.parametrize("side", [3, 200])
def test_alone(make: Any, side: int) -> None:
    """An array is alone on its memory if no other array reaches any of it."""
    a = make((side, side, 2), np.float32)
    assert memory.alone(a)
    view = a.T
    assert not memory.alone(view)  # there is `a`
    del a
    assert memory.alone(view)
    assert memory.alone(make((side, side, 2), np.float32).transpose(1, 2, 0).reshape(side, 2 * side))
    for part in (view[1:], view[::2], view[:, :, 0], view[::-1], np.broadcast_to(view, (2, *view.shape))):
        assert not memory.alone(part)
    del part
    two = view.T.reshape(-1), view.view()
    assert not memory.alone(two[0])
    del view
    assert not memory.alone(two[0])
    two = two[:1]
    assert memory.alone(two[0])


def test_memory_of_others_is_not_taken() -> None:
    for other in (
        np.frombuffer(bytearray(8), np.uint8),
        np.asarray(memoryview(np.empty(9))),
        np.empty(4).view(np.recarray),
    ):
        assert not memory.alone(other[:].view(np.ndarray))
    windows = np.lib.stride_tricks.as_strided(np.empty(4), (2, 2), (8, 8))
    assert not memory.alone(windows)
