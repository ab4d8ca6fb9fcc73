"""The one table of what a tensor can do: every method and operator of :class:`~minicnn.core.tensor.Tensor`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from . import (
    activations,
    arithmetic,
    choosing,
    comparison,
    conversion,
    copying,
    elementwise,
    extremes,
    gathering,
    indexing,
    inplace,
    linalg,
    masking,
    ordering,
    rearranging,
    reductions,
    sampling,
    shaping,
    splitting,
)
from .operands import NUMBERS

_FUNCTIONS: dict[Any, str] = {
    activations: "relu relu_ sigmoid tanh softmax log_softmax",
    arithmetic: "add sub mul div pow neg remainder fmod floor_divide lerp addcmul addcdiv",
    choosing: "clamp clamp_min clamp_max maximum minimum nan_to_num",
    comparison: """eq ne lt le gt ge isnan isinf isfinite isclose allclose equal logical_and logical_or logical_xor
        logical_not bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift""",
    conversion: """to type type_as float double half long int short char byte cpu cuda pin_memory is_pinned
        new_zeros new_ones new_empty new_full new_tensor""",
    copying: "clone contiguous is_contiguous",
    elementwise: """exp expm1 log log2 log10 log1p sqrt rsqrt square reciprocal abs sin cos tan asin acos atan sinh cosh
        atan2 sign floor ceil trunc round frac""",
    extremes: "max min amax amin argmax argmin",
    gathering: "gather take_along_dim scatter scatter_add index_select index_add index_fill",
    indexing: "index_put take",
    inplace: "fill_ zero_ copy_ fill_diagonal_ normal_ uniform_ bernoulli_ random_",
    linalg: "matmul mm bmm mv dot outer addmm",
    masking: "masked_fill masked_select nonzero argwhere",
    ordering: "sort argsort topk median kthvalue cumsum cumprod prod unique bincount histc",
    rearranging: "flip fliplr flipud roll rot90 diagonal diag trace tril triu repeat tile repeat_interleave",
    reductions: "sum mean var std norm logsumexp any all count_nonzero",
    sampling: "bernoulli multinomial",
    splitting: "narrow select unbind split chunk tensor_split unfold",
    shaping: """reshape reshape_as view view_as flatten ravel unflatten squeeze unsqueeze permute transpose t movedim
        expand expand_as broadcast_to""",
}


def numpy_names(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function with ``dim`` and ``keepdim`` also take NumPy's names for them, ``axis`` and ``keepdims``."""

    @functools.wraps(function)
    def wrapped(*args: Any, **options: Any) -> Any:
        if "axis" in options:
            options["dim"] = options.pop("axis")
        if "keepdims" in options:
            options["keepdim"] = options.pop("keepdims")
        return function(*args, **options)

    return wrapped


METHODS: dict[str, Callable[..., Any]] = {
    **{name: getattr(module, name) for module, names in _FUNCTIONS.items() for name in names.split()},
    **inplace.FORMS,
    # other names for the same
    "absolute": elementwise.abs,
    "bool": conversion.bool_,
    "clip": choosing.clamp,
    "clip_": inplace.FORMS["clamp_"],
    "divide": arithmetic.div,
    "greater": comparison.gt,
    "greater_equal": comparison.ge,
    "less": comparison.lt,
    "less_equal": comparison.le,
    "moveaxis": shaping.movedim,
    "mul_": inplace.FORMS["mul_"],
    "multiply": arithmetic.mul,
    "negative": arithmetic.neg,
    "not_equal": comparison.ne,
    "subtract": arithmetic.sub,
    "swapaxes": shaping.transpose,
    "swapdims": shaping.transpose,
    "true_divide": arithmetic.div,
    "where": choosing.where_of,
}


NUMPY_NAMED = [  # the same functions, as methods and in the package
    *("sum", "mean", "var", "std", "max", "min", "amax", "amin", "argmax", "argmin", "prod", "any", "all"),
    *("logsumexp", "cumsum", "cumprod", "argsort", "sort", "median", "count_nonzero", "softmax", "log_softmax"),
    *("squeeze", "unsqueeze", "flip", "unbind", "split", "chunk", "index_select", "gather", "norm"),
]
METHODS.update({name: numpy_names(METHODS[name]) for name in NUMPY_NAMED})


def _operator(function: Callable[[Any, Any], Any]) -> Callable[[Tensor, Any], Any]:
    """``x op other``; Python asks the other operand if it is neither tensor nor number nor array."""

    def operator(self: Tensor, other: Any) -> Any:
        return function(self, other) if isinstance(other, (Tensor, np.ndarray, *NUMBERS)) else NotImplemented

    return operator


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Tensor, Any], Any]:
    """``other op x``."""
    return _operator(lambda self, other: function(other, self))


_BINARY = {
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "truediv": arithmetic.div,
    "floordiv": arithmetic.floor_divide,
    "mod": arithmetic.remainder,
    "pow": arithmetic.pow,
    "matmul": linalg.matmul,
    "and": comparison.bitwise_and,
    "or": comparison.bitwise_or,
    "xor": comparison.bitwise_xor,
    "lshift": comparison.bitwise_left_shift,
    "rshift": comparison.bitwise_right_shift,
}
_COMPARISONS = {name: getattr(comparison, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}

OPERATORS: dict[str, Callable[..., Any]] = {
    **{f"__{name}__": _operator(f) for name, f in (_BINARY | _COMPARISONS).items()},
    **{f"__r{name}__": _reflected(f) for name, f in _BINARY.items()},
    **{f"__i{name}__": _operator(inplace.in_place(f)) for name, f in _BINARY.items() if name not in ("add", "matmul")},
    "__iadd__": _operator(inplace.add_),
    "__neg__": arithmetic.neg,
    "__pos__": lambda self: self,
    "__abs__": elementwise.abs,
    "__invert__": comparison.bitwise_not,
    "__getitem__": indexing.getitem,
    "__setitem__": indexing.setitem,
}

PROPERTIES: dict[str, Callable[[Tensor], Any]] = {
    "T": shaping.transpose_all,
    "mT": shaping.transpose_last,
}

for _name, _function in (METHODS | OPERATORS).items():
    setattr(Tensor, _name, _function)
for _name, _function in PROPERTIES.items():
    setattr(Tensor, _name, property(_function))
