"""Which function translates which operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.custom import _Step
from .errors import ExportError
from .tracing import Operation

Translator = Callable[..., Any]

_TRANSLATORS: dict[type, Translator] = {}
_REASONS = {
    "Dropout": "draws random numbers. Fix: export in evaluation mode, without F.dropout(training=True)",
}


def register_translator(*kinds: type) -> Callable[[Translator], Translator]:
    """Say how an operation is written in ONNX.

    The translator is called as ``translate(graph, operation, *inputs)`` with the names of the inputs (None for
    those left out). It adds operators with ``graph.node`` and returns the name of its result (a tuple, if there
    are several). ``operation.function`` has the settings, ``operation.inputs`` and ``operation.outputs`` the shapes.

    Parameters
    ----------
    *kinds : type
        Classes of operations, also of one's own (subclasses of ``minicnn.autograd.Function``).
        A translator is also that of subclasses.

    Examples
    --------
    >>> import minicnn
    >>> class Square(minicnn.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * x
    >>> @minicnn.onnx.register_translator(Square)
    ... def square(graph, operation, x):
    ...     return graph.node("Mul", x, x)
    """

    def register(translator: Translator) -> Translator:
        for kind in kinds:
            _TRANSLATORS[kind] = translator
        return translator

    return register


def translator_of(operation: Operation) -> Translator:
    """The translator of an operation, or an error that names the operation and the layer."""
    function = operation.function
    kind = function.function if isinstance(function, _Step) else type(function)
    for known in kind.__mro__:
        if known in _TRANSLATORS:
            return _TRANSLATORS[known]
    raise untranslatable(operation)


def untranslatable(operation: Operation, reason: str | None = None) -> ExportError:
    """The error for an operation that has no form in ONNX here."""
    reason = reason or _REASONS.get(
        type(operation.function).__name__,
        "has no translation to ONNX. Fix: other operations, or one's own translation with "
        "minicnn.onnx.register_translator",
    )
    return ExportError(reason, operation)
