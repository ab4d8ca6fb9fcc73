"""A small classifier with what pictures have to get right, here and in PyTorch with the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import minicnn


def classifier(library: Any) -> Any:
    """Convolutions, a norm, ReLUs as layers (in place too) and as functions, pooling, a residual sum."""
    nn, relu = library.nn, library.nn.functional.relu

    class Net(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
            self.norm = nn.BatchNorm2d(6)
            self.relu = nn.ReLU(inplace=True)
            self.pool = nn.MaxPool2d(3, stride=2, padding=1)
            self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
            self.conv3 = nn.Conv2d(6, 8, 3, stride=2)
            self.head = nn.Linear(8, 5)

        def forward(self, x: Any) -> Any:
            x = self.pool(self.relu(self.norm(self.conv1(x))))
            x = relu(self.conv2(x) + x)
            x = relu(self.conv3(x))
            return self.head(x.mean((2, 3)))

    return Net()


def twins() -> tuple[Any, Any, Any]:
    """Ours, PyTorch's, and images (2, 3, 17, 15), in float64."""
    minicnn.manual_seed(3)
    rng = np.random.default_rng(0)
    ours, theirs = classifier(minicnn).double(), classifier(torch).double()
    state = {k: v.numpy().copy() for k, v in ours.state_dict().items()}
    state["norm.running_mean"], state["norm.running_var"] = rng.normal(size=6), rng.random(6) + 0.5
    theirs.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in state.items()})
    ours.load_state_dict({k: minicnn.tensor(v) for k, v in state.items()})
    return ours, theirs.eval(), rng.normal(size=(2, 3, 17, 15))
