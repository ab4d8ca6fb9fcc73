"""Another number of classes for a network that is trained already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

from ..core.recording import Step, record
from ..core.tensor import Tensor
from ..nn import Conv2d, Linear, Module
from .base import ImageNetwork
from .rehearsal import at_rest, rehearse
from .selection import unknown_path


def replace_head(model: Module, num_classes: int, *, head: str | Sequence[str] | None = None) -> dict[str, Module]:
    """Put a new last layer, for another number of classes, in the place of the old one.

    The new layer is of the same kind (a fully connected layer, or a convolution in fully convolutional networks such
    as SqueezeNet), starts from random weights and learns, whatever is frozen. Auxiliary classifiers get theirs too. A
    ``num_classes`` that modules of the model note is kept right.

    The heads are found by running the model on a batch of no images, and following its outputs back to the layers that
    made them. By hand it is an assignment: ``model.fc = nn.Linear(512, 2)``, ``model.classifier[6] = ...``.

    Parameters
    ----------
    model : Module
        It is changed.
    num_classes : int
    head : str or sequence of str, optional
        Paths of the layers to replace, for models in which they cannot be found.

    Returns
    -------
    dict of str to Module
        The new layers by their paths: patterns for :func:`unfreeze` and :func:`parameter_groups`.

    Raises
    ------
    ValueError
        If the head cannot be found, or is not one layer alone. The model is left as it was.

    Examples
    --------
    >>> from minicnn import models
    >>> model = models.squeezenet1_1(num_classes=10)
    >>> models.replace_head(model, 2)
    {'classifier.1': Conv2d(512, 2, kernel_size=(1, 1), stride=(1, 1))}
    >>> model.num_classes
    2
    """
    if isinstance(num_classes, bool) or not isinstance(num_classes, Integral) or num_classes < 1:
        raise ValueError(f"replace_head: num_classes must be a whole number of at least 1; got {num_classes!r}")
    num_classes = int(num_classes)
    old = _find_heads(model) if head is None else _named_heads(model, [head] if isinstance(head, str) else head)
    new = {path: _like(layer, num_classes) for path, layer in old.items()}
    for path, layer in old.items():
        _exchange(model, layer, new[path])
    if head is None and not _gives(model, num_classes):
        for path, layer in old.items():
            _exchange(model, new[path], layer)
        raise ValueError(
            f"replace_head: {type(model).__name__} does not give {num_classes} scores when {_listed(old)} has as many "
            "outputs: what follows depends on the old number. Fix: build it with the new number of classes, and load "
            "the weights of the other layers with strict=False"
        )
    sizes = {_outputs(layer) for layer in old.values()}
    for module in model.modules():
        if module.__dict__.get("num_classes") in sizes:
            module.num_classes = num_classes
    return new


def _find_heads(model: Module) -> dict[str, Module]:
    """The layers that make the outputs, by their paths."""
    name = type(model).__name__
    fix = "Fix: name it, as in replace_head(model, 2, head='fc'), or assign the new layer, model.fc = nn.Linear(...)"
    found = rehearse(model, lambda batch: _trace(model, batch))
    if found is None:
        raise ValueError(f"replace_head: {name} takes images of no usual size, so its head cannot be found. {fix}")
    outputs, steps = found
    layers = [layer for output in outputs for layer in _makers(output, steps)]
    heads = {path: module for path, module in model.named_modules() if any(module is layer for layer in layers)}
    if not heads:
        raise ValueError(f"replace_head: no Linear or Conv2d makes the output of {name}. {fix}")
    sizes = {_outputs(layer) for layer in heads.values()}
    if len(sizes) > 1:
        raise ValueError(
            f"replace_head: the outputs of {name} come from layers of different sizes, {_listed(heads)} with "
            f"{sorted(sizes)} outputs. {fix}"
        )
    return heads


def _trace(model: Module, batch: Tensor) -> tuple[list[Tensor], list[Step]]:
    """The outputs, auxiliary ones included, and the operations that made them."""
    with at_rest(model, training=True), record() as steps:
        for network in model.modules():
            if isinstance(network, ImageNetwork):  # one inside of another module: its auxiliary outputs too
                network.training = True
        return list(_tensors(Module.__call__(model, batch))), steps  # without a network's search for a size that fits


def _makers(output: Tensor, steps: Sequence[Step]) -> Iterable[Module]:
    """The last layers with weights on the ways to ``output``."""
    waiting = [(output, len(steps))]
    while waiting:
        tensor, end = waiting.pop()
        made = next((i for i in reversed(range(end)) if any(made is tensor for made in steps[i].outputs)), None)
        if made is None:
            continue  # the image, or a parameter
        layer = steps[made].modules[-1]
        if isinstance(layer, (Linear, Conv2d)):
            yield layer
        else:
            waiting += [(before, made) for before in steps[made].inputs if before is not None]


def _named_heads(model: Module, paths: Sequence[str]) -> dict[str, Module]:
    modules = dict(model.named_modules())
    if not paths:
        raise ValueError("replace_head: expected in head at least one path of a layer; got none")
    for path in paths:
        if path not in modules:
            raise unknown_path(model, path, f"replace_head: {path!r} is no layer of", parameters=False)
        if not isinstance(modules[path], (Linear, Conv2d)):
            raise ValueError(
                f"replace_head: {path!r} is a {type(modules[path]).__name__}; a Linear or a Conv2d can be replaced. "
                "Fix: name the layer in it, or assign the new one"
            )
    return {path: modules[path] for path in paths}


def _like(layer: Any, outputs: int) -> Module:
    """A new layer of the same kind with another number of outputs."""
    options: dict[str, Any] = {"bias": layer.bias is not None, "dtype": layer.weight.dtype}
    if isinstance(layer, Linear):
        new: Module = Linear(layer.in_features, outputs, **options)
    else:
        window = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups)
        new = Conv2d(layer.in_channels, outputs, *window, padding_mode=layer.padding_mode, **options)
    return new.train(layer.training)


def _exchange(model: Module, old: Module, new: Module) -> None:
    """Put ``new`` wherever ``old`` is."""
    for module in list(model.modules()):
        for name in [name for name, child in module._modules.items() if child is old]:
            module.add_module(name, new)


def _gives(model: Module, num_classes: int) -> bool:
    found = rehearse(model, lambda batch: _trace(model, batch))
    return found is not None and all(output.shape[1] == num_classes for output in found[0])


def _tensors(value: Any) -> Iterable[Tensor]:
    """The tensors in an output: one, a (named) tuple, a dict."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list, Mapping)):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(part)


def _outputs(layer: Any) -> int:
    return layer.out_features if isinstance(layer, Linear) else layer.out_channels


def _listed(layers: Iterable[str]) -> str:
    return ", ".join(map(repr, layers))
