"""The networks that are compared, the same in minicnn and in PyTorch, with the same weights and images."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Network:
    """One network and how it is trained.

    ``model`` is a name of the zoo, ``mnist_convnet``, or ``chain8`` for a chain of eight layers; images are
    ``(batch, channels, side, side)``.
    """

    name: str
    model: str
    batch: int
    channels: int = 3
    side: int = 224
    classes: int = 1000
    optimizer: str = "SGD"

    def build(self, library: str) -> Any:
        """Make the network with ``minicnn`` or ``torch``."""
        nn = importlib.import_module(f"{library}.nn")
        if self.model == "mnist_convnet":
            return mnist_convnet(nn)
        if self.model.startswith("chain"):
            return chain(nn, int(self.model.removeprefix("chain")))
        if library == "minicnn":
            return importlib.import_module("minicnn.models").get_model(self.model, num_classes=self.classes)
        return importlib.import_module("benchmarks.twins").network(self.model, num_classes=self.classes)

    def load(self, library: str, folder: Path) -> Any:
        """Make the network with the weights of :func:`write_weights`."""
        root, model = importlib.import_module(library), self.build(library)
        with np.load(weights_path(self, folder)) as file:
            model.load_state_dict({name: root.from_numpy(file[name]) for name in file.files})
        return model

    def images(self, batch: int) -> np.ndarray:
        """Random images, always the same."""
        shape = (batch, self.channels, self.side, self.side)
        return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)

    def labels(self, batch: int) -> np.ndarray:
        """Random labels, always the same."""
        return np.random.default_rng(1).integers(0, self.classes, batch)


def mnist_convnet(nn: Any) -> Any:
    """The network of ``examples/mnist_convnet.py``."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(), nn.Linear(3136, 1000), nn.Linear(1000, 10),
    )  # fmt: skip


def chain(nn: Any, depth: int) -> Any:
    """Equal layers one after another, between a first one and a classifier."""
    layers = [nn.Conv2d(3, 64, 3, padding=1), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


NETWORKS = (
    Network("MNIST ConvNet", "mnist_convnet", batch=100, channels=1, side=28, classes=10, optimizer="Adam"),
    Network("AlexNet", "alexnet", batch=32, side=227),
    Network("VGG-16", "vgg16", batch=16),
    Network("GoogLeNet", "googlenet", batch=16),
    Network("ResNet-18", "resnet18", batch=16),
    Network("ResNet-50", "resnet50", batch=16),
    Network("MobileNetV2", "mobilenet_v2", batch=16),
    Network("DenseNet-121", "densenet121", batch=16),
    Network("SqueezeNet 1.1", "squeezenet1_1", batch=16),
)


def weights_path(row: Network, folder: Path) -> Path:
    """Where a network's weights are kept for this run."""
    return folder / f"{row.model}.npz"


def write_weights(row: Network, folder: Path) -> None:
    """Initialise the network and write its weights.

    Running statistics are those of four images, as if it had been trained: with the initial ones the outputs of a deep
    network in evaluation grow or fade beyond what float32 can tell apart.
    """
    import minicnn

    minicnn.manual_seed(0)
    model = row.build("minicnn").train()
    norms = [layer for layer in model.modules() if isinstance(layer, minicnn.nn.BatchNorm2d)]
    usual = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 1.0
    with minicnn.no_grad():
        model(minicnn.from_numpy(row.images(4)))
    for layer, momentum in zip(norms, usual, strict=True):
        layer.momentum = momentum
    np.savez(weights_path(row, folder), **{name: value.numpy() for name, value in model.state_dict().items()})
