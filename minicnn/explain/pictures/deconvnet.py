"""The deconvolutional network of ZFNet: what in the image excited one unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import ShapeError
from ...core.figure import new_figure
from ...core.grad_mode import enable_grad
from ...core.graph import grad
from ...core.tensor import Tensor
from ...nn import Module
from ..field import Box, box_around
from ..looking import checked_model, images, layer_at, outputs_of
from ..printed import text_columns
from ..state import left_as_found
from .canvas import Picture, blank_axes, show_image, signed, visible
from .rectifiers import deconvnet_rule, rectifiers_go_back_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Deconvnet(Picture):
    """What :func:`minicnn.explain.deconvnet` returns.

    Attributes
    ----------
    images : array (N, C, H, W)
    layer : str
    channel : int
    positions : list of (int, int)
        For each image, row and column of the channel's largest activation.
    activations : array (N,)
        Its value.
    reconstruction : array (N, C, H, W)
        The activation, projected back to the pixels.
    """

    images: Any
    layer: str
    channel: int
    positions: list[tuple[int, int]]
    activations: Any
    reconstruction: Any

    def box(self, index: int = 0) -> Box | None:
        """First and last row, first and last column of the pixels where the projection is not 0; None if it is 0."""
        return box_around(self.reconstruction[index].any(axis=0))

    def __str__(self) -> str:
        cells = []
        for i, (position, activation) in enumerate(zip(self.positions, self.activations, strict=True)):
            box = self.box(i)
            seen = ["nowhere", ""] if box is None else [f"{first} to {last}" for first, last in box]
            cells.append([str(i), str(position), f"{float(activation):.4g}", *seen])
        heading = f"Deconvnet of channel {self.channel} of layer {self.layer!r}, from its largest activation"
        return f"{heading}\n{text_columns(['Image', 'Position', 'Activation', 'Rows', 'Columns'], cells)}"

    def figure(self) -> Figure:
        """For each image: the image, the projection, and both cut to what the unit saw."""
        count = min(len(self.images), 8)
        fig = new_figure(10.5, 2.9 * count + 0.4)
        axes = blank_axes(fig, count, 4)
        for i in range(count):
            image, shown = visible(self.images[i]), signed(self.reconstruction[i])
            box = self.box(i)
            show_image(axes[i, 0], image, f"activation {float(self.activations[i]):.3g} at {self.positions[i]}")
            show_image(axes[i, 1], shown, "projected back")
            if box is not None:
                (top, bottom), (left, right) = box
                seen = slice(top, bottom + 1), slice(left, right + 1)
                show_image(axes[i, 2], image[seen], "what the unit saw")
                show_image(axes[i, 3], signed(self.reconstruction[i][:, *seen]), "what excited it")
        fig.suptitle(f"Deconvnet: layer {self.layer!r}, channel {self.channel}", fontsize=11)
        return fig


def deconvnet(model: Module, x: Tensor, layer: str | Module, channel: int | None = None) -> Deconvnet:
    """Project one activation back to the pixels: the pattern in the image that caused it.

    All of the layer's activations but the channel's largest are set to 0, and what is left goes back, layer by layer:
    *unpool* (each value to where the maximum came from: the switches of the forward pass), *rectify* (``max(g, 0)``),
    *filter* (the transposed convolution). This is backpropagation with another rule for ReLUs, which is how it is done
    here; a normalisation and an average are passed as by their gradients.

    Parameters
    ----------
    model : Module
        It runs in evaluation mode and is left as it was.
    x : Tensor (N, C, H, W) or (C, H, W)
    layer : str or Module
        A layer with an output (N, K, h, w).
    channel : int, optional
        Which of its maps. Default: the one with the largest activation of all.

    Returns
    -------
    Deconvnet
        ``reconstruction`` (N, C, H, W), ``channel``, ``positions``, ``activations``.

    References
    ----------
    Zeiler & Fergus, *Visualizing and understanding convolutional networks*, 2013, section 2.1 and figure 1.

    Examples
    --------
    Max pooling, then a filter that doubles: 2 goes back through the switch to where the maximum was.

    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(1, 1, 1, bias=False), nn.ReLU())
    >>> _ = nn.init.constant_(net[1].weight, 2.0)
    >>> found = minicnn.explain.deconvnet(net, minicnn.tensor([[[1.0, 5.0], [3.0, 4.0]]]), "2")
    >>> found.activations.tolist(), found.reconstruction[0, 0].tolist()  # 10 * 2 at the place of the 5
    ([10.0], [[0.0, 20.0], [0.0, 0.0]])
    """
    checked_model(model, "deconvnet")
    batch = images(x, "deconvnet")
    path, module = layer_at(model, layer, "deconvnet")
    kept: list[Tensor] = []

    def keep(_: Module, output: Tensor) -> None:
        kept[:] = [output.clone()]  # a later layer may work in place

    with left_as_found(model, "eval"), enable_grad(), rectifiers_go_back_by(deconvnet_rule) as exchange:
        with outputs_of([module], keep):
            model(batch)
        exchange()
        if not kept:
            raise ValueError(f"deconvnet: {type(model).__name__} does not run {path!r}, or it gives no tensor")
        maps = kept[0]  # (N, K, h, w)
        if maps.ndim != 4:
            raise ShapeError(
                f"deconvnet: expected a layer that gives maps (N, K, h, w); {path!r} gives {tuple(maps.shape)}"
            )
        values = maps._array
        n, count, _, w = values.shape
        chosen = int(values.max(axis=(0, 2, 3)).argmax()) if channel is None else channel
        if not isinstance(chosen, int) or not 0 <= chosen < count:
            raise ValueError(f"deconvnet: {path!r} has {count} channels, 0 to {count - 1}; got channel={channel!r}")
        places = values[:, chosen].reshape(n, -1).argmax(1)
        positions = [(int(p) // w, int(p) % w) for p in places]
        rows, columns = zip(*positions, strict=True)
        strongest = maps[list(range(n)), chosen, list(rows), list(columns)]  # (N,)
        (found,) = grad(strongest, [batch], grad_outputs=strongest.detach(), materialize_grads=True)
    arrays = (strongest.detach().numpy(), np.asarray(found))
    return Deconvnet(batch.detach().numpy(), path, chosen, positions, *arrays)
