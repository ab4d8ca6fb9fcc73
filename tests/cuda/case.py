"""Test cases of CUDA kernels: arguments, and what the kernel must write into its outputs.

A function decorated with ``@cases(name)`` yields ``(arguments, expected)``; the expected arrays come from the
vectorized kernels. Outputs are poisoned, so that an element that is not written shows. Whatever launches kernels runs
the same cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from minicnn_kernels import call, use_backend
from minicnn_kernels.cuda.catalog import Kernel

Drawn = tuple[dict[str, Any], dict[str, Any]]
Maker = Callable[["Draw"], Iterator[Drawn]]
MAKERS: dict[str, Maker] = {}


@dataclass(frozen=True)
class Draw:
    """Random arrays of one element type."""

    rng: np.random.Generator
    dtype: Any

    def array(self, *shape: int) -> np.ndarray:
        return self.rng.standard_normal(shape).astype(self.dtype)

    def empty(self, *shape: int) -> np.ndarray:
        return poison(shape, self.dtype)


@dataclass(frozen=True)
class Case:
    """One launch: arguments by name, and the outputs that it must leave."""

    kernel: str
    arguments: dict[str, Any]
    expected: dict[str, Any]

    def copies(self) -> dict[str, Any]:
        return {name: copied(x) for name, x in self.arguments.items()}

    def check(self, after: dict[str, Any], tolerance: float) -> None:
        """Compare what a launch has left with what is expected; inputs must be as they were."""
        expected = dict(_named(self.expected))
        found = dict(_named(after))
        for name, x in _named(self.arguments):
            if name not in expected:
                np.testing.assert_array_equal(found[name], x, err_msg=f"{self.kernel} has changed its input {name}")
                continue
            wanted = expected[name]
            assert found[name].shape == wanted.shape, f"{self.kernel}: {name}: the case expects {wanted.shape}"
            # relative to the size of the numbers: sums of many that cancel are as exact as their terms
            scale = np.max(np.abs(wanted), initial=0, where=np.isfinite(wanted)) if wanted.dtype.kind == "f" else 0
            np.testing.assert_allclose(
                found[name], wanted, rtol=tolerance, atol=tolerance * scale, err_msg=f"{self.kernel}: {name}"
            )


def copied(x: Any) -> Any:
    return [copied(one) for one in x] if isinstance(x, list) else x.copy() if isinstance(x, np.ndarray) else x


def _named(arguments: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays by name; those of lists by name and number."""
    for name, x in arguments.items():
        for i, one in enumerate(x if isinstance(x, list) else [x]):
            if isinstance(one, np.ndarray):
                yield f"{name}[{i}]" if isinstance(x, list) else name, one


def arrays_of(arguments: dict[str, Any]) -> list[np.ndarray]:
    return [x for _, x in _named(arguments)]


def cases(*names: str) -> Callable[[Maker], Maker]:
    def register(make: Maker) -> Maker:
        MAKERS.update(dict.fromkeys(names, make))
        return make

    return register


def drawn(kernel: str, dtype: Any = np.float32) -> list[Case]:
    """The cases of a kernel, the same at every call."""
    draw = Draw(np.random.default_rng(7), dtype)
    return [Case(kernel, *made) for made in MAKERS[kernel](draw)]


def poison(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An output before the launch: NaN, or a number that no kernel writes."""
    return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 113, dtype)


def vectorized(operation: str, *arguments: Any) -> Any:
    with use_backend("numpy"), np.errstate(invalid="ignore"):
        return call(operation, *arguments)


def few_threads(kernel: Kernel) -> Kernel:
    """The kernel with fewer threads than elements, if it is one whose threads then take several."""
    body = kernel.text.partition(f" {kernel.function}(")[2].partition('extern "C"')[0]
    if "STRIDE" not in body:
        return kernel
    return replace(kernel, grid=lambda values: (2 if kernel.grid(values)[0] else 0, 1, 1), block=(32, 1, 1))
