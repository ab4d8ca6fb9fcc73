"""Occlusion: which parts of the image must not be hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...core.grad_mode import no_grad
from ...core.tensor import Tensor, from_numpy
from ...nn import Module
from ..looking import checked_model, class_scores, images
from ..state import left_as_found
from .attribution import Attribution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AT_ONCE = 32  # images in a batch


@dataclass(frozen=True, repr=False)
class Occlusion(Attribution):
    """What :func:`minicnn.explain.occlusion` returns: an :class:`~minicnn.explain.Attribution`.

    Attributes
    ----------
    probabilities : array (N, rows, columns)
        Of the class, with the patch at each position.
    size, stride : int
        Of the patch, in pixels.
    """

    probabilities: Any
    size: int
    stride: int

    title: ClassVar[str] = "Occlusion"
    overlaid: ClassVar[bool] = True

    def heading(self) -> str:
        """The first line of the text."""
        rows, columns = self.probabilities.shape[1:]
        return (
            f"{super().heading()}: a patch of {self.size} x {self.size} pixels at {rows} x {columns} positions, "
            f"{self.stride} apart"
        )

    def draw_map(self, ax: Axes, index: int) -> None:
        """The mean fall of the probability."""
        super().draw_map(ax, index)
        ax.set_title("fall of the probability", fontsize=9)


def occlusion(
    model: Module,
    x: Tensor,
    target: Any = None,
    *,
    size: int | None = None,
    stride: int | None = None,
    value: float = 0.0,
    classes: Sequence[str] | None = None,
) -> Occlusion:
    """Hide one part of the image after the other, and see how far the probability of the class falls.

    ``probabilities[i, j] = softmax(model(image with a patch at i, j))[class]``. The map gives every pixel the mean fall
    ``p(image) - probabilities[i, j]`` over all patches that hide it.

    Parameters
    ----------
    model : Module
        A classifier. It runs in evaluation mode and is left as it was.
    x : Tensor (N, C, H, W) or (C, H, W)
    target : int or sequence of int, optional
        The class. Default: the one with the largest score.
    size : int, optional
        Side of the square patch in pixels. Default: a seventh of the shorter side.
    stride : int, optional
        Step of the patch. Default: half its side. The last position is always at the border.
    value : float, default 0.0
        Of the hidden pixels; 0 is the mean colour of images that are normalised.
    classes : sequence of str, optional
        Names of all classes.

    Returns
    -------
    Occlusion
        ``map`` (N, H, W), ``probabilities`` (N, rows, columns); ``scores`` are the probabilities without a patch.

    References
    ----------
    Zeiler & Fergus, *Visualizing and understanding convolutional networks*, 2013, section 4.2 and figure 6.

    Examples
    --------
    The class depends on the upper left pixel alone, so hiding it leaves 1/2.

    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> net[1].weight.data = minicnn.tensor([[9.0, 0, 0, 0], [0.0, 0, 0, 0]])
    >>> found = minicnn.explain.occlusion(net, minicnn.ones(1, 2, 2), size=1)
    >>> found.probabilities[0].round(3).tolist()
    [[0.5, 1.0], [1.0, 1.0]]
    >>> found.map[0].round(3).tolist()
    [[0.5, 0.0], [0.0, 0.0]]
    """
    checked_model(model, "occlusion")
    batch = images(x, "occlusion").detach()
    n, _, h, w = batch.shape
    side = max(1, min(h, w) // 7) if size is None else size
    step = max(1, side // 2) if stride is None else stride
    if not isinstance(side, int) or not 1 <= side <= min(h, w) or not isinstance(step, int) or step < 1:
        raise ValueError(
            f"occlusion: size must be a whole number from 1 to {min(h, w)} (the image has {h} x {w} pixels) and stride "
            f"at least 1; got size={size}, stride={stride}"
        )
    rows, columns = _starts(h, side, step), _starts(w, side, step)
    probabilities = np.empty((n, len(rows), len(columns)), batch._array.dtype)
    drops, covered = np.zeros((n, h, w)), np.zeros((h, w))
    with left_as_found(model, "eval"), no_grad():
        output = model(batch)
        _, targets = class_scores(output, target, classes, "occlusion")
        whole = output.softmax(1)._array[np.arange(n), targets]
        places = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
        for k in range(n):
            for first in range(0, len(places), AT_ONCE):
                some = places[first : first + AT_ONCE]
                hidden = np.repeat(batch._array[k : k + 1], len(some), axis=0)
                for image, (i, j) in zip(hidden, some, strict=True):
                    image[:, rows[i] : rows[i] + side, columns[j] : columns[j] + side] = value
                found = model(from_numpy(hidden)).softmax(1)._array[:, targets[k]]
                for p, (i, j) in zip(found, some, strict=True):
                    probabilities[k, i, j] = p
                    drops[k, rows[i] : rows[i] + side, columns[j] : columns[j] + side] += whole[k] - p
    for i in rows:
        for j in columns:
            covered[i : i + side, j : j + side] += 1
    mean = (drops / np.maximum(covered, 1)).astype(batch._array.dtype)
    return Occlusion(batch.numpy(), targets, whole, mean, classes, probabilities, side, step)


def _starts(n: int, side: int, step: int) -> list[int]:
    """Where patches begin along an axis: every ``step`` pixels, and at the end."""
    return sorted({*range(0, n - side + 1, step), n - side})
