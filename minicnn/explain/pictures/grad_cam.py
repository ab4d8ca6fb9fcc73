"""Grad-CAM: which places of a layer's maps speak for a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...core.errors import ShapeError
from ...core.grad_mode import enable_grad, no_grad
from ...core.graph import grad
from ...core.tensor import Tensor, from_numpy
from ...nn import Conv2d, Module
from ...nn.functional import interpolate
from ..looking import checked_model, class_scores, images, layer_at, outputs_of
from ..state import left_as_found
from .attribution import Attribution


@dataclass(frozen=True, repr=False)
class GradCam(Attribution):
    """What :func:`minicnn.explain.grad_cam` returns: an :class:`~minicnn.explain.Attribution`.

    Attributes
    ----------
    layer : str
        Whose maps were taken.
    weights : array (N, K)
        Of each channel: the mean of the score's gradient over the map.
    coarse : array (N, h, w)
        The map before it was enlarged to the size of the image.
    """

    layer: str
    weights: Any
    coarse: Any

    title: ClassVar[str] = "Grad-CAM"
    overlaid: ClassVar[bool] = True

    def heading(self) -> str:
        """The first line of the text."""
        h, w = self.coarse.shape[1:]
        return f"{super().heading()}, layer {self.layer!r}: {self.weights.shape[1]} channels of {h} x {w}"


def grad_cam(
    model: Module,
    x: Tensor,
    target: Any = None,
    *,
    layer: str | Module | None = None,
    classes: Sequence[str] | None = None,
) -> GradCam:
    """Which places of the image speak for a class, seen through the maps of one layer.

    With the layer's output A (K maps of h x w) and the score y of the class::

        weight[k] = mean over i, j of dy / dA[k, i, j]
        coarse    = relu(sum over k of weight[k] * A[k])

    enlarged to the image bilinearly.

    Parameters
    ----------
    model : Module
        A classifier. It runs in evaluation mode and is left as it was.
    x : Tensor (N, C, H, W) or (C, H, W)
    target : int or sequence of int, optional
        The class, for all images or for each. Default: the one with the largest score.
    layer : str or Module, optional
        Any layer with an output (N, K, h, w). Default: the last convolution that gives maps of several pixels, with
        the norm, ReLU and sum after it: the last layer whose output has that size.
    classes : sequence of str, optional
        Names of all classes.

    Returns
    -------
    GradCam
        ``map`` (N, H, W), ``coarse`` (N, h, w), ``weights`` (N, K), ``layer``.

    References
    ----------
    Selvaraju et al., *Grad-CAM: visual explanations from deep networks via gradient-based localization*, 2017, section
    3, equations 1 and 2. If global average pooling and one fully connected layer follow, it is the class activation
    map of Zhou et al., *Learning deep features for discriminative localization*, 2016, up to a factor.

    Examples
    --------
    One map A = x, score = 3 * mean(A): the weight is 3 / 4.

    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
    >>> for layer, value in ((net[0], 1.0), (net[3], 3.0)):
    ...     _ = nn.init.constant_(layer.weight, value)
    >>> cam = minicnn.explain.grad_cam(net, minicnn.tensor([[[0.0, 1.0], [-2.0, 4.0]]]))
    >>> cam.layer, cam.weights.tolist(), cam.coarse[0].tolist()
    ('0', [[0.75]], [[0.0, 0.75], [0.0, 3.0]])
    """
    checked_model(model, "grad_cam")
    batch = images(x, "grad_cam")
    path, module = last_maps(model, batch) if layer is None else layer_at(model, layer, "grad_cam")
    kept: list[tuple[Tensor, Any]] = []  # of the latest call: the output as a step of the graph, and its values

    def keep(_: Module, output: Tensor) -> None:
        if output.requires_grad:
            gradient: list[Any] = []
            output.register_hook(lambda g: gradient.append(g.numpy()))
            kept[:] = [(output.detach().clone(), gradient)]

    with left_as_found(model, "eval"), enable_grad(), outputs_of([module], keep):
        score, targets = class_scores(model(batch), target, classes, "grad_cam")
        if not kept:
            raise ValueError(f"grad_cam: {type(model).__name__} does not run {path!r}, or it gives no tensor")
        maps, gradient = kept[0]
        if maps.ndim != 4:
            raise ShapeError(
                f"grad_cam: expected a layer that gives maps (N, K, h, w); {path!r} gives {tuple(maps.shape)}. "
                f"Fix: layer={last_maps(model, batch)[0]!r}"
            )
        grad(score.sum(), [batch], allow_unused=True)
    maps = maps.numpy()  # (N, K, h, w)
    weights = gradient[0].mean(axis=(2, 3)) if gradient else np.zeros(maps.shape[:2], maps.dtype)
    coarse = np.maximum(np.einsum("nk,nkhw->nhw", weights, maps), 0)
    with no_grad():
        size = tuple(batch.shape[2:])
        full = interpolate(from_numpy(coarse[:, None]), size=size, mode="bilinear", align_corners=False)
    values = score.detach().numpy()
    return GradCam(batch.detach().numpy(), targets, values, full.numpy()[:, 0], classes, path, weights, coarse)


def last_maps(model: Module, batch: Tensor, who: str = "grad_cam") -> tuple[str, Module]:
    """The last layer whose output has the size of the last convolution's, of those with maps of several pixels."""
    ran: list[tuple[Module, tuple[int, ...]]] = []
    layers = [module for module in model.modules() if module is not model]
    with left_as_found(model, "eval"), no_grad(), outputs_of(layers, lambda m, y: ran.append((m, tuple(y.shape)))):
        model(batch.detach())
    maps = [(module, shape[2:]) for module, shape in ran if len(shape) == 4 and shape[2] * shape[3] > 1]
    size = next((size for module, size in reversed(maps) if isinstance(module, Conv2d)), None)
    if size is None:
        raise ValueError(f"{who}: no convolution in {type(model).__name__} gives maps of several pixels for this image")
    found = next(module for module, other in reversed(maps) if other == size)
    return layer_at(model, found, who)
