"""Convolutional-network kernels: arrays in, arrays out.

A kernel computes one operation, such as ``conv2d.forward``, on plain arrays.
It knows nothing of tensors, layers or gradients of gradients. Every operation is written
several times, once per backend, and the registry picks the function at call time:

>>> import numpy as np
>>> from minicnn_kernels import call, use_backend
>>> with use_backend("reference"):
...     call("softmax.forward", np.array([[0.0, 0.0]]), 1)
array([[0.5, 0.5]])

Read ``reference/`` first (plain loops), then ``vectorized/`` (NumPy), then
``numba_cpu/`` (compiled). The README beside this package is the guided tour.
"""

from .conv_algorithms import active_conv_algorithm, set_conv_algorithm
from .errors import BackendError, DTypeError, LayerError, ShapeError
from .registry import (
    active_backend,
    available_backends,
    call,
    explain,
    kernel,
    operations,
    use_backend,
)

__all__ = [
    "BackendError",
    "DTypeError",
    "LayerError",
    "ShapeError",
    "active_backend",
    "active_conv_algorithm",
    "available_backends",
    "call",
    "explain",
    "kernel",
    "operations",
    "set_conv_algorithm",
    "use_backend",
]
