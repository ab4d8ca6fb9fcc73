"""Run CUDA kernels on the CPU, on NumPy arrays, and be told what is wrong with them. Needs g++, and no GPU.

The threads of a block take turns on one thread of the CPU. A checked program (the default) looks at every load and
store, and raises `KernelError` for an access outside of an array, for shared memory that is read before it is
written, for a barrier that some threads do not reach, and for a race: two threads at one element, one of them writing,
and nothing that orders them. A GPU might get such a kernel right a thousand times, and then not.

>>> import numpy as np
>>> from minicnn_kernels.cuda import on_cpu
>>> reverse = on_cpu.Program('''extern "C" __global__ void reverse(float* x) {
...     __shared__ float copy[4];
...     copy[threadIdx.x] = x[threadIdx.x];
...     x[threadIdx.x] = copy[3 - threadIdx.x];
... }''')
>>> try:
...     reverse.launch("reverse", grid=1, block=4, arguments=[np.arange(4, dtype=np.float32)])
... except on_cpu.KernelError as error:
...     print(error)
kernel reverse: thread (0, 0, 0) of block (0, 0, 0) reads copy[3], which no thread has written
    kernel.cu, line 4:    x[threadIdx.x] = copy[3 - threadIdx.x];
  Shared memory begins undefined.

`run` starts the project's own kernels, `trace` writes down what one thread does, `Program` compiles any source.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ..catalog import Kernel, find
from .build import CompileError
from .errors import KernelError, Line
from .program import Program
from .trace import Step, Trace, trace

__all__ = ["CompileError", "KernelError", "Line", "Program", "Step", "Trace", "load", "run", "trace"]


def load(name: str, checked: bool = True) -> Program:
    """The compiled program of a kernel of the table (`catalog.KERNELS`).

    Examples
    --------
    >>> load("im2col")
    <im2col.cu: im2col(x, columns, n, c, h, w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, \
dilation_w, out_h, out_w), col2im(columns, x, n, c, h, w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, \
dilation_h, dilation_w, out_h, out_w)>
    """
    return _load(find(name).file, tuple(find(name).defines.items()), checked)


@cache
def _load(file: str, defines: tuple[tuple[str, str], ...], checked: bool) -> Program:
    from ..source import read

    return Program(read(file), dict(defines), checked, file)


def run(name: str | Kernel, *arguments: Any, checked: bool = True, order: str | int = "forward", **named: Any) -> None:
    """Run a kernel of the table, with its number of threads.

    Parameters
    ----------
    name : str
        ``"im2col"``, ``"max_pool2d.forward"`` ...
    *arguments, **named
        Arrays and scalars in the kernel's order, or by name; sizes of arrays may be left out.
    checked, order
        See `Program` and `Program.launch`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    >>> columns = np.empty((1, 1, 2, 2, 2, 2), np.float32)
    >>> run("im2col", x, columns, stride_h=1, stride_w=1, pad_h=0, pad_w=0, dilation_h=1, dilation_w=1)
    >>> columns.reshape(4, 4)
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]], dtype=float32)
    """
    kernel = find(name) if isinstance(name, str) else name
    values = kernel.signature.bind(*arguments, **named)
    grid = kernel.grid(values)
    if 0 not in grid:
        program = _load(kernel.file, tuple(kernel.defines.items()), checked)
        program.launch(kernel.function, grid, kernel.block, tuple(values.values()), order=order)
