"""The modules under test: how to make them, and inputs that they take."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

import minicnn
from minicnn import nn

Shape = tuple[int, ...]
IMAGE: Shape = (3, 4, 6, 7)


class Row(NamedTuple):
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012 - never changed
    shape: Shape = IMAGE
    random: bool = False  # in training the output is drawn

    @property
    def id(self) -> str:
        options = ",".join([*map(str, self.args), *(f"{k}={v}" for k, v in self.kwargs.items())])
        return f"{self.name}({options}){'x'.join(map(str, self.shape))}"

    def ours(self) -> nn.Module:
        return getattr(nn, self.name)(*self.args, **self.kwargs)

    def theirs(self) -> torch.nn.Module:
        return getattr(torch.nn, self.name)(*self.args, **self.kwargs)


def row(name: str, *args: Any, shape: Shape = IMAGE, random: bool = False, **kwargs: Any) -> Row:
    return Row(name, args, kwargs, shape, random)


FEATURES: Shape = (5, 4)
ROWS = [
    row("Conv2d", 4, 6, 3),
    row("Conv2d", 4, 6, (3, 2), stride=(2, 1), padding=(1, 0), bias=False),
    row("Conv2d", 4, 8, 3, padding=2, dilation=2, groups=2),
    row("Conv2d", 4, 4, 3, padding="same", groups=4),
    row("Conv2d", 4, 4, 3, padding="valid"),
    row("Conv2d", 4, 5, 3, padding=1, padding_mode="reflect"),
    row("Conv2d", 4, 5, 3, padding=(2, 1), padding_mode="replicate"),
    row("Conv2d", 4, 5, 3, padding="same", dilation=2, padding_mode="circular"),
    row("Conv2d", 4, 6, 1, shape=(4, 6, 7)),
    row("ConvTranspose2d", 4, 6, 3),
    row("ConvTranspose2d", 4, 6, 3, stride=2, padding=1, output_padding=1, bias=False),
    row("ConvTranspose2d", 4, 6, (2, 3), stride=(2, 1), groups=2, dilation=2),
    row("ConvTranspose2d", 4, 6, 2, shape=(4, 3, 3)),
    row("Linear", 4, 3, shape=FEATURES),
    row("Linear", 4, 3, bias=False, shape=(2, 5, 4)),
    row("Linear", 4, 3, shape=(4,)),
    row("Identity", shape=FEATURES),
    row("Flatten"),
    row("Flatten", 0, 1),
    row("Unflatten", 1, (2, 2)),
    row("MaxPool2d", 2),
    row("MaxPool2d", (2, 3), stride=1, padding=1),
    row("MaxPool2d", 3, stride=2, ceil_mode=True, dilation=2),
    row("MaxPool2d", 2, shape=(4, 6, 7)),
    row("AvgPool2d", 2),
    row("AvgPool2d", (3, 2), 2, padding=1, ceil_mode=True, count_include_pad=False),
    row("AvgPool2d", 3, divisor_override=5),
    row("AvgPool2d", 2, shape=(4, 6, 7)),
    row("AdaptiveAvgPool2d", 1),
    row("AdaptiveAvgPool2d", (4, None)),
    row("AdaptiveMaxPool2d", (4, 3)),
    row("AdaptiveMaxPool2d", 1, shape=(4, 6, 7)),
    row("LPPool2d", 2, 3),
    row("LPPool2d", 2.0, (2, 3), stride=1),
    row("LPPool2d", float("inf"), 2),
    row("BatchNorm1d", 4, shape=FEATURES),
    row("BatchNorm1d", 4, momentum=None, shape=(5, 4, 6)),
    row("BatchNorm2d", 4),
    row("BatchNorm2d", 4, eps=1e-3, momentum=0.4),
    row("BatchNorm2d", 4, momentum=None),
    row("BatchNorm2d", 4, affine=False),
    row("BatchNorm2d", 4, track_running_stats=False),
    row("BatchNorm2d", 4, bias=False),
    row("GroupNorm", 2, 4),
    row("GroupNorm", 4, 4, eps=1e-3, affine=False),
    row("GroupNorm", 1, 4, bias=False, shape=(5, 4)),
    row("LayerNorm", 7),
    row("LayerNorm", [4, 6, 7], eps=1e-3),
    row("LayerNorm", (6, 7), elementwise_affine=False),
    row("LayerNorm", 7, bias=False),
    row("InstanceNorm2d", 4),
    row("InstanceNorm2d", 4, affine=True, track_running_stats=True),
    row("InstanceNorm2d", 4, shape=(4, 6, 7)),
    row("LocalResponseNorm", 3),
    row("LocalResponseNorm", 2, alpha=0.1, beta=0.5, k=2.0),
    row("ReLU"),
    row("ReLU", True, shape=FEATURES),
    row("ReLU6", shape=FEATURES),
    row("ReLU6", inplace=True, shape=FEATURES),
    row("LeakyReLU", shape=FEATURES),
    row("LeakyReLU", 0.2, True, shape=FEATURES),
    row("PReLU"),
    row("PReLU", 4, init=0.1),
    row("ELU", shape=FEATURES),
    row("ELU", 0.5, True, shape=FEATURES),
    row("SiLU", shape=FEATURES),
    row("SiLU", True, shape=FEATURES),
    row("Hardswish", shape=FEATURES),
    row("Hardswish", True, shape=FEATURES),
    row("Hardsigmoid", shape=FEATURES),
    row("Hardsigmoid", True, shape=FEATURES),
    row("Sigmoid", shape=FEATURES),
    row("LogSigmoid", shape=FEATURES),
    row("Tanh", shape=FEATURES),
    row("Softmax", 1),
    row("Softmax", dim=-1, shape=(4,)),
    row("LogSoftmax", 1),
    row("Softmax2d"),
    row("Dropout", random=True),
    row("Dropout", 0.0),
    row("Dropout", 0.2, True, random=True),
    row("Dropout1d", 0.3, shape=(3, 4, 6), random=True),
    row("Dropout2d", 0.3, random=True),
    row("Upsample", scale_factor=2),
    row("Upsample", size=(9, 5), mode="bilinear"),
    row("Upsample", scale_factor=(1.5, 0.7), mode="bilinear", align_corners=True),
    row("Upsample", scale_factor=1.7, recompute_scale_factor=True),
    row("UpsamplingNearest2d", size=9),
    row("UpsamplingBilinear2d", scale_factor=2),
    row("ZeroPad2d", 1),
    row("ZeroPad2d", (1, 0, 2, -1)),
    row("ConstantPad2d", (1, 2, 3, 4), 3.5),
    row("ReflectionPad2d", (1, 2, 3, 4)),
    row("ReplicationPad2d", 2, shape=(4, 6, 7)),
    row("CircularPad2d", (1, 2, 3, 4)),
    row("PixelShuffle", 2),
    row("PixelUnshuffle", 2, shape=(2, 3, 4, 6)),
    row("ChannelShuffle", 2),
    row("Unfold", 3),
    row("Unfold", (2, 3), dilation=2, padding=1, stride=2),
    row("Fold", (4, 5), 2, shape=(3, 8, 12)),
    row("Fold", (4, 5), (2, 3), padding=1, stride=2, shape=(12, 9)),
]


def rng() -> np.random.Generator:
    return np.random.default_rng(20)


def draw(shape: Shape, kind: str) -> np.ndarray:
    """Numbers whose distances are large compared to rounding, so that maxima are the same in both types."""
    count = int(np.prod(shape))
    values = np.linspace(-4, 4, count) + 0.013
    return rng().permutation(values).reshape(shape).astype(kind)


def randomise(theirs: torch.nn.Module, kind: str) -> None:
    """Give parameters and running statistics values that no default has."""
    random = rng()
    theirs.to(getattr(torch, kind))
    with torch.no_grad():
        for name, t in [*theirs.named_parameters(), *theirs.named_buffers()]:
            if t.is_floating_point():
                low = 0.5 if name.endswith("running_var") else -0.5
                t.copy_(torch.from_numpy(random.uniform(low, low + 1, t.shape)))


def states(t: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.array(value.detach().numpy()) for name, value in t.items()}


def to_ours(array: np.ndarray, requires_grad: bool = False) -> minicnn.Tensor:
    return minicnn.from_numpy(array.copy()).requires_grad_(requires_grad)
