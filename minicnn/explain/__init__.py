"""Tools for teaching: what a network is made of and what it costs.

>>> import minicnn
>>> from minicnn import nn
>>> minicnn.explain.summary(nn.Conv2d(3, 64, 3), (3, 8, 8), verbose=0).total_mult_adds  # 3*3*3*64*6*6
62208
"""

from .columns import Im2col, im2col
from .element import Pixel
from .field import Field
from .pixels import pixel
from .result import Summary
from .rows import ParameterRow, Row
from .summarise import summary

__all__ = ["Field", "Im2col", "ParameterRow", "Pixel", "Row", "Summary", "im2col", "pixel", "summary"]
