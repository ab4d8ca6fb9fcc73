"""Operations on a device and back: what the tests of launchers share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from minicnn_kernels import cases, registry
from minicnn_kernels.arrays import on_device
from minicnn_kernels.cuda.runtime import cupy
from minicnn_kernels.epilogue import Epilogue
from minicnn_kernels.geometry import conv_window, pool_window
from minicnn_kernels.precision import set_conv_tf32, set_float32_matmul_precision

OPERATIONS = registry.operations("numba")


def to_device(x: Any) -> Any:
    """Arguments with their arrays on the device, in the memory layout that they have."""
    if isinstance(x, np.ndarray):
        return laid_out(x)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(to_device, x))
    return type(x)(map(to_device, x)) if isinstance(x, (list, tuple)) else x


def laid_out(x: np.ndarray) -> Any:
    """A copy on the device with the same strides."""
    cp = cupy()
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    dense = cp.asarray(x.transpose(order).copy("C"))
    y = dense.transpose(np.argsort(order).tolist())
    assert y.shape == x.shape
    if x.size and not x.transpose(order).flags.c_contiguous:  # with gaps: every second, or backwards
        backwards = any(stride < 0 for stride in x.strides)
        cut = (slice(None, None, -1),) if backwards else tuple(slice(None, None, 2) for _ in x.shape)
        wide = cp.zeros([size if backwards else 2 * size for size in x.shape], x.dtype)
        view = wide[(..., *cut)] if x.ndim else wide
        view[...] = y
        return view
    return y


def to_host(x: Any) -> Any:
    if on_device(x):
        return x.get()
    return type(x)(map(to_host, x)) if isinstance(x, (list, tuple)) else x


@contextmanager
def full_precision() -> Iterator[None]:
    with set_conv_tf32(False), set_float32_matmul_precision("highest"):
        yield


def launched(operation: str, arguments: tuple[Any, ...]) -> list[np.ndarray]:
    """What the device computes."""
    given = to_device(arguments)
    with full_precision(), np.errstate(all="ignore"):
        result = registry.call(operation, *given)
    found = cases.changed(operation, given) if operation in cases.IN_PLACE else result
    assert all(on_device(x) for x in flattened(found))
    return [to_host(x) for x in flattened(found)]


def flattened(x: Any) -> list[Any]:
    if isinstance(x, (list, tuple)):
        return [one for part in x for one in flattened(part)]
    return [] if x is None else [x]


X, W, BIAS = (2, 8, 6, 5), (12, 8, 3, 3), (12,)


def last(*shape: int) -> Any:
    """A channels-last array on the device."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return laid_out(x.transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2)


def vector(n: int) -> Any:
    return cupy().ones(n, np.float32)


def calls() -> dict[str, tuple[tuple[Any, ...], dict[str, int]]]:
    """Arguments on channels-last memory, and what a GPU may be asked to do for them."""
    window, pool = conv_window(X, W, 1, 1), pool_window("max_pool2d", X, 2)
    one = conv_window(X, (12, 8, 1, 1))
    x, y, w, narrow = last(*X), last(2, 12, 6, 5), last(*W), last(12, 8, 1, 1)
    relu, launched, product = Epilogue(None, y, 0.0, np.inf), {"kernel launches": 1}, {"library calls": 1}
    norm = vector(12), vector(12), vector(12)
    params, grads, buffers = ([vector(n + 1) for n in range(90)] for _ in range(3))
    return {
        "conv2d.forward": ((x, w, vector(12), window, 1, relu), launched),
        "conv2d.forward, 1x1": ((x, narrow, None, one, 1), product),
        "conv2d.forward, 1x1 and a bias": ((x, narrow, vector(12), one, 1), launched),
        "conv2d.grad_input": ((y, w, window, 1), launched),
        "conv2d.grad_input, 1x1": ((y, narrow, one, 1), product),
        "conv2d.grad_weight": ((y, x, window, 1), launched),
        "conv2d.grad_weight, 1x1": ((y, x, one, 1), product),
        "conv2d.grad_bias": ((y,), launched),
        "batch_norm.statistics": ((y,), launched),
        "batch_norm.normalize": ((y, *norm, vector(12), 1e-5, relu), launched),
        "batch_norm.grad": ((y, y, *norm, 1e-5, False, y, 0.0, np.inf, True), {"kernel launches": 2}),
        "max_pool2d.forward": ((x, pool), launched),
        "relu.forward": ((x,), launched),
        "softmax.forward": ((vector(60).reshape(6, 10), 1), launched),
        "matmul": ((last(4, 6, 1, 1).reshape(4, 6), last(5, 6, 1, 1).reshape(5, 6).T), product),
        "add.forward": ((y, y), launched),
        "cat.forward": (([x, y, x], 1), launched),
        "sgd.step": ((params, grads, buffers, 0.1, 0.9, 0.0, 0.0, False, False, False), {"kernel launches": 2}),
    }
