"""Making the parameters of layers."""

from __future__ import annotations

import math
from typing import Any

from ..ops.creation import empty
from . import init
from .parameter import Parameter


def new_parameter(*size: int, device: Any = None, dtype: Any = None) -> Parameter:
    """An uninitialised parameter; ``reset_parameters`` fills it."""
    return Parameter(empty(*size, device=device, dtype=dtype))


def reset_weight_and_bias(weight: Parameter, bias: Parameter | None) -> None:
    """PyTorch's default of convolutions and linear layers: both uniform in ``+-1/sqrt(fan_in)``.

    For the weight that is Kaiming's bound with a slope of sqrt(5).
    """
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in = init._calculate_fan_in_and_fan_out(weight)[0]
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
        init.uniform_(bias, -bound, bound)
