"""Files: checkpoints of our own, PyTorch's, ``.safetensors`` and ``.npz``; no file is ever able to run code."""

from ..core.atomic import atomic_write
from .checkpoint import load, read_torch, save
from .errors import CheckpointError

__all__ = ["CheckpointError", "atomic_write", "load", "read_torch", "save"]
