"""Universal functions: compiled in CuPy, with fewer arguments and methods than NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .array import ndarray
from .calls import blocks_of, call, unwrapped
from .indexing import prepared
from .streams import perform

REDUCE = {"add": "sum", "multiply": "prod"}
ACCUMULATE = {"add": "cumsum", "multiply": "cumprod"}
AT = ("add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor")


class ufunc:
    """``cupy.ufunc``: no ``where=``, no ``order=``, no ``subok=``."""

    def __init__(self, real: Any, function: Callable[..., Any]) -> None:
        self._function = function
        self.name: str = real.name
        self.__name__, self.__doc__ = real.__name__, real.__doc__
        self.nin, self.nout, self.nargs, self.types = real.nin, real.nout, real.nargs, real.types

    def __repr__(self) -> str:
        return f"<ufunc {self.name!r}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        unknown = {name: value for name, value in kwargs.items() if name not in ("out", "dtype", "casting")}
        if unknown:
            raise TypeError(f"Wrong arguments {unknown}")
        if len(args) not in (self.nin, self.nargs):
            raise TypeError(f"Wrong number of arguments for {self.name!r}")
        if len(args) > self.nin:
            args, kwargs = args[: self.nin], {**kwargs, "out": args[self.nin] if self.nout == 1 else args[self.nin :]}
        if kwargs.get("out", 0) is None:
            del kwargs["out"]
        out = kwargs.get("out")
        if out is not None and not isinstance(out, (ndarray, tuple)):
            raise TypeError(f"output arguments of {self.name} must be device arrays; got {type(out)}")
        for x in args:
            if not isinstance(x, (ndarray, np.ndarray, np.generic, bool, int, float, complex)):
                raise TypeError(f"Unsupported type {type(x)}")
        return call(self.name.removeprefix("cupy_"), self._function, args, kwargs)

    def _base(self) -> str:
        return self.name.removeprefix("cupy_")

    def _only(self, method: str, names: Any) -> None:
        if self._base() not in names:
            raise NotImplementedError(f"`{self.name}.{method}` is not supported yet")

    def reduce(self, array: ndarray, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        self._only("reduce", REDUCE)
        return getattr(array, REDUCE[self._base()])(axis, dtype, out, keepdims)

    def accumulate(self, array: ndarray, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        self._only("accumulate", ACCUMULATE)
        return getattr(array, ACCUMULATE[self._base()])(axis, dtype, out)

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        """Atomic: in no fixed order."""
        self._only("at", AT)
        owners: list[ndarray] = []
        to = unwrapped(a, owners, f"{self._base()}.at")
        key = unwrapped(indices, owners, f"{self._base()}.at", mixed=True)
        value = unwrapped(b, owners, f"{self._base()}.at")
        operation = getattr(np, self._base())
        perform(lambda: operation.at(to, prepared(to, key), value), blocks_of(*owners), "library calls")

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:
        return call(f"{self._base()}.outer", getattr(np, self._base()).outer, (A, B), kwargs)
