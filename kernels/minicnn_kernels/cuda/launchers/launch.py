"""What all launchers share: their place in the registry, and the start of a kernel.

A launcher takes the arguments of its operation, brings arrays into the memory that the kernel wants, makes empty
results, and calls `launch`. The arrays say where: CuPy's on their GPU, and NumPy's on the CPU, by `on_cpu`, so that
a launcher can be tried, and compared, without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import registry
from ...arrays import on_device
from ...epilogue import NONE, Epilogue
from .. import plans, runtime

KERNELS: dict[str, str] = {}
"""By operation: the kernel of the table that does its work, or most of it."""

Declines = Callable[..., str | None]


def launcher(
    operation: str,
    kernel: str,
    declines: Declines | None = None,
    floats: bool = True,
    details: Callable[..., str] | None = None,
) -> Callable[[Any], Any]:
    """Register the decorated function for arrays on a GPU.

    ``declines`` says why it does not take some arguments, if it does not. With ``floats``, an array of another type
    than the kernels take is declined here. ``details`` says for `registry.explain` how it computes.
    """

    def why_not(*arguments: Any) -> str | None:
        reason = _types(arguments) if floats else None
        return reason if reason is not None or declines is None else declines(*arguments)

    KERNELS[operation] = kernel
    return registry.kernel(operation, "cupy", why_not, details)


def _types(arguments: tuple[Any, ...]) -> str | None:
    """The kernels take float32 or float64, one of them at a time."""
    kind = None
    for x in arguments:
        if isinstance(x, Epilogue):
            reason = _types((*arguments[:1], x.scale, x.residual)) if x is not NONE else None
            if reason is not None:
                return reason
            continue
        if isinstance(x, (list, tuple)):
            x = x[0] if x else None
        dtype = getattr(x, "dtype", None)
        if dtype is None or dtype.kind != "f" or isinstance(x, np.generic):
            continue
        if dtype.itemsize < 4:
            return f"its kernel takes float32 and float64, not {dtype}"
        if kind is None:
            kind = dtype
        elif dtype != kind:
            return f"its arrays have two types, {kind} and {dtype}"
    return None if kind is not None else "its kernel takes float32 and float64, and there is no such array"


def launch(kernel: str, **arguments: Any) -> None:
    """Start a kernel of the table where its arrays are; sizes of arrays may be left out.

    The element types of the arrays choose the variant: with float64 among them, ``real`` is double.
    """
    first = next(iter(arguments.values()))  # an array, or a list of arrays
    if on_device(first[0] if isinstance(first, list) else first):
        plans.launch(kernel, arguments)
        return
    from .. import on_cpu

    on_cpu.run(plans.variant(kernel, arguments), checked=False, **arguments)


def product(a: Any, b: Any, out: Any, tf32: bool) -> None:
    """``out = a @ b`` for stacks of matrices; on the device by cuBLAS."""
    if on_device(out):
        runtime.blas().gemm(a, b, out, tf32)
    else:
        np.matmul(a, b, out=out)
