"""Functions whose result can go into a tensor that is already there: ``add(x, y, out=z)``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core import grad_mode
from ..core.errors import AutogradError, ShapeError
from ..core.tensor import Tensor

WITH_OUT = (
    *("add", "sub", "mul", "div", "pow", "neg", "abs", "exp", "log", "sqrt", "sin", "cos", "square", "clamp", "sign"),
    *("matmul", "mm", "mv", "bmm", "addmm", "dot", "outer", "maximum", "minimum", "sigmoid", "tanh"),
    *("sum", "mean", "cumsum", "argmax", "argmin", "cat", "stack", "eq", "gt", "lt", "ge", "le", "ne"),
)


def with_out(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let ``function`` take ``out``, a tensor of the result's shape that receives the result and is returned."""

    @functools.wraps(function)
    def wrapped(*args: Any, out: Tensor | None = None, **options: Any) -> Tensor:
        result = function(*args, **options)
        if out is None:
            return result
        if grad_mode.is_grad_enabled() and (out.requires_grad or result.requires_grad):
            raise AutogradError(
                f"{function.__name__}: a result written to out= is not differentiated. "
                f"Fix: out = {function.__name__}(...), or no_grad()"
            )
        if out.shape != result.shape:
            raise ShapeError(
                f"{function.__name__}: the result has shape {tuple(result.shape)}, but out has {tuple(out.shape)}"
            )
        return out.copy_(result)

    return wrapped
