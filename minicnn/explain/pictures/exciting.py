"""The patches of a dataset that excite a channel most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import ShapeError
from ...core.figure import new_figure
from ...core.grad_mode import no_grad
from ...core.tensor import Tensor, from_numpy
from ...nn import Module
from ..batches import batches
from ..field import Box, Field
from ..looking import checked_model, layer_at, outputs_of
from ..printed import text_columns
from ..state import left_as_found
from ..summarise import summary
from .canvas import Picture, blank_axes, show_image, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class MostActivating(Picture):
    """What :func:`minicnn.explain.most_activating` returns; the first index is the channel, the second the rank.

    Attributes
    ----------
    layer : str
    channels : list of int
    activations : array (channels, k)
    indices : array (channels, k)
        The number of the image in the data.
    positions : array (channels, k, 2)
        Row and column in the channel's map.
    boxes : list of list of ((first row, last row), (first column, last column))
        The receptive fields of these positions, cut at the image's border.
    patches : list of list of array (C, h, w)
        The pixels in them.
    """

    layer: str
    channels: list[int]
    activations: Any
    indices: Any
    positions: Any
    boxes: list[list[Box]]
    patches: list[list[Any]]

    def __str__(self) -> str:
        cells = []
        for channel, values, indices, boxes in zip(
            self.channels, self.activations, self.indices, self.boxes, strict=True
        ):
            (top, bottom), (left, right) = boxes[0]
            where = f"rows {top} to {bottom}, columns {left} to {right}"
            cells.append([str(channel), f"{values[0]:.4g}", f"{values[-1]:.4g}", str(indices[0]), where])
        k = self.activations.shape[1]
        most = "the image that excites" if k == 1 else f"the {k} images that excite"
        heading = f"Layer {self.layer!r}: {most} a channel most"
        return f"{heading}\n{text_columns(['Channel', 'First', 'Last', 'Image', 'Patch of the first'], cells)}"

    def figure(self) -> Figure:
        """A row of patches for each channel, the most exciting first, under the activation."""
        rows, columns = self.activations.shape
        title = f"{self.layer}: the patches that excite a channel most"
        width = 1.2 * columns + 0.6
        lines = wrap(title, max(12, int(10 * width)))
        fig = new_figure(width, 1.4 * rows + 0.3 + 0.2 * len(lines))
        axes = blank_axes(fig, rows, columns)
        for ax, patch, value in zip(
            axes.flat, [p for row in self.patches for p in row], self.activations.flat, strict=True
        ):
            show_image(ax, visible(patch))
            ax.set_title(f"{value:.3g}", fontsize=7)
        for ax, channel in zip(axes[:, 0], self.channels, strict=True):
            ax.set_ylabel(f"channel {channel}", fontsize=8)
        fig.suptitle("\n".join(lines), fontsize=11)
        return fig


def most_activating(
    model: Module, data: Any, layer: str | Module, channels: int | Sequence[int] | None = None, *, k: int = 9
) -> MostActivating:
    """The patches of a dataset that excite the channels of a layer most: what they have become detectors of.

    For each channel the k images with the largest activation, at the position of the image's largest, cut to the
    receptive field of that position.

    Parameters
    ----------
    model : Module
        It runs in evaluation mode and is left as it was.
    data : Dataset, DataLoader, Tensor (N, C, H, W), or pair (images, labels)
        All images of one size; labels are not used. In their order: of a loader that shuffles, the indices mean little.
    layer : str or Module
        A layer with an output (N, K, h, w).
    channels : int or sequence of int, optional
        Default: the first 8.
    k : int, default 9
        Images for each channel.

    Returns
    -------
    MostActivating
        ``patches``, ``activations``, ``indices``, ``positions``, ``boxes``; ``figure()``.

    References
    ----------
    Zeiler & Fergus, *Visualizing and understanding convolutional networks*, 2013, figure 2 (its right halves); Girshick
    et al., *Rich feature hierarchies*, 2014, section 3.1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 1, 2, bias=False))
    >>> _ = nn.init.ones_(net[0].weight)
    >>> data = minicnn.zeros(3, 1, 4, 4)
    >>> data[1, 0, 2:, 2:] = minicnn.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> found = minicnn.explain.most_activating(net, data, "0", k=1)
    >>> found.indices.tolist(), found.activations.tolist(), found.patches[0][0].tolist()
    ([[1]], [[10.0]], [[[1.0, 2.0], [3.0, 4.0]]])
    """
    who = "most_activating"
    checked_model(model, who)
    path, module = layer_at(model, layer, who)
    if not isinstance(k, int) or k < 1:
        raise ValueError(f"{who}: k must be at least 1; got {k!r}")
    kept: list[Tensor] = []
    best: dict[int, list[tuple[float, int, int, Any]]] = {}  # by channel: activation, image, position, pixels
    size: tuple[int, ...] = ()
    seen = 0
    with left_as_found(model, "eval"), no_grad(), outputs_of([module], lambda _, y: kept.append(y.clone())):
        for batch, _ in batches(data, who, labelled=False):
            kept.clear()
            model(batch)
            maps = _maps(kept, model, path)
            size = size or (*batch.shape[1:], maps.shape[3])
            if size != (*batch.shape[1:], maps.shape[3]):
                raise ShapeError(f"{who}: images of one size are needed; got {size[:3]} and {tuple(batch.shape[1:])}")
            for channel in _channels(channels, maps.shape[1], path):
                flat = maps[:, channel].reshape(len(maps), -1)
                places = flat.argmax(1)
                new = [(float(flat[i, p]), seen + i, int(p), batch._array[i]) for i, p in enumerate(places)]
                ranked = sorted([*best.get(channel, []), *new], key=lambda entry: (-entry[0], entry[1]))[:k]
                best[channel] = [(*entry[:3], np.array(entry[3])) if entry[1] >= seen else entry for entry in ranked]
            seen += len(batch)
    if not best:
        raise ValueError(f"{who}: there are no images in the data")
    fields = _fields(model, next(iter(best.values()))[0][3], path)
    ranks = list(best.values())
    positions = np.array([[divmod(entry[2], size[3]) for entry in rank] for rank in ranks])
    boxes = [[_box(fields, *position) for position in rank] for rank in positions.tolist()]
    patches = [
        [
            entry[3][:, top : bottom + 1, left : right + 1]
            for entry, ((top, bottom), (left, right)) in zip(*pair, strict=True)
        ]
        for pair in zip(ranks, boxes, strict=True)
    ]
    values, indices = (np.array([[entry[i] for entry in rank] for rank in ranks]) for i in (0, 1))
    return MostActivating(path, list(best), values, indices, positions, boxes, patches)


def _maps(kept: list[Tensor], model: Module, path: str) -> Any:
    """The layer's output as an array (N, K, h, w)."""
    if not kept:
        raise ValueError(f"most_activating: {type(model).__name__} does not run {path!r}, or it gives no tensor")
    if kept[-1].ndim != 4:
        shape = tuple(kept[-1].shape)
        raise ShapeError(f"most_activating: expected a layer that gives maps (N, K, h, w); {path!r} gives {shape}")
    return kept[-1]._array


def _channels(channels: Any, count: int, path: str) -> list[int]:
    chosen = list(range(min(8, count))) if channels is None else [channels] if isinstance(channels, int) else channels
    wrong = [c for c in chosen if not isinstance(c, int) or not 0 <= c < count]
    if wrong:
        raise ValueError(f"most_activating: {path!r} has {count} channels, 0 to {count - 1}; got {wrong[0]!r}")
    return list(dict.fromkeys(chosen))


def _fields(model: Module, image: Any, path: str) -> tuple[Field, Field]:
    """What the layer's positions see of the image's rows and columns."""
    h, w = image.shape[1:]
    rows = summary(model, input_data=from_numpy(image[None].copy()), verbose=0).rows
    found = [row.fields[0] for row in rows if row.path == path and row.kind == "layer" and row.fields]
    return found[-1] if found else (Field(h, None, 1, whole=True), Field(w, None, 1, whole=True))


def _box(fields: tuple[Field, Field], row: int, column: int) -> Box:
    """The pixels that a position sees, cut at the border."""
    (top, bottom), (left, right) = fields[0].at(row), fields[1].at(column)
    return (max(top, 0), min(bottom, fields[0].extent - 1)), (max(left, 0), min(right, fields[1].extent - 1))
