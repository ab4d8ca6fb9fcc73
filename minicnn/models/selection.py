"""Choosing parameters and layers of a model by their paths."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from ..nn import Module


class Selection(NamedTuple):
    """Chosen parts of a model.

    Attributes
    ----------
    parameters : set of int
        The identities of the chosen parameters.
    modules : set of Module
        The layers that were chosen as a whole.
    """

    parameters: set[int]
    modules: set[Module]


def _of_modules(modules: Iterable[Module]) -> Selection:
    chosen = set(modules)
    return Selection({id(p) for m in chosen for p in m.parameters(recurse=False)}, chosen)


def by_pattern(model: Module, pattern: str, who: str) -> Selection:
    """What fits a pattern: parameters by their paths, and layers with all that is in them.

    Raises
    ------
    ValueError
        If nothing does; the message names the nearest paths.
    """
    if not isinstance(model, Module):
        raise TypeError(f"{who}: expected a model; got {type(model).__name__}. Fix: models.get_model(name)")
    if not isinstance(pattern, str):
        raise TypeError(f"{who}: a pattern is a string such as 'features.*'; got {type(pattern).__name__}")
    layers = [m for path, m in model.named_modules(remove_duplicate=False) if fnmatchcase(path, pattern)]
    chosen = _of_modules(below for layer in layers for below in layer.modules())
    named = [id(p) for path, p in model.named_parameters(remove_duplicate=False) if fnmatchcase(path, pattern)]
    if not pattern or not (layers or named):  # "" would be the whole model
        raise unknown_path(model, pattern, f"{who}: {pattern!r} fits no layer and no parameter of")
    chosen.parameters.update(named)
    return chosen


def up_to(model: Module, path: str, who: str) -> Selection:
    """Everything that is registered before the layer at ``path``, and that layer."""
    paths = dict(model.named_modules(remove_duplicate=False))
    if not path or path not in paths:
        raise unknown_path(model, path, f"{who}: until={path!r} is no layer of", parameters=False)
    inside = [p == path or p.startswith(f"{path}.") for p in paths]
    last = len(inside) - inside[::-1].index(True)
    return _of_modules(list(paths.values())[:last])


def unknown_path(model: Module, path: str, problem: str, parameters: bool = True) -> ValueError:
    """The error for a path that does not exist, with the nearest that do."""
    known = [p for p, _ in model.named_modules() if p]
    known += [p for p, _ in model.named_parameters()] if parameters else []
    near = difflib.get_close_matches(path.rstrip("*."), known, n=5, cutoff=0.5)
    if near:
        hint = f"Did you mean {', '.join(map(repr, near))}?"
    else:
        hint = f"Its layers are {', '.join(repr(name) for name, _ in model.named_children())}"
    return ValueError(f"{problem} {type(model).__name__}. {hint}")
