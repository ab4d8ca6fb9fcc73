"""Convolutional networks from scratch: PyTorch's names, NumPy underneath, code that reads like the textbook.

>>> import minicnn as torch
>>> x = torch.tensor([1.0, 2.0], requires_grad=True)
>>> y = (x * x).sum()
>>> y.backward()
>>> x.grad
tensor([2., 4.])
"""

# ruff: noqa: F401 - the imports are the public face

from __future__ import annotations

import importlib
from typing import Any

import numpy as _np
from minicnn_kernels.conv_algorithms import active_conv_algorithm, set_conv_algorithm
from minicnn_kernels.memory import empty_cache, memory_stats
from minicnn_kernels.precision import get_float32_matmul_precision, set_float32_matmul_precision
from minicnn_kernels.registry import active_backend, available_backends, use_backend
from minicnn_kernels.threads import get_num_threads, set_num_threads

from .core.device import device, get_default_device, set_default_device
from .core.dtype import (
    bool_,
    dtype,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    set_default_dtype,
    uint8,
)
from .core.grad_mode import (
    enable_grad,
    inference_mode,
    is_anomaly_enabled,
    is_fusion_enabled,
    is_grad_enabled,
    no_grad,
    set_fusion_enabled,
    set_grad_enabled,
)
from .core.printing import set_printoptions
from .core.random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .core.tensor import Size, Tensor, from_numpy
from .ops import methods as _methods  # attaches the methods to Tensor
from .ops.activations import log_softmax, relu, sigmoid, softmax, tanh
from .ops.arithmetic import add, addcdiv, addcmul, div, floor_divide, fmod, lerp, mul, neg, pow, remainder, rsub, sub
from .ops.choosing import clamp, clamp_max, clamp_min, maximum, minimum, nan_to_num, where
from .ops.comparison import (
    allclose,
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    eq,
    equal,
    ge,
    gt,
    isclose,
    isfinite,
    isinf,
    isnan,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from .ops.conversion import (
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)
from .ops.copying import clone
from .ops.creation import (
    arange,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    logspace,
    meshgrid,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from .ops.elementwise import (
    abs,
    acos,
    asin,
    atan,
    atan2,
    ceil,
    cos,
    cosh,
    exp,
    expm1,
    floor,
    frac,
    log,
    log1p,
    log2,
    log10,
    reciprocal,
    round,
    rsqrt,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    tan,
    trunc,
)
from .ops.extremes import amax, amin, argmax, argmin, max, min
from .ops.gathering import gather, index_add, index_fill, index_select, scatter, scatter_add, take_along_dim
from .ops.indexing import index_put, take
from .ops.joining import cat, hstack, stack, vstack
from .ops.linalg import addmm, bmm, dot, einsum, matmul, mm, mv, outer
from .ops.masking import argwhere, masked_fill, masked_select, nonzero
from .ops.ordering import argsort, bincount, cumprod, cumsum, histc, kthvalue, median, prod, sort, topk, unique
from .ops.out import WITH_OUT as _WITH_OUT
from .ops.out import with_out as _with_out
from .ops.queries import (
    broadcast_shapes,
    broadcast_tensors,
    finfo,
    iinfo,
    is_floating_point,
    is_tensor,
    numel,
    promote_types,
    result_type,
)
from .ops.rearranging import (
    diag,
    diagonal,
    flip,
    fliplr,
    flipud,
    repeat_interleave,
    roll,
    rot90,
    tile,
    trace,
    tril,
    triu,
)
from .ops.reductions import all, any, count_nonzero, logsumexp, mean, norm, std, std_mean, sum, var, var_mean
from .ops.sampling import (
    bernoulli,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from .ops.shaping import (
    broadcast_to,
    flatten,
    movedim,
    permute,
    ravel,
    reshape,
    squeeze,
    t,
    transpose,
    unflatten,
    unsqueeze,
)
from .ops.sharing import as_tensor, asarray, from_dlpack
from .ops.splitting import chunk, narrow, select, split, tensor_split, unbind

__version__ = "0.1.0"

inf, nan, pi, e = _np.inf, _np.nan, _np.pi, _np.e

globals().update({_name: _methods.METHODS[_name] for _name in _methods.NUMPY_NAMED})  # sum(x, axis=0) too
globals().update({_name: _with_out(globals()[_name]) for _name in _WITH_OUT})  # add(x, y, out=z) too

# PyTorch's other names. From here on `float`, `int` and `bool` are element types in this file.
half, float, double = float16, float32, float64
short, int, long, bool = int16, int32, int64, bool_
absolute, clip, moveaxis, swapaxes = abs, clamp, movedim, transpose
concat = concatenate = cat
divide, multiply, negative, subtract, true_divide = div, mul, neg, sub, div
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
contiguous_format, preserve_format, channels_last = "contiguous_format", "preserve_format", "channels_last"

_MODULES = (
    *(
        "accelerator",
        "autograd",
        "backends",
        "compiling",
        "cuda",
        "data",
        "datasets",
        "explain",
        "io",
        "kernels",
        "lessons",
        "models",
        "nn",
    ),
    *("onnx", "optim", "train", "transforms", "utils"),
)
_ELSEWHERE = {
    "save": "minicnn.io",
    "compile": "minicnn.compiling",
    "load": "minicnn.io",
    "show_config": "minicnn.config",
    "gradcheck": "minicnn.autograd",
    "exercise": "minicnn.lessons",
    "exercises": "minicnn.lessons",
    "summary": "minicnn.explain",
    "use_deterministic_algorithms": "minicnn.backends",
    "are_deterministic_algorithms_enabled": "minicnn.backends",
}

__all__ = [
    *(name for name in globals() if not name.startswith("_") and name not in ("annotations", "importlib", "Any")),
    *_ELSEWHERE,
]


def __getattr__(name: str) -> Any:
    """Parts that are loaded when first used."""
    if name in _MODULES:
        value: Any = importlib.import_module(f"minicnn.{name}")
    elif name in _ELSEWHERE:
        value = getattr(importlib.import_module(_ELSEWHERE[name]), name)
    else:
        from .core.left_out import left_out

        raise left_out(name, __name__)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_ELSEWHERE})
