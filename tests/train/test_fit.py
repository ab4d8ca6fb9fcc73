"""``fit`` does what the loop does that one would write, and says what it did."""

from __future__ import annotations

import csv
import json
import os
import re
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import nn, optim, train, transforms
from minicnn.data import DataLoader, IterableDataset, TensorDataset
from minicnn.nn import functional as F
from minicnn.train import Callback

from .toys import CLASSES, images, mix, net, weights


def loader(n: int = 36, batch_size: int = 8, **options: Any) -> DataLoader:
    return DataLoader(images(n), batch_size=batch_size, **options)


def by_hand(model: nn.Module, optimizer: Any, epochs: int) -> list[float]:
    losses = []
    for _ in range(epochs):
        model.train()
        for x, y in loader(shuffle=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def test_it_is_the_loop_that_one_would_write() -> None:
    results = []
    for use_fit in (False, True):
        minicnn.manual_seed(0)
        model = net()
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        if use_fit:  # validating, checking and measuring change nothing in the training
            history = train.fit(model, loader(shuffle=True), loader(20), optimizer=optimizer, epochs=3)
            losses = history.step_losses
        else:
            losses = by_hand(model, optimizer, 3)
        results.append((losses, weights(model)))
    assert results[0] == results[1]


def test_the_history() -> None:
    model = net()
    data, val = loader(36), loader(20)
    history = train.fit(
        model, data, val, optimizer=optim.Adam(model.parameters(), lr=0.01), epochs=3, metrics=["accuracy", "top2"]
    )
    assert list(history.rows[0]) == [
        "epoch", "step", "lr", "loss", "accuracy", "top2", "val_loss", "val_accuracy", "val_top2"
    ]  # fmt: skip
    assert history["epoch"] == [1, 2, 3]
    assert history["step"] == [5, 10, 15]
    assert history["lr"] == [0.01] * 3
    assert len(history.step_losses) == 15
    assert len(history) == len(history.seconds) == 3
    assert history.stopped is None
    measured = train.evaluate(model, val, ["accuracy", "top2"])
    assert measured == {name: history.rows[-1][f"val_{name}"] for name in measured}
    sizes = [8, 8, 8, 8, 4]
    mean = np.average(history.step_losses[:5], weights=sizes)
    assert history.rows[0]["loss"] == pytest.approx(mean, rel=1e-12)
    assert history.best("val_loss")["val_loss"] == min(history["val_loss"])
    assert "val_accuracy=" in repr(history)


def test_history_as_csv_and_as_a_figure(tmp_path: Path) -> None:
    model = net()
    history = train.fit(
        model, loader(), loader(20), optimizer=optim.Adam(model.parameters()), epochs=2,
        metrics=["accuracy", "confusion_matrix"],
    )  # fmt: skip
    history.to_csv(tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [float(row["val_loss"]) for row in rows] == history["val_loss"]
    assert json.loads(rows[1]["confusion_matrix"]) == history["confusion_matrix"][1]
    figure = history.plot()
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "accuracy"]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines["validation"].get_ydata()) == history["val_loss"]
    assert list(lines["each step"].get_ydata()) == history.step_losses
    figure.savefig(tmp_path / "a.png")
    with pytest.raises(KeyError, match=r"val_los.*Did you mean 'val_loss'"):
        history["val_los"]
    with pytest.raises(ValueError, match="'min' or 'max'"):
        history.best("loss", "smallest")


def test_accumulating_is_one_large_batch() -> None:
    results = []
    for batch_size, accumulate in ((16, 1), (4, 4)):
        minicnn.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, CLASSES)).double()
        data = images(36)
        data = TensorDataset(data.tensors[0].double(), data.tensors[1])
        history = train.fit(  # 36 = 16 + 16 + 4: the last step has fewer
            model, DataLoader(data, batch_size=batch_size), optimizer=optim.SGD(model.parameters(), lr=0.5), epochs=2,
            accumulate=accumulate,
        )  # fmt: skip
        results.append((history.step_losses, model[1].weight.detach().numpy().copy()))
    assert len(results[0][0]) == len(results[1][0]) == 6
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-9)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-9)


