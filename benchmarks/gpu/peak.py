"""What this GPU can do at most, measured: float32 products in TF32 and in full precision, and bytes of a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..harness import in_turns, measure
from ..machine import Peak

SIDE = 8192  # of the square matrices
NUMBERS = 2**28  # float32 that are copied: 1 GiB, more than any cache
PRECISIONS = ("tf32", "strict")


@contextmanager
def in_precision(precision: str) -> Iterator[None]:
    """Let both libraries compute products and convolutions in TF32, or in float32's full precision, in a block."""
    import minicnn

    switches = [part for root in (torch, minicnn) for part in (root.backends.cuda.matmul, root.backends.cudnn)]
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = precision == "tf32"
        yield
    finally:
        for switch, allowed in zip(switches, before, strict=True):
            switch.allow_tf32 = allowed


def peaks() -> dict[str, Peak]:
    """By precision. The product is PyTorch's (cuBLAS), the copy the driver's."""
    a = torch.randn(SIDE, SIDE, device="cuda")
    x, y = torch.zeros(NUMBERS, device="cuda"), torch.empty(NUMBERS, device="cuda")
    copied = 2 * x.nbytes / _seconds(lambda: y.copy_(x))
    found = {}
    for precision in PRECISIONS:
        with in_precision(precision):
            found[precision] = Peak(2 * SIDE**3 / _seconds(lambda: a @ a), copied, copied)
    return found


def _seconds(function: Any) -> float:
    def waited() -> None:
        function()
        torch.cuda.synchronize()

    return measure(in_turns(it=waited), rounds=3, seconds=0.5, patience=0)["it"].median


def describe(found: dict[str, Peak]) -> dict[str, str]:
    """Everything about the machine that the figures depend on."""
    import cupy

    import minicnn

    properties, runtime = torch.cuda.get_device_properties(0), cupy.cuda.runtime
    driver, cuda = (f"{v // 1000}.{v % 1000 // 10}" for v in (runtime.driverGetVersion(), runtime.runtimeGetVersion()))
    return {
        "GPU": f"{properties.name}, compute capability {properties.major}.{properties.minor}, "
        f"{properties.multi_processor_count} multiprocessors, {properties.total_memory / 1e9:.0f} GB",
        "driver": f"CUDA {driver}",
        "versions": f"minicnn {minicnn.__version__}, cupy {cupy.__version__} (CUDA {cuda}), torch {torch.__version__}, "
        f"cuDNN {torch.backends.cudnn.version()}",
        "peak, measured": f"{found['tf32'].flops / 1e12:.0f} TFLOP/s in TF32 and {found['strict'].flops / 1e12:.0f} in "
        f"strict float32 (a product of {SIDE} x {SIDE} by cuBLAS), {found['tf32'].read / 1e12:.2f} TB/s copying",
    }
