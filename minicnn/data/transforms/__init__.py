"""Transforms of images under torchvision's names."""

from typing import Any

from ...core.left_out import left_out
from . import functional, presets
from .composition import Compose, Lambda, RandomApply, RandomChoice, RandomOrder
from .conversions import ConvertImageDtype, Denormalize, Normalize, PILToTensor, ToPILImage, ToTensor
from .erasing import Cutout, RandomErasing
from .mixing import CutMix, MixUp
from .noise import GaussianBlur, GaussianNoise, SaltAndPepper
from .random_colours import ColorJitter, Grayscale, PCAColorNoise, RandomGrayscale
from .random_geometry import RandomCrop, RandomHorizontalFlip, RandomResizedCrop, RandomVerticalFlip
from .random_tones import (
    AutoContrast,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from .random_warping import RandomAffine, RandomRotation
from .resampling import InterpolationMode
from .resizing import CenterCrop, Pad, Resize
from .several_crops import FiveCrop, TenCrop

__all__ = [
    "AutoContrast",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "CutMix",
    "Cutout",
    "Denormalize",
    "FiveCrop",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "MixUp",
    "Normalize",
    "PCAColorNoise",
    "PILToTensor",
    "Pad",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "Resize",
    "SaltAndPepper",
    "TenCrop",
    "ToPILImage",
    "ToTensor",
    "functional",
    "presets",
]


def __getattr__(name: str) -> Any:
    raise left_out(name, __name__)
