"""The backend "reference": plain nested loops, the textbook and the oracle of all other backends."""

from . import (
    activations,
    adaptive_pooling,
    addition,
    batch_norm,
    conv,
    cross_entropy,
    dropout,
    group_norm,
    joining,
    local_response_norm,
    matmul,
    optimizers,
    pooling,
    resize,
    softmax,
    unfold,
)

__all__ = [
    "activations",
    "adaptive_pooling",
    "addition",
    "batch_norm",
    "conv",
    "cross_entropy",
    "dropout",
    "group_norm",
    "joining",
    "local_response_norm",
    "matmul",
    "optimizers",
    "pooling",
    "resize",
    "softmax",
    "unfold",
]
