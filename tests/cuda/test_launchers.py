"""Every operation launched on the stand-in for a GPU, against the vectorized kernel on NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import cases, registry
from minicnn_kernels.arrays import on_device
from minicnn_kernels.cases import draw_case
from minicnn_kernels.cuda.launchers.launch import KERNELS
from minicnn_kernels.cuda.runtime import cupy
from minicnn_kernels.precision import set_conv_tf32, set_float32_matmul_precision

OPERATIONS = sorted(KERNELS)
DECLINED: dict[str, str] = {}
"""Operations that no launcher takes, and why."""


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


def agree(operation: str, dtype: Any, batch: int, layout: str, seed: int) -> None:
    found = launched(operation, draw_case(operation, dtype, batch, layout, seed))
    with np.errstate(all="ignore"):
        expected = cases.outcome(operation, "numpy", draw_case(operation, dtype, batch, layout, seed))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, **cases.tolerance(b), err_msg=f"{operation} {layout} seed {seed}")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_computes_what_numpy_computes(operation: str, device: str) -> None:
    for seed, layout in enumerate(cases.LAYOUTS):
        agree(operation, np.float32, 2, layout, seed)
    agree(operation, np.float32, 0, "contiguous", 0)
    agree(operation, np.float64, 3, "channels_last", 9)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_launcher_takes_it_or_says_why_not(operation: str, device: str) -> None:
    given = to_device(draw_case(operation, np.float32))
    kernel, why = registry.select(operation, given)
    if operation in DECLINED:
        assert DECLINED[operation] in why
    else:
        assert kernel.backend == "cupy", why
    halves = to_device(draw_case(operation, np.float16))
    if "indices" not in operation:
        assert "float32 and float64, not float16" in registry.select(operation, halves)[1]
