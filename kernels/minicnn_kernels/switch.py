"""Settings that hold for good, inside a ``with`` block, or inside a decorated function.

``use_backend``, ``set_conv_algorithm``, ``no_grad`` and the like differ in what they set and where it is kept; how long
it holds is the same for all, and is here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


class Mode:
    """A setting that holds inside a ``with`` block, or while a decorated function runs.

    A subclass says where it is kept, in :meth:`read` and :meth:`write`.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self._before: list[Any] = []

    @classmethod
    def read(cls) -> Any:
        """The setting as it is."""
        raise TypeError(f"{cls.__name__} must define read()")

    @classmethod
    def write(cls, value: Any) -> None:
        """Set it."""
        raise TypeError(f"{cls.__name__} must define write(value)")

    def __enter__(self) -> Self:
        self._before.append(self.read())
        self.write(self.value)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.write(self._before.pop())

    def fresh(self) -> Mode:
        """Another one of the same kind, for one call of a decorated function."""
        return type(self)(self.value)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self.fresh():
                return function(*args, **kwargs)

        @functools.wraps(function)
        def steps(*args: Any, **kwargs: Any) -> Any:
            generator, sent = function(*args, **kwargs), None
            while True:  # between two steps, the setting is that of whoever iterates
                with self.fresh():
                    try:
                        item = generator.send(sent)
                    except StopIteration as end:
                        return end.value
                sent = yield item

        return steps if inspect.isgeneratorfunction(function) else wrapped

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class Switch(Mode):
    """A setting that begins when it is made; used in a ``with`` block or as a decorator, it ends there."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._at_creation = self.read()
        self.write(value)

    def __enter__(self) -> Self:
        self._before.append(self._at_creation)
        self.write(self.value)
        return self

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.write(self._at_creation)  # only the function's body is switched
        return super().__call__(function)
