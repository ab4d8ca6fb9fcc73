"""Rows: the chains of a network that are computed in one, as both libraries write them.

The steps run inside a module, where results may wait, on copies: memory that NumPy holds is never waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .case import Case, Op, Source


def _chain(library: Any) -> Callable[..., Any]:
    """What the module of either library computes from a case."""
    F = library.nn.functional

    class Chain(library.nn.Module):  # type: ignore[misc]
        def forward(
            self, x: Any, w: Any, b: Any, mean: Any, var: Any, scale: Any, shift: Any, residual: Any, **how: Any
        ) -> Any:
            x, w, b, scale, shift, residual = (
                None if t is None else t.clone() for t in (x, w, b, scale, shift, residual)
            )
            y = x if w is None else F.conv2d(x, w, b, padding=1)
            if how["norm"]:
                training = how["norm"] == "training"
                mean, var = (None, None) if training else (mean.clone(), var.clone())
                y = F.batch_norm(y, mean, var, scale, shift, training)
            if how["join"] == "in place":
                y += residual
            elif how["join"]:
                y = y + residual if how["join"] == "left" else residual + y
            return getattr(F, how["end"])(y, inplace=how["inplace"]) if how["end"] else y

    return Chain()


def _dense(library: Any) -> Callable[..., Any]:
    """Two layers of a dense block, whose concatenations wait."""
    F = library.nn.functional

    class Dense(library.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any, *layers: Any, end: str | None) -> Any:
            x, *layers = (t.clone() for t in (x, *layers))
            for w, scale, shift in (layers[:3], layers[3:]):
                y = F.batch_norm(x, None, None, scale, shift, training=True)
                x = library.cat([x, F.conv2d(F.relu(y), w, padding=1)], 1)
            y = F.batch_norm(x, None, None, training=True)
            return getattr(F, end)(y) if end else y

    return Dense()


def _bottleneck(library: Any) -> Callable[..., Any]:
    """A batch norm between two convolutions, of which the second may normalise what it loads."""
    F = library.nn.functional

    class Bottleneck(library.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any, w: Any, scale: Any, shift: Any, w2: Any, b2: Any, join: bool, end: str | None) -> Any:
            x, w, scale, shift, w2, b2 = (None if t is None else t.clone() for t in (x, w, scale, shift, w2, b2))
            y = F.conv2d(x, w, padding=1)
            y = F.batch_norm(library.cat([x, y], 1) if join else y, None, None, scale, shift, training=True)
            return F.conv2d(getattr(F, end)(y) if end else y, w2, b2)

    return Bottleneck()


@dataclass(frozen=True)
class ChainOp(Op):
    """A row whose function is one of the modules above."""

    module: Callable[[Any], Callable[..., Any]] = _chain

    def resolve(self, root: Any) -> Callable[..., Any]:
        return self.module(root)


def _draw(first: bool, norm: str | None) -> Callable[[Source], Case]:
    def draw(s: Source) -> Case:
        n = s.integer(2, 3) if s.batch is None else s.batch
        c, o = s.integer(1, 3), s.integer(1, 4)
        o = o if first else c
        join, end = s.choice((None, "left", "right", "in place")), s.choice(("relu", "relu6", None))
        inputs = (
            s.normal(n, c, 4, 3),
            s.normal(o, c, 3, 3) if first else None,
            s.normal(o) if first and s.boolean() else None,
            s.normal(o) if norm else None,
            s.positive(o) if norm else None,
            *((s.normal(o), s.normal(o)) if norm and s.boolean() else (None, None)),
            s.normal(n, o, 4, 3) if join else None,
        )
        how = {"norm": norm, "join": join, "end": end, "inplace": s.boolean()}
        return Case(inputs, how, fixed=(3, 4))

    return draw


def _draw_dense(s: Source) -> Case:
    n, c, growth = (s.integer(2, 3) if s.batch is None else s.batch), s.integer(1, 3), s.integer(1, 3)
    layers: list[Any] = []
    for wide in (c, c + growth):
        layers += s.normal(growth, wide, 3, 3), s.normal(wide), s.normal(wide)
    return Case((s.normal(n, c, 4, 3), *layers), {"end": s.choice(("relu", None))})


def _draw_bottleneck(s: Source) -> Case:
    n, c, inner, o = (s.integer(2, 3) if s.batch is None else s.batch), *(s.integer(1, 4) for _ in range(3))
    join = s.boolean()
    wide = inner + c if join else inner
    affine = (s.normal(wide), s.normal(wide)) if s.boolean() else (None, None)
    bias = s.normal(o) if s.boolean() else None
    inputs = s.normal(n, c, 4, 3), s.normal(inner, c, 3, 3), *affine, s.normal(o, wide, 1, 1), bias
    return Case(inputs, {"join": join, "end": s.choice(("relu", "relu6", None))})


ROWS = [
    ChainOp("conv_then_rectifier", _draw(True, None), ""),
    ChainOp("conv_then_norm_of_the_batch", _draw(True, "training"), "", empty=False, float32_tolerance=1e-3),
    ChainOp("conv_then_frozen_norm", _draw(True, "evaluation"), ""),
    ChainOp("norm_of_the_batch_then_rectifier", _draw(False, "training"), "", empty=False, float32_tolerance=1e-3),
    ChainOp("dense_block", _draw_dense, "", empty=False, float32_tolerance=1e-3, module=_dense),
    ChainOp("bottleneck", _draw_bottleneck, "", empty=False, float32_tolerance=1e-3, module=_bottleneck),
]
