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


def per_warp(*sizes: str, lanes: int = 32) -> Callable[[Sizes], Grid]:
    """One warp of 32 threads, or as many lanes of it as are given, for each row."""

    def grid(values: Sizes) -> Grid:
        return ceil(prod(int(values[size]) for size in sizes) * lanes / THREADS), 1, 1

    return grid


PIECE = 2048  # elements of one array that a block of optimizers.cu takes


def per_piece(values: Sizes) -> Grid:
    """One block for each piece of the arrays of a list."""
    return (values["ends"][-1] if values["ends"] else 0), 1, 1


WINDOWS = "outer", "out_h", "out_w", "inner"
PLANES = "outer", "h", "w", "inner"
LAYERS = "outer", "c", "inner"
ACTIVATIONS = ("relu", "leaky_relu", "relu6", "elu", "sigmoid", "tanh", "silu", "hardsigmoid", "hardswish")


def per_channel(channels: int, c: tuple[str, ...] = ("c",), taps: tuple[str, ...] = ()) -> Callable[[Sizes], Grid]:
    """One block for so many channels and each part of the positions (columns.cuh), for each tap."""

    def grid(values: Sizes) -> Grid:
        count, z = (prod(int(values[size]) for size in sizes) for sizes in (c, taps))
        return ceil(count / channels), int(values["parts"]), z

    return grid


def _channels() -> Iterator[Kernel]:
    """Sums for each channel: where channels are neighbours in memory (columns), and where they are not (planes)."""
    for lies, channels in (("columns", 32), ("planes", 1)):
        for name, file, function in (
            ("channels.sum", "channels.cu", "channel_sum"),
            ("batch_norm.statistics", "batch_norm.cu", "batch_norm_statistics"),
            ("batch_norm.grad_sums", "batch_norm.cu", "batch_norm_grad_sums"),
            ("prelu.grad_weight", "prelu.cu", "prelu_grad_weight"),
            ("group_norm.grad_sums", "group_norm.cu", "group_norm_grad_sums"),
        ):
            yield Kernel(f"{name}.{lies}", file, function, per_channel(channels), (channels, THREADS // channels, 1))


def _activations() -> Iterator[Kernel]:
    for name in ACTIVATIONS:
        defines = {"ACTIVATION": {"tanh": "tangent"}.get(name, name)}  # tanh is a function already
        yield Kernel(f"{name}.forward", "activations.cu", "activation_forward", per_element("size"), defines=defines)
        yield Kernel(f"{name}.grad", "activations.cu", "activation_grad", per_element("size"), defines=defines)


def _softmaxes() -> Iterator[Kernel]:
    """A warp for each line where its numbers are neighbours; one thread where those of other lines lie between."""
    for lanes, lies in ((32, "rows"), (1, "lines")):
        grid, defines = per_warp("outer", "inner", lanes=lanes), {"LANES": str(lanes)}
        yield Kernel(f"softmax.forward.{lies}", "softmax.cu", "softmax_forward", grid, defines=defines)
        yield Kernel(f"softmax.grad.{lies}", "softmax.cu", "softmax_grad", grid, defines=defines)


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
    Kernel(
        "depthwise.grad_weight",
        "depthwise.cu",
        "depthwise_grad_weight",
        per_channel(32, ("c", "multiplier"), ("kernel_h", "kernel_w")),
        (32, THREADS // 32, 1),
    ),
    *_channels(),
    Kernel("batch_norm.merge", "batch_norm.cu", "batch_norm_merge", per_element("c")),
    Kernel("batch_norm.normalize", "batch_norm.cu", "batch_norm_normalize", per_element(*LAYERS)),
    Kernel("batch_norm.grad_input", "batch_norm.cu", "batch_norm_grad_input", per_element(*LAYERS)),
    *(
        Kernel(f"group_norm.{what}", "group_norm.cu", f"group_norm_{what}", per_block("n", "groups"), (1, THREADS, 1))
        for what in ("forward", "grad_input")
    ),
    Kernel(
        "local_response_norm.forward",
        "local_response_norm.cu",
        "local_response_norm_forward",
        per_element(*LAYERS),
    ),
    Kernel("local_response_norm.grad", "local_response_norm.cu", "local_response_norm_grad", per_element(*LAYERS)),
    Kernel("prelu.forward", "prelu.cu", "prelu_forward", per_element(*LAYERS)),
    Kernel("prelu.grad_input", "prelu.cu", "prelu_grad_input", per_element(*LAYERS)),
    Kernel("add.forward", "joining.cu", "add_forward", per_element("size")),
    Kernel("cat.forward", "joining.cu", "cat_forward", per_element("outer", "columns")),
    Kernel("channels.finish", "channels.cu", "finish", per_element(*LAYERS)),
    Kernel("channels.sum_parts", "channels.cu", "sum_parts", per_element("size")),
    *_softmaxes(),
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
