"""Which idle block of the memory pool serves which array."""

from __future__ import annotations

import numpy as np
from minicnn_kernels import memory
from minicnn_kernels.memory import KEEP, STRETCH, empty, memory_stats, size_class

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


def test_a_much_too_large_block_serves_where_others_would_have_to_go(monkeypatch) -> None:
    monkeypatch.setattr(memory, "LEAST", 0)
    large = empty((16 * MIB,), np.uint8)
    place = address(large)
    del large
    empty((7 * MIB,), np.uint8)  # fits beside it
    before = memory_stats()
    small = empty((4 * MIB,), np.uint8)  # would not fit beside the two
    assert memory_stats().misses == before.misses
    assert memory_stats().in_use >= 7 * MIB
    assert address(empty((16 * MIB,), np.uint8)) == place  # the smallest that is large enough was taken
    small[...] = 1


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
    assert live <= memory_stats().in_use <= STRETCH * live
