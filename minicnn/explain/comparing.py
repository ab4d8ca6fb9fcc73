"""``explain.compare``: one operation, computed in every way there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from minicnn_kernels import explain
from minicnn_kernels.threads import get_num_threads
from minicnn_kernels.watching import Call, watch

from ..core import graph
from ..core.figure import new_figure
from ..core.grad_mode import set_grad_enabled
from ..core.tensor import Tensor
from ..nn import Module
from ..nn.tree import describe
from .implementations import Implementation, implementations, machine_peak
from .pixels import first_tensor
from .printed import html_columns, html_lines, text_columns
from .state import left_as_found
from .table import counted
from .with_torch import fused

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES = ("implementation", "source", "difference", "time", "GFLOP/s", "of peak")
SHORT = 1e-3  # seconds, in which it shows what it costs to start threads
LEFT = 2  # columns of texts; the others are numbers


@dataclass(frozen=True)
class KernelComparison:
    """One kernel call in every implementation.

    Attributes
    ----------
    operation : str
        ``conv2d.forward``.
    what : str
        Sizes: ``3x3 64->64 at 56x56``.
    kind : str
        Element type.
    flops : float
        Floating-point operations by the definition, two per multiply-add; 0 where memory is what counts.
    moved : int
        Bytes of all arrays that are read and written.
    limit : float or None
        Seconds that the machine needs at least, by its measured peaks.
    chosen : str
        Which kernel the registry gives now, and why.
    rows : list of Implementation
    threads : int
    """

    operation: str
    what: str
    kind: str
    flops: float
    moved: int
    limit: float | None
    chosen: str
    rows: list[Implementation]
    threads: int = 1

    def cells(self) -> list[list[str]]:
        """The texts of the table."""
        return [[row.name, row.source, *self._figures(row)] for row in self.rows]

    def _figures(self, row: Implementation) -> list[str]:
        if row.seconds is None:
            return [""] * 4
        rate = f"{self.flops / row.seconds / 1e9:.3g}" if self.flops else ""
        share = "" if self.limit is None else f"{self.limit / row.seconds:.1%}"
        return [f"{row.difference:.1e}" if row.difference else "0", time_text(row.seconds), rate, share]

    @property
    def title(self) -> str:
        work = f"{counted(int(self.flops / 2))} multiply-adds, " if self.flops else ""
        return f"{self.operation}: {self.what}, {self.kind}, {work}{counted(self.moved, 'B')}"

    def notes(self) -> list[str]:
        """What did not run and why, and what the registry chooses."""
        left = [f"{row.name}: {row.note}" for row in self.rows if row.note]
        return [*left, *self.remarks(), f"chosen: {self.chosen}"]

    def remarks(self) -> list[str]:
        """Why a time may surprise: Winograd's under the limit, threads that do not pay."""
        times = {row.name: row.seconds for row in self.rows if row.seconds is not None}
        found = []
        for name, took in times.items():
            if "winograd" in name and self.limit is not None and took < self.limit:
                found.append(
                    f"{name} beats the limit: it needs fewer multiplications than the definition, by which we count"
                )
        compiled = min((took for name, took in times.items() if name.startswith("numba")), default=0.0)
        if self.threads > 1 and times.get("numpy", compiled) < compiled < SHORT:
            found.append("numba is slower than numpy here: to start its threads costs more than this little work")
        return found


