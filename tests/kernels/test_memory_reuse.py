"""Which idle block of the memory pool serves which array."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from minicnn_kernels import memory
from minicnn_kernels.memory import FIT, KEEP, empty, empty_cache, memory_stats, size_class

from .pools import MIB, address, fresh_pool  # noqa: F401 - a fixture for every test


def test_a_small_network_keeps_arrays_of_all_sizes() -> None:
    sizes = [number * MIB for number in (3, 20, 5, 11, 2, 31, 8)]
    for size in sizes:
        empty((size,), np.uint8)
    before = memory_stats()
    assert before.idle > KEEP * before.peak
    for size in sizes:
        empty((size,), np.uint8)
    assert memory_stats().misses == before.misses


def test_a_larger_block_is_cut_where_others_would_have_to_go(monkeypatch) -> None:
    monkeypatch.setattr(memory, "LEAST", 0)
    large = empty((16 * MIB,), np.uint8)
    place, whole = address(large), size_class(16 * MIB)
    del large
    empty((7 * MIB,), np.uint8)  # fits beside it
    before = memory_stats()
    small = empty((3 * MIB,), np.uint8)  # would not fit beside the two: half of the 7
    other = empty((9 * MIB,), np.uint8)  # part of the 16
    rest = empty((4 * MIB,), np.uint8)  # of what is left of that
    assert memory_stats().misses == before.misses
    assert memory_stats().in_use == sum(map(size_class, (3 * MIB, 9 * MIB, 4 * MIB)))
    for number, part in enumerate((small, other, rest)):
        part[...] = number
    assert [int(part.min()) for part in (small, other, rest)] == [int(part.max()) for part in (small, other, rest)]
    assert place <= address(other) < address(rest) < place + whole
    del other, part
    empty_cache()  # a part is in use: its whole must stay
    assert memory_stats().idle == whole - size_class(4 * MIB) + size_class(7 * MIB) - size_class(3 * MIB)
    del small, rest
    assert address(empty((16 * MIB,), np.uint8)) == place  # it is one again
    empty_cache()
    assert memory_stats()[:2] == (0, 0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9)), min_size=20, max_size=120))
def test_parts_never_overlap_and_become_one_again(steps) -> None:
    least, memory.LEAST = memory.LEAST, 0
    held: list[tuple[np.ndarray, int]] = []
    try:
        for number, (size, age) in enumerate(steps):
            if age < len(held) // 2:
                held.pop(age)
            a = empty((size * MIB // 8,), np.uint8)
            a[:64], a[-64:] = number, number
            held.append((a, number))
            del a
            assert all((x[:64] == n).all() and (x[-64:] == n).all() for x, n in held)
            live = sum(size_class(x.nbytes) for x, _ in held)
            assert live <= memory_stats().in_use <= FIT * live
        held.clear()
        empty_cache()
        assert memory_stats()[:2] == (0, 0)
    finally:
        memory.LEAST = least


def test_a_large_network_keeps_no_more_than_it_needs(monkeypatch) -> None:
    monkeypatch.setattr(memory, "LEAST", 0)
    monkeypatch.setattr(memory, "SPARE", 4 * MIB)
    for number in range(16, 24):
        empty((number * MIB,), np.uint8)
    stats = memory_stats()
    assert stats.idle <= stats.peak + 4 * MIB < KEEP * stats.peak


def test_small_arrays_that_stay_do_not_hold_large_blocks(monkeypatch) -> None:
    monkeypatch.setattr(memory, "LEAST", 0)
    random, kept = np.random.default_rng(0), []
    for _ in range(300):  # images of several sizes, of each a small result
        for size in random.integers(MIB, 16 * MIB, 4):
            empty((int(size),), np.uint8)
        kept.append(empty((20_000,), np.uint8))
    live = sum(size_class(a.nbytes) for a in kept)
    empty_cache()
    stats = memory_stats()
    assert live <= stats.in_use + stats.idle <= FIT * live  # no block is cut for what is so much smaller
