"""Saving and loading a state: which entries fit, and the error that lists all those that do not."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from minicnn_kernels.arrays import on_device

from ..core.errors import LayerError
from ..core.grad_mode import no_grad
from ..core.tensor import Tensor, from_numpy
from .parameter import Parameter
from .tree import Tree

if TYPE_CHECKING:
    from .module import Module


_CHECKPOINT = ("state_dict", "model_state_dict", "model")  # where a checkpoint has the model's state
_WRAPPERS = "module.", "_orig_mod."  # of parallel training, and of torch.compile
SHOWN = 12  # rows of each table in an error


class StateDictError(LayerError, ValueError, RuntimeError):
    """A state_dict that does not fit the module."""


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What ``load_state_dict`` returns: the keys that did not find their counterpart."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if self.missing_keys or self.unexpected_keys else "<All keys matched successfully>"

    __str__ = __repr__


def as_state_tensor(value: Any) -> Tensor | None:
    """An entry as a tensor: a tensor, or anything that NumPy takes for an array of numbers; else None."""
    if isinstance(value, Tensor):
        return value
    if not hasattr(value, "__array__"):
        return None
    if on_device(value):
        return Tensor._wrap(value)
    array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    return from_numpy(array) if array.dtype.kind in "bifu" else None


def _unwrapped(state: Mapping[str, Any], own: set[str]) -> Mapping[str, Any]:
    """The state inside a checkpoint, and without the prefix of a wrapper; only if no key fits as it is.

    A parameter is never a dictionary and never lies below a child that is not there, so nothing else can be meant.
    """
    for _ in range(3):  # {"model": {"state_dict": {"module.conv.weight": ...}}}
        if own & set(state):
            break
        inner = next((state[key] for key in _CHECKPOINT if isinstance(state.get(key), Mapping)), None)
        for prefix in _WRAPPERS:
            if inner is None and state and all(isinstance(key, str) and key.startswith(prefix) for key in state):
                inner = {key.removeprefix(prefix): value for key, value in state.items()}
        if inner is None:
            break
        state = inner
    return state


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    shown = rows[:SHOWN]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in shown]
    if len(rows) > SHOWN:
        lines.append(f"... and {len(rows) - SHOWN} more")
    return "\n    ".join([f"  {title}", *lines])


def _some(state: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, list(state)[:3])) + (", ..." if len(state) > 3 else "")


def _fix(
    name: str,
    state: Mapping[str, Any],
    total: int,
    missing: list[str],
    unexpected: list[str],
    errors: list[tuple[str, ...]],
) -> str:
    """What most likely went wrong; ``total`` is the number of keys that the model has."""
    if missing and unexpected and not set(state) - set(unexpected):
        return f"No key fits. Is this the state of a {name}? Its keys are {_some(state)}"
    if 2 * (len(missing) + len(unexpected)) > total:
        return f"Most keys do not fit: is this the state of another network than this {name}?"
    if errors:
        return (
            "Fix: build the model with the sizes it was saved with (for another number of classes: load first, "
            "then replace the last layer), or take these keys out and load with strict=False"
        )
    return "Fix: strict=False loads the keys that fit and returns the others"


def state_error(
    name: str,
    state: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    missing: list[str],
    unexpected: list[str],
    errors: list[tuple[str, ...]],
    strict: bool,
) -> StateDictError:
    """The error that lists every missing, unexpected and unfitting key."""
    parts = [f"load_state_dict: the state_dict does not fit {name}; nothing was loaded"]
    if strict and missing:
        rows = [(key, str(shapes[key])) if key in shapes else (key, "") for key in missing]
        parts.append(_table("missing (the model has them, the state_dict does not):", rows))
    if strict and unexpected:
        tensors = [(key, as_state_tensor(state[key])) for key in unexpected]
        rows = [(key, type(state[key]).__name__ if t is None else str(tuple(t.shape))) for key, t in tensors]
        parts.append(_table("unexpected (the state_dict has them, the model does not):", rows))
    if errors:
        parts.append(_table("do not fit:", errors))
    parts.append(_fix(name, state, len(shapes), missing, unexpected, errors))
    return StateDictError("\n".join(parts))


class Stateful(Tree):
    """The part of :class:`~minicnn.nn.Module` that saves and loads its state."""

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """Parameters and persistent buffers by path: views of the memory, without history.

        With ``keep_vars`` the tensors themselves.
        """
        destination = OrderedDict() if destination is None else destination
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return destination

    def _own_state(self) -> dict[str, Tensor]:
        members = {
            **self._parameters,
            **{k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set},
        }
        return {name: member for name, member in members.items() if member is not None}

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Add this module's own entries; a subclass may add more."""
        for name, member in self._own_state().items():
            destination[prefix + name] = member if keep_vars else member.detach()

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy the values of a state into this module's parameters and buffers.

        Beyond PyTorch, where no key fits: the ``'state_dict'`` (``'model'``, ``'model_state_dict'``) of a
        checkpoint is taken out of it, and a ``'module.'`` before every key, from parallel training, taken away.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or array
        strict : bool, default True
            Refuse missing and unexpected keys; otherwise return them.
        assign : bool, default False
            Take the state's own tensors (and element types) instead of copying.

        Raises
        ------
        StateDictError
            With a table of all keys that do not fit. Nothing is changed then.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: expected a dict of tensors; got {type(state_dict).__name__}")
        strange = next((key for key in state_dict if not isinstance(key, str)), None)
        if strange is not None:
            raise TypeError(f"load_state_dict: expected a dict of tensors by name; got the key {strange!r}")
        state_dict = _unwrapped(state_dict, set(self.state_dict(keep_vars=True)))
        state = dict(state_dict)
        copies: list[tuple[Module, str, Tensor]] = []
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[Any] = []
        metadata = getattr(state_dict, "_metadata", {})

        waiting: list[tuple[Any, str, dict[str, Any]]] = [(self, "", state)]
        while waiting:  # each layer is shown its own keys, the outermost first
            module, prefix, own = waiting.pop()
            local = {**metadata.get(prefix[:-1], {}), "copies": copies}
            module._load_from_state_dict(own, prefix, local, strict, missing, unexpected, errors)
            below = [(child, f"{prefix}{name}.") for name, child in module._modules.items() if child is not None]
            for child, path in reversed(below):
                waiting.append((child, path, {key: value for key, value in own.items() if key.startswith(path)}))
        if errors or (strict and (missing or unexpected)):
            shapes = {key: tuple(value.shape) for key, value in self.state_dict(keep_vars=True).items()}
            raise state_error(type(self).__name__, state_dict, shapes, missing, unexpected, errors, strict)
        for module, name, value in copies:
            module._set_state(name, value, assign)
        return _IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[Any],
    ) -> None:
        """Match this module's own entries; a subclass may first change ``state_dict``.

        What fits goes to ``local_metadata["copies"]``, and is copied when all modules have agreed.
        """
        own = self._own_state()
        for name, member in own.items():
            key = prefix + name
            if key not in state_dict:
                missing_keys.append(key)
                continue
            value = as_state_tensor(state_dict[key])
            if value is None:
                error_msgs.append((key, f"model {tuple(member.shape)}", f"state_dict {type(state_dict[key]).__name__}"))
            elif value.shape != member.shape:
                error_msgs.append((key, f"model {tuple(member.shape)}", f"state_dict {tuple(value.shape)}"))
            else:
                local_metadata["copies"].append((self, name, value))
        for key in state_dict:
            if key.startswith(prefix):
                name, _, below = key.removeprefix(prefix).partition(".")
                if name not in own and (not below or self._modules.get(name) is None):
                    unexpected_keys.append(key)

    def _set_state(self, name: str, value: Tensor, assign: bool) -> None:
        member: Any = self._parameters.get(name)
        member = self._buffers[name] if member is None else member
        if not assign:
            with no_grad():
                member.copy_(value)
        elif isinstance(member, Parameter):
            self._parameters[name] = value if isinstance(value, Parameter) else Parameter(value, member.requires_grad)
        else:
            self._buffers[name] = value
