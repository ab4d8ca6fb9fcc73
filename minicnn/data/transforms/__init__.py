"""Transforms of images under torchvision's names."""

from . import functional
from .conversions import Compose, Lambda, Normalize, PILToTensor, ToPILImage, ToTensor

__all__ = ["Compose", "Lambda", "Normalize", "PILToTensor", "ToPILImage", "ToTensor", "functional"]
