"""The operations of neural networks as functions: all public defaults are here.

``nn.Conv2d`` and the other modules hold parameters and call these.
"""

from typing import Any

from ...core.left_out import left_out
from ...ops.creation import one_hot
from ...ops.padding import pad
from .activation import (
    elu,
    hardsigmoid,
    hardswish,
    leaky_relu,
    log_softmax,
    logsigmoid,
    prelu,
    relu,
    relu6,
    relu_,
    sigmoid,
    silu,
    softmax,
    tanh,
)
from .conv import conv2d, conv_transpose2d, fold, linear, unfold
from .dropout import dropout, dropout1d, dropout2d, stochastic_depth
from .loss import binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, kl_div, nll_loss
from .normalisation import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, normalize
from .pooling import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    lp_pool2d,
    max_pool2d,
    max_unpool2d,
)
from .regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from .vision import channel_shuffle, interpolate, pixel_shuffle, pixel_unshuffle

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "channel_shuffle",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "elu",
    "fold",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool2d",
    "max_pool2d",
    "max_unpool2d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "stochastic_depth",
    "tanh",
    "unfold",
]


def __getattr__(name: str) -> Any:
    raise left_out(name, __name__)