@dataclass(frozen=True, repr=False)
class Comparison:
    """What :func:`minicnn.explain.compare` returns. ``str()`` is the text; a notebook shows HTML.

    Attributes
    ----------
    calls : list of KernelComparison
        The kernels that the operation called, in their order, each kind and size once.
    threads : int
    peak : Peak or str
        The machine's measured limits: ``flops``, ``read`` and ``triad`` (bytes) per second; or why they are not known.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.nn import functional as F
    >>> found = minicnn.explain.compare(F.relu, minicnn.tensor([-1.0, 2.0]), seconds=0.01)
    >>> [call.operation for call in found.calls]
    ['relu.forward']
    >>> found["numpy"].source, found["numpy"].difference  # doctest: +ELLIPSIS
    ('minicnn_kernels/vectorized/activations.py:...', 0.0)
    """

    calls: list[KernelComparison]
    threads: int
    peak: Any = field(compare=False)

    def __getitem__(self, name: str) -> Implementation:
        """The implementation of that name of the first kernel; the beginning of a name will do."""
        rows = self.calls[0].rows
        for row in rows:
            if row.name.startswith(name):
                return row
        raise KeyError(f"there is no implementation {name!r}; there are {', '.join(repr(row.name) for row in rows)}")

    def _machine(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        if isinstance(self.peak, str):
            return f"{threads}; the machine's peak is not known: {self.peak}"
        return (
            f"{threads}; measured peak {self.peak.flops / 1e9:.0f} GFLOP/s in float32, "
            f"{self.peak.triad / 1e9:.0f} GB/s from and to memory\n"
            "of peak: the least time for the operations of the definition and these bytes, as a share of the time"
        )

    def __str__(self) -> str:
        parts = []
        for call in self.calls:
            parts.append("\n".join([call.title, text_columns(TITLES, call.cells(), LEFT), *call.notes()]))
        return "\n\n".join([*parts, self._machine()])

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(call.operation for call in self.calls)}>"

    def _repr_html_(self) -> str:
        parts = []
        for call in self.calls:
            parts += [html_lines([call.title]), html_columns(TITLES, call.cells(), LEFT), html_lines(call.notes())]
        return "".join([*parts, html_lines(self._machine().split("\n"))])

    def figure(self) -> Figure:
        """The time of each implementation as a bar, and the machine's limit as a line; one plot for each kernel."""
        fig = new_figure(9, sum(0.35 * len(call.rows) + 0.2 * len(call.remarks()) + 1 for call in self.calls))
        axes = fig.subplots(len(self.calls), 1, squeeze=False)[:, 0]
        for ax, call in zip(axes, self.calls, strict=True):
            ran = [row for row in call.rows if row.seconds is not None]
            times = [1e3 * (row.seconds or 0) for row in ran]
            bars = ax.barh([row.name for row in ran], times)
            labels = [_label(cells) for cells in call.cells() if cells[3]]
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}  # the limit's line passes under it
            ax.bar_label(bars, labels, padding=4, fontsize="small", bbox=paper, zorder=3)
            ax.invert_yaxis()
            ax.set_xscale("log")
            limits = [] if call.limit is None else [1e3 * call.limit]
            low, high = min([*times, *limits], default=1.0) / 3, max([*times, *limits], default=1.0)
            ax.set_xlim(low, high * (high / low) ** 0.6)  # the last third is for the labels
            ax.set_title(call.title, fontsize="small")
            if limits:
                ax.axvline(limits[0], linestyle="--", color="tab:red")
            unit = "ms; the red line is the machine's limit" if limits else "ms"
            ax.set_xlabel("\n".join([unit, *call.remarks()]), fontsize="small")
        return fig


def _label(cells: list[str]) -> str:
    """Of a bar: its time, and the rate where operations are counted."""
    _, _, _, took, rate, _ = cells
    return f"{took} ({rate} GFLOP/s)" if rate else took


