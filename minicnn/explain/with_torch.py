"""PyTorch's way of computing what a kernel computes, to compare with. Loaded only if it is installed and asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from minicnn_kernels.epilogue import NONE, Epilogue
from minicnn_kernels.geometry import Window2d, output_length


class Counterpart(NamedTuple):
    """A function of PyTorch on copies of a kernel's arguments; its result is like the kernel's first one."""

    name: str
    function: Callable[[], Any]


def missing() -> str | None:
    """Why there is nothing to compare with, or None."""
    return "not installed" if importlib.util.find_spec("torch") is None else None


def version() -> str:
    """``PyTorch 2.8.0``."""
    import torch

    return f"PyTorch {torch.__version__.partition('+')[0]}"


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """PyTorch with as many threads as the kernels have; afterwards as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(before)


def counterpart(operation: str, arguments: tuple[Any, ...]) -> Counterpart | str:
    """How PyTorch computes a kernel's operation, or why there is nothing to compare with."""
    import torch

    if operation not in _KNOWN:
        return f"which function does the same as {operation} is not known here"
    if fused(arguments):
        return "it has no one function for this and what is computed in the same call"
    prepared = [torch.from_numpy(a.copy(order="K")) if isinstance(a, np.ndarray) else a for a in arguments]
    return _KNOWN[operation](*prepared) or "it pads both sides alike"


def fused(arguments: tuple[Any, ...]) -> bool:
    """Whether a kernel call has an epilogue that does something."""
    return any(a is not NONE for a in arguments if isinstance(a, Epilogue))


def _symmetric(window: Window2d) -> tuple[int, int] | None:
    """The padding, if both sides have the same."""
    (top, bottom), (left, right) = window.padding
    return (top, left) if (top, left) == (bottom, right) else None


def _conv(x: Any, w: Any, bias: Any, window: Window2d, groups: int, *_: Any) -> Counterpart | None:
    from torch.nn.functional import conv2d

    pads = _symmetric(window)
    if pads is None:
        return None
    settings = window.stride, pads, window.dilation, groups
    return Counterpart("torch.nn.functional.conv2d", lambda: conv2d(x, w, bias, *settings))


def _conv_gradient(which: int) -> Callable[..., Counterpart | None]:
    """Of the input (0) or of the weight (1)."""

    def find(grad_y: Any, other: Any, window: Window2d, groups: int, residual: Any = None) -> Counterpart | None:
        import torch

        pads = _symmetric(window)
        if pads is None:
            return None
        if which == 0:
            x = grad_y.new_empty((len(grad_y), other.shape[1] * groups, *window.input_size))
            w = other
        else:
            x = other
            w = other.new_empty((grad_y.shape[1], other.shape[1] // groups, *window.kernel_size))
        settings = None, window.stride, pads, window.dilation, False, (0, 0), groups, (which == 0, which == 1, False)
        back = torch.ops.aten.convolution_backward
        more = 0 if residual is None else residual
        return Counterpart("torch.ops.aten.convolution_backward", lambda: back(grad_y, x, w, *settings)[which] + more)

    return find


def _conv_bias(grad_y: Any) -> Counterpart:
    return Counterpart("torch.Tensor.sum", lambda: grad_y.sum((0, 2, 3)))


def _matmul(a: Any, b: Any, bias: Any = None, *_: Any) -> Counterpart:
    import torch

    if bias is None:
        return Counterpart("torch.matmul", lambda: torch.matmul(a, b))
    return Counterpart("torch.addmm", lambda: torch.addmm(bias, a, b))


def _rounds_up(window: Window2d) -> bool:
    """Whether the window was made with ``ceil_mode``."""
    numbers = zip(
        window.input_size, window.kernel_size, window.stride, window.padding, window.dilation, window.output_size,
        strict=True,
    )  # fmt: skip
    return any(output_length(*settings) != length for *settings, length in numbers)


def _max_pool(x: Any, window: Window2d) -> Counterpart | None:
    from torch.nn.functional import max_pool2d

    pads = _symmetric(window)
    if pads is None:
        return None
    settings = window.kernel_size, window.stride, pads, window.dilation, _rounds_up(window)
    return Counterpart("torch.nn.functional.max_pool2d", lambda: max_pool2d(x, *settings, return_indices=True)[0])


def _avg_pool(x: Any, window: Window2d, count_include_pad: bool, divisor: int | None) -> Counterpart | None:
    from torch.nn.functional import avg_pool2d

    pads = _symmetric(window)
    if pads is None:
        return None
    settings = window.kernel_size, window.stride, pads, _rounds_up(window), count_include_pad, divisor
    return Counterpart("torch.nn.functional.avg_pool2d", lambda: avg_pool2d(x, *settings))


def _adaptive(name: str) -> Callable[..., Counterpart]:
    def find(x: Any, size: Any) -> Counterpart:
        import torch.nn.functional as F

        return Counterpart(f"torch.nn.functional.{name}", lambda: getattr(F, name)(x, size))

    return find


def _statistics(x: Any) -> Counterpart:
    import torch

    dims = [d for d in range(x.ndim) if d != 1]
    return Counterpart("torch.var_mean", lambda: torch.var_mean(x, dims, correction=0)[1])


def _normalize(x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float, *_: Any) -> Counterpart:
    from torch.nn.functional import batch_norm

    return Counterpart(
        "torch.nn.functional.batch_norm", lambda: batch_norm(x, mean, var, weight, bias, False, 0.0, eps)
    )


def _relu(x: Any, *_: Any) -> Counterpart:
    import torch

    return Counterpart("torch.relu", lambda: torch.relu(x))


def _softmax(x: Any, axis: int) -> Counterpart:
    import torch

    return Counterpart("torch.softmax", lambda: torch.softmax(x, axis))


_KNOWN: dict[str, Callable[..., Counterpart | None]] = {
    "conv2d.forward": _conv,
    "conv2d.grad_input": _conv_gradient(0),
    "conv2d.grad_weight": _conv_gradient(1),
    "conv2d.grad_bias": _conv_bias,
    "matmul": _matmul,
    "max_pool2d.forward": _max_pool,
    "avg_pool2d.forward": _avg_pool,
    "adaptive_avg_pool2d.forward": _adaptive("adaptive_avg_pool2d"),
    "adaptive_max_pool2d.forward": _adaptive("adaptive_max_pool2d"),
    "batch_norm.statistics": _statistics,
    "batch_norm.normalize": _normalize,
    "relu.forward": _relu,
    "softmax.forward": _softmax,
}
