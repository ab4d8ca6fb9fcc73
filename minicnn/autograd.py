"""Automatic differentiation: going back, gradients of gradients, and the switches.

>>> import minicnn
>>> x = minicnn.tensor(2.0, requires_grad=True)
>>> minicnn.autograd.grad(x**3, x)
(tensor(12.),)
"""

from typing import Any

from .core.custom import Function
from .core.grad_mode import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from .core.gradcheck import gradcheck, gradgradcheck
from .core.graph import backward, grad
from .core.left_out import left_out
from .core.tensor import Tensor

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def Variable(data: Tensor, requires_grad: bool = False) -> Tensor:  # noqa: N802 - PyTorch's name
    """The tensor as a leaf: what old programs wrap their tensors in.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.autograd.Variable(minicnn.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """
    return data.detach().requires_grad_(requires_grad)


def __getattr__(name: str) -> Any:
    raise left_out(name, __name__)
