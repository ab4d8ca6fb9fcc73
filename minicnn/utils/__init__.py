"""PyTorch's place for what surrounds training: ``utils.data`` is :mod:`minicnn.data`."""

from . import data

__all__ = ["data"]
