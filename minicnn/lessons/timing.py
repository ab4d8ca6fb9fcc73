"""How long an answer takes, beside the kernels of the project."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from minicnn_kernels.cases import arrays
from minicnn_kernels.registry import available_backends, find

from ..core.figure import new_figure
from ..explain.pictures.canvas import Picture
from .cases import Case, shown, takes
from .tasks import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG = 0.3  # seconds for the repetitions of one function


@dataclass(frozen=True, repr=False)
class Timing(Picture):
    """Seconds of one call; ``str()`` is a table, ``figure()`` draws it.

    Attributes
    ----------
    task : Task
    case : str
        The arguments.
    seconds : dict
        "yours" and the names of the backends -> seconds, the least of several calls.
    """

    task: Task
    case: str
    seconds: dict[str, float]

    def __str__(self) -> str:
        yours = self.seconds["yours"]
        lines = [f"{self.task.operation}: {self.case}"]
        for name, seconds in self.seconds.items():
            ratio = yours / seconds
            text = f"{ratio:,.1f} times as fast" if ratio >= 1 else f"{1 / ratio:,.1f} times as slow"
            lines.append(f"  {name.ljust(9)}  {seconds * 1000:10.3f} ms{'' if name == 'yours' else f'  {text}'}")
        return "\n".join(lines)

    __repr__ = __str__

    def figure(self) -> Figure:
        """The times as bars, on a logarithmic axis."""
        fig = new_figure(6, 0.4 * len(self.seconds) + 1.0)
        ax = fig.subplots()
        bars = ax.barh(list(self.seconds), [1e3 * seconds for seconds in self.seconds.values()])
        ax.bar_label(bars, [f"{1e3 * seconds:.3g} ms" for seconds in self.seconds.values()], padding=3)
        ax.invert_yaxis()
        ax.set_xscale("log")
        ax.set_xlabel("ms")
        ax.margins(x=0.3)
        ax.set_title(f"{self.task.operation}: {self.case}", fontsize="small")
        return fig


def timed(
    task: Task, function: Callable[[dict[str, Any]], Any], left_out: tuple[str, ...], batch: int, seed: int
) -> Timing:
    """Time ``function(arguments by name)`` and every backend's kernel on the largest of 100 cases."""
    drawn = (Case(task, "float32", batch, "contiguous", seed + number) for number in range(2000))
    cases = [case for case in drawn if (given := case.draw()) and takes(task, left_out, given)][:100]
    case = max(cases, key=lambda case: sum(a.size for a in arrays(tuple(case.draw().values()))))
    seconds = {"yours": _least(lambda: (function, (case.draw(),)))}
    for backend in available_backends():
        kernel = find(task.operation, backend)
        seconds[backend] = _least(lambda kernel=kernel: (kernel, tuple(case.draw().values())))  # type: ignore[misc]
    arguments = ", ".join(f"{name} {shown(value)}" for name, value in case.draw().items())
    return Timing(task, arguments, seconds)


def _least(prepare: Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]) -> float:
    """The shortest of some calls, each with fresh arguments, after one that compiles."""
    best = float("inf")
    with np.errstate(all="ignore"):
        function, arguments = prepare()
        function(*arguments)
        begin = time.perf_counter()
        for _ in range(50):
            function, arguments = prepare()
            start = time.perf_counter()
            function(*arguments)
            end = time.perf_counter()
            best = min(best, end - start)
            if end - begin > LONG:
                break
    return best
