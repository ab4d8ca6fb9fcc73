"""The text of a tensor: what ``print(t)`` shows, to the character what PyTorch shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from minicnn_kernels.arrays import on_host

from . import dtype as dtypes


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


options = _Options()
_PROFILES = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed.

    Parameters
    ----------
    precision : int, optional
        Digits after the point (at first 4).
    threshold : int, optional
        Tensors of more elements are abridged (1000).
    edgeitems : int, optional
        How many are then shown at each end of a dimension (3).
    linewidth : int, optional
        Characters per line (80).
    profile : {"default", "short", "full"}, optional
        All of these at once.
    sci_mode : bool, optional
        Scientific notation always or never; None: where numbers call for it.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.set_printoptions(precision=2)
    >>> minicnn.tensor([3.14159])
    tensor([3.14])
    >>> minicnn.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions: profile must be one of {', '.join(_PROFILES)}; got {profile!r}")
        options.precision, options.threshold, options.edgeitems, options.linewidth = _PROFILES[profile]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None:
            setattr(options, name, value)
    options.sci_mode = sci_mode


def format_tensor(t: Any) -> str:
    """``tensor([...], dtype=..., requires_grad=True)``."""
    prefix = "tensor("
    array = on_host(t._array)
    suffixes = []
    kind = dtypes.from_numpy_dtype(array.dtype)
    default = dtypes.get_default_dtype()
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
        usual = kind == default
    else:
        body = _body(array, len(prefix))
        usual = kind in (default, dtypes.int64, dtypes.bool_)
    if t.is_cuda:
        suffixes.append(f"device='{t.device}'")
    if not usual:
        suffixes.append(f"dtype={kind}")
    if t.requires_grad:
        suffixes.append("requires_grad=True" if t.grad_fn is None else f"grad_fn={t.grad_fn}")
    return _with_suffixes(prefix + body, suffixes, len(prefix))


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """The text with its suffixes, each on a new line if it would not fit."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > options.linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


def _body(array: Any, indent: int) -> str:
    abridged = array.size > options.threshold
    shown = array
    if abridged:
        for axis, n in enumerate(array.shape):
            if n > 2 * options.edgeitems:
                ends = np.r_[: options.edgeitems, n - options.edgeitems : n]
                shown = np.take(shown, ends, axis)
    show, width = _number_format(shown)
    return _nested(array, indent, abridged, show, width)


def _number_format(array: Any) -> tuple[Callable[[Any], str], int]:
    """How to write one number, and the width of the widest."""
    values = array.reshape(-1).tolist()
    if array.dtype.kind != "f":
        width = max([len(str(v)) for v in values], default=1)
        return lambda v: str(v).rjust(width), width
    numbers = [v for v in values if math.isfinite(v) and v != 0]
    if not numbers:
        return lambda v: _whole(v).rjust(1), 1
    low, high = min(map(abs, numbers)), max(map(abs, numbers))
    scientific = options.sci_mode
    if scientific is None:
        scientific = high / low > 1000 or high > 1e8 or low < 1e-4
    precision = options.precision
    if scientific:
        width = max(len(f"{v:.{precision}e}") for v in numbers)
        return lambda v: f"{v:{width}.{precision}e}", width
    if all(v == math.ceil(v) for v in numbers):
        width = max(len(f"{v:.0f}") + 1 for v in numbers)
        return lambda v: _whole(v).rjust(width), width
    width = max(len(f"{v:.{precision}f}") for v in numbers)
    return lambda v: f"{v:.{precision}f}".rjust(width), width


def _whole(v: float) -> str:
    return f"{v:.0f}." if math.isfinite(v) else f"{v:.0f}"


def _nested(array: Any, indent: int, abridged: bool, show: Callable[[Any], str], width: int) -> str:
    if array.ndim == 0:
        return show(array.item())
    edge, n = options.edgeitems, len(array)
    cut = abridged and n > 2 * edge
    ends = [*range(edge), *range(n - edge, n)] if cut else list(range(n))
    if array.ndim == 1:
        items = [show(v) for v in array[ends].tolist()]
        if cut:
            items.insert(edge, " ...")
        per_line = max(1, (options.linewidth - indent) // (width + 2))
        lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    blocks = [_nested(array[i], indent + 1, abridged, show, width) for i in ends]
    if cut:
        blocks.insert(edge, "...")
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(blocks) + "]"
