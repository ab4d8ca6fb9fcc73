"""A training that is interrupted anywhere, and resumed, ends as if it had not been: bit for bit."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import nn, optim, train
from minicnn.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, TensorDataset, WeightedRandomSampler
from minicnn.train import Callback, ResumeError

from .toys import images, mix, net, training, weights

ROOT = Path(__file__).resolve().parents[2]


class Died(Exception):  # noqa: N818
    """A crash."""


class Die(Callback):
    """Crash after a step, once the checkpoint of that step would be written."""

    order = 11

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, run: Any) -> None:
        if run.step == self.step:
            raise Died


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The uninterrupted training: history, weights, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    history, model = training(folder)
    return history, weights(model), folder


def check_same(whole: Any, history: Any, model: nn.Module, folder: Path) -> None:
    expected, values, first = whole
    assert history.rows == expected.rows
    assert history.step_losses == expected.step_losses
    assert history.stopped == expected.stopped
    assert weights(model) == values
    for name in ("log.jsonl", "log.csv"):
        assert (folder / name).read_text() == (first / name).read_text()
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in first.iterdir())
    best = [minicnn.load(place / "best.mcnn") for place in (folder, first)]
    assert best[0]["row"] == best[1]["row"]
    assert all(minicnn.equal(a, b) for a, b in zip(best[0]["model"].values(), best[1]["model"].values(), strict=True))


@pytest.mark.parametrize("step", [1, 2, 3, 5, 6, 13])
def test_a_crash_at_any_step(step: int, whole: Any, tmp_path: Path) -> None:
    """Steps 5 and 10 end an epoch; every second step, and every epoch, has a checkpoint."""
    with pytest.raises(Died):
        training(tmp_path, extra=[Die(step)])
    assert (tmp_path / "last.mcnn").exists() == (step > 1)
    minicnn.manual_seed(99)  # whatever happened in between
    history, model = training(tmp_path, resume=True)
    check_same(whole, history, model, tmp_path)


def test_resuming_a_finished_training_changes_nothing(whole: Any, tmp_path: Path) -> None:
    training(tmp_path)
    history, model = training(tmp_path, resume=True)
    check_same(whole, history, model, tmp_path)


def test_a_longer_training_is_the_shorter_one_gone_on(tmp_path: Path) -> None:
    long, model = training(tmp_path / "long", epochs=3)
    training(tmp_path / "short", epochs=1)
    history, again = training(tmp_path / "short", epochs=3, resume=True)
    assert history.rows == long.rows
    assert weights(again) == weights(model)


def kill_again_and_again(folder: Path, delays: Iterator[float], most: int) -> int:
    """Start the training as a process and kill it, until it finishes; how often it was killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    for killed in range(most + 1):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.train.toys", str(folder), "0.02"],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()  # it says when it begins
        if killed == most:
            _, error = process.communicate()
            assert process.returncode == 0, error
            return killed
        try:
            process.communicate(timeout=next(delays))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        if process.returncode == 0:
            return killed
    raise AssertionError


def test_killed_at_random_moments(whole: Any, tmp_path: Path) -> None:
    chance = random.Random(time.time_ns())  # other moments in every run of the tests
    delays = (chance.uniform(0.0, 0.6) for _ in iter(int, 1))
    assert kill_again_and_again(tmp_path, delays, most=4) >= 1
    history, model = training(tmp_path, resume=True)  # finished: gives what the last process had
    check_same(whole, history, model, tmp_path)


