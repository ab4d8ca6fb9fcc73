"""How many multiply-adds a network takes for one image: papers state it beside their tables."""

from __future__ import annotations

from typing import Any

import numpy as np

import minicnn
from minicnn import nn


def multiplications(model: nn.Module, side: int, kinds: Any = (nn.Conv2d, nn.Linear)) -> float:
    """Of all convolutions and fully connected layers, in millions."""
    total = []

    def count(module: Any, args: Any, out: Any) -> None:
        total.append(module.weight.numel() * int(np.prod(out.shape[2:])))

    for module in model.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(count)
    model.eval()(minicnn.zeros(0, 3, side, side))  # no images: the sizes are enough
    return sum(total) / 1e6
