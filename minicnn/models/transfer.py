"""Transfer learning: which parameters learn, and how fast.

A network that was trained on many images has learnt filters that serve for other images too (Yosinski et al., *How
transferable are features in deep neural networks?*, 2014; Donahue et al., *DeCAF*, 2013). Two ways to use them:

1. *features*: freeze the network, replace its last layer, and train that layer alone;
2. *fine-tuning*: train all of it, with a smaller learning rate for the layers that know something already.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from ..nn import BatchNorm1d, BatchNorm2d, InstanceNorm2d, Module
from .selection import Selection, by_pattern, up_to

_WITH_STATISTICS = (BatchNorm1d, BatchNorm2d, InstanceNorm2d)


def freeze(model: Module, *patterns: str, until: str | None = None) -> list[str]:
    """Let parameters keep their values: they get no gradient any more.

    Normalisation layers with running statistics whose parameters are all frozen stay in evaluation, also after
    ``model.train()``: they use the statistics of the images that they were trained on, and these do not move. Setting
    ``requires_grad_(False)`` by hand does not do that: as in PyTorch, the statistics then follow the new images.

    Parameters
    ----------
    model : Module
    *patterns : str
        Paths of layers or of parameters, in which ``*`` stands for anything, ``?`` for one letter and ``[12]`` for one
        of those: ``"features.*"``, ``"layer[12]"``, ``"*.bias"``. A layer stands for everything in it. Without
        patterns and ``until``, everything is frozen.
    until : str, optional
        The path of a layer; it and all that was registered before it are frozen.

    Returns
    -------
    list of str
        The parameters that were not frozen before.

    Raises
    ------
    ValueError
        If a pattern fits nothing; the message names the nearest paths.

    Examples
    --------
    >>> from minicnn import models
    >>> model = models.squeezenet1_1(num_classes=10)
    >>> models.freeze(model, "features.0", "*.bias")[:3]
    ['features.0.weight', 'features.0.bias', 'features.3.squeeze.bias']
    >>> len(models.freeze(model, until="features.12")) + len(models.unfreeze(model, "features.12"))
    30
    """
    return _set(model, patterns, until, learn=False)


def unfreeze(model: Module, *patterns: str, until: str | None = None) -> list[str]:
    """Let parameters learn again, and normalisation layers follow ``model.train()`` again.

    Give an optimiser that exists already the new parameters with ``add_param_group``, or make a new one.

    Parameters
    ----------
    model : Module
    *patterns, until
        As in :func:`freeze`.

    Returns
    -------
    list of str
        The parameters that were frozen before.

    Raises
    ------
    ValueError
        If a pattern fits nothing; the message names the nearest paths.

    Examples
    --------
    >>> from minicnn import models
    >>> model = models.squeezenet1_1(num_classes=10)
    >>> frozen = models.freeze(model)
    >>> models.unfreeze(model, "classifier")
    ['classifier.1.weight', 'classifier.1.bias']
    """
    return _set(model, patterns, until, learn=True)


def _set(model: Module, patterns: tuple[str, ...], until: str | None, learn: bool) -> list[str]:
    who = "unfreeze" if learn else "freeze"
    if not patterns and until is None:
        patterns = ("*",)
    parts = [by_pattern(model, pattern, who) for pattern in patterns]
    parts += [] if until is None else [up_to(model, until, who)]
    chosen = Selection(set().union(*(part.parameters for part in parts)), set().union(*(p.modules for p in parts)))

    changed = []
    for name, parameter in model.named_parameters():
        if id(parameter) in chosen.parameters:
            if parameter.requires_grad != learn:
                changed.append(name)
            parameter.requires_grad_(learn)
            if not learn:
                parameter.grad = None  # an optimiser leaves alone what has no gradient
    _set_statistics(model, chosen, learn)
    return changed


def _set_statistics(model: Module, chosen: Selection, learn: bool) -> None:
    """Freeze the chosen normalisation layers that have nothing left to learn, or let them follow their batches."""
    modules = dict(model.named_modules())
    for path, layer in modules.items():
        own = list(layer.parameters(recurse=False))
        touched = layer in chosen.modules or any(id(p) in chosen.parameters for p in own)
        if touched and isinstance(layer, _WITH_STATISTICS):
            frozen = not learn and not any(p.requires_grad for p in own)
            if frozen != layer.frozen:
                layer.frozen = frozen
                layer.train(modules[path.rpartition(".")[0]].training)  # the mode of the module around it


def parameter_groups(
    model: Module, rates: Mapping[str, float | Mapping[str, Any]], default: float | Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Groups of parameters with learning rates of their own, for any optimiser.

    Every parameter that learns goes into one group, that of the first pattern that fits it; frozen ones are left out.

    Parameters
    ----------
    model : Module
    rates : mapping of str to float or to dict
        For each pattern (as in :func:`freeze`) the learning rate, or options: ``{"lr": 1e-4, "weight_decay": 0}``.
    default : float or dict, optional
        The same for the parameters that no pattern fits.

    Returns
    -------
    list of dict
        One group for each pattern that has parameters that learn, in the same order, then the default's:
        ``{"name": pattern, "params": [...], "lr": ...}``.

    Raises
    ------
    ValueError
        If a pattern fits nothing, or only what earlier patterns have taken; if a parameter is left over and there is
        no default; if everything is frozen.

    Examples
    --------
    >>> from minicnn import models, optim
    >>> model = models.squeezenet1_1(num_classes=10)
    >>> groups = models.parameter_groups(model, {"classifier": 1e-2}, default=1e-3)
    >>> [(group["name"], group["lr"], len(group["params"])) for group in groups]
    [('classifier', 0.01, 2), ('default', 0.001, 50)]
    >>> optimizer = optim.SGD(groups, lr=0.0, momentum=0.9)
    """
    if not isinstance(rates, Mapping):
        raise TypeError(
            "parameter_groups: expected a dictionary of patterns and learning rates, such as {'fc': 1e-3}; "
            f"got {type(rates).__name__}"
        )
    left = {id(p): (name, p) for name, p in model.named_parameters()}
    groups = []
    for pattern, options in rates.items():
        fitting = by_pattern(model, pattern, "parameter_groups").parameters
        taken = [left.pop(key)[1] for key in list(left) if key in fitting]
        if fitting and not taken:
            raise ValueError(
                f"parameter_groups: all parameters that {pattern!r} fits belong to earlier patterns, for the first one "
                f"wins. Fix: put {pattern!r} before the pattern that is more general"
            )
        groups.append({"name": pattern, "params": taken, **_options(pattern, options)})
    if default is not None:
        groups.append({"name": "default", "params": [p for _, p in left.values()], **_options("default", default)})
    for group in groups:
        group["params"] = [p for p in group["params"] if p.requires_grad]
    over = [name for name, p in left.values() if p.requires_grad]
    if default is None and over:
        raise ValueError(
            f"parameter_groups: no pattern fits {len(over)} parameters that learn: {', '.join(over[:4])}"
            f"{' ...' if len(over) > 4 else ''}. Fix: a learning rate for the rest, default=..., or freeze them"
        )
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise ValueError(
            f"parameter_groups: no parameter of {type(model).__name__} learns: all are frozen. Fix: models.unfreeze"
        )
    return groups


def _options(pattern: str, given: Any) -> dict[str, Any]:
    """A group's options: those given, or a learning rate alone."""
    if isinstance(given, Mapping) and "params" not in given:
        return dict(given)
    if isinstance(given, Real) and not isinstance(given, bool):
        return {"lr": given}
    raise TypeError(
        f"parameter_groups: expected for {pattern!r} a learning rate, or a dict such as "
        f"{{'lr': 1e-3, 'weight_decay': 0}}; got {given!r}"
    )
