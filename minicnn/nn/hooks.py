"""Running a module's hooks, forward and backward.

A full backward hook must see the gradients at the module's border. Two
identities mark it: the tensors pass through one on the way in and through
another on the way out, and backward meets them in the opposite order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.errors import AutogradError
from ..core.function import Function
from ..core.grad_mode import is_grad_enabled
from ..core.tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

Grads = tuple[Tensor | None, ...]


class Border(Function):
    """The identity on several tensors, whose gradients pass through a callback."""

    differentiable = shows_gradients = True

    def __init__(self, callback: Callable[[Grads], Grads]) -> None:
        self.callback = callback

    def forward(self, *arrays: Any) -> Any:
        return tuple(a.view() for a in arrays)

    def backward(self, *grads: Tensor) -> Any:
        return self.callback(grads)


def through_border(values: tuple[Any, ...], callback: Callable[[Grads], Grads]) -> tuple[tuple[Any, ...], bool]:
    """Pass the tensors that require a gradient through a border; say whether there were any.

    The callback sees one gradient per value, None for those that have none.
    """
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
    if not places or not is_grad_enabled():
        return values, False

    def spread(grads: Grads) -> Grads:
        everywhere: list[Tensor | None] = [None] * len(values)
        for place, grad in zip(places, grads, strict=True):
            everywhere[place] = grad
        changed = callback(tuple(everywhere))
        return tuple(changed[place] for place in places)

    passed = list(values)
    for place, t in zip(places, Border(spread)(*[values[i] for i in places]), strict=True):
        t._versions = values[place]._versions  # the same memory: changes in place must be noticed
        passed[place] = t
    return tuple(passed), True


class BackwardHooks:
    """Calls the backward hooks of one module during one pass."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.grad_output: Grads = ()
        self.has_input = False

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Mark the border on the way in."""
        self.args_count = len(args)
        args, self.has_input = through_border(args, self.at_input)
        self.versions = [(t, t._version) for t in args if isinstance(t, Tensor)]
        return args

    def leave(self, output: Any) -> Any:
        """Mark the border on the way out."""
        if any(t._version != version for t, version in self.versions):
            raise AutogradError(
                f"{type(self.module).__name__} has a full backward hook and changed its input in place, "
                "so the gradient of the input is not defined. Fix: inplace=False"
            )
        self.versions = []
        values = output if isinstance(output, tuple) else (output,)
        values, _ = through_border(values, self.at_output)
        return values if isinstance(output, tuple) else values[0]

    def at_output(self, grads: Grads) -> Grads:
        """The gradients of the outputs have arrived."""
        for hook, _ in list(self.module._backward_pre_hooks.values()):
            changed = hook(self.module, grads)
            if changed is not None:
                grads = changed if isinstance(changed, tuple) else (changed,)
        self.grad_output = grads
        if not self.has_input:
            self.call((None,) * self.args_count)
        return grads

    def at_input(self, grads: Grads) -> Grads:
        """The gradients of the inputs have arrived."""
        return self.call(grads)

    def call(self, grad_input: Grads) -> Grads:
        grad_output, self.grad_output = self.grad_output, ()
        for hook, _ in list(self.module._backward_hooks.values()):
            changed = hook(self.module, grad_input, grad_output)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != len(grad_input):
                raise AutogradError(
                    f"a backward hook of {type(self.module).__name__} must return one gradient per input, "
                    f"{len(grad_input)}; got {len(changed)}"
                )
            grad_input = changed
        return grad_input


def compute(output: Any) -> None:
    """Compute what still waits in an output: a tensor, or those in tuples, lists and dictionaries."""
    if isinstance(output, Tensor):
        _ = output._array
    elif isinstance(output, (tuple, list)):
        for item in output:
            compute(item)
    elif isinstance(output, dict):
        for item in output.values():
            compute(item)


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What calling a module does when it has hooks."""
    for hook, with_kwargs in list(module._forward_pre_hooks.values()):
        if with_kwargs:
            changed = hook(module, args, kwargs)
            args, kwargs = (args, kwargs) if changed is None else changed
        else:
            changed = hook(module, args)
            args = args if changed is None else changed if isinstance(changed, tuple) else (changed,)
    border = BackwardHooks(module) if module._backward_hooks or module._backward_pre_hooks else None
    if border is not None:
        args = border.enter(args)
    output = module.forward(*args, **kwargs)
    compute(output)  # a hook is given what every step computed
    for hook, with_kwargs in list(module._forward_hooks.values()):
        changed = hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
        output = output if changed is None else changed
    return output if border is None else border.leave(output)
