"""Looking into a model while it runs: what is asked for by name, and the outputs of inner layers."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.tensor import Tensor, from_numpy
from ..nn import Conv2d, Identity, Module
from ..nn.tree import describe


def checked_model(model: Any, who: str) -> Module:
    """The model, or the error that says what was given instead."""
    if not isinstance(model, Module):
        raise TypeError(f"{who}: expected an nn.Module; got {describe(model)}")
    return model


def images(x: Any, who: str) -> Tensor:
    """A batch of images (N, C, H, W) in memory of its own, as a leaf that requires a gradient."""
    if not isinstance(x, Tensor):
        fix = "minicnn.from_numpy(array)" if isinstance(x, np.ndarray) else "transforms.ToTensor()(image)"
        raise TypeError(f"{who}: expected a tensor of images; got {type(x).__name__}. Fix: {fix}")
    array = x._array[None] if x.ndim == 3 else x._array
    if array.ndim != 4 or 0 in array.shape:
        raise ShapeError(f"{who}: expected images (N, C, H, W), or one (C, H, W); got {tuple(x.shape)}")
    if array.dtype.kind != "f":
        raise TypeError(f"{who}: expected floating-point numbers; got {x.dtype}. Fix: x.float() / 255")
    return from_numpy(array.copy()).requires_grad_()


def as_batch(x: Tensor, model: Module) -> Tensor:
    """The inputs; of a model with convolutions, an image (C, H, W) alone as a batch of one."""
    alone = x.ndim == 3 and any(isinstance(module, Conv2d) for module in model.modules())
    return x.unsqueeze(0) if alone else x


def layer_at(model: Module, layer: str | Module, who: str) -> tuple[str, Module]:
    """Path and layer of a path or of a layer."""
    paths = dict(model.named_modules(remove_duplicate=False))
    if isinstance(layer, Module):
        path = next((path for path, module in paths.items() if module is layer), None)
        if path is None:
            raise ValueError(f"{who}: this {type(layer).__name__} is no layer of {type(model).__name__}")
        return path, layer
    if not isinstance(layer, str):
        raise TypeError(f"{who}: a layer is given by its path, as 'features.0', or itself; got {type(layer).__name__}")
    if layer not in paths:
        near = difflib.get_close_matches(layer, paths, n=4, cutoff=0.4) or [p for p in paths if p and "." not in p]
        raise ValueError(
            f"{who}: {layer!r} is no layer of {type(model).__name__}. Did you mean {', '.join(map(repr, near))}?"
        )
    return layer, paths[layer]


def paths_of(model: Module) -> dict[int, str]:
    """The path of each layer by its ``id``; of a layer with several paths the first."""
    return {id(module): path for path, module in reversed(list(model.named_modules()))}


def innermost(model: Module) -> list[Module]:
    """The layers without layers in them, except those that do nothing."""
    return [m for m in model.modules() if not any(True for _ in m.children()) and not isinstance(m, Identity)]


@contextmanager
def outputs_of(layers: Sequence[Module], keep: Callable[[Module, Tensor], Any]) -> Iterator[None]:
    """Call ``keep(layer, output)`` whenever one of the layers has given a tensor.

    It is called before the next layer runs, which may change the output in place.
    """

    def hook(layer: Module, args: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            keep(layer, output)

    handles = [layer.register_forward_hook(hook) for layer in dict.fromkeys(layers)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def classified(output: Any, names: Sequence[str] | None, who: str) -> Tensor:
    """The output of a classifier, checked; ``names``, if there are any, are those of all its classes."""
    if not isinstance(output, Tensor) or output.ndim != 2 or not output.shape[1]:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ShapeError(f"{who}: expected a classifier, which gives scores (N, classes); this model gives {got}")
    if names is not None and len(names) != output.shape[1]:
        raise ValueError(f"{who}: the model has {output.shape[1]} classes, but {len(names)} names were given")
    return output


def class_scores(scores: Any, target: Any, names: Sequence[str] | None, who: str) -> tuple[Tensor, list[int]]:
    """The score of one class for each image, and the classes: those asked for, or those with the largest scores."""
    output = classified(scores, names, who)
    n, count = output.shape
    if target is None:
        targets = output._array.argmax(1).tolist()
    else:
        given = np.asarray(target._array if isinstance(target, Tensor) else target)
        if given.dtype.kind not in "iu" or given.ndim > 1 or given.size not in (1, n):
            raise ValueError(f"{who}: target is a class, or one for each of the {n} images; got {target!r}")
        targets = np.broadcast_to(given.reshape(-1), (n,)).tolist()
        wrong = next((t for t in targets if not 0 <= t < count), None)
        if wrong is not None:
            raise ValueError(f"{who}: there is no class {wrong}: the model has {count}, 0 to {count - 1}")
    return output[list(range(n)), targets], targets
