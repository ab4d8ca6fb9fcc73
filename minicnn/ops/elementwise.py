"""Functions of one number, applied to every element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from minicnn_kernels.arrays import as_array

from ..core.function import Function
from ..core.tensor import Tensor
from .arithmetic import Binary
from .operands import as_tensor, floating, promoted


class Unary(Function):
    """A function of each element; the rows of the table below make the subclasses."""

    differentiable = True
    compute: Callable[[Any], Any]
    slope: Callable[[Tensor, Any], Tensor]
    keeps: str

    def forward(self, x: Any) -> Any:
        y = as_array(type(self).compute(x))
        self.save(x if self.keeps == "x" else y if self.keeps == "y" else None)
        return y

    def backward(self, grad_y: Tensor) -> Tensor:
        return type(self).slope(grad_y, *self.saved)


def _unary(
    name: str,
    compute: Callable[[Any], Any],
    keeps: str,
    slope: Callable[[Tensor, Any], Tensor],
    formula: str,
    example: tuple[str, str],
    integers: bool = False,
) -> Callable[[Tensor], Tensor]:
    """The public function of one row: ``slope(g, x or y)`` is ``g`` times the derivative, from what ``keeps`` names.

    ``integers``: integers give integers, instead of being made floating-point first.
    """
    attributes = {"compute": staticmethod(compute), "slope": staticmethod(slope), "keeps": keeps}
    node = type(name.capitalize(), (Unary,), attributes)

    def function(input: Tensor) -> Tensor:
        return node()(as_tensor(input, "input", name) if integers else floating(name, input))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{formula}

    Examples
    --------
    >>> import minicnn
    >>> minicnn.{name}(minicnn.tensor({example[0]}))
    {example[1]}
    """
    return function


def _flat(g: Tensor, _: Any) -> Tensor:
    return g.new_zeros(g.shape)


def _sign(x: Any) -> Any:
    return (x > 0).astype(x.dtype) - (x < 0)  # 0 for NaN, as in PyTorch


