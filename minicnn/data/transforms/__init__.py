"""Transforms of images under torchvision's names."""

from typing import Any

from ...core.left_out import left_out
from . import functional
from .conversions import Compose, Lambda, Normalize, PILToTensor, ToPILImage, ToTensor
from .random_geometry import RandomCrop, RandomHorizontalFlip, RandomResizedCrop, RandomVerticalFlip
from .resampling import InterpolationMode
from .resizing import CenterCrop, Pad, Resize

__all__ = [
    "CenterCrop",
    "Compose",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
    "ToPILImage",
    "ToTensor",
    "functional",
]


def __getattr__(name: str) -> Any:
    raise left_out(name, __name__)
