"""What a network computes in between: the outputs of inner layers, as features for something else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..core.tensor import Tensor
from ..nn import Module
from .rehearsal import at_rest, rehearse
from .selection import unknown_path


class _Enough(BaseException):
    """Everything that is wanted has been computed: no error, so that no ``except Exception`` on the way stops it."""


class FeatureExtractor(Module):
    """A network up to some of its layers, which gives their outputs; :func:`features` makes it.

    It shares the layers of the model, under their names: its parameters, its state and its ``train`` and ``eval`` are
    those of the layers that it needs. So it serves as the backbone of another network, as torchvision's
    ``IntermediateLayerGetter`` does.

    Parameters
    ----------
    model : Module
    layers : str, iterable of str, or mapping of str to str
        As in :func:`features`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> backbone = models.FeatureExtractor(models.resnet18(), {"layer2": "fine", "layer4": "coarse"})
    >>> {name: tuple(y.shape) for name, y in backbone(minicnn.zeros(1, 3, 64, 64)).items()}
    {'fine': (1, 128, 8, 8), 'coarse': (1, 512, 2, 2)}
    >>> [name for name, _ in backbone.named_children()]
    ['conv1', 'bn1', 'relu', 'maxpool', 'layer1', 'layer2', 'layer3', 'layer4']
    """

    def __init__(self, model: Module, layers: str | Iterable[str] | Mapping[str, str]) -> None:
        super().__init__()
        self._single = isinstance(layers, str)
        self._names = _names(model, layers)
        self._runs: dict[bool, dict[str, int]] = {}  # in evaluation and in training: how often each layer runs
        runner = copy.copy(model)  # the model, but with those members that are registered here
        own = self.__dict__
        for registry in ("_modules", "_parameters", "_buffers", "_non_persistent_buffers_set"):
            own[registry] = runner.__dict__[registry] = copy.copy(model.__dict__[registry])
        own["_runner"] = runner  # not as a child: its children are this module's
        self.training = model.training
        self._leave_out(rehearse(self, self._rehearse))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model until all layers have given their outputs, and return these."""
        found = self._run(args, kwargs)
        idle = [path for path, outputs in found.items() if not outputs]
        if idle:
            raise self._never_runs(idle[0], f"in {'training' if self.training else 'evaluation'}")
        result = {self._names[path]: outputs[0] if len(outputs) == 1 else outputs for path, outputs in found.items()}
        return next(iter(result.values())) if self._single else result

    def train(self, mode: bool = True) -> Module:
        """Switch to training, or to evaluation, as the model does."""
        self.training = self._runner.train(mode).training
        return self

    def extra_repr(self) -> str:
        return ", ".join(self._names)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, list[Any]]:
        """Each layer's outputs, in the order in which it ran; stops after the last one if that is known."""
        found: dict[str, list[Any]] = {path: [] for path in self._names}
        runs = self._runs.get(self.training)
        enough = _Enough()

        def keep(path: str) -> Callable[..., None]:
            def hook(module: Module, inputs: Any, output: Any) -> None:
                found[path].append(output)
                if runs is not None and all(len(found[path]) >= runs[path] for path in found):
                    raise enough
                found[path][-1] = _copied(output)  # what comes next may change it in place

            return hook

        layers = [self._runner.get_submodule(path) for path in self._names]  # an extractor around may lack the last
        handles = [layer.register_forward_hook(keep(path)) for path, layer in zip(self._names, layers, strict=True)]
        self._runner.training = self.training
        try:
            self._runner.forward(*args, **kwargs)
        except _Enough as error:
            if error is not enough:  # that of another extractor, around this one
                raise
        else:
            self._runs.setdefault(self.training, {path: len(outputs) for path, outputs in found.items()})
        finally:
            enough.__traceback__ = None  # it holds the frame that holds it, and with it the model
            for handle in handles:
                handle.remove()
        return found

    def _rehearse(self, batch: Tensor) -> set[str]:
        """Find out how often each layer runs, and which children run only after all of them, in either mode."""
        self._runs.clear()
        orders = [self._order(batch, training) for training in (False, True)]
        needed = {name for order in orders for name in order[: _last(order)]}
        return {name for order in orders for name in order if name} - needed

    def _order(self, batch: Tensor, training: bool) -> list[str]:
        """Names of the children when a layer in them begins, and ``''`` when a wanted layer ends."""
        order: list[str] = []
        wanted = [self.get_submodule(path) for path in self._names]
        handles = [layer.register_forward_hook(lambda *_: order.append("")) for layer in wanted]
        for name, child in self.named_children():
            for layer in child.modules():
                handles.append(layer.register_forward_pre_hook(lambda *_, name=name: order.append(name)))
        try:
            with at_rest(self, training):
                self._run((batch,), {})
        finally:
            for handle in handles:
                handle.remove()
        return order

    def _leave_out(self, later: set[str] | None) -> None:
        """Let go of the children that run only later, where that is known."""
        if later is None:
            return  # forward will find out
        for path in self._names:
            if not any(runs[path] for runs in self._runs.values()):
                raise self._never_runs(path, "itself")
        for name in later:
            del self._modules[name]
            self._runner.__dict__[name] = None  # forward may look it up: self.relu(self.conv(x)) looks up relu first

    def _never_runs(self, path: str, when: str) -> ValueError:
        inside = [f"{path}.{name}" for name, _ in self.get_submodule(path).named_children()]
        hint = f". Layers in it: {', '.join(map(repr, inside[:4]))}" if inside else ""
        return ValueError(f"features: {type(self._runner).__name__} does not run {path!r} {when}{hint}")


