"""The exponential function, in the form the compiled loops use it."""

from __future__ import annotations

import numpy as np

from .jit import serial


@serial
def exp(x):  # type: ignore[no-untyped-def]
    """``e^x`` in the type of ``x``."""
    return np.exp(x)
