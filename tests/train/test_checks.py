"""The usual mistakes are told, with their fix; what is right is not."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import minicnn
from minicnn import models, nn, optim, train
from minicnn.data import DataLoader, TensorDataset
from minicnn.nn import functional as F
from minicnn.train import Callback, TrainingWarning

from .toys import CLASSES, images, net


def linear(*after: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, CLASSES), *after)


def run(model: nn.Module, lr: float = 0.01, data: Any = None, optimizer: Any = None, **options: Any) -> list[str]:
    """Train for an epoch; the warnings, which must all be of our category."""
    data = DataLoader(images(), batch_size=6) if data is None else data
    optimizer = optimizer or optim.SGD(model.parameters(), lr=lr)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train.fit(model, data, data, optimizer=optimizer, epochs=2, **options)
    assert all(w.category is TrainingWarning for w in caught)
    assert all(w.filename == __file__ for w in caught)  # shown where fit was called
    return [str(w.message) for w in caught]


def scaled(factor: float, shift: float = 0.0) -> DataLoader:
    x, y = images().tensors
    return DataLoader(TensorDataset(x * factor + shift, y), batch_size=6)


def test_what_is_right_is_not_warned_of() -> None:
    assert run(net(), 0.05) == []
    assert run(net(), 0.05, scaled(0.2, 0.5)) == []  # images from 0 to 1
    model = net()
    assert run(model, optimizer=optim.Adam(model.parameters(), lr=0.01)) == []
    assert run(linear(nn.LogSoftmax(dim=1)), loss=nn.NLLLoss()) == []
    model = net()  # a frozen layer is no mistake
    model[0].requires_grad_(False)
    assert run(model, optimizer=optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)) == []


def regression(n: int = 200, seed: int = 0) -> TensorDataset:
    """y = 2 x_1 - 3.4 x_2 + 4.2 and a little noise."""
    rng = minicnn.Generator().manual_seed(seed)
    x = minicnn.randn(n, 2, generator=rng)
    return TensorDataset(x, x @ minicnn.tensor([[2.0], [-3.4]]) + 4.2 + 0.01 * minicnn.randn(n, 1, generator=rng))


class Pixels(nn.Module):
    """A class for every pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, CLASSES, 3, padding=1)

    def forward(self, x: Any) -> Any:
        return self.conv(x)  # (N, CLASSES, 6, 6)


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.main, self.other = linear(), linear()

    def forward(self, x: Any) -> Any:
        return models.InceptionOutputs(self.main(x), self.other(x)) if self.training else self.main(x)


