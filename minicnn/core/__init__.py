"""Tensors and automatic differentiation: what they are, without any mathematics of layers."""

from .dtype import as_dtype, get_default_dtype, set_default_dtype  # the class is core.dtype.dtype
from .function import Function
from .grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .random import Generator, default_generator, manual_seed
from .recording import Step, record
from .tensor import Size, Tensor, from_numpy

__all__ = [
    "Function",
    "Generator",
    "Size",
    "Step",
    "Tensor",
    "as_dtype",
    "default_generator",
    "enable_grad",
    "from_numpy",
    "get_default_dtype",
    "inference_mode",
    "is_grad_enabled",
    "manual_seed",
    "no_grad",
    "record",
    "set_default_dtype",
    "set_grad_enabled",
]
