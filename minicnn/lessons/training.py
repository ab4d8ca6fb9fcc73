"""A small network that learns handwritten digits while a student's function is one of its kernels."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import nn, optim
from ..core.figure import new_figure
from ..core.grad_mode import no_grad
from ..core.random import default_generator
from ..core.tensor import Tensor, from_numpy
from ..data.datasets import MNIST, Digits
from ..data.locations import DatasetNotFoundError
from ..explain.pictures.canvas import Picture
from ..nn import functional as F

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .answer import Answer

TRAINED, TESTED = 1000, 300  # images


@dataclass(frozen=True, repr=False)
class Training(Picture):
    """What :meth:`Answer.train_mnist` returns; ``str()`` says it in a sentence, ``figure()`` draws the losses.

    Attributes
    ----------
    operation : str
    losses : list of float
        One for each step.
    accuracy : float
        The share of other images that the network gets right afterwards.
    calls : int
        How often the function was called.
    seconds : float
    """

    operation: str
    losses: list[float]
    accuracy: float
    calls: int
    seconds: float

    @property
    def learnt(self) -> bool:
        """Whether the loss fell: its mean over the last quarter of the steps is below 0.9 of the first quarter's."""
        quarter = max(len(self.losses) // 4, 1)
        return bool(np.mean(self.losses[-quarter:]) < 0.9 * np.mean(self.losses[:quarter]))

    def __str__(self) -> str:
        first, last = self.losses[0], self.losses[-1]
        trend = "the network learns" if self.learnt else "the network does not learn: run check()"
        return (
            f"{len(self.losses)} steps with your {self.operation} ({self.calls} calls, {self.seconds:.1f} s): loss "
            f"{first:.3f} to {last:.3f}, {self.accuracy:.0%} of {TESTED} other digits are right; {trend}."
        )

    __repr__ = __str__

    def figure(self) -> Figure:
        """The loss of every step."""
        fig = new_figure(6, 3)
        ax = fig.subplots()
        ax.plot(range(1, len(self.losses) + 1), self.losses)
        ax.set_xlabel("step")
        ax.set_ylabel("loss")
        ax.set_title(f"with your {self.operation}: {self.accuracy:.0%} of other digits right", fontsize="medium")
        return fig


class Unfolded(nn.Module):
    """A convolution as im2col and a matrix product, so that both kernels and col2im, their gradient, are at work."""

    def __init__(self, channels: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, outputs, kernel)

    def forward(self, x: Tensor) -> Tensor:
        w, kernel = self.conv.weight, self.conv.kernel_size
        y = w.flatten(1) @ F.unfold(x, kernel) + self.conv.bias.reshape(-1, 1)  # type: ignore[union-attr]
        return y.reshape(len(x), len(w), x.shape[2] - kernel[0] + 1, x.shape[3] - kernel[1] + 1)


def network(operation: str) -> nn.Sequential:
    """Small enough for kernels of plain loops; every exercise is one of its kernels."""
    second = Unfolded(4, 8, 3) if operation in ("im2col", "col2im") else nn.Conv2d(4, 8, 3)
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2),  # (N, 4, 12, 12)
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 4, 6, 6)
        second,  # (N, 8, 4, 4)
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def digits(folder: Any) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 28, 28) of mean 0 and deviation 1, and their labels, in a fixed random order."""
    try:
        found: Any = MNIST(folder, train=True)
    except DatasetNotFoundError:
        if folder is not None:
            raise
        found = Digits(train=True)
    order = np.random.default_rng(0).permutation(len(found.targets))[: TRAINED + TESTED]
    images = found.data._array[order].astype(np.float32)[:, None] / 255
    return from_numpy((images - images.mean()) / images.std()), from_numpy(found.targets._array[order])


def train(answer: Answer, steps: int, batch_size: int, data: Any, lr: float | None, seed: int) -> Training:
    """Train for some steps inside ``answer.active()``, then count the digits that come out right."""
    if steps < 1 or batch_size < 2:
        raise ValueError(
            f"train_mnist: steps must be at least 1 and batch_size at least 2; got {steps} and {batch_size}"
        )
    images, labels = digits(data)
    state = default_generator.get_state()
    try:
        default_generator.manual_seed(seed)
        net = network(answer.task.operation)
        if answer.task.operation == "adam.step":
            optimizer: Any = optim.Adam(net.parameters(), lr=0.003 if lr is None else lr)
        else:
            optimizer = optim.SGD(net.parameters(), lr=0.05 if lr is None else lr, momentum=0.9)
        losses, before, begin = [], answer.calls, time.perf_counter()
        rng = np.random.default_rng(seed)
        with answer.active():
            for _ in range(steps):
                chosen = from_numpy(rng.integers(0, min(TRAINED, len(labels) - TESTED), batch_size))
                loss = F.cross_entropy(net(images[chosen]), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        seconds = time.perf_counter() - begin
        with no_grad():
            right = net.eval()(images[-TESTED:]).argmax(1) == labels[-TESTED:]
    finally:
        default_generator.set_state(state)
    accuracy = float(right._array.mean())
    return Training(answer.task.operation, losses, accuracy, answer.calls - before, seconds)
