"""The switches of NVIDIA's library of convolutions, as programs set them. minicnn has kernels of its own instead of it.

``allow_tf32`` is the one that does something: whether convolutions of float32 may be rounded to TF32
(:class:`minicnn_kernels.precision.set_conv_tf32`). ``benchmark`` and ``deterministic`` may be set and change nothing:
results are the same in every run anyway.

>>> import minicnn.backends.cudnn as cudnn
>>> cudnn.benchmark = True
"""

from __future__ import annotations

import sys
from types import ModuleType

from minicnn_kernels import precision
from minicnn_kernels.registry import missing

enabled = True
benchmark = False
deterministic = False


def is_available() -> bool:
    """Whether convolutions can be computed on a GPU here."""
    return missing("cupy") is None


def version() -> None:
    """The library's version: None, it is not used."""


class _Switches(ModuleType):
    """This module, with a switch that is kept elsewhere."""

    @property
    def allow_tf32(self) -> bool:
        return precision.conv_tf32()

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        precision.set_conv_tf32(allowed)


sys.modules[__name__].__class__ = _Switches
