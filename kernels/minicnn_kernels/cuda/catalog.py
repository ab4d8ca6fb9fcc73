"""The table of CUDA kernels: where each is written, how it is specialised, and how many threads it is started with.

What a kernel takes is not here: `signature.py` reads it from the source. Whoever launches (`on_cpu`, a test, a
device) asks the same table.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from typing import Any

from . import source
from .signature import Signature, signatures

Sizes = Mapping[str, Any]  # the bound arguments: scalars by name
Grid = tuple[int, int, int]

THREADS = 256  # of a block, where nothing asks for another number
MOST_BLOCKS = 2**16  # for more elements than that many blocks have threads, each thread takes several


@dataclass(frozen=True)
class Kernel:
    """One entry of the table.

    Attributes
    ----------
    name : str
        As in the registry of operations where there is one kernel for an operation: ``"max_pool2d.forward"``.
    file, function : str
        The source, and the name in it.
    grid : callable
        From the arguments by name to the number of blocks ``(x, y, z)``; 0 if there is nothing to do.
    block : (int, int, int)
        Threads of a block.
    defines : mapping
        The ``-D`` of this variant.
    architectures : tuple of int
        Compute capabilities that it compiles for.
    """

    name: str
    file: str
    function: str
    grid: Callable[[Sizes], Grid]
    block: Grid = (THREADS, 1, 1)
    defines: Mapping[str, str] = field(default_factory=dict)
    architectures: tuple[int, ...] = (75, 80, 90)
    tolerance: float = 1.0

    def variant(self, **defines: str) -> Kernel:
        """The same kernel with more definitions: ``variant(real="double")``.

        Examples
        --------
        >>> find("im2col").variant(real="double").signature.parameters[0].dtype
        dtype('float64')
        """
        return replace(self, defines={**self.defines, **defines})

    @property
    def text(self) -> str:
        """The source, includes put in."""
        return source.read(self.file)

    @cached_property
    def signature(self) -> Signature:
        """What the kernel takes."""
        return next(s for s in signatures(self.text, self.defines) if s.name == self.function)


def per_element(*sizes: str) -> Callable[[Sizes], Grid]:
    """One thread for each element of an array with these sizes."""

    def grid(values: Sizes) -> Grid:
        count = 1
        for size in sizes:
            count *= int(values[size])
        return min(ceil(count / THREADS), MOST_BLOCKS), 1, 1

    return grid


WINDOWS = "n", "c", "out_h", "out_w"
PLANES = "n", "c", "h", "w"

KERNELS = (
    Kernel("im2col", "im2col.cu", "im2col", per_element("n", "c", "kernel_h", "kernel_w", "out_h", "out_w")),
    Kernel("col2im", "im2col.cu", "col2im", per_element(*PLANES)),
    Kernel("max_pool2d.forward", "pooling.cu", "max_pool2d_forward", per_element(*WINDOWS)),
    Kernel("max_pool2d.grad_input", "pooling.cu", "max_pool2d_grad_input", per_element(*PLANES)),
    Kernel("avg_pool2d.forward", "pooling.cu", "avg_pool2d_forward", per_element(*WINDOWS)),
    Kernel("avg_pool2d.grad_input", "pooling.cu", "avg_pool2d_grad_input", per_element(*PLANES)),
)
_by_name = {kernel.name: kernel for kernel in KERNELS}


def find(name: str) -> Kernel:
    """The entry of a name.

    Examples
    --------
    >>> kernel = find("im2col")
    >>> kernel.file, [p.name for p in kernel.signature.parameters if p.array]
    ('im2col.cu', ['x', 'columns'])
    """
    if name not in _by_name:
        near = difflib.get_close_matches(name, _by_name, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_by_name)}"
        raise ValueError(f"there is no CUDA kernel {name!r}; {hint}")
    return _by_name[name]