def compare(
    operation: Module | Callable[..., Any],
    *inputs: Any,
    backward: bool = False,
    seconds: float = 0.2,
    limit: float = 5.0,
    **options: Any,
) -> Comparison:
    """The kernels of an operation in every implementation: where it is written, how exact and how fast it is.

    The operation runs once, and the kernels that it calls are seen. Each is then computed by the plain loops, by NumPy,
    by the compiled kernel (a convolution by each of its algorithms), by the CUDA kernel on the CPU (if g++ is there)
    and by PyTorch if that is installed, on the same numbers and as many threads.

    Parameters
    ----------
    operation : Module or function
        A layer, or a function such as ``F.conv2d``.
    *inputs
        What it is called with.
    backward : bool, default False
        Compare the kernels of the gradients too: of the floating-point inputs and of the layer's parameters.
    seconds : float, default 0.2
        How long each implementation is timed, about.
    limit : float, default 5
        The plain loops in Python, and the CUDA kernel on the CPU, are left out where they would take more seconds.
    **options
        Named arguments of the call.

    Returns
    -------
    Comparison
        ``calls`` with ``rows``; ``str()`` is the text, ``figure()`` a matplotlib Figure.

    Raises
    ------
    ValueError
        If the operation calls no kernel.

    Notes
    -----
    The difference is the largest one from the same sum in float64, as a share of the largest number of the result.

    The share of the peak is ``limit / time`` with ``limit = max(operations / peak FLOP/s, bytes / peak bytes/s)``, the
    roofline of Williams, Waterman & Patterson, 2009. The peaks are measured the first time, which takes some seconds
    and 400 MB.
    Operations are those of the definition: Winograd's algorithm needs fewer, so its share may exceed 100 %; so may that
    of arrays that are still in a cache.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> found = minicnn.explain.compare(nn.Conv2d(3, 4, 3), minicnn.randn(1, 3, 8, 8), seconds=0.01)
    >>> [row.name for row in found.calls[0].rows][:5]
    ['reference', 'numpy', 'numba, direct', 'numba, im2col', 'numba, winograd']
    >>> max(row.difference for row in found.calls[0].rows if row.difference is not None) < 1e-5
    True
    >>> found.calls[0].chosen  # doctest: +ELLIPSIS
    "conv2d.forward: minicnn_kernels.numba_cpu.conv.conv2d_forward, because backend 'numba' is active; ..."
    """
    if not callable(operation):
        raise TypeError(f"compare: expected a layer or a function, then its input; got {describe(operation)}")
    for name, value in (("seconds", seconds), ("limit", limit)):
        if not isinstance(value, (int, float)) or value < 0:
            raise ValueError(f"compare: {name} must be a number of seconds, at least 0; got {value!r}")
    calls = seen(operation, inputs, options, backward)
    if not calls:
        raise ValueError(
            "compare: the operation called no kernel. Fix: a layer or function that computes, as nn.Conv2d"
        )
    threads = get_num_threads()
    peak = machine_peak(threads)
    return Comparison([_compared(call, peak, seconds, limit, threads) for call in calls], threads, peak)


def seen(operation: Any, inputs: tuple[Any, ...], options: Any, backward: bool) -> list[Call]:
    """The kernel calls of one run, those of the same operation on the same sizes once; a layer is left as it was."""
    calls: list[Call] = []
    given = inputs
    leaves: list[Any] = []
    if backward:
        given = tuple(
            t.detach().requires_grad_() if isinstance(t, Tensor) and t.is_floating_point() else t for t in inputs
        )
        leaves = [t for t in given if isinstance(t, Tensor) and t.requires_grad]
    model = operation if isinstance(operation, Module) else Module()
    leaves += [p for p in model.parameters() if p.requires_grad] if backward else []
    with left_as_found(model, "same"), set_grad_enabled(backward), watch(calls.append):
        y = first_tensor("compare", operation(*given, **options))
        y._array  # noqa: B018  # a result that waits is computed
        if backward:
            noise = np.random.default_rng(0).normal(size=y.shape).astype(y._array.dtype)  # ones might add up to 0
            graph.grad(y, leaves, Tensor._wrap(noise), allow_unused=True)
    once = {(call.operation, call.describe()[0], fused(call.arguments)): call for call in reversed(calls)}
    return list(reversed(once.values()))


def _compared(call: Call, peak: Any, seconds: float, limit: float, threads: int) -> KernelComparison:
    what, flops = call.describe()
    kind = next((a.dtype for a in (*call.arguments, call.result) if hasattr(a, "dtype")), None)
    least = None
    if not isinstance(peak, str):
        least = peak.seconds(flops * (kind.itemsize if kind is not None else 4) / 4, call.moved)
    what += f", batch {len(call.arguments[0])}" if call.operation.startswith("conv2d") and flops else ""
    what += ", with what follows in the same call" if fused(call.arguments) else ""
    rows = implementations(call, seconds, limit)
    chosen = explain(call.operation, *call.arguments)
    return KernelComparison(call.operation, what, str(kind), flops, call.moved, least, chosen, rows, threads)


def time_text(seconds: float) -> str:
    """``1.25 ms``.

    Examples
    --------
    >>> time_text(0.00125), time_text(2.5), time_text(3e-6)
    ('1.25 ms', '2.50 s', '3.00 us')
    """
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e6:.2f} us"
