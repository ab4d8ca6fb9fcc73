"""A differentiable operation of one's own, written as PyTorch's documentation shows it: ``torch.autograd.Function``."""

from __future__ import annotations

from typing import Any

from .errors import AutogradError
from .function import Function as Node
from .grad_mode import no_grad
from .tensor import Tensor


class Context:
    """What ``forward`` hands on to ``backward``: tensors, and any attribute that is set on it."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.saved_tensors: tuple[Any, ...] = ()
        self._constant: tuple[Tensor, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep arguments or results of ``forward``; ``backward`` finds them in ``ctx.saved_tensors``."""
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *results: Tensor) -> None:
        """No gradient flows back from these results."""
        self._constant = results

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Refused: an operation of one's own cannot change its arguments in place here."""
        raise AutogradError("mark_dirty: a Function cannot change its arguments in place. Fix: return a new tensor")


class Function:
    """An operation with a backward of one's own; call it by ``apply``.

    A subclass defines the static methods ``forward(ctx, *args)``, which
    computes with tensors and is not recorded, and ``backward(ctx, *grads)``,
    which returns one gradient for each argument of ``forward`` (None where
    there is none). PyTorch's other form, ``forward(*args)`` with
    ``setup_context(ctx, inputs, output)``, works too.

    Examples
    --------
    >>> import minicnn
    >>> class Square(minicnn.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, grad_y):
    ...         (x,) = ctx.saved_tensors
    ...         return grad_y * 2 * x
    >>> x = minicnn.tensor([1.0, 3.0], requires_grad=True)
    >>> Square.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 6.])
    """

    setup_context: Any = None

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Compute the result; every subclass defines it."""
        raise TypeError("a Function must define the static methods forward(ctx, ...) and backward(ctx, ...)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """From the gradients of the results, those of the arguments; every subclass defines it."""
        raise TypeError("a Function must define the static methods forward(ctx, ...) and backward(ctx, ...)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run ``forward`` on the arguments and record ``backward`` for the pass back."""
        return _Step(cls, args)(*(a for a in args if isinstance(a, Tensor)))


class _Step(Node):
    """The node in the graph of one call of a :class:`Function`."""

    differentiable = shows_gradients = True

    def __init__(self, function: type[Function], args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = tuple(None if isinstance(a, Tensor) else a for a in args)
        self.places = tuple(i for i, a in enumerate(args) if isinstance(a, Tensor))

    @property
    def operation(self) -> str:
        return self.function.__name__

    def name(self) -> str:
        """PyTorch's name for it: the class and ``Backward``."""
        return f"{self.operation}Backward"

    def forward(self, *arrays: Any) -> Any:
        given: list[Any] = list(self.args)
        needs = [False] * len(given)
        for place, array, need in zip(self.places, arrays, self.needs_grad, strict=True):
            given[place], needs[place] = Tensor._wrap(array), need
        self.context = ctx = Context(tuple(needs))
        with no_grad():
            if self.function.setup_context is None:
                result = self.function.forward(ctx, *given)
            else:
                result = self.function.forward(*given)  # type: ignore[arg-type]
                self.function.setup_context(ctx, tuple(given), result)
        if any(given[place]._version for place in self.places):
            raise AutogradError(f"forward of {self.operation} changed an argument in place. Fix: clone() it first")
        results = result if isinstance(result, tuple) else (result,)
        if not all(isinstance(t, Tensor) for t in results):
            kinds = ", ".join(type(t).__name__ for t in results)
            raise TypeError(f"forward of {self.operation} must return a tensor or a tuple of tensors; got {kinds}")
        self.constant = tuple(any(t is c for c in ctx._constant) for t in results)
        self.save(*(None if t is None else t._array for t in ctx.saved_tensors))
        ctx.saved_tensors = ()
        out = tuple(t._array.view() if any(t._array is a for a in arrays) else t._array for t in results)
        return out if isinstance(result, tuple) else out[0]

    def __call__(self, *inputs: Tensor | None) -> Any:
        result = super().__call__(*inputs)
        for t, constant in zip(result if isinstance(result, tuple) else (result,), self.constant, strict=True):
            if constant:
                t.detach_()
        return result

    def backward(self, *grads: Tensor) -> Any:
        self.context.saved_tensors = self.saved
        result = self.function.backward(self.context, *grads)
        self.context.saved_tensors = ()
        gradients = result if isinstance(result, tuple) else (result,)
        missing = len(self.args) - len(gradients)
        if missing > 0 or any(g is not None for g in gradients[len(self.args) :]):
            raise AutogradError(
                f"backward of {self.operation} must return one gradient for each argument of forward, "
                f"{len(self.args)} (None where there is none); got {len(gradients)}"
            )
        return tuple(gradients[place] for place in self.places)
