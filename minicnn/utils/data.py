"""``minicnn.utils.data`` is :mod:`minicnn.data` by PyTorch's name."""

import sys

from .. import data
from ..core.aliases import alias

alias(__name__, data)
sys.modules[f"{__name__}.dataloader"] = data.loader
