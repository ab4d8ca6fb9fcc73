"""Samples kept in memory: read once, within the budget, augmented anew every time."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn.core import from_numpy
from minicnn.data import CachedDataset, DataLoader, Dataset, Subset, stratified_split
from minicnn.data.datasets import FakeData
from minicnn.data.transforms import Compose, RandomCrop, RandomHorizontalFlip, ToTensor

AUGMENT = Compose([RandomCrop(8), RandomHorizontalFlip(), ToTensor()])


class Counting(Dataset):
    """Photos that count how often each was read."""

    targets = tuple(i % 2 for i in range(20))
    classes = ("even", "odd")

    def __init__(self) -> None:
        self.photos, self.reads = FakeData(20, (3, 12, 12)), Counter[int]()

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Any:
        self.reads[index] += 1
        return self.photos[index][0], index % 2


def batches(data: Any, workers: int = 0, epochs: int = 3) -> list[np.ndarray]:
    minicnn.manual_seed(2)
    loader = DataLoader(data, batch_size=6, shuffle=True, num_workers=workers)
    return [np.concatenate([images.numpy() for images, _ in loader]) for _ in range(epochs)]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_are_the_same_and_every_file_is_read_once(workers: int) -> None:
    inside = Counting()
    data = CachedDataset(inside, AUGMENT)
    cached = batches(data, workers)
    assert set(inside.reads.values()) == {1}
    assert data.cached == len(data) == 20

    class Augmented(Counting):
        def __getitem__(self, index: int) -> Any:
            image, label = super().__getitem__(index)
            return AUGMENT(image), label

    for ours, theirs in zip(cached, batches(Augmented()), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(cached[0], cached[1])


def test_the_budget_holds() -> None:
    inside = Counting()
    one = 12 * 12 * 3
    data = CachedDataset(inside, AUGMENT, max_bytes=8 * one)
    batches(data)
    assert data.nbytes <= 8 * one
    assert 5 <= data.cached <= 8
    assert sum(inside.reads.values()) == 3 * 20 - 2 * data.cached
    assert f"{data.cached} of 20 samples kept" in repr(data)
    none = CachedDataset(Counting(), max_bytes=0)
    assert none[3][1] == 1
    assert none.cached == 0


def zeroed(part: Any) -> Any:
    """The same, overwritten with 0."""
    if isinstance(part, dict):
        return {key: zeroed(value) for key, value in part.items()}
    if isinstance(part, list):
        return [zeroed(value) for value in part]
    if isinstance(part, Image.Image):
        part.putpixel((0, 0), 0)
    else:
        part[...] = 0
    return part


@pytest.mark.parametrize(
    "sample",
    [np.ones(1), from_numpy(np.ones(1)), [np.ones(1)], {"x": np.ones(1)}, (np.ones(1), 1), Image.new("L", (1, 1), 1)],
    ids=lambda sample: type(sample).__name__,
)
def test_what_a_transform_overwrites_is_not_the_kept_sample(sample: Any) -> None:
    def total(part: Any) -> float:
        inner = (
            part.values() if isinstance(part, dict) else part if isinstance(part, (list, tuple)) else [np.asarray(part)]
        )
        return sum(float(np.asarray(value).sum()) for value in inner)

    data = CachedDataset([sample], zeroed)
    label = 1 if isinstance(sample, tuple) else 0
    assert [total(data[0]), total(data[0])] == [label, label]
    data.transform = None
    assert total(data[0]) == 1 + label


class Labelled(NamedTuple):
    image: Any
    label: int


def test_named_fields_stay() -> None:
    data = CachedDataset([Labelled(np.ones(1), 3)], zeroed)
    assert [data[0].image.item(), data[0].image.item(), data[0].label] == [0, 0, 3]
    assert isinstance(data[0], Labelled)


def test_the_target_is_transformed_too() -> None:
    data = CachedDataset([(np.ones(4), 3)], target_transform=lambda label: label + 1)
    assert data[0][1] == data[0][1] == 4


def test_sizes_are_counted() -> None:
    for sample, least in (
        (Image.new("RGB", (100, 50)), 15000),
        (Image.new("L", (100, 50)), 5000),
        (Image.new("F", (100, 50)), 20000),
        (np.zeros((50, 100), np.float64), 40000),
        (from_numpy(np.zeros((50, 100), np.float32)), 20000),
        ({"image": np.zeros(1000, np.uint8), "labels": [np.zeros(1000, np.uint8)]}, 2000),
    ):
        data = CachedDataset([sample])
        data[0]
        assert least < data.nbytes < least + 1000


def test_augmentation_inside_is_refused() -> None:
    inside = FakeData(3, (3, 12, 12), transform=AUGMENT)
    with pytest.raises(
        RuntimeError, match=r"FakeData draws random numbers.*Fix: .*CachedDataset\(FakeData\(\.\.\.\), trans"
    ):
        CachedDataset(inside)[0]
    with pytest.raises(RuntimeError, match="draws random numbers"):
        next(iter(DataLoader(CachedDataset(inside), batch_size=2, num_workers=1)))


def test_processes_start_with_an_empty_cache() -> None:
    data = CachedDataset(FakeData(4, (3, 12, 12)), AUGMENT)
    for i in range(4):
        data[i]
    copy = pickle.loads(pickle.dumps(data))
    assert (copy.cached, copy.nbytes, data.cached) == (0, 0, 4)
    assert copy[1][0].shape == (3, 8, 8)


def test_classes_are_those_of_the_dataset_inside() -> None:
    data = CachedDataset(Counting())
    assert data.classes == ("even", "odd")
    for part in stratified_split(data, [0.5, 0.5]):
        assert sum(label for _, label in part) == 5
    assert isinstance(part, Subset)
    with pytest.raises(ValueError, match=r"max_bytes is a whole number of bytes, such as 2\*\*30 for 1 GiB; got '1GB'"):
        CachedDataset(Counting(), max_bytes="1GB")  # type: ignore[arg-type]
