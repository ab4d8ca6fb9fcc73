"""Random numbers for augmentation that do not depend on who makes a sample, or when.

A loader draws one seed for each pass over the dataset. Everything random about
a sample then follows from (seed of the pass, index of the sample), so neither
the number of workers, nor their kind, nor the batch size changes a result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any

import numpy as np

from ..core.random import Generator, default_generator

SAMPLE, BATCH = 0, 1


class _Source:
    """The generator of one sample, made when the first transform asks for it."""

    def __init__(self, seed: int, key: tuple[int, ...]) -> None:
        self.seed = seed
        self.key = key

    @cached_property
    def generator(self) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=self.key)))


_source: ContextVar[_Source | _Forbidden | None] = ContextVar("minicnn_sample_source", default=None)


def sample_rng() -> np.random.Generator:
    """The random generator that a transform draws from.

    Inside a :class:`~minicnn.data.DataLoader` it is a generator of the sample
    that is being made: its numbers follow from the pass's seed and the sample's
    index alone. Everywhere else it is the one that ``minicnn.manual_seed`` seeds.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> def flip(image):  # a random transform of an array (H, W)
    ...     return image[:, ::-1] if sample_rng().random() < 0.5 else image
    """
    source = _source.get()
    return default_generator.numpy if source is None else source.generator


@contextmanager
def randomness_of(seed: int, kind: int, *key: Any) -> Iterator[None]:
    """Let ``sample_rng`` give the generator of (seed, kind, key) inside the block."""
    token = _source.set(_Source(seed, (kind, *(_as_integer(part) for part in key))))
    try:
        yield
    finally:
        _source.reset(token)


class _Forbidden:
    """In the place of a generator where nothing may be random."""

    def __init__(self, message: str) -> None:
        self.message = message

    @property
    def generator(self) -> np.random.Generator:
        raise RuntimeError(self.message)


@contextmanager
def nothing_random(message: str) -> Iterator[None]:
    """Let ``sample_rng`` raise a RuntimeError with this message inside the block."""
    token = _source.set(_Forbidden(message))
    try:
        yield
    finally:
        _source.reset(token)


def _as_integer(part: Any) -> int:
    """An index as a number that is the same in every process (``hash`` is not)."""
    if isinstance(part, (int, np.integer)) and part >= 0:
        return int(part)
    return int.from_bytes(hashlib.blake2b(repr(part).encode(), digest_size=8).digest(), "little")


def draw_seed(generator: Generator | None) -> int:
    """A 63-bit number from ``generator``, or from the global generator."""
    return int((generator or default_generator).numpy.integers(2**63))


def permutation(n: int, generator: Generator | None) -> list[int]:
    """0 .. n-1 in random order."""
    return (generator or default_generator).numpy.permutation(n).tolist()
