"""NVIDIA's library of convolutions, which is not here; its switches may be set.

>>> import minicnn.backends.cudnn as cudnn
>>> cudnn.benchmark = True
"""

from __future__ import annotations

enabled = False
benchmark = False
deterministic = False
allow_tf32 = False


def is_available() -> bool:
    """Whether the library can be used: no."""
    return False
