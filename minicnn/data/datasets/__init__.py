"""Image datasets under torchvision's names."""

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
