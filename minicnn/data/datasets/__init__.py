"""Image datasets under torchvision's names."""

from typing import Any

from ...core.left_out import left_out
from ..files import CorruptDataError
from ..locations import DatasetNotFoundError
from .camvid import CamVid
from .cifar import CIFAR10
from .cifar100 import CIFAR100
from .digits import Digits
from .fake import FakeData
from .folder import DatasetFolder, ImageFolder
from .mnist import MNIST, FashionMNIST
from .stl10 import STL10
from .vision import VisionDataset
from .voc import VOCDetection, VOCSegmentation

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "STL10",
    "CamVid",
    "CorruptDataError",
    "DatasetFolder",
    "DatasetNotFoundError",
    "Digits",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "VOCDetection",
    "VOCSegmentation",
    "VisionDataset",
]


def __getattr__(name: str) -> Any:
    raise left_out(name, __name__)
