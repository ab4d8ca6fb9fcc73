"""``minicnn.datasets`` is :mod:`minicnn.data.datasets` by its shorter name."""

import sys

from .data import datasets

sys.modules[__name__] = datasets
