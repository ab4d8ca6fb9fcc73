"""Programs that several tests launch."""

from __future__ import annotations

from functools import cache

import numpy as np
from minicnn_kernels.cuda.on_cpu import Program


@cache
def program(text: str) -> Program:
    """Compiled at the first test that needs it."""
    return Program(text)


def floats(n: int = 64) -> np.ndarray:
    return np.zeros(n, np.float32)
