"""The base of all layers and networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import device as devices
from ..core import dtype as dtypes
from ..core.deferred import compute_waiting
from ..core.errors import DTypeError, LayerError
from ..core.layer_stack import explain_where, shapes, stack
from ..core.tensor import RemovableHandle, Tensor
from .hooks import call_with_hooks
from .state import Stateful
from .tree import Registry


class Module(Stateful):
    """A layer or a network: parameters, buffers, child modules, and ``forward``.

    A subclass calls ``super().__init__()`` first, assigns its layers as
    attributes, which registers them, and defines ``forward``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(1, 4, 3)
    ...         self.fc = nn.Linear(4 * 6 * 6, 10)
    ...     def forward(self, x):
    ...         x = nn.functional.relu(self.conv(x))
    ...         return self.fc(x.flatten(1))
    >>> net = Net()
    >>> net(minicnn.zeros(2, 1, 8, 8)).shape
    minicnn.Size([2, 10])
    >>> net
    Net(
      (conv): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1))
      (fc): Linear(in_features=144, out_features=10, bias=True)
    )
    """

    training: bool

    def __init__(self) -> None:
        super().__init__()
        own = self.__dict__
        own["training"] = True
        own["_forward_pre_hooks"] = Registry()
        own["_forward_hooks"] = Registry()
        own["_backward_pre_hooks"] = Registry()
        own["_backward_hooks"] = Registry()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines it."""
        raise TypeError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and the hooks; errors on the way out learn in which layer they happened."""
        running, passed = stack.modules, stack.passed
        before = len(passed)
        running.append(self)
        try:
            if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks:
                output = call_with_hooks(self, args, kwargs)
            else:
                output = self.forward(*args, **kwargs)
            if len(running) == 1:  # what leaves a network does not wait
                compute_waiting()
            else:  # for the messages of what comes after it in the layer around it
                shape = output._form.shape if isinstance(output, Tensor) else shapes(output)
                passed[before:] = [(self, shape)]
            return output
        except LayerError as error:
            explain_where(error, (*args, *kwargs.values()), before)
            del passed[before:]
            raise
        finally:
            running.pop()
            if not running:
                passed.clear()

    # ------------------------------------------------------- changing all of it

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Call ``fn`` on every module, children first; returns this module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Module:
        """Switch to training (dropout drops, batch norm uses the batch), here and below."""
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is expected to be boolean; got {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Module:
        """Switch to evaluation; the same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Freeze (False) or unfreeze all parameters."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for param in self.parameters():
            if param.grad is not None:
                param.grad = None if set_to_none else param.grad.detach().zero_()

    def _convert(
        self, kind: dtypes.dtype | None, memory_format: Any = None, where: Any = None, non_blocking: bool = False
    ) -> Module:
        if kind is not None and not kind.is_floating_point:
            raise DTypeError(f"a module can be converted to a floating type only; got {kind}")
        if kind is None and memory_format is None and where is None:
            return self

        if memory_format is None and where is not None and where.type == "cuda":
            memory_format = "channels_last"  # as convolutions read their weights there: no copies in every step

        def converted(t: Tensor) -> Tensor:
            floating = t.is_floating_point()
            layout = memory_format if memory_format is not None and floating and t.ndim == 4 else "preserve_format"
            type_ = kind if floating else None
            return t.data.to(device=where, dtype=type_, memory_format=layout, non_blocking=non_blocking)

        seen: set[int] = set()
        for member in [*self.parameters(), *self.buffers()]:
            if id(member) not in seen:
                seen.add(id(member))
                member.data = converted(member)
                if member.grad is not None:
                    member.grad.data = converted(member.grad)
        return self

    def float(self) -> Module:
        """Convert floating-point parameters and buffers to float32."""
        return self._convert(dtypes.float32)

    def double(self) -> Module:
        """Convert floating-point parameters and buffers to float64."""
        return self._convert(dtypes.float64)

    def half(self) -> Module:
        """Convert floating-point parameters and buffers to float16."""
        return self._convert(dtypes.float16)

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """``to(device)``, ``to(dtype)``, ``to(device, dtype)`` or ``to(tensor)``, in place; returns this module."""
        kind = kwargs.pop("dtype", None)
        where = kwargs.pop("device", None)
        memory_format = kwargs.pop("memory_format", None)
        non_blocking = bool(kwargs.pop("non_blocking", False))
        if kwargs:
            raise TypeError(
                f"Module.to: unexpected argument {next(iter(kwargs))!r}; "
                "expected device, dtype, non_blocking, memory_format"
            )
        for arg in args:
            if isinstance(arg, Tensor):
                kind, where = arg.dtype, arg.device
            elif isinstance(arg, (str, devices.device)) or (isinstance(arg, int) and not isinstance(arg, bool)):
                where = arg
            elif isinstance(arg, bool):
                non_blocking = arg
            elif arg is not None:
                kind = arg
        where = None if where is None else devices.check_device(where)
        return self._convert(None if kind is None else dtypes.as_dtype(kind), memory_format, where, non_blocking)

    def cpu(self) -> Module:
        """Move to the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Module:
        """Move to a GPU, the current one unless ``device`` names another."""
        return self.to("cuda" if device is None else device)

    # ------------------------------------------------------------------- hooks

    def _register_hook(
        self, hooks: dict[int, Any], hook: Any, prepend: bool, with_kwargs: bool = False
    ) -> RemovableHandle:
        handle = RemovableHandle(hooks, (hook, with_kwargs))
        if prepend:
            later = {key: hooks.pop(key) for key in list(hooks) if key != handle.id}
            hooks.update(later)
        return handle

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before forward; what it returns replaces the arguments."""
        return self._register_hook(self._forward_pre_hooks, hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after forward; what it returns replaces the output."""
        return self._register_hook(self._forward_hooks, hook, prepend, with_kwargs)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` in backward; what it returns replaces ``grad_input``."""
        return self._register_hook(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when backward reaches the output; what it returns replaces "
        "``grad_output``."""
        return self._register_hook(self._backward_pre_hooks, hook, prepend)

    # ---------------------------------------------------------------- printing

    def extra_repr(self) -> str:
        """The settings that ``repr`` shows between the brackets; a subclass defines it."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._modules.items()]
        if not children and "\n" not in extra:
            return f"{self._get_name()}({extra})"
        lines = [*(extra.split("\n") if extra else ()), *children]
        return "\n  ".join([f"{self._get_name()}(", *lines]) + "\n)"