def test_label_smoothing_and_other_losses() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, CLASSES))
    data = loader(8)
    x, y = next(iter(data))
    expected = F.cross_entropy(model(x), y, label_smoothing=0.1).item()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    history = train.fit(model, data, optimizer=optimizer, epochs=1, label_smoothing=0.1)
    assert history["loss"] == [expected]
    regression = nn.Linear(1, 1)
    pairs = [(minicnn.randn(4, 1), minicnn.randn(4, 1))]
    optimizer = optim.SGD(regression.parameters(), lr=0.01)
    history = train.fit(regression, pairs, pairs, optimizer=optimizer, epochs=1, loss=nn.MSELoss())
    assert list(history.rows[0]) == ["epoch", "step", "lr", "loss", "val_loss"]
    with pytest.raises(ValueError, match=r"CrossEntropyLoss\(label_smoothing=0\.1\)"):
        train.fit(regression, pairs, optimizer=optimizer, epochs=1, loss=nn.MSELoss(), label_smoothing=0.1)


def test_auxiliary_classifiers_count_0_3() -> None:
    from minicnn.models.googlenet import GoogLeNetOutputs

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.aux = nn.Linear(36, CLASSES), nn.Linear(36, CLASSES)

        def forward(self, x: Any) -> Any:
            x = x.flatten(1)
            return GoogLeNetOutputs(self.main(x), self.aux(x), None) if self.training else self.main(x)

    model = Net()
    data = loader(8)
    x, y = next(iter(data))
    out = model(x)
    expected = F.cross_entropy(out[0], y).item() + 0.3 * F.cross_entropy(out[1], y).item()
    history = train.fit(model, data, data, optimizer=optim.SGD(model.parameters(), lr=0.01), epochs=1)
    assert history["loss"][0] == pytest.approx(expected, rel=1e-6)
    assert history["accuracy"][0] == (out[0].argmax(1) == y).float().mean().item()


@pytest.mark.parametrize("kind", ["threads", "list", "stream", "arrays"])
def test_kinds_of_data(kind: str) -> None:
    class Stream(IterableDataset):
        def __iter__(self) -> Any:
            return (images(16)[i] for i in range(16))

    data: Any = {
        "threads": loader(16, num_workers=2),
        "list": list(loader(16)),
        "stream": DataLoader(Stream(), batch_size=8),
        "arrays": [(x.numpy(), y.numpy()) for x, y in loader(16)],
    }[kind]
    model = net()
    history = train.fit(model, data, data, optimizer=optim.SGD(model.parameters(), lr=0.01), epochs=2, device="cpu")
    assert history["step"] == [2, 4]


def test_callbacks_are_told_in_order() -> None:
    said: list[str] = []

    class Teller(Callback):
        def __init__(self, name: str, order: int = 0) -> None:
            self.name, self.order = name, order

        def on_fit_begin(self, run: Any) -> None:
            said.append(f"{self.name} begin")

        def on_epoch_begin(self, run: Any) -> None:
            said.append(f"epoch {run.epoch}")

        def on_batch(self, run: Any, inputs: Any, targets: Any) -> Any:
            said.append("batch")
            return inputs, targets

        def on_gradients(self, run: Any) -> None:
            assert all(p.grad is not None for p in run.model.parameters())
            said.append(f"gradients {run.step}")

        def on_step_end(self, run: Any) -> None:
            said.append(f"step {run.step}")

        def on_epoch_end(self, run: Any, row: dict[str, Any]) -> None:
            row["extra"] = 7
            said.append("end of epoch")

        def on_fit_end(self, run: Any) -> None:
            said.append(f"{self.name} end")

        def close(self, run: Any) -> None:
            said.append("close")

    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    history = train.fit(model, loader(16), optimizer=optimizer, epochs=1, accumulate=2, callbacks=[Teller("a")])
    assert said == [
        "a begin", "epoch 1", "batch", "batch", "gradients 0", "step 1", "end of epoch", "a end", "close"
    ]  # fmt: skip
    assert history["extra"] == [7]
    said.clear()
    train.fit(model, loader(8), optimizer=optimizer, epochs=1, callbacks=[Teller("late", 1), Teller("early")])
    assert [s for s in said if "begin" in s] == ["early begin", "late begin"]
    assert [s for s in said if s.endswith(" end")] == ["late end", "early end"]


@pytest.mark.parametrize("kind", [transforms.MixUp, transforms.CutMix])
def test_mixup_and_cutmix(kind: Any) -> None:
    seen = []

    class Look(Callback):
        def on_batch(self, run: Any, inputs: Any, targets: Any) -> Any:
            seen.append(targets)
            return inputs, targets

    model = net()
    mixing = train.BatchTransform(kind(num_classes=CLASSES))
    history = train.fit(
        model, loader(), loader(20), optimizer=optim.SGD(model.parameters(), lr=0.01), epochs=1,
        callbacks=[mixing, Look()],
    )  # fmt: skip
    assert all(targets.shape[1] == CLASSES for targets in seen)
    assert 0 <= history["accuracy"][0] <= 1


