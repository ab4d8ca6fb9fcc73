"""Seeing the kernels that run: which operation, on what, by which kernel, with what result, in what time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from . import registry


class Call(NamedTuple):
    """One kernel call that was seen."""

    operation: str
    kernel: registry.Kernel
    arguments: tuple[Any, ...]
    result: Any
    seconds: float


@contextmanager
def watch(record: Callable[[Call], object]) -> Iterator[None]:
    """Let ``record`` see every kernel call of the process, but no call inside a call.

    The registry gives each kernel to its caller; inside this block it gives a kernel that is timed and reported.

    Examples
    --------
    >>> import numpy as np
    >>> from minicnn_kernels import call, use_backend
    >>> seen = []
    >>> with use_backend("numpy"), watch(seen.append):
    ...     y = call("relu.forward", np.array([-1.0, 2.0]))
    >>> seen[0].operation, seen[0].kernel.backend, seen[0].result
    ('relu.forward', 'numpy', array([0., 2.]))
    """
    select, inside = registry.select, False

    def seen(operation: str, arguments: tuple[Any, ...]) -> tuple[registry.Kernel, str]:
        found, why = select(operation, arguments)

        def function(*arguments: Any) -> Any:
            nonlocal inside
            if inside:
                return found.function(*arguments)
            inside = True
            before = time.perf_counter()
            try:
                result = found.function(*arguments)
            finally:
                inside = False
            record(Call(operation, found, arguments, result, time.perf_counter() - before))
            return result

        return dataclasses.replace(found, function=function), why

    registry.select = seen
    try:
        yield
    finally:
        registry.select = select