class Adversaries(nn.Module):
    """A generator and a critic, whose losses pull in two directions."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.critic = nn.Linear(4, 36), nn.Sequential(nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x: Any) -> Any:
        made = self.generator(minicnn.randn(len(x), 4)) if self.training else self.generator(x.flatten(1)[:, :4])
        return self.critic(x.flatten(1)), self.critic(made)


@pytest.mark.parametrize("seed", range(3))
def test_sound_trainings_of_other_kinds(seed: int) -> None:
    minicnn.manual_seed(seed)
    for size in (1, 10):  # from weights about 0, as textbooks begin a regression: the first step is long, and right
        model = nn.Linear(2, 1)
        model.weight.data.normal_(0, 0.01)
        model.bias.data.fill_(0)
        assert run(model, 0.03, DataLoader(regression(), batch_size=size, shuffle=True), loss=nn.MSELoss()) == []
    x, y = images().tensors
    one_by_one = DataLoader(TensorDataset(x, y), batch_size=1, shuffle=True)
    model = linear()
    assert run(model, 0.02, one_by_one) == []
    for _ in range(5):  # fine-tuning: some samples cost next to nothing, the next one a lot
        run(model, 0.05, one_by_one, checks=False)
    assert run(model, 0.02, one_by_one) == []
    assert run(linear(), 0.01, loss=nn.CrossEntropyLoss(reduction="sum")) == []
    assert run(linear(), 0.01, loss=F.cross_entropy) == []
    labels = y.reshape(-1, 1, 1).expand(len(y), 6, 6)
    pixels = DataLoader(TensorDataset(x, labels.clone()), batch_size=6)
    assert run(Pixels(), 0.05, pixels, metrics=["accuracy", "mean_iou"]) == []
    assert run(TwoHeads(), 0.05) == []
    several = DataLoader(TensorDataset(x, F.one_hot(y, CLASSES).float()), batch_size=6)
    assert run(linear(), 0.05, several, loss=nn.BCEWithLogitsLoss()) == []
    assert run(linear(nn.Sigmoid()), 0.05, several, loss=nn.BCELoss()) == []
    model = Adversaries()
    bce = F.binary_cross_entropy_with_logits
    optimizer = optim.Adam(model.parameters(), lr=2e-3, betas=(0.5, 0.999))

    def adversarial(outputs: Any, targets: Any) -> Any:
        real, made = outputs
        one, zero = minicnn.ones_like(real), minicnn.zeros_like(real)
        return bce(real, one) + bce(made, zero) + bce(made, one)

    def wasserstein(outputs: Any, targets: Any) -> Any:
        return outputs[1].mean() - outputs[0].mean()

    for loss in (adversarial, wasserstein):
        assert run(model, optimizer=optimizer, loss=loss, metrics=[]) == []


def test_softmax_before_cross_entropy() -> None:
    assert len(run(linear(nn.Softmax(dim=1)), loss=F.cross_entropy)) == 1
    (text,) = run(linear(nn.Softmax(dim=1)))
    assert "probabilities already (layer '2')" in text
    assert "take the Softmax out" in text


def test_probabilities_for_nll_loss() -> None:
    (text,) = run(linear(nn.Softmax(dim=1)), loss=nn.NLLLoss())
    assert "LogSoftmax(dim=1)" in text


def test_inputs_that_are_not_normalised() -> None:
    texts = run(net(), 1e-4, scaled(50, 120))
    assert "not normalised: the first batch has mean 139 and standard deviation 58.3" in texts[0]
    assert "Normalize(mean, std)" in texts[0]
    nan = scaled(float("nan"))
    texts = run(linear(), data=nan)
    assert "NaN or infinite" in texts[0]
    assert "the first loss is nan. Fix: train.TerminateOnNaN()" in texts[1]


def test_a_first_loss_far_above_guessing() -> None:
    model = linear()
    model[1].weight.data.mul_(100)
    texts = run(model, 1e-4)
    assert any("ln(3) = 1.099" in text for text in texts)
    other = linear()
    other[1].weight.data.mul_(100)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        data = [(images().tensors[0], images().tensors[1])]
        optimizer = optim.SGD(other.parameters(), lr=1e-4)
        train.fit(other, data, optimizer=optimizer, epochs=1, checks=False)  # nobody looks


def test_a_learning_rate_far_too_high() -> None:
    texts = run(net(), 200.0)
    assert len([text for text in texts if "learning rate 200 is far too high" in text]) == 1
    assert "train.lr_find" in texts[-1]
    model = linear()  # the first step is short, and yet it diverges
    texts = run(model, 0.002, scaled(4), loss=lambda x, y: (x**2).sum(), metrics=[])
    assert any("the loss went from" in text for text in texts)


def test_nothing_changes() -> None:
    model = linear()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    anchor = minicnn.zeros(1, requires_grad=True)
    texts = run(model, optimizer=optimizer, loss=lambda x, y: F.cross_entropy(x.detach(), y) + anchor.sum())
    assert any("step 1 changed no parameter" in text and "detach" in text for text in texts)
    model = linear()  # a warm-up from 0 is not that
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    warm_up = optim.lr_scheduler.LambdaLR(optimizer, lambda t: t / 10)
    assert run(model, optimizer=optimizer, scheduler=train.LRSchedule(warm_up, every="step")) == []


def test_an_optimiser_that_lacks_parameters() -> None:
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    model[5] = nn.Linear(6 * 36, CLASSES)  # a new head
    (text,) = run(model, optimizer=optimizer)
    assert "5.weight, 5.bias" in text
    assert "after the last layer was replaced" in text


def test_the_mode_is_forgotten() -> None:
    class Measures(Callback):
        def on_step_end(self, run: Any) -> None:
            run.model.eval()

    (text,) = run(net(), callbacks=[Measures()])
    assert "model.train() after it" in text


def test_dropout_that_does_not_know_the_mode() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(36, CLASSES)

        def forward(self, x: Any) -> Any:
            return self.fc(F.dropout(x.flatten(1)))

    (text,) = run(Net())
    assert "training=self.training" in text


def test_labels_out_of_range_are_an_error() -> None:
    x, y = images().tensors
    with pytest.raises(ValueError, match="numbered 0 to 2") as caught:
        run(net(), data=DataLoader(TensorDataset(x, y + 1), batch_size=6))
    assert "in epoch 1, after 0 batches" in caught.value.__notes__
