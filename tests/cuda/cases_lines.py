"""Softmax along an axis, and arrays added and joined."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from .case import Draw, Drawn, cases, vectorized

# outer, c, inner
ROWS = ((9, 70, 1), (3, 5, 1), (1, 1, 1), (0, 4, 1))
LINES = ((2, 7, 150), (1, 3, 2), (3, 1, 5), (2, 0, 3))

for _lies, _shapes in (("rows", ROWS), ("lines", LINES)):

    @cases(f"softmax.forward.{_lies}")
    def _(d: Draw, shapes: tuple[tuple[int, int, int], ...] = _shapes) -> Iterator[Drawn]:
        for i, shape in enumerate(shapes):
            x = (5 * d.array(*shape) + 90).astype(d.dtype)  # e^x is beyond float32
            if x.shape[1] > 2:
                x[:1, 1, 0] = -np.inf
                x[-1:, 2, -1] = np.nan  # makes its line NaN, and no other
            with np.errstate(all="ignore"):
                y = vectorized("log_softmax.forward" if i % 2 else "softmax.forward", x.astype(np.float64), 1)
            yield {"x": x, "y": d.empty(*shape), "logarithm": i % 2}, {"y": y.astype(d.dtype)}

    @cases(f"softmax.grad.{_lies}")
    def _(d: Draw, shapes: tuple[tuple[int, int, int], ...] = _shapes) -> Iterator[Drawn]:
        for i, shape in enumerate(shapes):
            grad_y, y = d.array(*shape), -np.abs(d.array(*shape))
            grad_x = vectorized("log_softmax.grad" if i % 2 == 0 else "softmax.grad", grad_y, y, 1)
            given = {"grad_y": grad_y, "y": y, "grad_x": d.empty(*shape), "logarithm": i % 2 == 0}
            yield given, {"grad_x": grad_x}


@cases("add.forward")
def _(d: Draw) -> Iterator[Drawn]:
    for size in (300, 7, 0):
        a, b = d.array(size), d.array(size)
        yield {"a": a, "b": b, "y": d.empty(size)}, {"y": a + b}


@cases("cat.forward")
def _(d: Draw) -> Iterator[Drawn]:
    # rows, the widths of the arrays, columns before and behind them in the result
    for outer, widths, before, behind in (
        (3, (5, 1, 40, 7), 0, 0),
        (2, (3, 2), 4, 1),
        (1, (300,), 0, 2),
        (4, (2, 6, 1), 1, 0),
    ):
        joined = [d.array(outer * width) for width in widths]
        y = d.array(outer, before + sum(widths) + behind)
        after = y.copy()
        after[:, before : before + sum(widths)] = np.hstack([x.reshape(outer, -1) for x in joined])
        given = {"joined": joined, "ends": list(accumulate(widths)), "arrays": len(widths), "y": y}
        yield {**given, "first": before, "columns": sum(widths)}, {"y": after}
