"""Running one function on all threads: a loop over tasks in which every thread takes its share.

Every thread of the *team* runs the whole function, each with another ``thread = (number, size of the team)``, and a
loop ``for t in share(thread, tasks)`` gives each thread its own tasks. What stands before the loop is computed by every
thread; nothing may stand behind it, for the others may still be at work. (Numba's ``prange`` takes the loop
out of its function, as a function of its own with wrappers around it, and is slower to compile.)

The threads are Numba's. Whichever library it has found for them (OpenMP, TBB, or its own work queue), there is one
function ``numba_parallel_for(f, places, sizes, steps, data, ...)``: it deals the numbers 0, 1, ..., ``sizes[0] - 1``
to the threads and calls ``f(places + number*steps, how many numbers, steps, data)``. It was made for arrays, whose
elements are at ``places``; here a place is the number itself.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD, _BYTES = ir.IntType(64), ir.IntType(8).as_pointer()
_TASK = ir.FunctionType(ir.VoidType(), [_BYTES.as_pointer(), _WORD.as_pointer(), _WORD.as_pointer(), _BYTES])
_PARALLEL_FOR = ir.FunctionType(ir.VoidType(), [_BYTES] * 5 + [_WORD] * 3)
_THREAD = types.UniTuple(types.int64, 2)
_names = count()


def _call(context: Any, builder: Any, function: Any, number: Any, size: Any, arguments: Any) -> None:
    """``function((number, size), *arguments)``; ``function`` is what Numba compiled it to."""
    context.active_code_library.add_linking_library(function.library)
    target = context.declare_function(builder.module, function.fndesc)
    thread = context.make_tuple(builder, _THREAD, [number, size])
    values = [thread, *cgutils.unpack_tuple(builder, arguments)]
    context.call_conv.call_function(builder, target, types.none, function.fndesc.argtypes, values)


@intrinsic
def run_on_team(typing_context, function, size, arguments):  # type: ignore[no-untyped-def]
    """``function((number, size), *arguments)`` for every number below ``size``, on as many threads."""
    known = function.get_call_type(typing_context, (_THREAD, *arguments.types), {})

    def task(context: Any, module: Any, name: str, given: Any) -> Any:
        """What ``numba_parallel_for`` calls; ``given`` is the type of the memory with size and arguments."""
        result = ir.Function(module, _TASK, name)
        result.linkage = "internal"
        result.attributes.add("noinline")  # one copy of the code, for one thread and for several
        builder = ir.IRBuilder(result.append_basic_block())
        places, counts, _, data = result.args
        size, arguments = cgutils.unpack_tuple(builder, builder.load(builder.bitcast(data, given)))
        first = builder.ptrtoint(builder.load(places), _WORD)
        with cgutils.for_range(builder, builder.load(counts)) as loop:
            number = builder.add(first, loop.index)
            _call(context, builder, function.dispatcher.overloads[known.args], number, size, arguments)
        builder.ret_void()
        return result

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, size, arguments = values
        given = cgutils.alloca_once_value(builder, cgutils.pack_struct(builder, [size, arguments]))
        places, sizes, steps = (cgutils.alloca_once_value(builder, n) for n in (_WORD(0), size, _WORD(1)))
        f = task(context, builder.module, f"{builder.function.name}.task{next(_names)}", given.type)
        pointers = [builder.bitcast(x, _BYTES) for x in (f, places, sizes, steps, given)]
        with builder.if_else(builder.icmp_signed("==", size, _WORD(1))) as (alone, together):
            with alone:
                builder.call(f, [builder.bitcast(places, _BYTES.as_pointer()), sizes, steps, pointers[-1]])
            with together:
                run = cgutils.get_or_insert_function(builder.module, _PARALLEL_FOR, "numba_parallel_for")
                builder.call(run, [*pointers, _WORD(0), _WORD(1), size])
        return context.get_dummy_value()

    return types.void(function, types.int64, arguments), generate
