"""What is written into a box, and which kind of box it is."""

from __future__ import annotations

from typing import Any

from ...nn import (
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
)
from ..trace import Call, Operation

LAYERS = {  # the file a layer is defined in -> its kind
    "conv": "conv",
    "pooling": "pooling",
    "linear": "linear",
    "normalisation": "normalisation",
    "activation": "activation",
    "dropout": "dropout",
    "stochastic_depth": "dropout",
    "maxout": "activation",
    "reshaping": "shaping",
}
OPERATIONS = {  # the same of operations
    "conv": "conv",
    "pooling": "pooling",
    "linalg": "linear",
    "normalisation": "normalisation",
    "activations": "activation",
    "dropout": "dropout",
    "arithmetic": "merge",
    "inplace": "merge",
    "joining": "merge",
    "reductions": "pooling",
    "extremes": "pooling",
}
LIGHT = {"normalisation", "activation", "dropout"}  # written into the box of what is before them


def category_of(item: Call | Operation) -> str:
    """The kind of a layer without layers in it, or of an operation."""
    if isinstance(item, Operation):
        return OPERATIONS.get(type(item.function).__module__.rpartition(".")[2], "shaping")
    kind = type(item.module)
    if issubclass(kind, Flatten):
        return "shaping"
    return LAYERS.get(kind.__module__.rpartition(".")[2], "other") if ".nn." in kind.__module__ else "other"


def by(size: Any) -> str:
    """``3 x 3``.

    Examples
    --------
    >>> by(3), by((1, 7)), by((2, 2))
    ('3 × 3', '1 × 7', '2 × 2')
    """
    rows, columns = size if isinstance(size, tuple) else (size, size)
    return f"{rows} × {columns}"


def described(item: Call | Operation) -> str:
    """A layer or an operation in a few words: ``Conv2d 3 × 3, 64, /2``."""
    if isinstance(item, Operation):
        return item.name
    layer: Any = item.module
    name = type(layer).__name__
    if isinstance(layer, (Conv2d, ConvTranspose2d)):
        return ", ".join([f"{name} {by(layer.kernel_size)}", str(layer.out_channels), *_steps(layer), *_groups(layer)])
    if isinstance(layer, (MaxPool2d, AvgPool2d)):
        return ", ".join([f"{name} {by(layer.kernel_size)}", *_steps(layer)])
    if isinstance(layer, (AdaptiveAvgPool2d, AdaptiveMaxPool2d)):
        return f"{name} to {by(layer.output_size)}"
    if isinstance(layer, Linear):
        return f"{name} {layer.out_features}"
    if isinstance(layer, Dropout):
        return f"{name} {layer.p:g}"
    return name


def _steps(layer: Any) -> list[str]:
    """``/2`` for a stride of 2."""
    strides = layer.stride if isinstance(layer.stride, tuple) else (layer.stride,) * 2
    found = [] if strides == (1, 1) else [f"/{strides[0]}" if strides[0] == strides[1] else f"/{strides}"]
    dilation = getattr(layer, "dilation", 1)
    return found + ([] if dilation in (1, (1, 1)) else [f"dilation {dilation}"])


def _groups(layer: Any) -> list[str]:
    if layer.groups == 1:
        return []
    return ["depthwise"] if layer.groups == layer.in_channels else [f"{layer.groups} groups"]


def size_text(shape: tuple[int, ...]) -> str:
    """``64 × 55 × 55``."""
    return " × ".join(map(str, shape)) if shape else "1"
