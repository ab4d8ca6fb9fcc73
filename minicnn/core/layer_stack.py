"""Which layer is computing: the modules on the way down, and what those before them made; per thread.

``nn.Module`` pushes itself while its ``forward`` runs. Names are worked out
only when a message needs one.
"""

from __future__ import annotations

import threading
from math import prod
from typing import Any

from minicnn_kernels.errors import LayerError, ShapeError

Shape = tuple[int, ...]
SHOWN = 8  # layers in a message


class _Stack(threading.local):
    def __init__(self) -> None:
        self.modules: list[Any] = []
        self.passed: list[tuple[Any, Any]] = []  # layers that are done, and their results' shapes: see explain_where
        self.waiting: dict[int, Any] = {}  # tensors that wait, or did: weak references by address


stack = _Stack()


def layer_path() -> str | None:
    """Path and description of the innermost running layer, as ``'features.3' Conv2d(...)``, or None."""
    if not stack.modules:
        return None
    layer = stack.modules[-1]
    name = _name(layer)
    lines = repr(layer).splitlines()
    description = lines[0] if len(lines) == 1 else type(layer).__name__
    return f"{name!r}: {description}" if name else description


def explain_where(error: LayerError, args: tuple[Any, ...], before: int) -> None:
    """Tell an error that leaves the innermost running layer where it happened.

    ``stack.passed`` has the layers of each running module that are done, and not what was inside of those: the way to
    the error. The innermost layer was called with ``args`` after the first ``before`` of them. The sizes begin with
    the input when the error leaves the outermost layer.
    """
    if error.layer is None:
        error.layer = layer_path()
        if isinstance(error, ShapeError):
            error.sizes = tuple(_sizes_so_far(shapes(args), before))
    if isinstance(error, ShapeError) and error.sizes and len(stack.modules) == 1:
        error.sizes = (("input", _text(shapes(args))), *error.sizes)


def _sizes_so_far(given: list[Shape], before: int) -> list[tuple[str, str]]:
    rows = [(_label(layer), _text(shape)) for layer, shape in stack.passed]
    if len(stack.modules) > 1:  # what the outermost got is the input
        rows.insert(before, (_label(stack.modules[-1]), f"got {_text(given)}{_flattened(given)}"))
    more = len(rows) - SHOWN
    return [(f"... {more} layers before", ""), *rows[more:]] if more > 0 else rows


def _flattened(given: list[Shape]) -> str:
    """`` = 64*7*7`` if the last size of what the layer got is that of images which a layer before it made."""
    if len(given) != 1 or len(given[0]) != 2:
        return ""
    images = (shape for _, shape in reversed(stack.passed) if isinstance(shape, tuple) and len(shape) > 2)
    found = next((shape[1:] for shape in images if prod(shape[1:]) == given[0][1]), None)
    return "" if found is None else f", flattened: {'*'.join(map(str, found))} = {given[0][1]}"


def _label(layer: Any) -> str:
    return f"{_name(layer)} ({type(layer).__name__})".lstrip()


def _name(layer: Any) -> str:
    return next((name for name, module in stack.modules[0].named_modules() if module is layer), "")


def shapes(value: Any) -> list[Shape]:
    """The shapes of all tensors in tuples, lists and dictionaries."""
    if (form := getattr(value, "_form", None)) is not None:
        return [tuple(form.shape)]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [shape for item in inside for shape in shapes(item)]


def _text(shapes: Any) -> str:
    return ", ".join(map(str, shapes)) if isinstance(shapes, list) else str(shapes)
