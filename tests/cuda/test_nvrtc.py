"""NVIDIA's compiler takes every kernel, for every architecture, and none spills its registers."""

from __future__ import annotations

from math import prod

import pytest
from minicnn_kernels.cuda.catalog import KERNELS, Kernel

from .needs import nvrtc
from .nvrtc import compiled

REGISTERS = 65536  # of a multiprocessor, shared by its blocks
SHARED = 48 << 10  # bytes that a block may declare


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_it_compiles_without_spills(kernel: Kernel) -> None:
    module = nvrtc()
    for architecture in kernel.architectures:
        used = compiled(module, kernel, architecture)
        assert used.spills == 0, f"sm_{architecture}: {used}"
        assert used.stack == 0, f"sm_{architecture} keeps an array in local memory: {used}"
        assert used.registers * prod(kernel.block) <= REGISTERS // 2, (
            f"sm_{architecture}: fewer than two blocks fit: {used}"
        )
        assert used.shared <= SHARED, f"sm_{architecture}: {used}"


def test_a_mistake_is_found() -> None:
    module = nvrtc()
    broken = KERNELS[0].variant(real="no_such_type")
    with pytest.raises(RuntimeError, match="no_such_type"):
        compiled(module, broken, 90)
