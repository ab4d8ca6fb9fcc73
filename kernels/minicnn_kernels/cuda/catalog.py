"""The table of CUDA kernels: where each is written, how it is specialised, and how many threads it is started with.

What a kernel takes is not here: `signature.py` reads it from the source. Whoever launches (`on_cpu`, a test, a
device) asks the same table.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil, prod
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
        count = prod(int(values[size]) for size in sizes)
        return min(ceil(count / THREADS), MOST_BLOCKS), 1, 1

    return grid


def per_block(*sizes: str) -> Callable[[Sizes], Grid]:
    """One block for each element of an array with these sizes."""

    def grid(values: Sizes) -> Grid:
        return prod(int(values[size]) for size in sizes), 1, 1

    return grid


def per_warp(size: str) -> Callable[[Sizes], Grid]:
    """One warp of 32 threads for each row."""

    def grid(values: Sizes) -> Grid:
        return ceil(int(values[size]) * 32 / THREADS), 1, 1

    return grid


PIECE = 2048  # elements of one array that a block of optimizers.cu takes


def per_piece(values: Sizes) -> Grid:
    """One block for each piece of the arrays of a list."""
    return (values["ends"][-1] if values["ends"] else 0), 1, 1


WINDOWS = "outer", "out_h", "out_w", "inner"
PLANES = "outer", "h", "w", "inner"
LAYERS = "outer", "c", "inner"
ACTIVATIONS = ("relu", "leaky_relu", "relu6", "elu", "sigmoid", "tanh", "silu", "hardsigmoid", "hardswish")


def per_tap(values: Sizes) -> Grid:
    """One block for each tap of a window and each 32 channels of depthwise.cu."""
    taps, channels = (
        prod(int(values[size]) for size in sizes) for sizes in (("kernel_h", "kernel_w"), ("c", "multiplier"))
    )
    return taps * ceil(channels / 32), 1, 1


def _activations() -> Iterator[Kernel]:
    for name in ACTIVATIONS:
        defines = {"ACTIVATION": {"tanh": "tangent"}.get(name, name)}  # tanh is a function already
        yield Kernel(f"{name}.forward", "activations.cu", "activation_forward", per_element("size"), defines=defines)
        yield Kernel(f"{name}.grad", "activations.cu", "activation_grad", per_element("size"), defines=defines)


TILE = 64  # rows and columns of a tile of convolution.cu


def per_tile(rows: tuple[str, ...], columns: tuple[str, ...], parts: tuple[str, ...]) -> Callable[[Sizes], Grid]:
    """One block for each tile of matrices whose sides are products of sizes, and for as many parts and groups."""

    def grid(values: Sizes) -> Grid:
        x, y, z = (prod(int(values[size]) for size in sizes) for sizes in (rows, columns, parts))
        return ceil(x / TILE), ceil(y / TILE), z

    return grid


def _convolutions() -> Iterator[Kernel]:
    """In TF32 and, ``strict``, in float's full precision; copying 4 channels at a time, or 1."""
    grids = {
        "forward": per_tile(("n", "out_h", "out_w"), ("k",), ("groups",)),
        "grad_input": per_tile(("n", "h", "w"), ("c",), ("groups",)),
        "grad_weight": per_tile(("k",), ("kernel_h", "kernel_w", "c"), ("splits", "groups")),
    }
    for precision, strict in (("tf32", "0"), ("strict", "1")):
        for vector in ("4", "1"):
            for what, grid in grids.items():
                yield Kernel(
                    f"conv2d.{what}.{precision}.{vector}",
                    "convolution.cu",
                    f"conv2d_{what}",
                    grid,
                    block=(128, 1, 1),
                    defines={"STRICT": strict, "VECTOR": vector},
                    architectures=(80, 90),
                )
    yield Kernel(
        "conv2d.sum_splits",
        "convolution.cu",
        "sum_splits",
        per_element("size"),
        defines={"STRICT": "0", "VECTOR": "4"},
        architectures=(80, 90),
    )


