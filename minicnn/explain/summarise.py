"""The table of a model: sizes, parameters, multiply-adds, memory and receptive fields, from one real forward pass."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ..nn import Module
from ..nn.tree import describe
from .inputs import arguments, one_size
from .result import Summary, Totals
from .rows import Row, rows_of
from .state import checked_mode
from .table import chosen, text_table
from .trace import Trace, shapes, tensors

LATEST = 12  # rows that are shown when a forward pass fails


def summary(
    model: Module,
    input_size: Any = None,
    *more: Any,
    input_data: Any = None,
    batch_size: int | None = None,
    depth: int | None = None,
    verbose: int | None = None,
    col_names: Sequence[str] | None = None,
    dtype: Any = None,
    device: Any = None,
    mode: str = "eval",
) -> Summary:
    """The layers of a model as a table, with the formulas of their sizes, and what they cost.

    The model runs once, on noise of the given size or on the given data, and every operation that runs is looked at.
    The table therefore shows what was computed, whatever the layers are. Afterwards the model is as before: training
    flags, buffers, gradients, hooks and the state of the random numbers.

    Parameters
    ----------
    model : Module
    input_size : tuple of int or list of tuples, optional
        (C, H, W) or (N, C, H, W) of an image, (F,) or (N, F) of features; a list for several inputs.
    *more
        Nothing: a size is one tuple, and everything else is given by name.
    input_data : Tensor, or list, tuple or dict of arguments, optional
        Instead of ``input_size``: what the model is called with. It is copied first.
    batch_size : int, optional
        N where ``input_size`` has none; default 1.
    depth : int, optional
        Show layers down to this depth; default all. The sums are the same.
    verbose : {0, 1, 2}, optional
        0 prints nothing, 1 prints the table, 2 adds every parameter and the formulas of all numbers. Default: 1, in a
        notebook 0, since a notebook shows what is returned.
    col_names : sequence of str, optional
        Columns out of "input_size", "output_size", "formula", "num_params", "trainable", "mult_adds", "memory",
        "receptive_field", "jump".
    dtype : dtype, optional
        Of the input; default that of the parameters.
    device : optional
        Where to run.
    mode : {"eval", "train", "same"}
        How the model runs; "same" leaves every layer as it is.

    Returns
    -------
    Summary
        ``rows`` and totals as data; ``str()`` is the table.

    Raises
    ------
    ValueError
        If the sizes make no sense, an argument is unknown, or the model computes in other threads.
    TypeError
        If ``model`` is no Module, or the size is not one tuple.

    Notes
    -----
    An error in the model's forward pass is raised as it is, with the rows that ran last as a note.

    Multiply-adds are those of convolutions and matrix products. The receptive field of a position is what it sees of
    the image, the padding included; "all": an operation has mixed all positions.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(864, 10))
    >>> found = minicnn.summary(net, (1, 28, 28), col_names=("output_size", "formula", "num_params"))
    Layer           Output          Output size                         Parameters
    ------------------------------------------------------------------------------
    Sequential      (1, 10)                                                  8,806
      0: Conv2d     (1, 6, 24, 24)  (28 - 5 + 2*0)/1 + 1 = 24    5*5*1*6 + 6 = 156
      1: ReLU       (1, 6, 24, 24)
      2: MaxPool2d  (1, 6, 12, 12)  (24 - 2 + 2*0)/2 + 1 = 12
      3: Flatten    (1, 864)        6*12*12 = 864
      4: Linear     (1, 10)         864 to 10                  864*10 + 10 = 8,650
    ------------------------------------------------------------------------------
    Input: (1, 1, 28, 28)
    Parameters: 8,806 (8,806 trainable)
    Multiply-adds: 95,040 (95.04 k)
    Memory: input 3.14 kB, parameters 35.22 kB, activations 31.14 kB
    Training step, about: parameters 35.22 kB + their gradients 35.22 kB + 2 * activations 31.14 kB + input = 135.87 kB
    >>> [row.receptive_field for row in found.rows[1:4]]
    [(5, 5), (5, 5), (6, 6)]
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: expected an nn.Module; got {describe(model)}")
    if more:
        raise one_size((input_size, *more))
    checked_mode(mode, "summary")
    if verbose not in (None, 0, 1, 2):
        raise ValueError(f"summary: verbose must be 0, 1 or 2; got {verbose!r}")
    if depth is not None and (not isinstance(depth, int) or depth < 0):
        raise ValueError(f"summary: depth must be at least 0, the model itself; got {depth!r}")
    columns = chosen(col_names)
    args, kwargs = arguments(model, input_size, input_data, batch_size, dtype, device)
    given, size = shapes((args, kwargs)), sum(t.nbytes for t in tensors((args, kwargs)))
    trace = Trace(model)
    try:
        trace.run(args, kwargs, mode)
    except Exception as error:
        if trace.root is not None:
            done = text_table(_latest(rows_of(trace.root, model)), ("input_size", "output_size", "formula"))
            error.add_note(f"summary: {type(model).__name__} failed. What ran until then:\n{done}")
        raise
    if trace.elsewhere:
        raise ValueError(
            f"summary: layers of {type(model).__name__} ran in other threads, where nothing is written down. "
            "Fix: run them in the thread that calls the model"
        )
    if trace.root is None:
        raise ValueError(f"summary: calling {type(model).__name__} did not run its hooks, so there is nothing to show")
    level = (0 if _in_notebook() else 1) if verbose is None else verbose
    rows, totals = rows_of(trace.root, model), Totals.of(model)
    found = Summary(type(model).__name__, rows, given, size, totals, depth, level, columns)
    if level:
        print(found)
    return found


def _latest(rows: list[Row]) -> list[Row]:
    """The last rows, under the layers that were running; the others become one line."""
    first = max(len(rows) - LATEST, 0)
    running = [row for row in rows[:first] if row.kind == "failed"]
    left_out = first - len(running)
    line = [Row("left out", "", "", f"... and {left_out} rows before", rows[first].depth)] if left_out else []
    return [*running, *line, *rows[first:]]


def _in_notebook() -> bool:
    """Whether a notebook will show what is returned."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config