def features(model: Module, layers: str | Iterable[str] | Mapping[str, str]) -> FeatureExtractor:
    """Give the outputs of inner layers: the model up to the last of them, as a module of its own.

    It computes no more than is needed, and shares the model's layers, so that gradients flow into them; under
    ``no_grad`` the features are plain numbers. What later layers do in place does not change what an earlier one gave.

    Parameters
    ----------
    model : Module
        It is not changed. Layers that are replaced in it later are not replaced in the features.
    layers : str, iterable of str, or mapping of str to str
        Paths of layers, ``"layer3"`` or ``"features.12.squeeze"``. A mapping renames them: ``{"layer4": "out"}``.

    Returns
    -------
    FeatureExtractor
        Called as the model, it gives the output of one layer; for several, a dict of them in the order asked for. A
        layer that runs several times, such as a ReLU that is shared, gives the list of its outputs.

    Raises
    ------
    ValueError
        If there is no such layer (the message names the nearest), or the model does not run it.

    Notes
    -----
    Which layers are needed is found by running the model on batches of no images. Of a model that takes images of an
    unusual size, all layers are kept, and the first batch runs through to the end.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.squeezenet1_1(num_classes=10).eval()
    >>> with minicnn.no_grad():
    ...     y = models.features(model, "features")(minicnn.zeros(1, 3, 64, 64))
    >>> y.shape
    minicnn.Size([1, 512, 3, 3])
    """
    return FeatureExtractor(model, layers)


def create_feature_extractor(model: Module, return_nodes: Iterable[str] | Mapping[str, str]) -> FeatureExtractor:
    """:func:`features` under torchvision's name, for several layers: it gives a dict.

    Parameters
    ----------
    model : Module
    return_nodes : iterable of str, or mapping of str to str
        Paths of layers, or paths and the names that their outputs get.

    Returns
    -------
    FeatureExtractor

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> body = models.create_feature_extractor(models.squeezenet1_1(num_classes=10), {"features.4": "x"})
    >>> body(minicnn.zeros(1, 3, 64, 64))["x"].shape
    minicnn.Size([1, 128, 15, 15])
    """
    return FeatureExtractor(model, [return_nodes] if isinstance(return_nodes, str) else return_nodes)


def _names(model: Module, layers: Any) -> dict[str, str]:
    """What was asked for as path -> name in the result."""
    if isinstance(layers, Mapping):
        names = dict(layers)
    elif isinstance(layers, str):
        names = {layers: layers}
    elif isinstance(layers, Iterable):
        names = {path: path for path in layers}
    else:
        raise TypeError(f"features: expected paths of layers such as 'layer3'; got {type(layers).__name__}")
    if not names:
        raise ValueError("features: expected at least one path of a layer; got none")
    if len(set(names.values())) < len(names):
        raise ValueError(f"features: two layers have the same name in {names}; give each its own")
    known = {path for path, _ in model.named_modules(remove_duplicate=False) if path}
    for path in names:
        if not isinstance(path, str):
            raise TypeError(f"features: the path of a layer is a string; got {type(path).__name__}: {path!r}")
        if path not in known:
            raise unknown_path(model, path, f"features: {path!r} is no layer of", parameters=False)
    return names


def _last(order: list[str]) -> int:
    """Where the last wanted layer ends."""
    return max((i for i, name in enumerate(order) if not name), default=0)


def _copied(value: Any) -> Any:
    """The same value in memory of its own."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, (tuple, list)):
        parts = [_copied(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return type(value)({key: _copied(part) for key, part in value.items()})
    return value
