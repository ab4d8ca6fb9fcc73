"""The backend "cupy": each operation of the registry, as a launch of CUDA kernels.

`launch` says what they share, `order` in which order arrays lie in memory, and each other file is a family of
operations. What a launcher declines, the vectorized kernel computes: on the device too, through CuPy.
"""

from . import (
    activations,
    batch_norm,
    channels,
    convolution,
    cross_entropy,
    dropout,
    group_norm,
    joined_norm,
    joining,
    local_response_norm,
    matmul,
    normalized_conv,
    optimizers,
    pooling,
    resize,
    softmax,
    unfold,
)

__all__ = [
    "activations",
    "batch_norm",
    "channels",
    "convolution",
    "cross_entropy",
    "dropout",
    "group_norm",
    "joined_norm",
    "joining",
    "local_response_norm",
    "matmul",
    "normalized_conv",
    "optimizers",
    "pooling",
    "resize",
    "softmax",
    "unfold",
]
