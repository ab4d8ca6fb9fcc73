"""Operations of the registry, computed by the CUDA kernels on the CPU: to compare, and to see that all agree.

The functions are the launchers of the backend "cupy" (`launchers`), given NumPy arrays. What a GPU would leave to
cuBLAS is not shown here, and convolutions are computed directly, in float32's full precision.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib.resources import files
from typing import Any

import numpy as np

from ... import registry
from ...conv_algorithms import set_conv_algorithm
from ...precision import set_conv_tf32
from ..catalog import find


def declines(operation: str, arguments: tuple[Any, ...]) -> str | None:
    """Why an operation is not computed here, or None.

    Examples
    --------
    >>> declines("relu.forward", (np.zeros(3, np.float32),))
    >>> declines("relu.forward", (np.zeros(3),))
    'its arrays are float32 here, not float64'
    """
    if operation not in operations():
        return "no CUDA kernel is launched for it on the CPU"
    first = arguments[0]
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if first.dtype.kind == "f" and first.dtype != np.float32:
        return f"its arrays are float32 here, not {first.dtype}"
    declined = registry.own("cupy", operation).declines
    return None if declined is None else declined(*arguments)


def operations() -> dict[str, str]:
    """By operation: the kernel of the table that does its work.

    Examples
    --------
    >>> operations()["im2col"]
    'im2col'
    """
    from ..launchers.launch import KERNELS

    registry.own("cupy", "relu.forward")  # all launchers are there
    return {operation: kernel for operation, kernel in KERNELS.items() if operation != "matmul"}


def launcher(operation: str) -> Callable[..., Any]:
    """The function that launches an operation on NumPy arrays."""
    function = registry.own("cupy", operation).function

    @wraps(function)
    def directly(*arguments: Any) -> Any:
        with set_conv_tf32(False), set_conv_algorithm("direct"):
            return function(*arguments)

    return directly


def place(kernel: str) -> str:
    """File and line of a kernel's definition, as ``minicnn_kernels/cuda/kernels/im2col.cu:12``."""
    entry = find(kernel)
    lines = (files("minicnn_kernels.cuda") / "kernels" / entry.file).read_text("utf-8").splitlines()
    line = next(i for i, text in enumerate(lines, 1) if "__global__" in text and f" {entry.function}(" in text)
    return f"minicnn_kernels/cuda/kernels/{entry.file}:{line}"
