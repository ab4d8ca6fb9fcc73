"""Automatic differentiation: going back, gradients of gradients, and the switches.

>>> import minicnn
>>> x = minicnn.tensor(2.0, requires_grad=True)
>>> minicnn.autograd.grad(x**3, x)
(tensor(12.),)
"""

from .core.function import Function
from .core.grad_mode import detect_anomaly, enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .core.gradcheck import gradcheck, gradgradcheck
from .core.graph import backward, grad

__all__ = [
    "Function",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
]
