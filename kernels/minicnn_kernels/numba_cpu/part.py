"""Functions that only compiled functions call: compiled up to LLVM's language, as parts of what is launched.

A part stays a Python function. What ``numba.njit`` would make of it is told to Numba by its attribute ``_numba_type_``:
the type of the function, which is asked what a call with arguments of these types gives. So a part

- has no machine code of its own, and no wrapper through which Python could call it: LLVM optimises and translates it
  once, in the function that is launched;
- is compiled once for the types of its arguments. (``njit`` does that again for every constant that it is called with.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Flags, compile_extra
from numba.core.registry import cpu_target
from numba.extending import models, register_model

JIT = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]

OPTIONS: dict[str, Any] = {
    "nogil": True,  # other Python threads may run meanwhile
    "error_model": "numpy",  # division by zero gives inf, as in NumPy, and no test before each division
    "fastmath": {"contract"},  # a*b + c may be one instruction, rounded once; nothing else is reordered
}


class _Library(JITCodeLibrary):
    """LLVM code that is linked into that of others, where it is optimised and translated."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:  # else a caller might get this, unoptimised, machine code
        self._finalize_dynamic_globals()
        self._finalized = True


class Part(types.Callable, types.Dummy):  # type: ignore[misc]
    """Numba's type of one such function; ``no_alias`` says that its array arguments do not overlap."""

    def __init__(self, function: Callable[..., Any], no_alias: bool, options: dict[str, Any]) -> None:
        self.function, self.no_alias, self.options = function, no_alias, {"nopython": True, **OPTIONS, **options}
        self._translated: dict[tuple[Any, ...], Any] = {}
        super().__init__(f"part {function.__module__}.{function.__qualname__}")

    def __reduce__(self) -> Any:
        """The same function, not yet compiled: Numba's cache tells a function by what it refers to, too."""
        return Part, (self.function, self.no_alias, self.options)

    @property
    def key(self) -> Any:
        """What Numba tells types apart by."""
        return self.function

    def get_call_type(self, typing_context: Any, arguments: Any, keywords: Any) -> Any:
        """Signature of a call; Numba asks for it when it infers types."""
        if keywords:
            raise TypeError(f"{self.name}: a compiled function is called by position; got {sorted(keywords)}")
        return self.translated(tuple(map(types.unliteral, arguments))).signature

    def get_call_signatures(self) -> Any:
        """Those known so far; Numba tells them in errors."""
        return [found.signature for found in self._translated.values()], False

    def get_impl_key(self, signature: Any) -> Any:
        """What Numba finds the code of a call by."""
        return self.function

    def translated(self, arguments: tuple[Any, ...]) -> Any:
        """The function in LLVM's language, for arguments of these types."""
        if arguments not in self._translated:
            flags = cpu_target.options.parse_as_flags(Flags(), self.options)
            flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
            flags.noalias = self.no_alias
            typing, target = cpu_target.typing_context, cpu_target.target_context
            library = _Library(target.codegen(), self.function.__qualname__)
            found = compile_extra(typing, target, self.function, arguments, None, flags, {}, library)
            target.insert_user_function(self.function, found.fndesc, [library])
            self._translated[arguments] = found
        return self._translated[arguments]

    def call(self, context: Any, builder: Any, arguments: tuple[Any, ...], values: Any) -> Any:
        """A call from what an intrinsic generates: status and result."""
        found = self.translated(arguments)
        context.active_code_library.add_linking_library(found.library)
        function = context.declare_function(builder.module, found.fndesc)
        result = found.signature.return_type
        return context.call_conv.call_function(builder, function, result, arguments, values)


register_model(Part)(models.OpaqueModel)


def part(function: Callable[..., Any], no_alias: bool = False, **options: Any) -> Any:
    """Let compiled functions call this one."""
    if JIT:
        function._numba_type_ = Part(function, no_alias, options)  # type: ignore[attr-defined]
    return function
