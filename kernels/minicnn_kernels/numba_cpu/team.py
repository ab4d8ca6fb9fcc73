"""Running one function on all threads: a loop over tasks in which every thread takes its share.

Every thread of the *team* runs the whole function, each with another ``thread = (number, size of the team, counters)``,
and in a loop ``for t in share(thread, tasks)`` it gets its own tasks, one after the other: neighbours, for they often
share memory. Then it gets those that are left of the others' shares. So whoever comes late, or never, or is kept
from its core by another program, holds nobody up. To take a task is to add 1 to the counter of its share, in one
indivisible instruction.

What stands before the loop is computed by every thread; nothing may stand behind it, for the others may still be at
work, and there is one such loop in a run of the function. (Numba's ``prange`` takes the loop out of its function, as a
function of its own with wrappers around it, and is slower to compile.)
"""

from __future__ import annotations

from itertools import count
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import intrinsic, models, register_model

from .atomics import APART, add
from .part import part
from .workers import COUNTERS, FAILED, address_of_workers, lead

_WORD = ir.IntType(64)
_TASK = ir.FunctionType(ir.VoidType(), [_WORD, _WORD])
_THREAD = types.UniTuple(types.int64, 3)
_names = count()


class _Tasks(types.SimpleIteratorType):
    """Numba's type of what :func:`share` returns."""

    def __init__(self) -> None:
        super().__init__("Tasks", types.int64)


_TASKS = _Tasks()


@register_model(_Tasks)
class _TasksModel(models.StructModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        members = [("turn", types.EphemeralPointer(types.int64)), ("thread", _THREAD), ("tasks", types.int64)]
        super().__init__(manager, kind, members)


@intrinsic
def share(typing_context, thread, tasks):  # type: ignore[no-untyped-def]
    """An iterator over the tasks that this thread gets."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        iterator = cgutils.create_struct_proxy(_TASKS)(context, builder)
        iterator.turn = cgutils.alloca_once_value(builder, _WORD(0))
        iterator.thread, iterator.tasks = values
        return iterator._getvalue()

    return _TASKS(_THREAD, types.int64), generate


@part
def _take(thread, tasks, turn):  # type: ignore[no-untyped-def]
    """The next task, or -1 if there is none; and how many shares have no more."""
    number, size, counters = thread
    while turn < size:
        owner = (number + turn) % size
        first, end = tasks * owner // size, tasks * (owner + 1) // size
        if first < end:
            t = first + add(counters + owner * APART, 1)
            if t < end:
                return t, turn
        turn += 1
    return -1, turn


@lower_builtin("iternext", _Tasks)
@iternext_impl(RefType.UNTRACKED)
def _next(context, builder, signature, values, result):  # type: ignore[no-untyped-def]
    iterator = cgutils.create_struct_proxy(_TASKS)(context, builder, value=values[0])
    given = iterator.thread, iterator.tasks, builder.load(iterator.turn)
    _, taken = _take._numba_type_.call(context, builder, (_THREAD, types.int64, types.int64), given)
    task, turn = cgutils.unpack_tuple(builder, taken)
    builder.store(turn, iterator.turn)
    found = builder.icmp_signed(">=", task, _WORD(0))
    result.set_valid(found)
    with builder.if_then(found):
        result.yield_(task)


def _call(context: Any, builder: Any, function: Any, known: Any, thread: Any, arguments: Any) -> None:
    """``function(thread, *arguments)``, whose types are ``known``. An error is written down."""
    values = [context.make_tuple(builder, _THREAD, thread), *cgutils.unpack_tuple(builder, arguments)]
    status, _ = function.call(context, builder, known, values)
    with builder.if_then(status.is_error, likely=False):
        failed = builder.add(address_of_workers(context, builder), _WORD(FAILED))
        builder.atomic_rmw("xchg", builder.inttoptr(failed, _WORD.as_pointer()), _WORD(1), "seq_cst")


@intrinsic
def run_on_team(typing_context, function, size, arguments):  # type: ignore[no-untyped-def]
    """``function((number, size, counters), *arguments)`` on up to ``size`` threads, each with another number."""
    known = function.get_call_type(typing_context, (_THREAD, *arguments.types), {}).args

    def task(context: Any, module: Any, name: str, given: Any) -> Any:
        """``f(number, data)``; ``given`` is the type of what is at ``data``: size, counters and arguments."""
        result = ir.Function(module, _TASK, name)
        result.linkage = "internal"
        result.attributes.add("noinline")  # one copy of the code, for one thread and for several
        builder = ir.IRBuilder(result.append_basic_block())
        number, data = result.args
        given = builder.load(builder.inttoptr(data, given.as_pointer()))
        size, counters, arguments = cgutils.unpack_tuple(builder, given)
        _call(context, builder, function, known, [number, size, counters], arguments)
        builder.ret_void()
        return result

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, size, arguments = values
        alone = builder.icmp_signed("==", size, _WORD(1))
        mine = cgutils.alloca_once_value(builder, _WORD(0))  # the counter of one thread
        theirs = builder.add(address_of_workers(context, builder), _WORD(COUNTERS))
        counters = builder.select(alone, builder.ptrtoint(mine, _WORD), theirs)
        given = cgutils.alloca_once_value(builder, cgutils.pack_struct(builder, [size, counters, arguments]))
        f = task(context, builder.module, f"{builder.function.name}.task{next(_names)}", given.type.pointee)
        data = builder.ptrtoint(given, _WORD)
        with builder.if_else(alone) as (one, several):
            with one:
                builder.call(f, [_WORD(0), data])
            with several:
                numbers = (types.int64,) * 3
                lead._numba_type_.call(context, builder, numbers, [builder.ptrtoint(f, _WORD), data, size])
        return context.get_dummy_value()

    return types.void(function, types.int64, arguments), generate
