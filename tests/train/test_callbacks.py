"""Each callback against what it says it does."""

from __future__ import annotations

import builtins
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import nn, optim, train
from minicnn.data import DataLoader
from minicnn.train import Callback, NonFiniteError

from .toys import CLASSES, images, net, weights


def fit(model: nn.Module, *callbacks: Any, lr: float = 0.05, epochs: int = 3, val: bool = True, **options: Any) -> Any:
    data = DataLoader(images(), batch_size=12)
    optimizer = options.pop("optimizer", None) or optim.SGD(model.parameters(), lr=lr)
    val_data = DataLoader(images(20, seed=1), batch_size=10) if val else None
    return train.fit(model, data, val_data, optimizer=optimizer, epochs=epochs, callbacks=callbacks, **options)


class Values(Callback):
    """Puts given numbers into the rows."""

    order = -1

    def __init__(self, *values: float, name: str = "val_loss") -> None:
        self.values, self.name = values, name
        self.weights: list[Any] = []

    def on_epoch_end(self, run: Any, row: dict[str, Any]) -> None:
        row[self.name] = self.values[run.epoch - 1]
        self.weights.append(weights(run.model))


class Rates(Callback):
    def on_fit_begin(self, run: Any) -> None:
        self.rates: list[float] = []

    def on_step_end(self, run: Any) -> None:
        self.rates.append(run.lr)


def test_early_stopping_restores_the_best() -> None:
    model = net()
    values = Values(3.0, 1.0, 2.0, 1.0, 5.0, 6.0)
    stopping = train.EarlyStopping(patience=3)
    history = fit(model, values, stopping, epochs=6)
    assert len(history) == 5
    assert history.stopped == "early stopping: val_loss has not improved since epoch 2"
    assert stopping.best_epoch == 2
    assert weights(model) == values.weights[1]
    model = net()
    values = Values(0.1, 0.5, 0.50001, float("nan"), name="val_accuracy")
    history = fit(model, values, train.EarlyStopping("val_accuracy", 2, 0.001, restore_best=False), epochs=4)
    assert len(history) == 4  # the third is not better by 0.001, and NaN is never better
    assert weights(model) == values.weights[3]


def test_the_best_and_the_kept_checkpoints(tmp_path: Path) -> None:
    values = Values(3.0, 1.0, 2.0, 4.0)
    fit(net(), values, train.ModelCheckpoint(tmp_path, keep=2), epochs=4)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "best.mcnn", "epoch-0003.mcnn", "epoch-0004.mcnn", "last.mcnn"
    ]  # fmt: skip
    for name, epoch in (("best.mcnn", 2), ("epoch-0003.mcnn", 3), ("epoch-0004.mcnn", 4), ("last.mcnn", 4)):
        model = net()
        model.load_state_dict(minicnn.load(tmp_path / name))
        assert weights(model) == values.weights[epoch - 1]
    assert minicnn.load(tmp_path / "best.mcnn")["row"]["epoch"] == 2
    history = fit(net(), epochs=4, resume=tmp_path / "epoch-0003.mcnn")  # an older one
    assert history["epoch"] == [1, 2, 3, 4]


def test_ema_is_the_average_that_is_validated_saved_and_kept(tmp_path: Path) -> None:
    class Note(Callback):
        order = 4  # before the average is updated

        def on_step_end(self, run: Any) -> None:
            seen.append(run.model[0].weight.detach().numpy().copy())

    seen: list[np.ndarray] = []
    model = net()
    start = model[0].weight.detach().numpy().copy()
    ema = train.EMA(0.5, warmup=False)
    history = fit(model, Note(), ema, train.ModelCheckpoint(tmp_path), epochs=2)
    average = start
    for w in seen:
        average = 0.5 * average + 0.5 * w
    np.testing.assert_allclose(model[0].weight.detach().numpy(), average, rtol=1e-5, atol=1e-6)
    found = train.evaluate(model, DataLoader(images(20, seed=1), batch_size=10))
    assert found["loss"] == history["val_loss"][-1]
    last, best = net(), net()
    last.load_state_dict(minicnn.load(tmp_path / "last.mcnn"))
    assert np.array_equal(last[0].weight.detach().numpy(), seen[-1])
    if minicnn.load(tmp_path / "best.mcnn")["row"]["epoch"] == 2:
        best.load_state_dict(minicnn.load(tmp_path / "best.mcnn"))
        assert weights(best) == weights(model)
    assert model[1].num_batches_tracked.item() == len(seen)


def test_clipping() -> None:
    norms = []

    class Look(Callback):
        order = 1

        def on_gradients(self, run: Any) -> None:
            grads = [p.grad.numpy() for p in run.model.parameters()]
            norms.append((np.sqrt(sum((g**2).sum() for g in grads)), max(abs(g).max() for g in grads)))

    clip = train.ClipGradients(max_norm=0.1)
    fit(net(), clip, Look(), epochs=1)
    assert all(norm == pytest.approx(0.1, rel=1e-3) for norm, _ in norms)
    assert clip.norm > 0.1
    norms.clear()
    fit(net(), train.ClipGradients(max_value=0.01), Look(), epochs=1)
    assert all(largest == pytest.approx(0.01) for _, largest in norms)


