"""What was learnt: the filters of a convolution, and the maps that they make of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import ShapeError
from ...core.figure import new_figure
from ...core.grad_mode import no_grad
from ...core.tensor import Tensor
from ...nn import Conv2d, Module
from ..looking import checked_model, images, layer_at, outputs_of, paths_of
from ..printed import text_columns
from ..state import left_as_found
from .canvas import Picture, show_image, visible
from .tiles import each_to_one, show_tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 12  # filters and channels of a table of slices


@dataclass(frozen=True, repr=False)
class Filters(Picture):
    """What :func:`minicnn.explain.filters` returns.

    Attributes
    ----------
    layer : str
    weights : array (O, C, KH, KW)
    """

    layer: str
    weights: Any

    @property
    def norms(self) -> Any:
        """``sqrt(sum w^2)`` of each filter, (O,)."""
        return np.sqrt(np.square(self.weights, dtype=np.float64).sum((1, 2, 3)))

    def __str__(self) -> str:
        o, c, kh, kw = self.weights.shape
        norms = self.norms
        return (
            f"Filters of layer {self.layer or 'the model'!r}: {o} filters of {c} x {kh} x {kw}\n"
            f"norms from {norms.min():.3g} (filter {norms.argmin()}) to {norms.max():.3g} (filter {norms.argmax()}), "
            f"mean {norms.mean():.3g}"
        )

    def figure(self) -> Figure:
        """Colour filters as colours, each by its own scale around grey; others as slices, red below 0, blue above."""
        o, c, kh, kw = self.weights.shape
        if c in (1, 3):
            columns = ceil(sqrt(o * 1.6))
            rows = ceil(o / columns)
            fig = new_figure(min(10.0, 0.75 * columns + 0.5), min(10.0, 0.75 * rows + 0.9))
            largest = np.abs(self.weights).max(axis=(1, 2, 3), keepdims=True)
            scaled = self.weights / np.where(largest > 0, largest, 1)  # (O, C, KH, KW), -1 to 1
            if c == 3:
                show_tiles(fig.subplots(), 0.5 + 0.5 * scaled.transpose(0, 2, 3, 1), columns, self._title())
            else:
                show_tiles(fig.subplots(), scaled[:, 0], columns, self._title(), cmap="RdBu", vmin=-1, vmax=1)
            return fig
        shown = self.weights[:MOST, :MOST]  # a row of slices for each filter
        largest = np.abs(shown).max(axis=(1, 2, 3), keepdims=True)
        scaled = (shown / np.where(largest > 0, largest, 1)).reshape(-1, kh, kw)
        fig = new_figure(0.6 * shown.shape[1] + 0.6, 0.6 * shown.shape[0] + 0.9)
        cut = f"\nfilters 0 to {len(shown) - 1} (rows), input channels 0 to {shown.shape[1] - 1} (columns)"
        show_tiles(fig.subplots(), scaled, shown.shape[1], self._title() + cut, cmap="RdBu", vmin=-1, vmax=1)
        return fig

    def _title(self) -> str:
        o, c, kh, kw = self.weights.shape
        return f"{self.layer}: {o} filters of {c} x {kh} x {kw}"


def filters(model: Module, layer: str | Module | None = None) -> Filters:
    """The filters of a convolution as pictures.

    Parameters
    ----------
    model : Module
    layer : str or Module, optional
        A convolution. Default: the first, whose filters have the colours of the image.

    Returns
    -------
    Filters
        ``weights`` (O, C, KH, KW), ``norms`` (O,), ``figure()``.

    References
    ----------
    Krizhevsky, Sutskever & Hinton, *ImageNet classification with deep convolutional neural networks*, 2012, figure 3.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False))
    >>> net[0].weight.data = minicnn.tensor([[[[1.0, 0, -1]] * 3], [[[0.0, 0, 0], [0, 5, 0], [0, 0, 0]]]])
    >>> print(minicnn.explain.filters(net))
    Filters of layer '0': 2 filters of 1 x 3 x 3
    norms from 2.45 (filter 0) to 5 (filter 1), mean 3.72
    """
    checked_model(model, "filters")
    if layer is None:
        path, module = next(((p, m) for p, m in model.named_modules() if isinstance(m, Conv2d)), ("", model))
    else:
        path, module = layer_at(model, layer, "filters")
    weight = module._parameters.get("weight")
    if weight is None or weight.ndim != 4:
        got = f"{path!r}, a {type(module).__name__}, has none" if path else f"{type(model).__name__} has none"
        raise ValueError(f"filters: expected a convolution, with weights (O, C, KH, KW); {got}")
    return Filters(path, weight.detach().numpy().copy())


@dataclass(frozen=True, repr=False)
class FeatureMaps(Picture):
    """What :func:`minicnn.explain.feature_maps` returns.

    Attributes
    ----------
    images : array (N, C, H, W)
    maps : dict of str to array (N, K, h, w)
        By the layers' paths.
    """

    images: Any
    maps: Mapping[str, Any]

    def strongest(self, layer: str, count: int = 16, index: int = 0) -> list[int]:
        """The channels with the largest mean activation on an image, in that order."""
        means = self.maps[layer][index].mean(axis=(1, 2))
        return np.argsort(-means, kind="stable")[:count].tolist()

    def __str__(self) -> str:
        cells = []
        for path, maps in self.maps.items():
            _, k, h, w = maps.shape
            active = np.mean(maps > 0)
            cells.append([path, str(k), f"{h} x {w}", f"{maps.min():.3g}", f"{maps.max():.3g}", f"{active:.0%}"])
        n, c, h, w = self.images.shape
        heading = f"Feature maps of {n} image{'' if n == 1 else 's'} ({c}, {h}, {w})"
        return f"{heading}\n{text_columns(['Layer', 'Maps', 'Size', 'Min', 'Max', 'Above 0'], cells)}"

    def figure(self, index: int = 0, count: int = 16) -> Figure:
        """An image, and the strongest maps of each layer with the numbers of their channels, each by its own scale.

        Parameters
        ----------
        index : int, default 0
            Which image.
        count : int, default 16
            Maps of each layer, at most.
        """
        columns = min(8, count)
        heights = [1 + (min(count, maps.shape[1]) - 1) // columns for maps in self.maps.values()]
        fig = new_figure(1.15 * columns + 2.4, sum(1.15 * h + 0.45 for h in heights) + 0.3)
        grid = fig.add_gridspec(len(heights), 2, width_ratios=(2.2, 1.15 * columns), height_ratios=heights)
        show_image(fig.add_subplot(grid[:1, 0]), visible(self.images[index]), "image")
        for row, (path, maps) in enumerate(self.maps.items()):
            channels = self.strongest(path, count, index)
            planes = each_to_one(maps[index, channels])
            title = f"{path}: {len(channels)} of {maps.shape[1]} maps of {maps.shape[2]} x {maps.shape[3]}"
            show_tiles(fig.add_subplot(grid[row, 1]), planes, columns, title, channels, cmap="viridis")
        return fig


def feature_maps(model: Module, x: Tensor, layers: str | Module | Sequence[str | Module] | None = None) -> FeatureMaps:
    """What the layers make of an image: every channel of their outputs as a picture.

    Parameters
    ----------
    model : Module
        It runs in evaluation mode and is left as it was.
    x : Tensor (N, C, H, W) or (C, H, W)
    layers : str, Module, or sequence of them, optional
        Layers with outputs (N, K, h, w). Default: of each size of map on the way, the last layer that gives it.

    Returns
    -------
    FeatureMaps
        ``maps``: path -> array (N, K, h, w); ``strongest(layer)``; ``figure()``.

    References
    ----------
    Zeiler & Fergus, *Visualizing and understanding convolutional networks*, 2013; Yosinski et al., *Understanding
    neural networks through deep visualization*, 2015, section 2.

    Examples
    --------
    A filter (1, -1) marks where brightness falls from one column to the next.

    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 1, (1, 2), bias=False), nn.ReLU())
    >>> net[0].weight.data = minicnn.tensor([[[[1.0, -1.0]]]])
    >>> found = minicnn.explain.feature_maps(net, minicnn.tensor([[[0.0, 1.0, 1.0, 0.0]]]))
    >>> found.maps["1"].tolist()
    [[[[0.0, 0.0, 1.0]]]]
    >>> print(found)
    Feature maps of 1 image (1, 1, 4)
    Layer  Maps   Size  Min  Max  Above 0
    -------------------------------------
    1         1  1 x 3    0    1      33%
    """
    checked_model(model, "feature_maps")
    batch = images(x, "feature_maps").detach()
    given = [layers] if isinstance(layers, (str, Module)) else layers
    chosen = None if given is None else dict(layer_at(model, layer, "feature_maps") for layer in given)
    paths = paths_of(model)
    found: dict[Any, tuple[str, Any]] = {}  # by layer, or by size

    def keep(layer: Module, output: Tensor) -> None:
        if chosen is not None:
            found[id(layer)] = (paths[id(layer)], output._array.copy())  # the next layer may work in place
        elif output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            found[output.shape[2:]] = (paths[id(layer)], output._array.copy())

    watched = list(chosen.values()) if chosen is not None else [m for m in model.modules() if m is not model] or [model]
    with left_as_found(model, "eval"), no_grad(), outputs_of(watched, keep):
        model(batch)
    for path, module in (chosen or {}).items():
        if id(module) not in found:
            raise ValueError(f"feature_maps: {type(model).__name__} does not run {path!r}, or it gives no tensor")
        shape = found[id(module)][1].shape
        if len(shape) != 4:
            raise ShapeError(f"feature_maps: expected layers that give maps (N, K, h, w); {path!r} gives {shape}")
    ordered = [found[id(module)] for module in chosen.values()] if chosen is not None else list(found.values())
    if not ordered:
        raise ValueError(f"feature_maps: no layer of {type(model).__name__} gives maps of several pixels")
    return FeatureMaps(batch.numpy(), dict(ordered))
