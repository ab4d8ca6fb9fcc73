"""``minicnn.transforms`` is :mod:`minicnn.data.transforms` by its shorter name."""

import sys

from .data import transforms

sys.modules[__name__] = transforms
