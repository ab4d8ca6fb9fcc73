"""What a recording took for granted of the model: its layers, their settings, and which tensors they hold."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..nn import Module
from ..nn.tree import edits


class Structure:
    """The modules of a model as they are now; :meth:`holds` says whether they are so still.

    The numbers in parameters and buffers are not part of it, they are read at each call. Compared is what decides
    which operations run: the children and hooks, the attributes of each module (strides, ``eps``, ``training`` ...),
    and the identity of parameters and buffers. That takes longer than many a kernel, so it is done only after an edit
    of some module somewhere.
    """

    def __init__(self, model: Module) -> None:
        self.edits = edits.latest
        modules = list(model.modules())
        self.modules = [(m, dict(vars(m)), list(m._modules.values())) for m in modules]
        self.members: list[tuple[dict[Any, Any], str, Tensor | None]] = []
        for m in modules:
            for registry in (m._parameters, m._buffers):
                self.members += [(registry, name, t) for name, t in registry.items()]

    def holds(self) -> bool:
        """Whether the model is as it was."""
        latest = edits.latest
        if latest != self.edits:
            if not self._compare():
                return False
            self.edits = latest
        return True

    def _compare(self) -> bool:
        for m, attributes, children in self.modules:
            if not _same(vars(m), attributes) or [*m._modules.values()] != children:
                return False
        same = all(registry.get(name) is t for registry, name, t in self.members)
        return same and self.quiet()

    def quiet(self) -> bool:
        """Whether all modules are in evaluation mode and without hooks, so that nothing but numbers is computed."""
        for m, _, _ in self.modules:
            if m.training or m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks:
                return False
        return True

    def tensors(self) -> list[Tensor]:
        """All parameters and buffers, shared ones more than once."""
        return [t for _, _, t in self.members if t is not None]


def _same(now: dict[str, Any], before: dict[str, Any]) -> bool:
    try:
        return bool(now == before)  # the same objects are not compared any further
    except (ValueError, TypeError, RuntimeError):  # another array or tensor, whose comparison is no yes or no
        return False
