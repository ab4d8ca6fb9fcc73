"""Calling a micro-kernel from a Numba function.

Numba caches compiled functions on disk, but not such as contain an address: it is another one in every process. So the
address is an argument like any other, a plain integer, and the call goes there.
"""

from __future__ import annotations

import ctypes
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import JIT

_I64 = ir.IntType(64)


@intrinsic
def _call(typing_context, address, arguments):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        count = len(signature.args[1])
        kind = ir.FunctionType(ir.VoidType(), [_I64] * count)
        function = builder.inttoptr(values[0], kind.as_pointer())
        integers = [
            context.cast(builder, builder.extract_value(values[1], i), signature.args[1][i], types.int64)
            for i in range(count)
        ]
        builder.call(function, integers)
        return context.get_dummy_value()

    return types.void(address, arguments), generate


def _call_as_python(address: int, arguments: tuple[Any, ...]) -> None:
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(arguments))
    kind(int(address))(*map(int, arguments))


call = _call if JIT else _call_as_python
