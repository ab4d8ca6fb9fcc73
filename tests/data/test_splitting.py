"""Stratified splits: sizes, shares of the classes, seeds. (random_split is tested beside the datasets.)"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn.core import Generator, from_numpy, manual_seed
from minicnn.data import ConcatDataset, Subset, TensorDataset, random_split, stratified_split


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    shares=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_part_has_its_share_of_every_class(counts: list[int], shares: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    n = len(labels)
    cuts = np.round(np.cumsum(shares) / sum(shares) * n).astype(int)
    sizes = np.diff(cuts, prepend=0).tolist()
    parts = stratified_split(range(n), sizes, targets=labels)
    assert [len(part) for part in parts] == sizes
    assert sorted(i for part in parts for i in part) == list(range(n))
    for part, size in zip(parts, sizes, strict=True):
        found = Counter(labels[list(part)].tolist())
        for number, count in enumerate(counts):
            assert abs(found[number] - size / n * count) < 2


def test_fractions_are_those_of_random_split() -> None:
    labels = [0] * 90 + [1] * 9 + [2] * 4
    for fractions in ([0.8, 0.2], [1 / 3] * 3, [1.0]):
        sizes = [len(part) for part in random_split(range(103), fractions)]
        with_classes = stratified_split(range(103), fractions, targets=labels)
        assert [len(part) for part in with_classes] == sizes


def test_a_seed_gives_the_same_parts_and_chance_decides_which() -> None:
    labels = np.arange(60) % 3

    def split(seed: int) -> list[list[int]]:
        return [
            list(part.indices) for part in stratified_split(range(60), [40, 20], Generator().manual_seed(seed), labels)
        ]

    assert split(1) == split(1)
    assert split(1) != split(2)
    manual_seed(1)
    assert [list(p.indices) for p in stratified_split(range(60), [40, 20], targets=labels)] == split(1)
    first = Counter(i for seed in range(200) for i in split(seed)[0])
    assert min(first.values()) > 90  # of 200, each expected in 133
    assert max(first.values()) < 175


def test_the_classes_are_found() -> None:
    labels = np.array([0, 1] * 10)
    data = TensorDataset(from_numpy(np.zeros((20, 2))), from_numpy(labels))
    for whole in (
        data,
        Subset(data, list(range(20))),
        Subset(Subset(data, list(range(19, -1, -1))), list(range(20))),
        ConcatDataset([Subset(data, [0, 1, 2, 3]), Subset(data, list(range(4, 20)))]),
    ):
        for part in stratified_split(whole, [0.5, 0.5]):
            assert sum(int(label) for _, label in part) == 5
    with pytest.raises(ValueError, match=r"range has no attribute targets.*targets=\[label for _, label in dataset\]"):
        stratified_split(range(4), [2, 2])
    with pytest.raises(ValueError, match=r"one class number for each of 4 samples; got \(3,\)"):
        stratified_split(range(4), [2, 2], targets=[0, 1, 0])
    with pytest.raises(ValueError, match=r"stratified_split: the lengths must sum .*3 \+ 6 = 9"):
        stratified_split(range(10), [3, 6], targets=[0] * 10)
    with pytest.warns(UserWarning, match="1 of 2 classes have fewer samples than there are parts"):
        stratified_split(range(5), [3, 2], targets=[0, 0, 0, 0, 1])
