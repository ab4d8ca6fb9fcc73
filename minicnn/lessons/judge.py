"""One case: a student's function is called, and what came is compared with what should have."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from minicnn_kernels.cases import arrays, tolerance

from ..core.tensor import Tensor
from ..explain.mistakes import remarks, suspects
from ..explain.mistakes.unknown import numbers_of, rounded
from .cases import Case
from .tasks import Task

SMALL = 40  # numbers that are printed
WHY_NAN = "NaN comes from 0/0, inf - inf, 0*inf, or the root or logarithm of a negative number."
Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """What is wrong in one case.

    Attributes
    ----------
    kind : str
        "exception", "nothing", "type", "count", "shape", "dtype", "nan", "values", "changed" or "shared".
    case : Case
    text : str
    likely : list of str
        Mistakes that give exactly these numbers, and what to do.
    """

    kind: str
    case: Case
    text: str
    likely: list[str]


def judge(task: Task, function: Callable[[dict[str, Any]], Any], case: Case, file: str) -> Problem | None:
    """Call ``function(arguments by name)``, whose code is in ``file``, for one case; None if all is right."""
    given, before = case.draw(), case.draw()
    in_place = task.operation.endswith(".step")
    got: list[Any] = [array for name in task.results for array in given[name] or ()] if in_place else []
    try:
        with np.errstate(all="ignore"):
            result = function(given)
    except Exception as error:
        return Problem("exception", case, _raised(error, file), [])
    if in_place:
        if result is not None:
            return Problem(
                "type", case, "it returned something; a step changes its arguments in place and returns nothing", []
            )
        if any(a is not b for a, b in zip(got, arrays(tuple(given[name] for name in task.results)), strict=False)):
            text = (
                "it put new arrays into the lists, where nobody looks. Change the arrays themselves: param[...] = ..."
            )
            return Problem("changed", case, text, [])
    else:
        if result is None:
            return Problem("nothing", case, "it returned None. Does it end with a return?", [])
        several = isinstance(result, tuple) or (isinstance(result, list) and len(task.results) > 1)
        got = [r for r in result if r is not None] if several else [result]
        if len(got) != len(task.results):
            text = f"it returned {len(got)} results; expected {len(task.results)}: {', '.join(task.results)}"
            return Problem("count", case, text, [])
    true = _truth(task, case)
    for name, value, expected in zip(_names(task, true), got, true, strict=True):
        problem = _compared(task, case, name, value, expected, got)
        if problem is not None:
            return problem
    kept = [name for name in given if not (in_place and name in task.results)]
    for name in kept:
        for now, then in zip(arrays((given[name],)), arrays((before[name],)), strict=True):
            if not np.array_equal(now, then, equal_nan=now.dtype.kind == "f"):
                return Problem("changed", case, f"it changed its argument {name}. Work on a copy: {name}.copy()", [])
            if not in_place and any(np.shares_memory(now, r) for r in got):
                text = f"its result lies in the memory of its argument {name}. Return an array of its own: a copy"
                return Problem("shared", case, text, [])
    return None


def _truth(task: Task, case: Case) -> list[Array]:
    arguments = case.draw()
    with np.errstate(all="ignore"):
        result = task.solution(*arguments.values())
    if result is None:
        return arrays(tuple(arguments[name] for name in task.results))
    return arrays(result if isinstance(result, tuple) else (result,))


def _names(task: Task, true: list[Array]) -> list[str]:
    if not task.operation.endswith(".step"):
        return list(task.results)
    per = 4  # parameters in a case of a step
    return [f"{task.results[i // per]}[{i % per}]" for i in range(len(true))]


def _compared(task: Task, case: Case, name: str, value: Any, true: Array, got: list[Any]) -> Problem | None:
    if not isinstance(value, (np.ndarray, np.generic)):
        fix = " Fix: x.numpy()" if isinstance(value, Tensor) else " Fix: np.array(...)"
        return Problem("type", case, f"{name} is a {type(value).__name__}; expected a NumPy array.{fix}", [])
    value = np.asarray(value)
    if value.shape != true.shape:
        return Problem(
            "shape", case, f"{name} has shape {value.shape}; expected {true.shape}{_shape_hint(value, true)}", []
        )
    if value.dtype != true.dtype:
        fix = f"{name}.astype({_type_of(case, true)})"
        text = f"{name} has the element type {value.dtype}; expected {true.dtype}. Fix: {fix}"
        return Problem("dtype", case, text, [])
    with np.errstate(all="ignore"):
        wrong = ~np.isclose(value, true, equal_nan=True, **tolerance(true))
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f"at {at}" if at else "there"
    text = (
        f"{name} is wrong first {place}: expected {true[at]:.6g}, got {value[at]:.6g}; "
        f"{wrong.sum()} of {wrong.size} numbers are wrong{_printed(value, true)}"
    )
    if np.isnan(value[wrong]).any() and not np.isnan(true[wrong]).any():
        return Problem("nan", case, f"{text}\n{WHY_NAN}", [])
    arguments = list(case.draw().values())
    known = [str(m) for m in suspects(task.operation, arguments, [np.asarray(r) for r in got])]
    whole = ["the numbers are rounded to integers: was the result made as an array of integers?"] * rounded(value, true)
    return Problem("values", case, text, whole or known or remarks(value, true, numbers_of(arguments)))


def _shape_hint(value: Array, true: Array) -> str:
    if sorted(value.shape) == sorted(true.shape):
        return ": the dimensions are in another order"
    if value.shape == true.shape[1:]:
        return ": the first dimension, the batch, is missing"
    if value.size == true.size:
        return f". Fix: .reshape({true.shape})"
    return ""


def _type_of(case: Case, true: Array) -> str:
    """Where the element type comes from, as one would write it."""
    for name, value in case.draw().items():
        if isinstance(value, np.ndarray) and value.dtype == true.dtype and true.dtype.kind == "f":
            return f"{name}.dtype"
    return "window.tap_type" if "window" in case.draw() else str(true.dtype)


def _printed(value: Array, true: Array) -> str:
    if true.size > SMALL or true.ndim == 0:
        return ""
    texts = [np.array2string(np.squeeze(a), precision=4, suppress_small=True, prefix="  ") for a in (true, value)]
    return "\nexpected\n  {}\ngot\n  {}".format(*texts)


def _raised(error: Exception, file: str) -> str:
    """The exception with the line of the student's code that it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = f", in line {frames[-1].lineno}: {frames[-1].line}".rstrip(": ") if frames else ""
    return f"it raised {type(error).__name__}: {error}{where}"
