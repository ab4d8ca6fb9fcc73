"""Orders, losses, schedules and optimisers of all kinds: each is resumed bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import nn, optim, train
from minicnn.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, TensorDataset, WeightedRandomSampler
from minicnn.train import Callback

from .toys import Die, Died, images, mix, net, weights


class NumPysOrder:
    """A sampler that draws from NumPy's global generator, when it is asked for its first index."""

    def __iter__(self) -> Iterator[int]:
        yield from np.random.permutation(36).tolist()

    def __len__(self) -> int:
        return 36


class Stream(IterableDataset):
    """Likewise a stream of samples."""

    def __iter__(self) -> Iterator[Any]:
        return (images()[i] for i in NumPysOrder())


class Batches:
    """Batches without a loader, as one writes them oneself."""

    def __iter__(self) -> Iterator[Any]:
        x, y = images().tensors
        order = np.random.permutation(36)
        for i in range(0, 36, 5):
            yield x[order[i : i + 5]], y[order[i : i + 5]]


class OwnGenerator(Batches):
    """With a state of its own, which it knows how to keep."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(2)

    def __iter__(self) -> Iterator[Any]:
        for x, y in super().__iter__():
            yield x + float(self.rng.standard_normal()), y

    def state_dict(self) -> dict[str, Any]:
        return {"rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rng.bit_generator.state = state["rng"]


def orders() -> dict[str, Any]:
    samplers = {
        "shuffle": {"batch_size": 5, "shuffle": True},
        "threads": {"batch_size": 5, "shuffle": True, "num_workers": 2},
        "own generator": {"batch_size": 5, "shuffle": True, "generator": minicnn.Generator().manual_seed(5)},
        "drop_last": {"batch_size": 5, "shuffle": True, "drop_last": True},
        "weighted": {"batch_size": 5, "sampler": WeightedRandomSampler([1.0] * 36, 36)},
        "batch_sampler": {"batch_sampler": BatchSampler(RandomSampler(range(36)), 5, False)},
        "in order": {"batch_size": 5},
        "from NumPy": {"batch_size": 5, "sampler": NumPysOrder()},
        "from NumPy, threads": {"batch_size": 5, "sampler": NumPysOrder(), "num_workers": 2},
    }
    return {
        **{name: DataLoader(images(), **options) for name, options in samplers.items()},
        "stream": DataLoader(Stream(), batch_size=5),
        "no loader": Batches(),
        "own generator, no loader": OwnGenerator(),
    }


@pytest.mark.parametrize("kind", orders())
def test_orders_of_all_kinds(kind: str, tmp_path: Path) -> None:
    def run(folder: Path, resume: bool, extra: Any = ()) -> Any:
        minicnn.manual_seed(1)
        np.random.seed(1)
        model = net()
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        history = train.fit(
            model, orders()[kind], optimizer=optimizer, epochs=2, resume=resume,
            callbacks=[train.ModelCheckpoint(folder, every_steps=1), train.BatchTransform(mix), *extra],
        )  # fmt: skip
        return history.step_losses, weights(model)

    expected = run(tmp_path / "whole", False)
    for step in (3, 9):
        folder = tmp_path / str(step)
        with pytest.raises(Died):
            run(folder, False, [Die(step)])
        np.random.seed(7)
        assert run(folder, True) == expected


class Centres(nn.Module):
    """Cross-entropy and the distance from a centre, which is learned (Wen et al., 2016), and moved."""

    def __init__(self) -> None:
        super().__init__()
        self.centre = nn.Parameter(minicnn.zeros(3))
        self.register_buffer("mean", minicnn.zeros(3))

    def forward(self, scores: Any, labels: Any) -> Any:
        self.mean.lerp_(scores.detach().mean(0), 0.1)
        return nn.functional.cross_entropy(scores, labels) + 0.1 * (scores - self.centre - self.mean).square().mean()


class Thaw(Callback):
    """The last layer first, everything from epoch 2 on."""

    def on_epoch_begin(self, run: Any) -> None:
        run.model[0].requires_grad_(run.epoch > 1)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_loss_that_learns_and_layers_that_thaw(accumulate: int, tmp_path: Path) -> None:
    def run(folder: Path, resume: bool, extra: Any = ()) -> Any:
        minicnn.manual_seed(1)
        model, loss = net(), Centres()
        optimizer = optim.Adam([*model.parameters(), *loss.parameters()], lr=0.05)
        train.fit(
            model, DataLoader(images(), batch_size=3, shuffle=True), optimizer=optimizer, epochs=3, resume=resume,
            callbacks=[train.ModelCheckpoint(folder, every_steps=1), Thaw(), *extra], accumulate=accumulate, loss=loss,
        )  # fmt: skip
        return weights(model), weights(loss)

    expected = run(tmp_path / "whole", False)
    assert any(expected[1]["centre"])
    with pytest.raises(Died):
        run(tmp_path / "parts", False, [Die(6 if accumulate == 3 else 18)])  # in epoch 2
    assert run(tmp_path / "parts", True) == expected


SCHEDULES: dict[str, Any] = {
    "StepLR": lambda o: optim.lr_scheduler.StepLR(o, 2, 0.5),
    "MultiStepLR": lambda o: optim.lr_scheduler.MultiStepLR(o, [3, 6]),
    "LambdaLR": lambda o: optim.lr_scheduler.LambdaLR(o, lambda t: 0.9**t),
    "OneCycleLR": lambda o: optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=20),
    "CyclicLR": lambda o: optim.lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=3),
    "SequentialLR": lambda o: optim.lr_scheduler.SequentialLR(
        o, [optim.lr_scheduler.LinearLR(o, 0.1, total_iters=3), optim.lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
    "CosineAnnealingWarmRestarts": lambda o: optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    "PolynomialLR": lambda o: optim.lr_scheduler.PolynomialLR(o, 10),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_of_all_kinds(name: str, tmp_path: Path) -> None:
    x = minicnn.randn(8, 2)
    data = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=2)

    def run(folder: Path, resume: bool, extra: Any = ()) -> Any:
        minicnn.manual_seed(1)
        model = nn.Linear(2, 2)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        rates: list[float] = []

        class Note(Callback):
            def on_step_end(self, run: Any) -> None:
                rates.append(run.lr)

        train.fit(
            model, data, optimizer=optimizer, epochs=3, resume=resume,
            scheduler=train.LRSchedule(SCHEDULES[name](optimizer), every="step"),
            callbacks=[train.ModelCheckpoint(folder, every_steps=1), Note(), *extra],
        )  # fmt: skip
        return rates, weights(model)

    rates, values = run(tmp_path / "whole", False)
    assert len(set(rates)) > 2
    with pytest.raises(Died):
        run(tmp_path / "parts", False, [Die(5)])
    again, resumed = run(tmp_path / "parts", True)
    assert again == rates[5:]
    assert resumed == values


OPTIMISERS: dict[str, Any] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.01),
    "Adadelta": lambda p: optim.Adadelta(p),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_of_all_kinds(name: str, tmp_path: Path) -> None:
    def run(folder: Path, resume: bool, extra: Any = ()) -> Any:
        minicnn.manual_seed(1)
        model = net()
        history = train.fit(
            model, DataLoader(images(), batch_size=12, shuffle=True), optimizer=OPTIMISERS[name](model.parameters()),
            epochs=2, resume=resume, callbacks=[train.ModelCheckpoint(folder, every_steps=1), *extra],
        )  # fmt: skip
        return history.step_losses, weights(model)

    expected = run(tmp_path / "whole", False)
    with pytest.raises(Died):
        run(tmp_path / "parts", False, [Die(4)])
    assert run(tmp_path / "parts", True) == expected
