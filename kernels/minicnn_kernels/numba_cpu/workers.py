"""The threads that help to run a loop: how they are called, and how they wait.

The thread that launches a loop, the *leader*, runs it too, and waits for nobody who has not come. It opens a *gate*
with as many places as it wants helpers; a worker that finds a place runs the same function; when the leader has
nothing left to do, it closes the gate, and waits for those who came in. So a worker that is asleep or kept from its
core by another program holds nobody up: what it would have done is done by the others (``team.py``).

Between two loops a worker looks at the gate for some microseconds, for a training step opens it hundreds of times; soon
it lets others run between two looks; then it sleeps, until a leader wakes it up, which takes tens of microseconds.
(OpenMP's leader waits for all threads in every loop, however short. With it, training steps of GoogLeNet and
MobileNetV2 took 6 % longer, beside another program on one of two cores 17 %.)

The gate is one integer: the number of the job, and the places left. All integers are at fixed places of one array,
which compiled code knows by the name of a symbol, for code that is kept on disk cannot contain an address.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import warnings
from contextlib import suppress
from functools import cache
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..threads import available_threads
from .atomics import APART, LOOKS, add, look, pause, put, swap
from .cache import KernelCache
from .part import part
from .semaphore import FOREVER, Semaphore, address, invoke, semaphore

PLACES = 0xFFFF  # the lower digits of the gate
JOB = 1 << 16  # what one more job adds to it
AWAKE = 2 * LOOKS  # looks at the gate, before a worker sleeps: some 0.8 milliseconds, for half of them let others run

# Places in the array, in bytes.
GATE, DONE, ASLEEP, HIRED, FAILED, FUNCTION, DATA, SIZE, SYSTEM, MEMORY, COUNTERS = (i * APART for i in range(11))
HANDLE, WAIT, POST, LET_OTHERS_RUN, CLOSED = (SYSTEM + 8 * i for i in range(5))

MOST = max(64, available_threads())  # threads
_memory = np.zeros((COUNTERS + (MOST + 1) * APART) // 8, np.int64)
_address = -(-_memory.ctypes.data // APART) * APART
_words = _memory[(_address - _memory.ctypes.data) // 8 :]
llvmlite.binding.add_symbol("minicnn_workers", _address)


def address_of_workers(context: Any, builder: Any) -> Any:
    """The array's address, in LLVM's language."""
    return builder.ptrtoint(context.get_c_value(builder, ir.IntType(8), "minicnn_workers"), ir.IntType(64))


@intrinsic
def workers(typing_context):  # type: ignore[no-untyped-def]
    """Address of the array."""
    return types.int64(), lambda context, builder, signature, values: address_of_workers(context, builder)


@intrinsic
def _run(typing_context, function, number, data):  # type: ignore[no-untyped-def]
    """``function(number, data)``: what ``team.py`` has made of a loop."""

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 2)
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def _let_others_run(typing_context, function):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(ir.IntType(32), [])
        known = builder.icmp_signed("!=", values[0], ir.IntType(64)(0))
        with builder.if_then(known):
            builder.call(builder.inttoptr(values[0], kind.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@part
def wait(looks):  # type: ignore[no-untyped-def]
    """Between two looks at an integer, after so many."""
    pause()
    if looks > LOOKS:
        _let_others_run(look(workers() + LET_OTHERS_RUN))


@part
def lead(function, data, size):  # type: ignore[no-untyped-def]
    """``function(number, data)`` on up to ``size`` threads, this one among them."""
    at = workers()
    for i in range(size):
        put(at + COUNTERS + i * APART, 0)
    put(at + DONE, 0)
    put(at + FUNCTION, function)
    put(at + DATA, data)
    put(at + SIZE, size)
    closed = (look(at + GATE) // JOB + 1) * JOB
    put(at + GATE, closed + size - 1)
    asleep = look(at + ASLEEP)
    for _ in range(min(asleep, size - 1 - (look(at + HIRED) - asleep))):  # so many that enough are awake
        add(at + ASLEEP, -1)
        invoke(look(at + POST), look(at + HANDLE), 1)
    _run(function, 0, data)
    came = size - 1 - (put(at + GATE, closed) & PLACES)
    looks = 0
    while look(at + DONE) < came:
        wait(looks)
        looks += 1


def _serve():  # type: ignore[no-untyped-def]
    """What a worker does all its life."""
    at = workers()
    last_job = looks = 0
    while not look(at + CLOSED):
        gate = look(at + GATE)
        if gate & PLACES and gate // JOB != last_job:
            if swap(at + GATE, gate, gate - 1):
                last_job = gate // JOB
                _run(look(at + FUNCTION), look(at + SIZE) - (gate & PLACES), look(at + DATA))
                add(at + DONE, 1)
                looks = 0
        elif looks < AWAKE:
            wait(looks)
            looks += 1
        else:  # a leader that has not seen this does without; to be woken up for nothing, as by a signal, does no harm
            add(at + ASLEEP, 1)
            invoke(look(at + WAIT), look(at + HANDLE), FOREVER)
            looks = 0


_threads: list[threading.Thread] = []
_refused: list[RuntimeError] = []  # why there are no more


@cache
def _semaphore() -> Semaphore:
    return semaphore(_address + MEMORY)


@cache
def _compiled() -> Any:
    serve: Any = numba.njit(nogil=True)(_serve)
    with suppress(RuntimeError):  # no directory for the cache: the launchers have warned of that
        serve._cache = KernelCache(_serve)
    serve.compile(())
    return serve


def hire(count: int) -> None:
    """Have at least so many workers, if the system allows; one thread at a time."""
    if len(_threads) >= count or _refused:
        return
    serve = _compiled()
    if not _threads:
        _words[HANDLE // 8 : HANDLE // 8 + 3] = _semaphore()
        if hasattr(os, "sched_yield"):
            _words[LET_OTHERS_RUN // 8] = address(ctypes.CDLL(None), "sched_yield")
    while len(_threads) < count:
        worker = threading.Thread(target=serve, name=f"minicnn-{len(_threads) + 1}", daemon=True)
        try:
            worker.start()
        except RuntimeError as error:  # "can't start new thread"
            _refused.append(error)
            warnings.warn(
                f"minicnn computes with {len(_threads) + 1} threads instead of {count + 1}: the system starts no more "
                f"({error}). Fix: raise its limit of threads, or set_num_threads({len(_threads) + 1})",
                RuntimeWarning,
                stacklevel=3,
            )
            return
        _threads.append(worker)
        _words[HIRED // 8] = len(_threads)


def take_failure() -> bool:
    """Whether a task has failed since this was asked last."""
    if not _words[FAILED // 8]:
        return False
    _words[FAILED // 8] = 0
    return True


@atexit.register
def _dismiss() -> None:
    """Before the end of the process, when the compiled code goes. Kernels that still run do without workers."""
    _words[CLOSED // 8] = 1
    for _ in _threads:
        _semaphore().wake_one()
    for worker in _threads:
        worker.join(1)


def _forked() -> None:
    """In a child process after ``os.fork``, which has none of its parent's threads: it hires its own when needed."""
    _threads.clear()
    _refused.clear()
    _semaphore.cache_clear()
    _words[:] = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