def test_schedules_per_epoch_and_per_step_and_warm_up() -> None:
    def rates(every: Any = None, warmup: int = 0, cycle: bool = False) -> list[float]:
        model, noted = net(), Rates()
        optimizer = optim.SGD(model.parameters(), lr=0.08)
        scheduler: Any = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        if cycle:
            scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=6)
        chosen = train.LRSchedule(scheduler, every, warmup) if every or warmup else scheduler
        fit(model, noted, optimizer=optimizer, scheduler=chosen, epochs=2)
        return noted.rates

    assert rates() == [0.08] * 3 + [0.04] * 3
    assert rates("step") == [0.08 * 0.5**t for t in range(6)]
    assert rates(warmup=4) == pytest.approx([0.02, 0.04, 0.06, 0.04, 0.04, 0.04])
    assert rates("step", 2) == pytest.approx([0.04, 0.04, 0.02, 0.01, 0.005, 0.0025])
    assert len(set(rates(cycle=True))) == 6  # by steps, as it is defined
    model, noted = net(), Rates()
    fit(model, noted, train.LRSchedule(warmup=3), epochs=2)
    assert noted.rates == pytest.approx([0.05 / 3, 0.1 / 3, 0.05, 0.05, 0.05, 0.05])


def test_reducing_on_a_plateau() -> None:
    noted = Rates()
    fit(net(), noted, Values(1.0, 1.0, 1.0, 0.5), train.ReduceLROnPlateau(factor=0.5, patience=0), epochs=4)
    assert noted.rates[::3] == [0.05, 0.05, 0.025, 0.0125]
    model, noted = net(), Rates()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=0)
    chosen = train.LRSchedule(scheduler, monitor="val_accuracy")
    values = Values(0.5, 0.4, 0.6, name="val_accuracy")
    fit(model, noted, values, optimizer=optimizer, scheduler=chosen)
    assert noted.rates[::3] == [0.05, 0.05, 0.025]


def test_csv_and_json_lines(tmp_path: Path) -> None:
    lines = train.JSONLLogger(tmp_path / "a" / "log.jsonl", every_steps=2)
    history = fit(net(), train.CSVLogger(tmp_path / "b" / "log.csv"), lines, Values(1.0, 2.0, float("nan")))
    history.to_csv(tmp_path / "expected.csv")
    assert (tmp_path / "b" / "log.csv").read_text() == (tmp_path / "expected.csv").read_text()
    found = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in found if line["kind"] == "step"] == [2, 4, 6, 8]
    assert found[0] == {"kind": "step", "step": 2, "epoch": 1, "lr": 0.05, "loss": history.step_losses[1]}
    rows = [line for line in found if line["kind"] == "epoch"]
    assert [row["loss"] for row in rows] == history["loss"]
    assert rows[2]["val_loss"] is None  # JSON has no NaN


class Writer:
    """What is used of tensorboardX.SummaryWriter."""

    made: list[Writer]

    def __init__(self, logdir: str, purge_step: int | None = None) -> None:
        self.logdir, self.purge_step, self.scalars, self.closed = logdir, purge_step, [], False
        Writer.made.append(self)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars.append((tag, value, step))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def test_what_tensorboard_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("tensorboardX")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    Writer.made = []
    checkpoint = train.ModelCheckpoint(tmp_path)
    history = fit(net(), train.TensorBoard(tmp_path / "tb", every_steps=3), checkpoint, epochs=2)
    (writer,) = Writer.made
    assert writer.closed
    assert ("training/loss", history["loss"][1], 6) in writer.scalars
    assert ("validation/accuracy", history["val_accuracy"][0], 3) in writer.scalars
    assert ("step/loss", history.step_losses[2], 3) in writer.scalars
    fit(net(), train.TensorBoard(tmp_path / "tb"), checkpoint, epochs=3, resume=True)
    assert Writer.made[1].purge_step == 7  # what an unfinished continuation wrote is void


