"""``minicnn.datasets`` is :mod:`minicnn.data.datasets` by its shorter name."""

from .core.aliases import alias
from .data import datasets

alias(__name__, datasets)
