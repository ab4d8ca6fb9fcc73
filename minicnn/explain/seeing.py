"""``explain.receptive_field``: what one output of a layer sees of the image, computed and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
from minicnn_kernels import set_conv_algorithm

from ..core.figure import new_figure
from ..core.grad_mode import enable_grad
from ..core.graph import grad
from ..core.tensor import Tensor, from_numpy
from ..nn import Module
from .field import Box, Field, Span, box_around
from .figures import draw_box
from .inputs import sizes
from .looking import checked_model, images, layer_at, outputs_of
from .pictures.canvas import html_image, show_image, visible
from .printed import by, html_lines
from .rows import Row
from .state import left_as_found
from .summarise import summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 0.95  # of the energy
STEPS = 12  # of the way to the layer that are printed


@dataclass(frozen=True, repr=False)
class ReceptiveField:
    """What :func:`minicnn.explain.receptive_field` returns. ``str()`` is the text; a notebook shows HTML.

    Attributes
    ----------
    model, layer : str
        The name of the model's class, and the path of the layer.
    at : tuple of int or None
        Row and column of the output; None: all of the output, which has no rows and columns.
    output_size : tuple of int
        Rows and columns of the layer's output.
    fields : (Field, Field)
        What the outputs see of the rows and of the columns, computed.
    image : array (C, H, W)
        The first image.
    energy : array (H, W)
        Squared gradient of the output with respect to each pixel, added up over channels, images and random weights of
        the output's channels; its sum is 1.
    steps : list of Row
        The rows of the summary on the way.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> found = minicnn.explain.receptive_field(nn.Conv2d(1, 1, 3, stride=2), None, (1, 9, 9), at=(1, 2))
    >>> found.box, found.measured_box
    (((2, 4), (4, 6)), ((2, 4), (4, 6)))
    """

    model: str
    layer: str
    at: Span | None
    output_size: tuple[int, ...]
    fields: tuple[Field, Field]
    image: Any
    energy: Any
    steps: list[Row]

    @property
    def size(self) -> Span:
        """The receptive field, computed: rows and columns that one output sees at most, the padding included."""
        rows, columns = self.fields
        return rows.size, columns.size

    @property
    def box(self) -> Box:
        """First and last row, first and last column that this output sees, computed; the padding is outside."""
        rows, columns = (field.at(i) for field, i in zip(self.fields, self.at or (0, 0), strict=True))
        return rows, columns

    @property
    def measured_box(self) -> Box | None:
        """The same, measured: where the gradient is not 0; None if it is 0 everywhere."""
        return box_around(self.energy)

    @property
    def inside(self) -> float:
        """Share of the gradient's energy in the computed field: 1, unless statistics of the image are computed."""
        (top, bottom), (left, right) = self.box
        return float(self.energy[max(top, 0) : bottom + 1, max(left, 0) : right + 1].sum())

    @property
    def effective_box(self) -> Box | None:
        """The smallest box around the middle of the computed one that holds 95 % of the energy.

        The middle of a field counts more than its edges, since more paths lead there (Luo et al., *Understanding the
        effective receptive field*, 2016).
        """
        (top, bottom), (left, right) = self.box
        if self.measured_box is None:
            return None
        for shrink in range(min(bottom - top, right - left) // 2, -1, -1):
            rows, columns = (top + shrink, bottom - shrink), (left + shrink, right - shrink)
            held = self.energy[max(rows[0], 0) : rows[1] + 1, max(columns[0], 0) : columns[1] + 1].sum()
            if held >= MOST * self.inside - 1e-12:
                return rows, columns
        return self.box

    # ----------------------------------------------------------------------- text

    def lines(self) -> list[str]:
        """The text."""
        what = f"{self.layer or 'the output'} of {self.model}"
        which = "all of it" if self.at is None else f"at {self.at} of {by(self.output_size)}"
        seen, jump = by(self.size), by([field.jump for field in self.fields])
        whole = all(field.whole for field in self.fields)
        computed = (
            "the whole image" if whole else f"{seen} pixels, {_box(self.box)}; it moves by {jump} pixels per output"
        )
        lines = [f"{what}, {which}, images of {by(self.energy.shape)}", f"computed: {computed}", self._measured()]
        if self.measured_box is not None and (effective := self.effective_box) is not None:
            middle = by([last - first + 1 for first, last in effective])
            lines.append(f"{MOST:.0%} of their energy is in the middle {middle} pixels")
        if self.inside < 1 - 1e-6 and self.measured_box is not None:
            lines.append(
                f"only {self.inside:.1%} of the energy is in the computed field: a layer on the way normalises by "
                "statistics of the image, and computing takes them for constants"
            )
        return lines

    def _measured(self) -> str:
        if self.measured_box is None:
            return "measured: no gradient arrives at the image. Dead ReLUs, or weights of 0?"
        seen = by([last - first + 1 for first, last in self.measured_box])
        return f"measured: {seen} pixels have a gradient, {_box(self.measured_box)}"

    def way(self) -> list[str]:
        """How the field grows, layer by layer: ``field + (kernel - 1)*jump``."""
        rows = [row for row in self.steps if row.field_formula]
        left = [f"... {len(rows) - STEPS} layers before"] if len(rows) > STEPS else []
        width = max((len(row.path or row.type) for row in rows), default=0)
        return left + [f"{(row.path or row.type).ljust(width)}  {row.field_formula}" for row in rows[-STEPS:]]

    def __str__(self) -> str:
        way = self.way()
        return "\n".join([*self.lines(), *(["how it grows:", *(f"  {line}" for line in way)] if way else [])])

    def __repr__(self) -> str:
        return f"<ReceptiveField of {self.layer or self.model}: {by(self.size)}>"

    def _repr_html_(self) -> str:
        return html_lines([*self.lines(), *self.way()]) + html_image(self.figure())

    # --------------------------------------------------------------------- figure

    def figure(self) -> Figure:
        """The image with the field on it (computed solid, measured dashed), and the energy of the gradient."""
        fig = new_figure(9, 4.6)
        axes = fig.subplots(1, 2)
        show_image(axes[0], visible(self.image), "the image")
        show_image(axes[1], np.sqrt(self.energy), "size of the gradient", cmap="magma", vmin=None, vmax=None)
        (top, bottom), (left, right) = self.box
        height, width = self.energy.shape
        for ax in axes:
            draw_box(ax, *self.box, label="computed")
            if self.measured_box is not None:
                draw_box(ax, *self.measured_box, "tab:cyan", linestyle="--", label="measured")
            ax.set_xlim(min(left, 0) - 1, max(right, width - 1) + 1)  # the padding is in view
            ax.set_ylim(max(bottom, height - 1) + 1, min(top, 0) - 1)
        axes[1].legend(handles=axes[1].patches, fontsize="small", loc="lower right")
        fig.suptitle(f"{self.layer or self.model}, output {self.at or 'as a whole'}: {by(self.size)} pixels")
        return fig


def receptive_field(
    model: Module,
    layer: str | Module | None,
    x: Any,
    *,
    at: Sequence[int] | None = None,
    samples: int = 8,
) -> ReceptiveField:
    """What one output of a layer sees of the image: computed from the windows, and measured by gradients.

    *Computed*: after each window, ``field = field + (kernel - 1)*dilation*jump`` and ``jump = jump*stride``, as in
    :func:`minicnn.summary`. *Measured*: the output's channels are added up with random weights, and a pixel is seen if
    the gradient of that sum with respect to it is not 0. ReLUs and maxima let only some paths through, so several draws
    are added up; on one image, the measured field may be smaller than the computed one.

    Parameters
    ----------
    model : Module
        It runs in evaluation mode and is left as it was.
    layer : str, Module or None
        The layer or its path; None: the output of the model.
    x : Tensor or tuple of int
        Images (N, C, H, W) or (C, H, W), or their size (C, H, W): then noise is drawn.
    at : (int, int), optional
        Row and column of the output; default the middle.
    samples : int, default 8
        Draws of the random weights, and of the noise.

    Returns
    -------
    ReceptiveField

    Raises
    ------
    ValueError
        If the layer does not run or does not see the image, or has no such output.

    References
    ----------
    Araujo, Norris & Sim, *Computing receptive fields of convolutional neural networks*, Distill 2019; Luo et al.,
    *Understanding the effective receptive field*, 2016.

    Examples
    --------
    Three 3 x 3 convolutions, one on the other, see a window of 7 x 7:

    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    >>> _ = minicnn.manual_seed(0)
    >>> found = minicnn.explain.receptive_field(net, "2", (1, 15, 15))
    >>> print("\\n".join(str(found).splitlines()[:3]))
    2 of Sequential, at (4, 4) of 9 x 9, images of 15 x 15
    computed: 7 x 7 pixels, rows 4 to 10 and columns 4 to 10; it moves by 1 x 1 pixels per output
    measured: 7 x 7 pixels have a gradient, rows 4 to 10 and columns 4 to 10
    >>> print("\\n".join(found.way()))
    0  1 + (3 - 1)*1 = 3, jump 1*1 = 1
    1  3 + (3 - 1)*1 = 5, jump 1*1 = 1
    2  5 + (3 - 1)*1 = 7, jump 1*1 = 1
    """
    checked_model(model, "receptive_field")
    path, module = ("", model) if layer is None else layer_at(model, layer, "receptive_field")
    if not isinstance(samples, int) or samples < 1:
        raise ValueError(f"receptive_field: samples must be a whole number of at least 1; got {samples!r}")
    rng = np.random.default_rng(0)
    batches = [_batch(model, x, rng) for _ in range(samples)]
    found = summary(model, input_data=batches[0], verbose=0)
    number = next((i for i, row in enumerate(found.rows) if row.kind == "layer" and row.path == path), None)
    row = None if number is None else found.rows[number]
    if row is None or 0 not in row.fields:
        why = "it did not run" if row is None else "its output was not made from the image"
        raise ValueError(f"receptive_field: {path!r} of {type(model).__name__} sees nothing of the image: {why}")
    shape = row.output_shapes[0]
    place = _place(at, shape, path or type(model).__name__)
    energy = sum(_energy(model, module, batch, place, rng) for batch in batches)
    total = float(np.sum(energy))
    steps = [r for r in found.rows[: found.rows.index(row) + 1 + _inside(found.rows, row)] if r.kind != "not called"]
    return ReceptiveField(
        *(type(model).__name__, path, place, shape[2:] if len(shape) == 4 else shape[1:], row.fields[0]),
        *(batches[0]._array[0], energy / total if total else energy, steps),
    )


def _batch(model: Module, x: Any, rng: Any) -> Tensor:
    """The images, or noise of their size, in the type of the model's parameters."""
    if isinstance(x, (Tensor, np.ndarray)):
        return images(x, "receptive_field")
    shape, *more = sizes(x)
    if more:
        raise ValueError(f"receptive_field: expected one image; got the sizes of {1 + len(more)}")
    kind = next((p._array.dtype for p in model.parameters() if p.is_floating_point()), np.dtype(np.float32))
    return images(from_numpy(rng.normal(size=shape).astype(kind)), "receptive_field")


def _place(at: Any, shape: tuple[int, ...], name: str) -> Span | None:
    """Row and column of an output, checked; the middle by default; None if the output has no rows and columns."""
    if len(shape) != 4:
        if at is not None:
            raise ValueError(f"receptive_field: the output of {name}, {shape}, has no rows and columns. Fix: at=None")
        return None
    rows, columns = shape[2:]
    if at is None:
        return rows // 2, columns // 2
    try:
        i, j = (index(n) for n in at)
    except (TypeError, ValueError):
        i = j = -1
    if not (0 <= i < rows and 0 <= j < columns):
        raise ValueError(
            f"receptive_field: at={at!r} is no row and column of the output of {name}, which are 0 to {rows - 1} and "
            f"0 to {columns - 1}"
        )
    return i, j


def _energy(model: Module, layer: Module, batch: Tensor, place: Span | None, rng: Any) -> Any:
    """Squared gradient (H, W) of one output, its channels weighted at random.

    Winograd's algorithm computes a tile of pixels at once, and leaves rounding errors where a gradient is exactly 0.
    """
    outputs: list[Tensor] = []
    with left_as_found(model, "eval"), enable_grad(), set_conv_algorithm("direct"):
        with outputs_of([layer], lambda _, output: outputs.append(output.clone())):  # a next layer may write into it
            model(batch)
        if not outputs:
            raise TypeError("receptive_field: the layer gives no tensor. Fix: a layer in it that does")
        y = outputs[0]
        picked = y if place is None else y[:, :, place[0], place[1]]
        weights = from_numpy(rng.normal(size=tuple(picked.shape)).astype(y._array.dtype))
        (found,) = grad((picked * weights).sum(), [batch], materialize_grads=True)
    return np.square(found._array, dtype=np.float64).sum((0, 1))  # type: ignore[union-attr]


def _inside(rows: list[Row], row: Row) -> int:
    """How many rows stand under a layer's row: what is in it."""
    start = rows.index(row)
    return next((i for i, r in enumerate(rows[start + 1 :]) if r.depth <= row.depth), len(rows) - start - 1)


def _box(box: Box) -> str:
    (top, bottom), (left, right) = box
    return f"rows {top} to {bottom} and columns {left} to {right}"
