"""The gradient of a class score with respect to the image: plain, and guided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...core.grad_mode import enable_grad
from ...core.graph import grad
from ...core.tensor import Tensor
from ...nn import Module
from ..looking import checked_model, class_scores, images
from ..state import left_as_found
from .attribution import Attribution
from .canvas import show_image, signed
from .rectifiers import guided_rule, rectifiers_go_back_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class Saliency(Attribution):
    """What :func:`minicnn.explain.saliency` returns: an :class:`~minicnn.explain.Attribution`.

    Attributes
    ----------
    gradient : array (N, C, H, W)
        Of the score with respect to the image; ``map`` is the largest size over its channels.
    """

    gradient: Any

    title: ClassVar[str] = "Saliency"


@dataclass(frozen=True, repr=False)
class GuidedBackprop(Saliency):
    """What :func:`minicnn.explain.guided_backprop` returns: a :class:`~minicnn.explain.Saliency`."""

    title: ClassVar[str] = "Guided backpropagation"

    def draw_map(self, ax: Axes, index: int) -> None:
        """The signal as an image: grey where it is 0."""
        low, high = np.percentile(self.gradient[index], (0.5, 99.5))  # a few peaks would leave all else grey
        limit = max(abs(low), abs(high), 1e-30)
        show_image(ax, signed(np.clip(self.gradient[index], -limit, limit)), "guided gradient")


def saliency(model: Module, x: Tensor, target: Any = None, *, classes: Sequence[str] | None = None) -> Saliency:
    """How much each pixel would change the score of a class: the size of the gradient.

    One forward and one backward pass: ``map[i, j] = max over channels of |d score / d x[c, i, j]|``.

    Parameters
    ----------
    model : Module
        A classifier, which gives scores (N, classes). It runs in evaluation mode and is left as it was.
    x : Tensor (N, C, H, W) or (C, H, W)
        Images, as the model takes them.
    target : int or sequence of int, optional
        The class, for all images or for each. Default: the one with the largest score.
    classes : sequence of str, optional
        Names of all classes, for the text and the figure.

    Returns
    -------
    Saliency
        ``map`` (N, H, W), ``gradient`` (N, C, H, W), ``targets``, ``scores``.

    References
    ----------
    Simonyan, Vedaldi & Zisserman, *Deep inside convolutional networks*, 2013, section 3.1.

    Examples
    --------
    A linear score: its gradient is the weights, whatever the image.

    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> net[1].weight.data = minicnn.tensor([[1.0, 2, 3, 4], [0, -5, 0, 0]])
    >>> found = minicnn.explain.saliency(net, minicnn.ones(1, 2, 2))
    >>> found.map[0].tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    >>> print(found)
    Saliency of 1 image (1, 2, 2)
    Image  Class    Score    Peak  In the middle
    --------------------------------------------
    0      class 0     10  (1, 1)           100%
    >>> minicnn.explain.saliency(net, minicnn.ones(1, 2, 2), target=1).map[0].tolist()
    [[0.0, 5.0], [0.0, 0.0]]
    """
    checked_model(model, "saliency")
    batch = images(x, "saliency")
    with left_as_found(model, "eval"), enable_grad():
        score, targets = class_scores(model(batch), target, classes, "saliency")
        found = _gradient(score, batch)
    return Saliency(batch.detach().numpy(), targets, score.detach().numpy(), _largest(found), classes, found)


def guided_backprop(
    model: Module, x: Tensor, target: Any = None, *, classes: Sequence[str] | None = None
) -> GuidedBackprop:
    """The gradient of a class score, led past everything that speaks against the class.

    As :func:`saliency`, but on the way back every ReLU also stops what is negative in the signal:
    ``g * (g > 0) * (x > 0)``. What is left shows the edges and textures that excite the network. The rule is exchanged
    in the graph of this one pass, so ReLUs in functions and in place are found too.

    Parameters
    ----------
    model, x, target, classes
        As in :func:`saliency`. The model must have ReLUs.

    Returns
    -------
    GuidedBackprop
        ``gradient`` (N, C, H, W), ``map`` (N, H, W): its largest size over the channels.

    Raises
    ------
    ValueError
        If no ReLU runs.

    Notes
    -----
    Multiplied by a :func:`grad_cam` map it is Guided Grad-CAM: ``guided.gradient * cam.map[:, None]``. Adebayo et al.,
    *Sanity checks for saliency maps*, 2018, show that it hardly depends on the class and the upper layers: it finds
    edges, not reasons.

    References
    ----------
    Springenberg et al., *Striving for simplicity: the all convolutional net*, 2014, section 3.4.

    Examples
    --------
    score = relu(a) - relu(b) with a = x0, b = x1: the gradient is (1, -1); the part that speaks against is stopped.

    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(2, 1, bias=False))
    >>> net[2].weight.data = minicnn.tensor([[1.0, -1.0]])
    >>> x = minicnn.ones(1, 1, 2)
    >>> minicnn.explain.saliency(net, x).gradient.tolist()
    [[[[1.0, -1.0]]]]
    >>> minicnn.explain.guided_backprop(net, x).gradient.tolist()
    [[[[1.0, 0.0]]]]
    """
    checked_model(model, "guided_backprop")
    batch = images(x, "guided_backprop")
    with left_as_found(model, "eval"), enable_grad(), rectifiers_go_back_by(guided_rule) as exchange:
        score, targets = class_scores(model(batch), target, classes, "guided_backprop")
        if not exchange():
            raise ValueError(
                f"guided_backprop: no ReLU runs in {type(model).__name__}, so there is nothing to guide. "
                "Fix: explain.saliency(model, x)"
            )
        found = _gradient(score, batch)
    values = score.detach().numpy()
    return GuidedBackprop(batch.detach().numpy(), targets, values, _largest(found), classes, found)


def _gradient(score: Tensor, batch: Tensor) -> Any:
    """Of the scores with respect to the images, (N, C, H, W)."""
    (found,) = grad(score.sum(), [batch], materialize_grads=True)
    return np.asarray(found)


def _largest(gradient: Any) -> Any:
    """The largest size over the channels, (N, H, W)."""
    return np.abs(gradient).max(axis=1)
