"""Samplers against torch.utils.data where nothing is random, and by their laws where something is."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn.core import Generator, manual_seed
from minicnn.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(n=st.integers(0, 40), batch_size=st.integers(1, 12), drop_last=st.booleans())
def test_batches_are_those_of_pytorch(n: int, batch_size: int, drop_last: bool) -> None:
    ours = BatchSampler(SequentialSampler(range(n)), batch_size, drop_last)
    theirs = torch.utils.data.BatchSampler(torch.utils.data.SequentialSampler(range(n)), batch_size, drop_last)
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(n=st.integers(1, 20), count=st.integers(1, 70))
def test_random_order_visits_everything_before_it_repeats(n: int, count: int) -> None:
    order = list(RandomSampler(range(n), num_samples=count))
    assert len(order) == count == len(RandomSampler(range(n), num_samples=count))
    for start in range(0, count - n + 1, n):
        assert sorted(order[start : start + n]) == list(range(n))
    assert max(Counter(order).values()) == -(-count // n)


def test_replacement_draws_each_index_equally_often() -> None:
    counts = Counter(RandomSampler(range(4), True, 4000, Generator().manual_seed(0)))
    assert set(counts) == {0, 1, 2, 3}
    assert all(abs(count - 1000) < 5 * 27.4 for count in counts.values())  # five standard deviations


def test_order_follows_the_generator_or_the_global_seed() -> None:
    for make in (
        lambda g: RandomSampler(range(50), generator=g),
        lambda g: RandomSampler(range(50), True, generator=g),
        lambda g: SubsetRandomSampler(range(50), g),
        lambda g: WeightedRandomSampler([1.0] * 50, 50, False, g),
    ):
        a, b = make(Generator().manual_seed(5)), make(Generator().manual_seed(5))
        first = list(a)
        assert first == list(b)
        assert first != list(a)  # a new order every pass
        assert list(a) != list(make(Generator().manual_seed(6)))
        manual_seed(5)
        assert first == list(make(None))


def test_subset_random_sampler_visits_its_indices() -> None:
    sampler = SubsetRandomSampler([3, 30, 300])
    assert sorted(sampler) == [3, 30, 300]
    assert len(sampler) == 3


def test_weights_are_probabilities() -> None:
    counts = Counter(WeightedRandomSampler([1, 0, 3], 4000, generator=Generator().manual_seed(0)))
    assert counts[1] == 0
    assert abs(counts[2] - 3000) < 5 * 27.4
    without = list(WeightedRandomSampler([0.1, 0, 5, 2], 3, replacement=False))
    assert sorted(without) == [0, 2, 3]


@pytest.mark.parametrize("value", [0, -1, 2.5, True, None])
def test_counts_must_be_positive_integers(value: object) -> None:
    with pytest.raises(ValueError, match="batch_size must be a positive integer"):
        BatchSampler(range(3), value, False)
    with pytest.raises(ValueError, match="num_samples must be a positive integer"):
        WeightedRandomSampler([1.0], value)
    if value is not None:
        with pytest.raises(ValueError, match="num_samples must be a positive integer"):
            RandomSampler(range(3), num_samples=value)


def test_mistakes_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="dataset is empty"):
        RandomSampler([])
    with pytest.raises(TypeError, match="replacement must be True or False; got 3"):
        RandomSampler(range(5), 3)
    with pytest.raises(ValueError, match="drop_last must be True or False; got 'no'"):
        BatchSampler(range(3), 2, "no")
    with pytest.raises(ValueError, match=r"one-dimensional.*\(1, 2\)"):
        WeightedRandomSampler([[1.0, 2.0]], 2)
    with pytest.raises(ValueError, match=r"not negative.*smallest -1"):
        WeightedRandomSampler([1.0, -1.0], 2)
    with pytest.raises(ValueError, match="not all zero"):
        WeightedRandomSampler([0.0, 0.0], 2)
    with pytest.raises(ValueError, match="cannot draw 3 samples without replacement from 2"):
        WeightedRandomSampler([1.0, 0.0, 1.0], 3, replacement=False)
    with pytest.raises(TypeError, match="needs a method __iter__"):
        iter(Sampler())
