"""A tree of modules: how attributes become parameters, buffers and children, and walking over them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..core.tensor import Tensor
from .parameter import Buffer, Parameter

if TYPE_CHECKING:
    from .module import Module

_NAMES = {"_parameters": "parameter", "_buffers": "buffer", "_modules": "child module"}


def describe(value: Any) -> str:
    """What was given where a module was expected, with the module that was probably meant."""
    name = getattr(value, "__name__", None)
    if name is None:
        return type(value).__name__
    if isinstance(value, type):
        return f"the class {name}. Fix: {name}(), with brackets" if issubclass(value, Tree) else f"the class {name}"
    from .. import nn

    meant = next((layer for layer in nn.__all__ if layer.lower() == name.replace("_", "")), None)
    return f"the function {name}" + (f". Fix: nn.{meant}()" if meant else "")


class _Edits:
    """Changes of modules: of attributes, parameters, buffers, children and hooks, not of numbers in tensors.

    Attributes
    ----------
    latest : int
        Another number after each edit of any module.
    """

    def __init__(self) -> None:
        self.latest = 0
        self._numbers = itertools.count(1)

    def happened(self) -> None:
        """To be called after an edit."""
        self.latest = next(self._numbers)


edits = _Edits()


class Registry(dict[Any, Any]):
    """What a module has of one kind, by name: a dictionary whose edits are counted."""


def _counted(name: str) -> Any:
    """The method of dictionaries, and then the count."""
    plain = getattr(dict, name)

    def method(self: Registry, *args: Any, **kwargs: Any) -> Any:
        try:
            return plain(self, *args, **kwargs)
        finally:
            edits.happened()

    method.__name__, method.__doc__ = name, plain.__doc__
    return method


for _name in ("__setitem__", "__delitem__", "__ior__", "pop", "popitem", "clear", "update", "setdefault"):
    setattr(Registry, _name, _counted(_name))


class Tree:
    """The part of :class:`~minicnn.nn.Module` that registers attributes and walks over them."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]

    def __init__(self) -> None:
        own = self.__dict__
        own["_parameters"] = Registry()
        own["_buffers"] = Registry()
        own["_modules"] = Registry()
        own["_non_persistent_buffers_set"] = set()

    # ------------------------------------------------------------- registering

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if "_parameters" not in own:
            if isinstance(value, (Parameter, Buffer, Tree)):
                raise self._uninitialised(f"cannot assign {type(value).__name__} {name!r}")
            own[name] = value
            return
        kinds = {"_parameters": Parameter, "_modules": Tree, "_buffers": Buffer}
        for registry, kind in kinds.items():
            if isinstance(value, kind):
                self._forget(name, own[registry])
                if isinstance(value, Buffer):
                    self.register_buffer(name, value, value.persistent)
                else:
                    own[registry][name] = value
                return
        for registry, kind in kinds.items():
            if name in own[registry]:
                allowed = Tensor if registry == "_buffers" else kind
                if value is not None and not isinstance(value, allowed):
                    raise TypeError(
                        f"cannot assign {type(value).__name__} to {name!r}: it is registered as a {_NAMES[registry]}. "
                        f"Expected nn.{'Module' if registry == '_modules' else kind.__name__} or None"
                    )
                own[registry][name] = value
                return
        super().__setattr__(name, value)
        edits.happened()

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if "_parameters" not in own:
            raise self._uninitialised(f"no attribute {name!r}")
        for registry in _NAMES:
            if name in own[registry]:
                return own[registry][name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for registry in _NAMES:
            if name in self.__dict__.get(registry, ()):
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)
        edits.happened()

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _uninitialised(self, what: str) -> AttributeError:
        return AttributeError(
            f"{type(self).__name__}: {what} before Module.__init__() was called. "
            "Fix: super().__init__() as the first line of __init__"
        )

    def _forget(self, name: str, keep: dict[str, Any]) -> None:
        """Take ``name`` out of everything but the registry ``keep``, where it keeps its place."""
        self.__dict__.pop(name, None)
        for registry in _NAMES:
            if self.__dict__[registry] is not keep:
                self.__dict__[registry].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _check_name(self, name: Any, what: str, registry: str) -> None:
        if "_parameters" not in self.__dict__:
            raise self._uninitialised(f"cannot register {what} {name!r}")
        if not isinstance(name, str):
            raise TypeError(f"{what} name must be a string; got {type(name).__name__}")
        if "." in name or not name:
            raise KeyError(f"{what} name must not be empty or contain '.'; got {name!r}")
        if hasattr(self, name) and name not in self.__dict__[registry]:
            raise KeyError(f"attribute {name!r} already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None for one that this layer goes without."""
        self._check_name(name, "parameter", "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r} must be an nn.Parameter or None; got {type(param).__name__}")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the state but is not learnt; ``persistent``: it is in ``state_dict()``."""
        self._check_name(name, "buffer", "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"buffer {name!r} must be a Tensor or None; got {type(tensor).__name__}")
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module, as ``self.name = module`` does."""
        self._check_name(name, "module", "_modules")
        if module is not None and not isinstance(module, Tree):
            raise TypeError(f"child {name!r} must be an nn.Module or None; got {describe(module)}")
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child module; the same as :meth:`add_module`."""
        self.add_module(name, module)

    # ----------------------------------------------------------------- walking

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, depth first, with their paths (``''`` for itself)."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self  # type: ignore[misc]
        for name, child in self._modules.items():
            if child is not None:
                yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once (or, with ``remove_duplicate=False``, at each of its paths)."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct children with their names, each once."""
        seen: set[Any] = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The direct children, each once."""
        return (child for _, child in self.named_children())

    def _named_members(
        self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in owners:
            for name, member in getattr(module, registry).items():
                if member is None or (remove_duplicate and id(member) in seen):
                    continue
                seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their paths; a shared one appears once, under its first path."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, with ``recurse``, of all below it."""
        return (param for _, param in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their paths."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, with ``recurse``, of all below it."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``'layer1.0.conv1'`` (``''``: this one)."""
        module: Any = self
        for name in target.split(".") if target else ():
            child = getattr(module, name, None)
            if not isinstance(child, Tree):
                names = ", ".join(module._modules) or "none"
                raise AttributeError(
                    f"get_submodule({target!r}): {type(module).__name__} has no child {name!r}; it has {names}"
                )
            module = child
        return module

    def _get_member(self, target: str, registry: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        members = getattr(self.get_submodule(path), registry)
        if members.get(name) is None:
            names = ", ".join(members) or "none"
            raise AttributeError(f"{path or type(self).__name__} has no {what} {name!r}; it has {names}")
        return members[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``'conv1.weight'``."""
        return self._get_member(target, "_parameters", "parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``'bn1.running_mean'``."""
        return self._get_member(target, "_buffers", "buffer")
