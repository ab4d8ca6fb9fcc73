"""What the layers give out: means, spreads, zeros, and units that never answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.figure import new_figure
from ..core.grad_mode import no_grad
from ..core.tensor import Tensor
from ..nn import ReLU, ReLU6, Sigmoid, Tanh
from ..nn.module import Module
from .flow import call_name, name_layers
from .looking import as_batch, checked_model, innermost, outputs_of, paths_of
from .pictures.canvas import Picture
from .printed import text_columns
from .state import checked_mode, left_as_found

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PERCENTILES = (0, 1, 25, 50, 75, 99, 100)
SATURATED = 0.01  # a sigmoid or tanh this near to its bounds, in parts of their distance, hardly passes a gradient


@dataclass(frozen=True)
class ActivationRow:
    """The output of one call of a layer.

    Attributes
    ----------
    path, type : str
    call : int
    shape : tuple of int
    mean, std : float
    percentiles : tuple of float
        Minimum, 1 %, 25 %, median, 75 %, 99 %, maximum.
    zeros : float
        Share of numbers that are exactly 0.
    units : int
        Channels, or features after a fully connected layer.
    dead : int or None
        Of a ReLU: units that are 0 at all positions of all images. None for other layers.
    saturated : float or None
        Of a sigmoid or tanh: share of numbers within 1 % of its bounds. None for other layers.
    """

    path: str
    type: str
    call: int
    shape: tuple[int, ...]
    mean: float
    std: float
    percentiles: tuple[float, ...]
    zeros: float
    units: int
    dead: int | None
    saturated: float | None


@dataclass(frozen=True, repr=False)
class ActivationStats(Picture):
    """What :func:`minicnn.explain.activation_stats` returns. ``str()`` is the table, ``figure()`` draws it.

    Attributes
    ----------
    model_name : str
    images : int
        How many inputs the statistics are of.
    rows : list of ActivationRow
        In the order in which the layers ran.
    """

    model_name: str
    images: int
    rows: list[ActivationRow]

    @property
    def means(self) -> Any:
        """The mean of each row, as an array."""
        return np.array([row.mean for row in self.rows])

    @property
    def stds(self) -> Any:
        """The standard deviation of each row, as an array."""
        return np.array([row.std for row in self.rows])

    @property
    def dead(self) -> int:
        """Dead units of all ReLUs together."""
        return sum(row.dead or 0 for row in self.rows)

    def __str__(self) -> str:
        titles = ["Layer", "Type", "Shape", "Mean", "Std", "Min", "Max", "Zeros", "Dead", "Saturated"]
        cells = []
        for row in self.rows:
            numbers = [f"{v:.3g}" for v in (row.mean, row.std, row.percentiles[0], row.percentiles[-1])]
            dead = "" if row.dead is None else f"{row.dead} of {row.units}"
            saturated = "" if row.saturated is None else f"{row.saturated:.1%}"
            cells.append(
                [call_name(row.path, row.call), row.type, str(row.shape), *numbers, f"{row.zeros:.1%}", dead, saturated]
            )
        plural = "" if self.images == 1 else "s"
        return "\n".join(
            [
                f"{self.model_name}: outputs of its layers for {self.images} input{plural}",
                text_columns(titles, cells, left=3),
                "Dead: units of a ReLU that are 0 everywhere.",
                "Saturated: share of a sigmoid's or tanh's outputs within 1 % of its bounds.",
            ]
        )

    def figure(self) -> Figure:
        """For every layer a box (1, 25, 50, 75 and 99 % of its numbers), and the shares of zeros and of dead units."""
        fig = new_figure(max(6.0, min(16.0, 0.32 * len(self.rows) + 2)), 6.0)
        above, below = fig.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        boxes = [
            {"whislo": p[1], "q1": p[2], "med": p[3], "q3": p[4], "whishi": p[5], "mean": row.mean, "fliers": []}
            for row in self.rows
            for p in [row.percentiles]
        ]
        above.bxp(
            boxes, positions=range(len(boxes)), widths=0.6, showfliers=False, showmeans=True, patch_artist=True,
            manage_ticks=False, boxprops={"facecolor": "#cfe0f3", "edgecolor": "tab:blue"},
            medianprops={"color": "tab:blue"}, meanprops={"marker": ".", "markeredgecolor": "k", "markersize": 4},
            whiskerprops={"color": "tab:blue"}, capprops={"color": "tab:blue"},
        )  # fmt: skip
        above.set_ylabel("output: 1, 25, 50, 75, 99 %\nand the mean")
        above.set_yscale("symlog", linthresh=1.0)
        zeros = [100 * row.zeros for row in self.rows]
        dead = [100 * (row.dead or 0) / max(row.units, 1) for row in self.rows]
        below.bar(range(len(zeros)), zeros, width=0.6, color="#d9d9d9", label="zeros")
        below.bar(range(len(dead)), dead, width=0.3, color="tab:red", label="dead units")
        below.set_ylim(0, 100)
        below.set_ylabel("%")
        below.legend(fontsize=8, loc="upper left", frameon=False, ncols=2)
        for ax in (above, below):
            ax.grid(True, axis="y", linewidth=0.4, alpha=0.6)
            ax.spines[["top", "right"]].set_visible(False)
        name_layers(below, [f"{row.path} {row.type}".strip() for row in self.rows])
        fig.suptitle(f"{self.model_name}: what its layers give out ({self.images} inputs)", fontsize=11)
        return fig


def activation_stats(model: Module, x: Tensor, *, mode: str = "eval") -> ActivationStats:
    """Mean, spread, zeros and dead units of every layer's output.

    One forward pass, watched by hooks. A unit (channel) of a ReLU is *dead* if it is 0 at every position of every
    input: its weights get no gradient from them, and if that holds for all of the training set, never will again.

    Parameters
    ----------
    model : Module
        It is left as it was.
    x : Tensor
        A batch, or one image (C, H, W); the more inputs, the more "dead" means.
    mode : {"eval", "train", "same"}
        How the model runs.

    Returns
    -------
    ActivationStats
        ``rows``; ``means``, ``stds`` as arrays; ``dead``; ``figure()``.

    References
    ----------
    Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010, figures 2 to 4
    and 6 (saturation, layer by layer); Glorot, Bordes & Bengio, *Deep sparse rectifier neural networks*, 2011,
    section 3.

    Examples
    --------
    The second of two units is dead: its weight and bias are negative, the inputs positive.

    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    >>> net[0].weight.data, net[0].bias.data = minicnn.tensor([[1.0], [-1.0]]), minicnn.tensor([0.0, -1.0])
    >>> stats = minicnn.explain.activation_stats(net, minicnn.tensor([[1.0], [3.0]]))
    >>> print(stats)
    Sequential: outputs of its layers for 2 inputs
    Layer  Type    Shape   Mean   Std  Min  Max  Zeros    Dead  Saturated
    ---------------------------------------------------------------------
    0      Linear  (2, 2)  -0.5  2.69   -4    3   0.0%
    1      ReLU    (2, 2)     1  1.22    0    3  50.0%  1 of 2
    Dead: units of a ReLU that are 0 everywhere.
    Saturated: share of a sigmoid's or tanh's outputs within 1 % of its bounds.
    """
    checked_model(model, "activation_stats")
    if not isinstance(x, Tensor) or not x.ndim or not x.numel():
        got = f"a tensor {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        fix = ". Fix: minicnn.from_numpy(array)" if isinstance(x, np.ndarray) else ""
        raise TypeError(f"activation_stats: expected a batch of inputs as a tensor; got {got}{fix}")
    checked_mode(mode, "activation_stats")
    batch = as_batch(x, model).detach().clone()
    paths = paths_of(model)
    calls: Counter[int] = Counter()
    rows: list[ActivationRow] = []

    def keep(layer: Module, output: Tensor) -> None:
        calls[id(layer)] += 1
        if output.numel() and output.is_floating_point():
            facts = _statistics(layer, output._array)
            rows.append(
                ActivationRow(paths[id(layer)], type(layer).__name__, calls[id(layer)], tuple(output.shape), **facts)
            )

    with left_as_found(model, mode), no_grad(), outputs_of(innermost(model), keep):
        model(batch)
    return ActivationStats(type(model).__name__, batch.shape[0], rows)


def _statistics(layer: Module, y: Any) -> dict[str, Any]:
    """The numbers of a row."""
    units = y.shape[1] if y.ndim > 1 else y.shape[0]
    dead = saturated = None
    if isinstance(layer, (ReLU, ReLU6)):
        others = tuple(d for d in range(y.ndim) if d != min(1, y.ndim - 1))
        dead = int((~np.any(y, axis=others)).sum())
    if isinstance(layer, (Sigmoid, Tanh)):
        low, high = (0.0, 1.0) if isinstance(layer, Sigmoid) else (-1.0, 1.0)
        near = SATURATED * (high - low)
        saturated = float(np.mean((y < low + near) | (y > high - near)))
    return {
        "mean": float(y.mean(dtype=np.float64)),
        "std": float(y.std(dtype=np.float64)),
        "percentiles": tuple(map(float, np.percentile(y, PERCENTILES))),
        "zeros": float(1 - np.count_nonzero(y) / y.size),
        "units": units,
        "dead": dead,
        "saturated": saturated,
    }
