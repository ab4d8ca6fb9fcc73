"""Image datasets under torchvision's names."""

from typing import Any

from ...core.left_out import left_out
from ..files import CorruptDataError
from ..locations import DatasetNotFoundError
from .cifar import CIFAR10
from .digits import Digits
from .folder import DatasetFolder, ImageFolder
from .mnist import MNIST, FashionMNIST
from .vision import VisionDataset

__all__ = [
    "CIFAR10",
    "MNIST",
    "CorruptDataError",
    "DatasetFolder",
    "DatasetNotFoundError",
    "Digits",
    "FashionMNIST",
    "ImageFolder",
    "VisionDataset",
]


def __getattr__(name: str) -> Any:
    raise left_out(name, __name__)