def test_batches_can_be_changed() -> None:
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    history = train.fit(model, loader(), optimizer=optimizer, epochs=1, callbacks=[train.BatchTransform(mix)])
    assert 0 <= history["accuracy"][0] <= 1
    with pytest.raises(TypeError, match="must return the pair"):
        train.fit(
            model, loader(), optimizer=optimizer, epochs=1, callbacks=[train.BatchTransform(lambda x, y: x)]
        )  # fmt: skip


def test_the_progress_bar(capfd: pytest.CaptureFixture[str]) -> None:
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    train.fit(model, loader(), loader(20), optimizer=optimizer, epochs=2)
    assert capfd.readouterr() == ("", "")  # no terminal: nothing
    train.fit(model, loader(), loader(20), optimizer=optimizer, epochs=2, progress=True)
    out, said = capfd.readouterr()
    assert out == ""
    found = re.findall(r"Epoch \d/2: loss=\S+, accuracy=\S+, val_loss=\S+, val_accuracy=\S+, lr=0.01, 00:\d\d\n", said)
    assert len(found) == 2
    assert "validating ..." in said


@pytest.mark.parametrize("columns", [80, 40, 0])
def test_results_are_shown_in_full_on_any_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
    model = net()
    with os.fdopen(slave, "w") as terminal, os.fdopen(master, "rb", 0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        train.fit(model, loader(), loader(20), optimizer=optim.SGD(model.parameters(), lr=1e-5), epochs=1)
        monkeypatch.undo()
        print("END", end="", file=terminal, flush=True)
        shown = b""
        while not shown.endswith(b"END"):
            shown += screen.read(65536)
    said = shown.decode().replace("\r\n", "\n").removesuffix("END")
    assert "\rEpoch 1/1: " in said  # the bar
    result = said[said.rindex("\rEpoch 1/1: ") + 1 :]
    assert re.fullmatch(
        r"Epoch 1/1:\s+loss=\S+,\s+accuracy=\S+,\s+val_loss=\S+,\s+val_accuracy=\S+,\s+lr=1e-05,\s+00:\d\d\n", result
    )
    assert max(map(len, result.splitlines())) < (columns or 80)


def test_predict_and_evaluate_leave_the_model_as_it_was() -> None:
    model = net()
    model.train()
    model[1].eval()  # a frozen batch norm
    before = weights(model)
    x = images(20).tensors[0]
    scores = train.predict(model, x, batch_size=7)
    assert scores.shape == (20, CLASSES)
    assert not scores.requires_grad
    assert [m.training for m in model] == [True, False, True, True, True, True]
    assert weights(model) == before
    again = train.predict(model, DataLoader(images(20), batch_size=7))
    assert minicnn.equal(scores, again)
    model.eval()
    np.testing.assert_allclose(scores.numpy(), model(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    found = train.evaluate(model, loader(20), loss=nn.CrossEntropyLoss(), metrics={"f1": {"average": None}})
    assert len(found["f1"]) == CLASSES
    assert found["loss"] == pytest.approx(F.cross_entropy(model(x), images(20).tensors[1]).item(), rel=1e-5)


class Pair(nn.Module):
    """Of two inputs, by place or by name."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(72, CLASSES)

    def forward(self, pair: Any) -> Any:
        a, b = pair.values() if isinstance(pair, dict) else pair
        return self.fc(minicnn.cat([a, b], 1).flatten(1))


@pytest.mark.parametrize("kind", ["list", "tuple", "dict"])
@pytest.mark.parametrize("device", [None, "cpu"])
def test_inputs_of_several_tensors(kind: str, device: Any) -> None:
    """A batch counts as many samples as it has, whatever its inputs are: the last one has 4 of 20."""
    make: Any = {"list": list, "tuple": tuple, "dict": lambda pair: dict(zip("ab", pair, strict=True))}[kind]
    data = [(make((image, -image)), label) for image, label in images(20)]
    batches = DataLoader(data, batch_size=8)
    joined = DataLoader([(minicnn.cat([image, -image]), label) for image, label in images(20)], batch_size=8)
    found = []
    for model, batches_of in ((Pair(), batches), (nn.Sequential(nn.Flatten(), nn.Linear(72, CLASSES)), joined)):
        with minicnn.no_grad():
            for parameter in model.parameters():
                parameter.fill_(0.01)
        optimizer = optim.SGD(model.parameters(), lr=0.05)
        history = train.fit(
            model, batches_of, batches_of, optimizer=optimizer, epochs=2, accumulate=2, device=device
        )  # fmt: skip
        found.append((history.rows, train.predict(model, batches_of).tolist()))
    assert found[0] == found[1]
