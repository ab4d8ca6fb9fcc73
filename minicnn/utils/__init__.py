"""What surrounds training: ``utils.data`` is :mod:`minicnn.data` by PyTorch's name; pictures as in torchvision."""

from . import data
from .images import make_grid, save_image

__all__ = ["data", "make_grid", "save_image"]
