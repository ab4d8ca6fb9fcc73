"""Integers that several threads read and change, given by their addresses, and how a thread waits for one to change."""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Bytes between integers that different threads change: a line of the caches belongs to one core at a time, and some
# processors fetch two at once.
APART = 128
LOOKS = 2000  # at an integer, before the thread lets others run between two looks: some 50 microseconds
_X86, _ARM = {"x86_64", "amd64"}, {"aarch64", "arm64"}
_I64 = ir.IntType(64)


def _at(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _I64.as_pointer())


@intrinsic
def add(typing_context, address, number):  # type: ignore[no-untyped-def]
    """Add to the integer at an address, and return what it was before."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        return builder.atomic_rmw("add", _at(builder, values[0]), values[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def put(typing_context, address, number):  # type: ignore[no-untyped-def]
    """Write an integer, after all that was written before it; return what it was before."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        return builder.atomic_rmw("xchg", _at(builder, values[0]), values[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def swap(typing_context, address, known, number):  # type: ignore[no-untyped-def]
    """Write ``number`` if the integer is still the ``known`` one; return whether it was."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        found = builder.cmpxchg(_at(builder, values[0]), values[1], values[2], "seq_cst", "seq_cst")
        return builder.extract_value(found, 1)

    return types.boolean(types.int64, types.int64, types.int64), generate


@intrinsic
def look(typing_context, address):  # type: ignore[no-untyped-def]
    """The integer at an address, and with it all that was written before it."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        return builder.load_atomic(_at(builder, values[0]), "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def pause(typing_context):  # type: ignore[no-untyped-def]
    """Tell the core that it waits: it saves power, and the other thread of the same core runs faster."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        machine = platform.machine().lower()
        if machine in _X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        elif machine in _ARM:
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
            hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.aarch64.hint")
            builder.call(hint, [ir.IntType(32)(1)])
        return context.get_dummy_value()

    return types.void(), generate