@pytest.mark.parametrize("write", [1, 40, 200])
def test_killed_in_the_middle_of_writing_a_checkpoint(write: int, whole: Any, tmp_path: Path) -> None:
    """The process kills itself before the n-th piece of a checkpoint's file would be written."""
    code = f"""
import io, os, signal, sys
from pathlib import Path
from minicnn.io import native
from tests.train.toys import training
count = 0
write_npy = native.write_npy
def dying(file, array):
    global count
    count += 1
    if count == {write}:
        file.write(b"half")
        file._fileobj.flush() if hasattr(file, "_fileobj") else None
        os.kill(os.getpid(), signal.SIGKILL)
    write_npy(file, array)
native.write_npy = dying
training(Path(sys.argv[1]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.glob(".*.tmp"))  # what it was writing
    history, model = training(tmp_path, resume=True)
    check_same(whole, history, model, tmp_path)


@pytest.mark.parametrize("moment", ["training", "validation"])
def test_ctrl_c_stops_with_a_checkpoint(
    moment: str, whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Press(Callback):
        def on_step_end(self, run: Any) -> None:
            if moment == "training" and run.step == 7:
                signal.raise_signal(signal.SIGINT)

        def evaluating(self, run: Any) -> Any:
            if moment == "validation" and run.step == 10:
                signal.raise_signal(signal.SIGINT)
            return super().evaluating(run)

    history, _ = training(tmp_path, extra=[Press()])
    assert history.stopped == "Ctrl-C"
    assert len(history) == 1
    assert "once more stops at once" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    history, model = training(tmp_path, resume=True)
    check_same(whole, history, model, tmp_path)


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    class Press(Callback):
        def on_step_end(self, run: Any) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        training(tmp_path, extra=[Press()])


def test_a_time_limit_can_be_gone_on_from(whole: Any, tmp_path: Path) -> None:
    limit = train.TimeLimit(seconds=30)
    limit.seconds = 0.0  # over from the start: stops after one step
    history, _ = training(tmp_path, extra=[limit])
    assert history.stopped == "the time limit of 0 s is reached"
    assert len(history.step_losses) == 1
    history, model = training(tmp_path, resume=True)
    check_same(whole, history, model, tmp_path)


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


# ------------------------------------------------------------------------ what does not fit


def fit(folder: Path, model: nn.Module | None = None, n: int = 12, optimizer: Any = optim.SGD, **options: Any) -> Any:
    model = net() if model is None else model
    data = DataLoader(images(n), batch_size=4)
    options = {"callbacks": [train.ModelCheckpoint(folder)], "resume": True, **options}
    return train.fit(model, data, data, optimizer=optimizer(model.parameters(), lr=0.01), epochs=1, **options)


ANOTHER = r"another network .* 1\.weight is \(6,\) in the checkpoint, \(3, 36\) in the model"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"model": nn.Sequential(nn.Flatten(), nn.Linear(36, 3))},
            ANOTHER,
        ),
        ({"optimizer": optim.Adam}, "the optimiser: SGD there, Adam here"),
        ({"n": 16}, "samples of the training data: 12 there, 16 here"),
        ({"loss": nn.NLLLoss()}, "the loss: CrossEntropyLoss there, NLLLoss here"),
        ({"metrics": ["f1"]}, r"the metrics: \['accuracy'\] there, \['f1'\] here"),
        ({"accumulate": 2}, "accumulate: 1 there, 2 here"),
    ],
)
def test_another_training_is_refused(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    fit(tmp_path)
    before = (tmp_path / "last.mcnn").read_bytes()
    with pytest.raises(ResumeError, match=says):
        fit(tmp_path, **change)
    assert (tmp_path / "last.mcnn").read_bytes() == before


def test_the_callbacks_must_be_there(tmp_path: Path) -> None:
    fit(tmp_path, callbacks=[train.ModelCheckpoint(tmp_path), train.EMA()])
    with pytest.raises(ResumeError, match=r"had the callback EMA, this one has .*ModelCheckpoint"):
        fit(tmp_path)
    with pytest.raises(ResumeError, match=r"had no callback EarlyStopping"):
        fit(tmp_path, callbacks=[train.ModelCheckpoint(tmp_path), train.EMA(), train.EarlyStopping()])
    log = train.JSONLLogger(tmp_path / "log.jsonl")  # what only writes may come and go
    assert (
        len(fit(tmp_path, callbacks=[train.EMA(), train.ModelCheckpoint(tmp_path), train.TerminateOnNaN(), log])) == 1
    )


def test_nothing_of_another_training_is_lost(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"

    def callbacks(folder: Path) -> list[Callback]:
        return [
            train.JSONLLogger(folder / "log.jsonl"),
            train.CSVLogger(folder / "log.csv"),
            train.ModelCheckpoint(folder),
        ]

    for folder in (first, second):
        fit(folder, callbacks=callbacks(folder))
    before = {path: path.read_bytes() for path in second.iterdir()}
    assert before[second / "log.jsonl"]
    with pytest.raises(FileExistsError):  # resume=True forgotten
        fit(second, callbacks=callbacks(second), resume=False)
    with pytest.raises(FileExistsError):  # going on with the first in the folder of the second
        fit(second, callbacks=callbacks(second), resume=first)
    assert {path: path.read_bytes() for path in second.iterdir()} == before


def test_where_to_resume_from(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no callback writes any"):
        fit(tmp_path, callbacks=[])
    with pytest.raises(FileNotFoundError, match=r"nowhere.*resume=True begins anew"):
        fit(tmp_path, resume=tmp_path / "nowhere")
    with pytest.raises(TypeError, match="True, or the path"):
        fit(tmp_path, resume=3)
    fit(tmp_path)  # nothing there yet: begins
    with pytest.raises(FileExistsError, match=r"resume=True.*overwrite=True"):
        fit(tmp_path, resume=False)
    with pytest.raises(ValueError, match=r"best\.mcnn: it is not the checkpoint of a training"):
        fit(tmp_path, resume=tmp_path / "best.mcnn")
    for place in (tmp_path, tmp_path / "last.mcnn"):
        assert len(fit(tmp_path, resume=place)) == 1
    fit(tmp_path, resume=False, callbacks=[train.ModelCheckpoint(tmp_path, overwrite=True)])
    with pytest.raises(NotADirectoryError, match="is a file"):
        fit(tmp_path, callbacks=[train.ModelCheckpoint(tmp_path / "last.mcnn")], resume=False)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    fit(tmp_path)
    last, best = (tmp_path / "last.mcnn").read_bytes(), (tmp_path / "best.mcnn").read_bytes()
    model = net()
    model.load_state_dict(minicnn.load(tmp_path / "last.mcnn"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(best) // 2, limits[1]))  # no file may become larger
    try:
        with pytest.raises(OSError, match="too large") as caught:
            fit(tmp_path, callbacks=[train.ModelCheckpoint(tmp_path, overwrite=True)], resume=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "the file before it is whole" in "".join(caught.value.__notes__)
    assert (tmp_path / "last.mcnn").read_bytes() == last
    assert (tmp_path / "best.mcnn").read_bytes() == best
    assert not list(tmp_path.glob(".*.tmp"))
    assert len(fit(tmp_path)) == 1
