"""Asking for memory before it is needed.

A processor fetches ahead along neighbouring addresses by itself, but not far enough for a loop with several arrays and
some arithmetic on each number: the work in flight fills its queues before enough lines of the caches are on their
way. Where a loop asks for what it will read a page further on, nobody waits. (Two cores with 48 GB/s: the sums of a
batch norm's gradient ran at 26 without, at 46 with it.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import JIT, serial_no_alias, unsigned

AHEAD = 64  # lines
LINE = 64  # bytes of a line of the caches; where they are longer, some are asked for twice

_I32 = ir.IntType(32)


@intrinsic
def _prefetch(typing_context, x, place):  # type: ignore[no-untyped-def]
    """Begin to fetch the line with ``x[place]`` for reading; a place outside of the array does no harm."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        memory = context.make_array(signature.args[0])(context, builder, values[0]).data
        address = builder.bitcast(builder.gep(memory, [values[1]]), ir.IntType(8).as_pointer())
        name, module = "llvm.prefetch.p0", builder.module
        kind = ir.FunctionType(ir.VoidType(), [address.type, _I32, _I32, _I32])
        function = module.globals.get(name) or ir.Function(module, kind, name)
        builder.call(function, [address, *(ir.Constant(_I32, value) for value in (0, 3, 1))])  # to read, for long, data
        return context.get_dummy_value()

    return types.void(x, types.uintp), generate


@intrinsic
def _in_a_line(typing_context, x):  # type: ignore[no-untyped-def]
    """How many elements there are in a line: known when the function is compiled, unlike ``x.itemsize``."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        itemsize = context.get_abi_sizeof(context.get_data_type(x.dtype))
        return context.get_constant(types.uintp, LINE // itemsize)

    return types.uintp(x), generate


@serial_no_alias
def _fetch(x, place, n):  # type: ignore[no-untyped-def]
    for line in range(unsigned(place), unsigned(place) + unsigned(n), _in_a_line(x)):
        _prefetch(x, line)


@serial_no_alias
def _fetch_ahead(x, q, n):  # type: ignore[no-untyped-def]
    _fetch(x, unsigned(q) + unsigned(AHEAD) * _in_a_line(x), n)


def _nothing(x: Any, q: int, n: int) -> None:
    """Python does not fetch ahead."""


fetch: Any = _fetch if JIT else _nothing
"""``fetch(x, q, n)``: ask for the ``n`` elements from ``x[q]`` on, if there are any."""

fetch_ahead: Any = _fetch_ahead if JIT else _nothing
"""``fetch_ahead(x, q, n)``: ask for the ``n`` elements that stand a page behind ``x[q]``, if there are any."""
