"""Every CUDA kernel under the checked executor, and in other orders of its threads, against the vectorized kernels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from minicnn_kernels.cuda import on_cpu
from minicnn_kernels.cuda.catalog import KERNELS, Kernel
from minicnn_kernels.cuda.source import read

from .case import arrays_of
from .table import MAKERS, Case, drawn, few_threads

TOLERANCE = {np.float32: 2e-6, np.float64: 1e-13}
OF_ANY_TYPE = [kernel for kernel in KERNELS if kernel.variant(real="double").signature != kernel.signature]
BY_NAME = pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)

pytestmark = pytest.mark.usefixtures("gxx")


def run(kernel: Kernel, case: Case, dtype: Any = np.float32, **how: Any) -> None:
    arguments = case.copies()
    on_cpu.run(kernel, **arguments, **how)
    case.check(arguments, TOLERANCE[dtype] * kernel.tolerance)


def test_every_kernel_has_cases() -> None:
    assert {kernel.name for kernel in KERNELS} == set(MAKERS)


@pytest.mark.parametrize("file", sorted({kernel.file for kernel in KERNELS}))
def test_the_number_of_a_thread_has_64_bits(file: str) -> None:
    """More than 2^31 threads cannot be run here. A channel's number (columns.cuh) is below their number."""
    text = read(file).replace("channel(blockIdx.x * blockDim.x + threadIdx.x)", "")
    wrapping = re.findall(r"(?<!\(long long\))blockIdx\.[xyz] \* blockDim", text)
    assert not wrapping


@BY_NAME
def test_it_is_right_and_breaks_no_rule(kernel: Kernel) -> None:
    for case in drawn(kernel.name):
        run(few_threads(kernel), case)


@BY_NAME
def test_the_order_of_threads_makes_no_difference(kernel: Kernel) -> None:
    for case in drawn(kernel.name):
        results = []
        for order in ("forward", "backward", 1):
            arguments = case.copies()
            on_cpu.run(kernel, checked=False, order=order, **arguments)
            results.append([x.tobytes() for x in arrays_of(arguments)])
        assert results[0] == results[1] == results[2]
        run(kernel, case, checked=False)


@pytest.mark.parametrize("kernel", OF_ANY_TYPE, ids=lambda kernel: kernel.name)
def test_it_is_right_in_double_precision(kernel: Kernel) -> None:
    for case in drawn(kernel.name, np.float64):
        run(kernel.variant(real="double"), case, np.float64, checked=False)