def test_tensorboard_itself(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    fit(net(), train.TensorBoard(tmp_path), epochs=1)
    (file,) = tmp_path.glob("events.out.tfevents.*")
    assert b"validation/accuracy" in file.read_bytes()


def test_without_tensorboard_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "tensorboardX":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install 'minicnn\[tensorboard\]'.*CSVLogger"):
        fit(net(), train.TensorBoard(tmp_path))


# ------------------------------------------------------------------------- not finite


class Bad(nn.Module):
    """The identity, but for one wrong operation in forward or in backward."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Any) -> Any:
        if self.how == "log":
            return (x - 1e6).log()
        if self.how == "overflow":
            return x * 1e38 * 1e38
        return x + (x * 0).abs().sqrt() if self.how == "sqrt" else x


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("log", r"the loss is not finite. .*layer '2' \(Bad\(\)\)"),
        ("overflow", r"the loss is not finite. .*layer '2' \(Bad\(\)\)"),
        (
            "sqrt",
            r"the gradient of '1.weight' is not finite. backward of Abs made the first NaN: .*\n.*'2': Bad",
        ),
        ("inputs", "The inputs of the batch are not finite"),
        ("weights", "parameter '1.bias' is not finite"),
        ("loss", r"All layers are finite, the loss \(function\) is not"),
    ],
)
def test_the_layer_of_the_first_nan_is_named(how: str, says: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), Bad(how), nn.Linear(8, CLASSES))
    x, y = images(8).tensors
    data = [(x, y)] * 2
    loss: Any = None
    if how == "inputs":
        data[1] = (x * float("inf"), y)
    if how == "loss":
        loss = lambda out, y: (out.sum() * 0).log()  # noqa: E731
    if how == "weights":
        model[1].bias.data.fill_(float("nan"))
    before = weights(model)
    options = {"loss": loss, "metrics": []}
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    with pytest.raises(NonFiniteError, match=says) as caught:
        train.fit(
            model, data, optimizer=optimizer, epochs=1, callbacks=[train.TerminateOnNaN()], checks=False, **options
        )
    assert f"step {2 if how == 'inputs' else 1}, in epoch 1" in str(caught.value)
    assert "lr_find" in str(caught.value)
    assert weights(model) == before
    assert not model[0]._forward_hooks


def test_finite_trainings_go_on() -> None:
    assert len(fit(net(), train.TerminateOnNaN(), accumulate=2)) == 3


# ---------------------------------------------------------------------------- by name


def test_by_name(tmp_path: Path) -> None:
    options = {
        "model_checkpoint": {"folder": tmp_path}, "csv": {"path": tmp_path / "log.csv"}, "early_stopping": {},
        "ema": {"decay": 0.9}, "terminate_on_nan": None,
    }  # fmt: skip
    model = net()
    data = DataLoader(images(), batch_size=12)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    train.fit(model, data, data, optimizer=optimizer, epochs=1, callbacks=options, metrics={"topk": {"k": 2}})
    assert (tmp_path / "log.csv").read_text().startswith("epoch,step,lr,loss,top2,val_loss,val_top2\n")
    assert len(fit(net(), "terminate_on_nan")) == 3
    assert "early_stopping" in train.list_callbacks()


@pytest.mark.parametrize(
    ("callback", "error", "says"),
    [
        (
            lambda: train.get_callback("earlystopping"),
            ValueError,
            "Did you mean 'early_stopping'",
        ),
        (lambda: train.get_callback("ema", decy=0.9), ValueError, "no option 'decy'. Did you mean 'decay'"),
        (lambda: train.get_callback("csv"), ValueError, "needs the option 'path'"),
        (lambda: train.EarlyStopping, TypeError, r"Fix: EarlyStopping\(\)"),
        (lambda: 3, TypeError, "train.Callback or a name"),
        (lambda: train.EarlyStopping("val_acc"), ValueError, "no column 'val_acc'. Did you mean 'val_accuracy'"),
        (lambda: train.EarlyStopping(patience=0), ValueError, "patience"),
        (lambda: train.EarlyStopping(mode="best"), ValueError, "'auto', 'min' or 'max'"),
        (lambda: train.EarlyStopping(min_delta=-1), ValueError, "min_delta"),
        (lambda: train.ModelCheckpoint("a", every_steps=0), ValueError, "every_steps"),
        (lambda: train.ModelCheckpoint("a", keep=-1), ValueError, "keep"),
        (lambda: train.ClipGradients(), ValueError, "max_norm, max_value"),
        (lambda: train.ClipGradients(max_norm=0), ValueError, "above 0"),
        (lambda: train.EMA(1.0), ValueError, "less than 1"),
        (lambda: train.TimeLimit(), ValueError, "more than 0"),
        (lambda: train.JSONLLogger("a", every_steps=1.5), ValueError, "every_steps"),
        (lambda: train.BatchTransform("mixup"), TypeError, "callable"),
        (lambda: train.LRSchedule(0.1), TypeError, "lr_scheduler"),
        (lambda: train.LRSchedule(every="batch"), ValueError, "'epoch' or 'step'"),
        (lambda: train.LRSchedule(warmup=-1), ValueError, "warmup"),
    ],
)
def test_wrong_callbacks(callback: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        fit(net(), callback())


def test_wrong_combinations() -> None:
    model = net()
    other = optim.lr_scheduler.StepLR(optim.SGD(net().parameters(), lr=0.1), 1)
    with pytest.raises(ValueError, match=r"another optimiser.*StepLR\(optimizer"):
        fit(model, scheduler=other)
    with pytest.raises(ValueError, match="no validation data"):
        fit(model, train.EarlyStopping("val_accuracy"), val=False)
    twice = train.Callback()
    with pytest.raises(ValueError, match="twice"):
        fit(model, twice, twice)
    with pytest.raises(ValueError, match="average='macro'"):
        fit(model, train.EarlyStopping("val_f1"), metrics={"f1": {"average": None}})
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    with pytest.raises(ValueError, match="result of an epoch"):
        train.LRSchedule(plateau, every="step")