KERNELS = (
    Kernel("im2col", "im2col.cu", "im2col", per_element("n", "c", "kernel_h", "kernel_w", "out_h", "out_w")),
    Kernel("col2im", "im2col.cu", "col2im", per_element("n", "c", "h", "w")),
    Kernel("max_pool2d.forward", "pooling.cu", "max_pool2d_forward", per_element(*WINDOWS)),
    Kernel("max_pool2d.indices", "pooling.cu", "max_pool2d_indices", per_element(*WINDOWS)),
    Kernel("max_pool2d.grad_input", "pooling.cu", "max_pool2d_grad_input", per_element(*PLANES)),
    Kernel("avg_pool2d.forward", "pooling.cu", "avg_pool2d_forward", per_element(*WINDOWS)),
    Kernel("avg_pool2d.grad_input", "pooling.cu", "avg_pool2d_grad_input", per_element(*PLANES)),
    Kernel("adaptive_avg_pool2d.forward", "adaptive_pooling.cu", "adaptive_avg_pool2d_forward", per_element(*WINDOWS)),
    Kernel(
        "adaptive_avg_pool2d.grad_input", "adaptive_pooling.cu", "adaptive_avg_pool2d_grad_input", per_element(*PLANES)
    ),
    Kernel("adaptive_max_pool2d.forward", "adaptive_pooling.cu", "adaptive_max_pool2d_forward", per_element(*WINDOWS)),
    Kernel("max_unpool2d.scatter", "unpooling.cu", "max_unpool2d_scatter", per_element("outer", "inner")),
    Kernel("max_unpool2d.forward", "unpooling.cu", "max_unpool2d_forward", per_element("outer", "inner")),
    Kernel(
        "max_unpool2d.grad_input", "unpooling.cu", "max_unpool2d_grad_input", per_element("outer", "count", "inner")
    ),
    Kernel(
        "depthwise.forward", "depthwise.cu", "depthwise_forward", per_element("multiplier", "n", "out_h", "out_w", "c")
    ),
    Kernel("depthwise.grad_input", "depthwise.cu", "depthwise_grad_input", per_element("n", "h", "w", "c")),
    Kernel("depthwise.grad_weight", "depthwise.cu", "depthwise_grad_weight", per_tap, block=(32, 8, 1)),
    Kernel("batch_norm.statistics", "batch_norm.cu", "batch_norm_statistics", per_block("c")),
    Kernel("batch_norm.normalize", "batch_norm.cu", "batch_norm_normalize", per_element(*LAYERS)),
    Kernel("batch_norm.grad_sums", "batch_norm.cu", "batch_norm_grad_sums", per_block("c")),
    Kernel("batch_norm.grad_input", "batch_norm.cu", "batch_norm_grad_input", per_element(*LAYERS)),
    Kernel("channels.finish", "channels.cu", "finish", per_element(*LAYERS)),
    Kernel("channels.sum", "channels.cu", "channel_sum", per_block("c")),
    Kernel("cross_entropy.forward", "cross_entropy.cu", "cross_entropy_forward", per_warp("m")),
    Kernel("cross_entropy.grad", "cross_entropy.cu", "cross_entropy_grad", per_warp("m")),
    Kernel("dropout.forward", "dropout.cu", "dropout_forward", per_element("n", "pixels", "c")),
    Kernel("dropout.grad", "dropout.cu", "dropout_grad", per_element("size")),
    *_activations(),
    *_convolutions(),
    Kernel("resize_nearest.forward", "resize.cu", "resize_nearest_forward", per_element(*WINDOWS)),
    Kernel("resize_nearest.grad_input", "resize.cu", "resize_nearest_grad_input", per_element(*PLANES)),
    Kernel("resize_bilinear.forward", "resize.cu", "resize_bilinear_forward", per_element(*WINDOWS)),
    Kernel("resize_bilinear.grad_input", "resize.cu", "resize_bilinear_grad_input", per_element(*PLANES)),
    *(
        Kernel(f"{name}.step", "optimizers.cu", f"{name}_step", per_piece)
        for name in ("sgd", "adam", "rmsprop", "adagrad", "adadelta")
    ),
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