def _keep_integers(rounding: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: rounding(x) if x.dtype.kind == "f" else x.copy()


# name, forward, what backward needs, g times the derivative, documentation, example
exp = _unary("exp", np.exp, "y", lambda g, y: g * y, "``e ** x``.", ("[0.0, 1.0]", "tensor([1.0000, 2.7183])"))
expm1 = _unary(
    "expm1", np.expm1, "y", lambda g, y: g * (y + 1), "``e ** x - 1``, accurate for small x.", ("[0.0]", "tensor([0.])")
)
log = _unary("log", np.log, "x", lambda g, x: g / x, "Natural logarithm.", ("[1.0, 10.0]", "tensor([0.0000, 2.3026])"))
log2 = _unary(
    "log2", np.log2, "x", lambda g, x: g / (x * np.log(2.0)), "Logarithm to base 2.", ("[8.0]", "tensor([3.])")
)
log10 = _unary(
    "log10",
    np.log10,
    "x",
    lambda g, x: g / (x * np.log(10.0)),
    "Logarithm to base 10.",
    ("[1.0, 50.0]", "tensor([0.0000, 1.6990])"),
)
log1p = _unary(
    "log1p", np.log1p, "x", lambda g, x: g / (x + 1), "``log(1 + x)``, accurate for small x.", ("[0.0]", "tensor([0.])")
)
sqrt = _unary("sqrt", np.sqrt, "y", lambda g, y: g / (2 * y), "Square root.", ("[4.0, 9.0]", "tensor([2., 3.])"))
rsqrt = _unary(
    "rsqrt",
    lambda x: 1 / np.sqrt(x),
    "y",
    lambda g, y: -0.5 * g * y**3,
    "``1 / sqrt(x)``.",
    ("[4.0]", "tensor([0.5000])"),
)
square = _unary("square", np.square, "x", lambda g, x: g * (2 * x), "``x ** 2``.", ("[3, -2]", "tensor([9, 4])"), True)
reciprocal = _unary(
    "reciprocal", lambda x: 1 / x, "y", lambda g, y: -g * y * y, "``1 / x``.", ("[4.0]", "tensor([0.2500])")
)
abs = _unary(
    "abs",
    np.abs,
    "x",
    lambda g, x: g * x.sign(),
    "Absolute value; its slope at 0 is 0.",
    ("[-1, 2]", "tensor([1, 2])"),
    True,
)
sin = _unary("sin", np.sin, "x", lambda g, x: g * x.cos(), "Sine.", ("[0.0]", "tensor([0.])"))
cos = _unary("cos", np.cos, "x", lambda g, x: -g * x.sin(), "Cosine.", ("[0.0]", "tensor([1.])"))
tan = _unary("tan", np.tan, "y", lambda g, y: g * (1 + y * y), "Tangent.", ("[0.0]", "tensor([0.])"))
asin = _unary(
    "asin", np.arcsin, "x", lambda g, x: g * (1 - x * x).rsqrt(), "Inverse sine.", ("[1.0]", "tensor([1.5708])")
)
acos = _unary(
    "acos", np.arccos, "x", lambda g, x: -g * (1 - x * x).rsqrt(), "Inverse cosine.", ("[1.0]", "tensor([0.])")
)
atan = _unary("atan", np.arctan, "x", lambda g, x: g / (x * x + 1), "Inverse tangent.", ("[1.0]", "tensor([0.7854])"))
sinh = _unary("sinh", np.sinh, "x", lambda g, x: g * x.cosh(), "Hyperbolic sine.", ("[1.0]", "tensor([1.1752])"))
cosh = _unary("cosh", np.cosh, "x", lambda g, x: g * x.sinh(), "Hyperbolic cosine.", ("[0.0]", "tensor([1.])"))
sign = _unary("sign", _sign, "", _flat, "-1, 0 or 1; slope 0.", ("[-2.5, 0.0]", "tensor([-1.,  0.])"), True)
floor = _unary(
    "floor",
    _keep_integers(np.floor),
    "",
    _flat,
    "Largest integer not above x; slope 0.",
    ("[-1.5]", "tensor([-2.])"),
    True,
)
ceil = _unary(
    "ceil",
    _keep_integers(np.ceil),
    "",
    _flat,
    "Smallest integer not below x; slope 0.",
    ("[1.2]", "tensor([2.])"),
    True,
)
trunc = _unary(
    "trunc", _keep_integers(np.trunc), "", _flat, "x without its fraction.", ("[-1.5]", "tensor([-1.])"), True
)


class Round(Function):
    differentiable = True

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals

    def forward(self, x: Any) -> Any:
        return np.round(x, self.decimals)

    def backward(self, grad_y: Tensor) -> Tensor:
        return grad_y.new_zeros(grad_y.shape)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Nearest integer (or multiple of ``10 ** -decimals``), halves to the even one; slope 0.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.round(minicnn.tensor([0.5, 1.5, -2.6]))
    tensor([ 0.,  2., -3.])
    """
    return Round(decimals)(as_tensor(input, "input", "round"))


def frac(input: Tensor) -> Tensor:
    """The fraction ``x - trunc(x)``, with the sign of x.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.frac(minicnn.tensor([1.5, -2.25]))
    tensor([ 0.5000, -0.2500])
    """
    return input - trunc(input)


class Atan2(Binary):
    def compute(self, a: Any, b: Any) -> Any:
        return np.arctan2(a, b)

    def grad_a(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return g * b / (a * a + b * b)

    def grad_b(self, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return -g * a / (a * a + b * b)


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Angle of the point ``(other, input)``, from -pi to pi.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.atan2(minicnn.tensor([1.0]), minicnn.tensor([-1.0]))
    tensor([2.3562])
    """
    return Atan2()(*promoted("atan2", input, other, floating=True))
