"""Convolutions to compare: random numbers, the exact results, and how close others must be."""

from __future__ import annotations

import numpy as np
from minicnn_kernels import call, use_backend
from minicnn_kernels.geometry import Window2d

ERROR = 1e-5  # of the largest result


def numbers(window: Window2d, images: int, channels: int, filters: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """x, w and grad_y in float32, x with a mean as after ReLU."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((images, channels, *window.input_size)) + 0.3
    w = rng.standard_normal((filters, channels, *window.kernel_size))
    g = rng.standard_normal((images, filters, *window.output_size))
    return tuple(a.astype(np.float32) for a in (x, w, g))


def exact(x: np.ndarray, w: np.ndarray, g: np.ndarray, window: Window2d, backend: str = "numba") -> list[np.ndarray]:
    """The three results in float64, where convolution is direct."""
    x, w, g = (a.astype(np.float64) for a in (x, w, g))
    with use_backend(backend):
        return [
            call("conv2d.forward", x, w, None, window, 1),
            call("conv2d.grad_input", g, w, window, 1),
            call("conv2d.grad_weight", g, x, window, 1),
        ]


def agree(got: np.ndarray, expected: np.ndarray, error: float = ERROR) -> None:
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    assert np.abs(got - expected).max(initial=0) <= error * np.abs(expected).max(initial=0)
