"""``minicnn.transforms`` is :mod:`minicnn.data.transforms` by its shorter name."""

from .core.aliases import alias
from .data import transforms

alias(__name__, transforms)
