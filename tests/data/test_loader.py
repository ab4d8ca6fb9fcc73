"""The loader: batches, their order, their randomness, and mistakes in its arguments."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from minicnn.core import Generator, Tensor, default_generator, manual_seed
from minicnn.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    sample_rng,
)

from .toys import Noisy, mixup, values


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("workers", [0, 3])
def test_batches_are_those_of_pytorch(drop_last: bool, workers: int) -> None:
    data = [(np.full((1, 2, 2), i, np.float32), i) for i in range(11)]
    ours = DataLoader(data, batch_size=4, drop_last=drop_last, num_workers=workers)
    theirs = torch.utils.data.DataLoader(data, batch_size=4, drop_last=drop_last)
    assert len(ours) == len(theirs)
    assert values(ours) == values(theirs)
    assert all(isinstance(part, Tensor) for batch in ours for part in batch)


@pytest.mark.parametrize("workers", [0, 2])
def test_no_batching_gives_single_samples(workers: int) -> None:
    data = [(np.full(2, i, np.float32), i) for i in range(4)]
    ours = DataLoader(data, batch_size=None, num_workers=workers)
    theirs = torch.utils.data.DataLoader(data, batch_size=None)
    assert len(ours) == len(theirs) == 4
    assert [(x.tolist(), y) for x, y in ours] == [(x.tolist(), y) for x, y in theirs]


def test_samplers_decide_the_order() -> None:
    assert values(DataLoader(range(10), batch_size=2, sampler=[5, 1, 8])) == [[5, 1], [8]]
    assert values(DataLoader(range(10), batch_sampler=[[1, 2, 3], [9]])) == [[1, 2, 3], [9]]
    assert values(DataLoader(range(10), batch_sampler=BatchSampler([4, 5, 6], 2, True))) == [[4, 5]]
    assert len(DataLoader(range(10), batch_sampler=[[1, 2, 3], [9]])) == 2
    shuffled = DataLoader(range(10), batch_size=10, shuffle=True)
    assert isinstance(shuffled.sampler, RandomSampler)
    assert sorted(next(iter(shuffled)).tolist()) == list(range(10))


def test_a_stream_is_read_in_its_order() -> None:
    class Stream(IterableDataset):
        def __iter__(self) -> Any:
            for i in range(5):
                yield i, float(sample_rng().random())

        def __len__(self) -> int:
            return 5

    loader = DataLoader(Stream(), batch_size=2, generator=Generator().manual_seed(0))
    first = values(loader)
    assert [batch[0] for batch in first] == [[0, 1], [2, 3], [4]]
    assert len(loader) == 3
    assert len(DataLoader(Stream(), batch_size=2, drop_last=True)) == 2
    assert values(DataLoader(Stream(), batch_size=2, generator=Generator().manual_seed(0))) == first
    assert len({number for batch in first for number in batch[1]}) == 5
    assert [i for i, _ in DataLoader(Stream(), batch_size=None)] == list(range(5))


def test_shuffling_follows_the_global_seed_or_the_generator() -> None:
    loader = DataLoader(range(30), batch_size=30, shuffle=True)
    manual_seed(7)
    first, second = values(loader), values(loader)
    assert first != second
    manual_seed(7)
    assert values(loader) == first
    own = DataLoader(range(30), batch_size=30, shuffle=True, generator=Generator().manual_seed(7))
    before = default_generator.get_state()
    assert values(own) == first
    assert default_generator.get_state() == before


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_change_neither_order_nor_augmentation(workers: int) -> None:
    def two_passes(**options: Any) -> list[Any]:
        loader = DataLoader(Noisy(23), 4, shuffle=True, generator=Generator().manual_seed(3), **options)
        return values(loader) + values(loader)

    alone = two_passes()
    assert two_passes(num_workers=workers) == alone
    assert two_passes(num_workers=workers, persistent_workers=True, prefetch_factor=1) == alone
    assert alone[:6] != alone[6:]


def test_augmentation_belongs_to_the_sample_not_to_the_batch() -> None:
    def noise(**options: Any) -> dict[int, list[Any]]:
        manual_seed(1)
        return {
            int(i): x.tolist()
            for images, labels in DataLoader(Noisy(12), **options)
            for x, i in zip(images.numpy(), labels.numpy(), strict=True)
        }

    assert noise(batch_size=5) == noise(batch_size=3, sampler=list(range(11, -1, -1)), num_workers=2)


def test_a_sample_drawn_twice_is_augmented_twice() -> None:
    loader = DataLoader(Noisy(), batch_size=4, sampler=[3, 3, 3, 3])
    images = next(iter(loader))[0].numpy().reshape(4, -1)
    assert len(np.unique(images, axis=0)) == 4
    weighted = DataLoader(Noisy(2), batch_size=50, sampler=WeightedRandomSampler([1, 1], 50), num_workers=2)
    assert len(np.unique(next(iter(weighted))[0].numpy().reshape(50, -1), axis=0)) == 50


def test_collate_can_draw_too() -> None:
    def draws(workers: int) -> list[float]:
        return list(
            DataLoader(range(9), 3, collate_fn=mixup, num_workers=workers, generator=Generator().manual_seed(0))
        )

    assert draws(0) == draws(2)
    assert len(set(draws(0))) == 3


def test_outside_a_loader_the_global_generator_is_drawn_from() -> None:
    manual_seed(4)
    inside = sample_rng().random(3).tolist()
    manual_seed(4)
    assert sample_rng() is default_generator.numpy
    assert default_generator.numpy.random(3).tolist() == inside


def test_indices_need_not_be_numbers() -> None:
    class Named:
        def __getitem__(self, index: Any) -> float:
            return float(sample_rng().random())

    def draws() -> list[Any]:
        return values(DataLoader(Named(), 2, sampler=["a", ("b", -1), -4, "c"], generator=Generator().manual_seed(0)))

    assert draws() == draws()
    assert len({number for batch in draws() for number in batch}) == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_passes_of_one_loader_can_interleave(workers: int) -> None:
    loader = DataLoader(range(12), batch_size=3, shuffle=True, num_workers=workers)
    manual_seed(0)
    alone = [values(loader), values(loader)]
    manual_seed(0)
    together = [[a.tolist(), b.tolist()] for a, b in zip(loader, loader, strict=True)]
    assert [list(column) for column in zip(*together, strict=True)] == alone


@pytest.mark.parametrize("own", [False, True])
def test_a_pass_can_be_repeated_from_a_saved_state(own: bool) -> None:
    def loader() -> DataLoader:
        return DataLoader(
            Noisy(), 5, shuffle=True, generator=Generator().manual_seed(2) if own else None, num_workers=2
        )

    manual_seed(2)
    first = loader()
    values(first)
    state = first.state_dict()
    expected = values(first) + values(first)
    manual_seed(99)
    resumed = loader()
    resumed.load_state_dict(state)
    assert values(resumed) + values(resumed) == expected


def test_a_samplers_own_generator_is_part_of_the_state() -> None:
    loader = DataLoader(range(9), sampler=SubsetRandomSampler(range(9), Generator().manual_seed(1)))
    state = loader.state_dict()
    first = values(loader)
    assert values(loader) != first
    loader.load_state_dict(state)
    assert values(loader) == first
    with pytest.raises(ValueError, match=r"expected the states \['loader'\]; got \['loader', 'sampler'\]"):
        DataLoader(range(9)).load_state_dict(state)


def test_so_is_that_of_the_sampler_inside_a_batch_sampler() -> None:
    inner = RandomSampler(range(9), generator=Generator().manual_seed(1))
    loader = DataLoader(range(9), batch_sampler=BatchSampler(inner, 4, False))
    state = loader.state_dict()
    first = values(loader)
    loader.load_state_dict(state)
    assert values(loader) == first


@pytest.mark.parametrize("workers", [0, 2])
def test_a_whole_batch_can_be_one_index(workers: int) -> None:
    data = np.arange(10) * 10
    sampler = BatchSampler([7, 1, 3], 2, False)
    loader = DataLoader(data, batch_size=None, sampler=sampler, num_workers=workers)
    assert values(loader) == [[70, 10], [30]]


def test_errors_without_workers_name_the_sample() -> None:
    with pytest.raises(IndexError) as caught:
        values(DataLoader([1, 2, 3], batch_size=2, sampler=[0, 1, 7]))
    assert caught.value.__notes__ == ["while making sample 7: list[7]"]
    with pytest.raises(TypeError) as caught_too:
        values(DataLoader([1, None], batch_size=2))
    assert caught_too.value.__notes__ == ["while putting batch 0 together from the samples [0, 1]"]


class _Stream(IterableDataset):
    def __repr__(self) -> str:  # the same in every process: it is part of the tests' names
        return "a stream"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a positive integer"),
        ({"batch_size": -3}, "got -3"),
        ({"batch_size": 2.0}, "got 2.0"),
        ({"batch_size": True}, "got True"),
        ({"shuffle": True, "sampler": [1]}, "leave shuffle out"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "leave out batch_size"),
        ({"batch_sampler": [[1]], "shuffle": True}, "batch_sampler makes the batches itself"),
        ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler makes the batches itself"),
        ({"batch_sampler": [[1]], "sampler": [1]}, "batch_sampler makes the batches itself"),
        ({"batch_size": None, "drop_last": True}, "leave out drop_last"),
        ({"num_workers": -1}, r"num_workers must be an integer, 0 or more .* got -1"),
        ({"num_workers": 1.5}, "got 1.5"),
        ({"worker_mode": "fork"}, "must be 'thread' or 'process'; got 'fork'"),
        ({"num_workers": 1, "timeout": -1}, "timeout must be a number of seconds"),
        ({"timeout": 3}, "timeout=3 is about workers; set num_workers=1"),
        ({"prefetch_factor": 2}, "prefetch_factor=2 is about workers"),
        ({"num_workers": 2, "prefetch_factor": 0}, "prefetch_factor must be a positive integer; got 0"),
        ({"persistent_workers": True}, "persistent_workers=True is about workers"),
        ({"multiprocessing_context": "fork"}, "'fork' is not offered; worker processes are spawned"),
        ({"dataset": _Stream(), "shuffle": True}, "shuffle needs a dataset with indices, and _Stream is a stream"),
        ({"dataset": _Stream(), "sampler": [1]}, "sampler needs a dataset with indices"),
        ({"dataset": _Stream(), "num_workers": 2}, "cannot be shared among 2 workers"),
        ({"dataset": [], "shuffle": True}, "dataset is empty"),
    ],
    ids=str,
)
def test_mistakes_say_the_fix(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataLoader(**{"dataset": range(5), **arguments})


def test_a_loader_cannot_be_rebuilt_from_outside() -> None:
    loader = DataLoader(range(4), batch_size=2)
    for name in ("dataset", "batch_size", "sampler", "batch_sampler", "drop_last", "persistent_workers"):
        with pytest.raises(ValueError, match=f"{name} cannot be changed"):
            setattr(loader, name, None)
    loader.collate_fn = sum
    assert list(loader) == [1, 5]


def test_pinned_memory_warns_and_works() -> None:
    with pytest.warns(UserWarning, match="pin_memory has no effect"):
        loader = DataLoader(range(2), pin_memory=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert values(loader) == [[0], [1]]
