"""What a recording took for granted of the model: its layers, their settings, and which tensors they hold."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..nn import Module
from ..nn.tree import edits

_OWN = frozenset(vars(Module()))  # what every module has: registries and the mode, which are looked at by themselves


class Structure:
    """The modules of a model as they are now; :meth:`holds` says whether they are so still.

    The numbers in tensors are not part of it, they are read at each call. Compared is what decides which operations
    run: the children and hooks, the attributes of each module (strides, ``eps``, ``training`` ...), and the identity of
    tensors. That takes longer than many a kernel, so it is done only after an edit of some module somewhere. An
    attribute that can be changed without an edit (a list, a dict, a set, a dataclass, a NumPy array) is compared with
    a copy of its contents each time.

    Attributes
    ----------
    tensors : dict
        By names: parameters, buffers, and tensors that are plain attributes, or in containers that are.
    arrays : list of array
        NumPy arrays that are attributes, or in containers that are.
    hidden : list of Module
        Layers in containers, which are no children of a module.
    """

    def __init__(self, model: Module) -> None:
        self.edits = edits.latest
        paths = {m: path for path, m in model.named_modules()}
        self.modules = [(m, contents(_settings(m)), list(m._modules.values())) for m in paths]
        self.registries = [(registry, dict(registry)) for m in paths for registry in (m._parameters, m._buffers)]
        self.tensors: dict[str, Tensor] = dict((*model.named_parameters(), *model.named_buffers()))
        self.containers: list[tuple[Module, str, Any]] = []
        self.arrays: list[Any] = []
        self.hidden: list[Module] = []
        known = {id(t) for t in self.tensors.values()}
        for m, path in paths.items():
            for name, value in _settings(m).items():
                found = list(parts(value))
                plain = [part for part in found if isinstance(part, Tensor) and id(part) not in known]
                self.tensors.update((f"{path}.{name} {i}", t) for i, t in enumerate(plain))
                self.arrays += [part for part in found if isinstance(part, np.ndarray)]
                self.hidden += [part for part in found if isinstance(part, Module) and part not in paths]
                if any(isinstance(part, np.ndarray) or _is_mutable(part) for part in found):
                    self.containers.append((m, name, contents(value)))

    def holds(self) -> bool:
        """Whether the model is as it was."""
        latest = edits.latest
        if latest != self.edits:
            if not self._compare():
                return False
            self.edits = latest
        return all(_same(contents(vars(m).get(name)), before) for m, name, before in self.containers)

    def _compare(self) -> bool:
        for m, settings, children in self.modules:
            if not _same(contents(_settings(m)), settings) or [*m._modules.values()] != children:
                return False
        for registry, before in self.registries:
            if registry.keys() != before.keys() or any(registry[name] is not t for name, t in before.items()):
                return False
        return self.quiet()

    def quiet(self) -> bool:
        """Whether all modules are in evaluation mode and without hooks, so that nothing but numbers is computed."""
        for m, _, _ in self.modules:
            if m.training or m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks:
                return False
        return True


def _settings(m: Module) -> dict[str, Any]:
    return {name: value for name, value in vars(m).items() if name not in _OWN}


def _items(value: Any) -> list[Any] | None:
    """What is in a container; None for anything else."""
    if isinstance(value, (Tensor, Module, type)):
        return None
    if isinstance(value, SimpleNamespace):
        value = vars(value)
    if isinstance(value, dict):
        return [item for pair in value.items() for item in pair]
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return list(value)
    return [getattr(value, field.name, None) for field in fields(value)] if is_dataclass(value) else None


def _is_mutable(value: Any) -> bool:
    return not isinstance(value, (tuple, frozenset)) and _items(value) is not None


def parts(value: Any, above: tuple[int, ...] = ()) -> Iterator[Any]:
    """``value``, and all that is in it if it is a container."""
    yield value
    if id(value) not in above:  # else it contains itself
        for item in _items(value) or ():
            yield from parts(item, (*above, id(value)))


def contents(value: Any, above: tuple[int, ...] = ()) -> tuple[Any, ...]:
    """A copy to compare with: of containers and arrays what is in them, of tensors and modules which ones they are."""
    items = _items(value)
    if items is not None:
        if id(value) in above:
            return type(value), len(above) - above.index(id(value))
        inside = [contents(item, (*above, id(value))) for item in items]
        return type(value), frozenset(inside) if isinstance(value, (set, frozenset)) else inside
    if isinstance(value, (Tensor, Module)):
        return type(value), id(value)
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    return type(value), value


def _same(now: Any, before: Any) -> bool:
    try:
        return bool(now == before)  # the same objects are not compared any further
    except (ValueError, TypeError, RuntimeError):  # objects whose comparison is no yes or no
        return False
