"""``minicnn.kernels`` is the package :mod:`minicnn_kernels`: the formulas themselves, on plain arrays.

>>> import numpy as np
>>> from minicnn.kernels import call, reference
>>> call("relu.forward", np.array([-1.0, 2.0]))
array([0., 2.])
>>> reference.activations.relu_forward(np.array([-1.0, 2.0]))
array([0., 2.])
"""

import importlib
from typing import Any

import minicnn_kernels
from minicnn_kernels import *  # noqa: F403
from minicnn_kernels import geometry, reference, registry, vectorized

from .core.aliases import alias

__all__ = [*minicnn_kernels.__all__, "geometry", "reference", "registry", "vectorized"]

for _part in (geometry, reference, registry, vectorized):
    alias(f"{__name__}.{_part.__name__.rpartition('.')[2]}", _part)


def __getattr__(name: str) -> Any:
    """The compiled kernels, which take a second to load."""
    if name == "numba_cpu":
        return importlib.import_module("minicnn_kernels.numba_cpu")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
