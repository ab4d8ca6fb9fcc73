"""Datasets, their parts and joins, against torch.utils.data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn.core import Generator, from_numpy, manual_seed
from minicnn.core.errors import ShapeError
from minicnn.data import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset, random_split


def test_tensor_dataset_gives_the_rows() -> None:
    images, labels = np.arange(24.0).reshape(4, 2, 3), np.arange(4)
    data = TensorDataset(from_numpy(images), from_numpy(labels))
    image, label = data[2]
    assert len(data) == 4
    assert label.item() == 2
    np.testing.assert_array_equal(image.numpy(), images[2])
    assert data.tensors[0].shape == (4, 2, 3)


def test_tensor_dataset_names_the_sizes_that_differ() -> None:
    with pytest.raises(ShapeError, match=r"first dimensions are \[4, 3\]"):
        TensorDataset(from_numpy(np.zeros(4)), from_numpy(np.zeros(3)))
    with pytest.raises(ValueError, match="at least one tensor"):
        TensorDataset()


def test_subset_indexes_through() -> None:
    whole = [10, 20, 30, 40]
    part = Subset(whole, [3, 1])
    assert (len(part), part[0], part[1]) == (2, 40, 20)
    with pytest.raises(IndexError):
        part[2]
    nested = Subset(part, [1])
    assert nested[0] == 20
    assert Subset(np.arange(5) * 2, [4, 0])[[0, 1]].tolist() == [8, 0]


def test_concat_is_as_in_pytorch() -> None:
    parts = [[1, 2], [], [3, 4, 5]]
    ours, theirs = ConcatDataset(parts), torch.utils.data.ConcatDataset(parts)
    assert ours.cumulative_sizes == theirs.cumulative_sizes
    for i in range(-5, 5):
        assert ours[i] == theirs[i]
    for i in (5, -6):
        with pytest.raises(IndexError, match="out of range for 5 samples"):
            ours[i]
    joined = TensorDataset(from_numpy(np.zeros(2))) + TensorDataset(from_numpy(np.ones(3)))
    assert len(joined) == 5
    assert joined[2][0].item() == 1


def test_concat_refuses_nothing_and_streams() -> None:
    with pytest.raises(ValueError, match="empty list"):
        ConcatDataset([])
    with pytest.raises(ValueError, match="IterableDataset"):
        ConcatDataset([IterableDataset()])


def test_a_dataset_without_its_methods_says_which() -> None:
    class Bare(Dataset):
        pass

    class BareStream(IterableDataset):
        pass

    with pytest.raises(TypeError, match="Bare needs a method __getitem__"):
        Bare()[0]
    with pytest.raises(TypeError, match="BareStream needs a method __iter__"):
        iter(BareStream())


@settings(derandomize=True, deadline=None, max_examples=60)
@given(n=st.integers(0, 50), shares=st.lists(st.integers(1, 9), min_size=1, max_size=5))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_split_sizes_are_those_of_pytorch(n: int, shares: list[int]) -> None:
    fractions = [share / sum(shares) for share in shares]
    try:
        expected = [len(part) for part in torch.utils.data.random_split(range(n), fractions)]
    except ValueError:  # the fractions' sum is above 1 by a rounding error
        with pytest.raises(ValueError, match="random_split"):
            random_split(range(n), fractions)
        return
    parts = random_split(range(n), fractions)
    assert [len(part) for part in parts] == expected
    assert sorted(i for part in parts for i in part.indices) == list(range(n))


def test_random_split_follows_its_generator() -> None:
    def split(seed: int) -> list[list[int]]:
        return [part.indices for part in random_split(range(20), [15, 5], Generator().manual_seed(seed))]

    assert split(1) == split(1)
    assert split(1) != split(2)
    manual_seed(1)
    first = [part.indices for part in random_split(range(20), [15, 5])]
    manual_seed(1)
    assert first == [part.indices for part in random_split(range(20), [15, 5])]
    assert first == split(1)


def test_random_split_says_what_the_lengths_sum_to() -> None:
    with pytest.raises(ValueError, match=r"size of the dataset, 10.*3 \+ 6 = 9"):
        random_split(range(10), [3, 6])
    with pytest.raises(ValueError, match=r"0\.5 = 0\.8"):
        random_split(range(10), [0.3, 0.5])
    with pytest.raises(ValueError, match=r"fraction 0 is 1\.5"):
        random_split(range(10), [1.5, -0.5])
    with pytest.raises(ValueError, match=r"11 \+ -1 = 10"):
        random_split(range(10), [11, -1])
    with pytest.warns(UserWarning, match="part 1 is empty"):
        random_split(range(3), [0.9, 0.1])
