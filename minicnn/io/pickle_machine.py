"""A reader of pickles that cannot run code.

A pickle is a program for a small stack machine. Python's own ``pickle`` lets
that program import and call anything, so a downloaded file can do whatever its
author likes. This machine knows only the instructions that build plain values,
and *names* (``torch._utils._rebuild_tensor_v2``) are looked up in a closed
table, never imported: see :mod:`minicnn.io.torch_objects`.

The instructions are described in Python's ``Lib/pickletools.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import CheckpointError
from .source import Source

MAX_INSTRUCTIONS = 2_000_000  # a network of 1,000 tensors takes about 40,000; this bounds time and memory


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """What a name in the pickle stands for: a function of ours that checks its arguments."""

    name: str
    make: Callable[..., Any]


Instruction = Callable[["PickleMachine"], None]
_INSTRUCTIONS: dict[int, Instruction] = {}


def _instruction(code: str) -> Callable[[Instruction], Instruction]:
    def register(function: Instruction) -> Instruction:
        _INSTRUCTIONS[ord(code)] = function
        return function

    return register


class PickleMachine:
    """Builds the value that one pickle describes.

    Parameters
    ----------
    source : Source
        Where the pickle begins; left just behind it.
    find : callable
        ``find(module, name)`` returns the value of a name, or raises.
    persistent : callable
        ``persistent(key)`` returns what the pickle keeps outside of itself (torch: the storages).
    build : callable
        ``build(target, state)`` gives ``target`` its state.
    """

    def __init__(
        self,
        source: Source,
        find: Callable[[str, str], Any],
        persistent: Callable[[Any], Any],
        build: Callable[[Any, Any], None],
    ) -> None:
        self.source, self.find, self.persistent, self.build = source, find, persistent, build
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under the current mark
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Execute up to STOP and return the value on the stack."""
        for _ in range(MAX_INSTRUCTIONS):
            code = self.source.take(1)[0]
            if code == ord("."):  # STOP
                return self.stack.pop()
            if code not in _INSTRUCTIONS:
                raise CheckpointError(f"the pickle has the instruction 0x{code:02x}, which no file of tensors needs")
            _INSTRUCTIONS[code](self)
        raise CheckpointError(f"the pickle has more than {MAX_INSTRUCTIONS} instructions; it is no file of tensors")

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop_mark(self) -> list[Any]:
        """Take everything down to the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def top(self, kind: type) -> Any:
        """Return the value on the stack, which must be a ``kind``."""
        if not isinstance(self.stack[-1], kind):
            raise CheckpointError(f"the pickle treats a {type(self.stack[-1]).__name__} as a {kind.__name__}")
        return self.stack[-1]

    def call(self, function: Any, arguments: Any) -> Any:
        """Call what a name stands for; nothing else can be called."""
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise CheckpointError(f"the pickle calls a {type(function).__name__}; only names can be called")
        return function.make(*arguments)


def check_key(key: Any, depth: int = 0) -> Any:
    """Return a dictionary key or an element of a set if it is a plain value that can be hashed in no time.

    (The hash of deeply nested tuples overflows C's stack; large integers can be made to collide.)
    """
    if isinstance(key, tuple) and depth == 0:
        return tuple(check_key(item, 1) for item in key)
    if key is None or isinstance(key, (str, bytes, bool, float)) or (isinstance(key, int) and abs(key) < 2**63):
        return key
    raise CheckpointError(f"a dictionary or a set in the file has a key of type {type(key).__name__}")


# --- the frame of the program


@_instruction("\x80")
def _proto(machine: PickleMachine) -> None:
    version = machine.source.unpack("<B")
    if not 2 <= version <= 5:
        raise CheckpointError(f"the pickle is of protocol {version}; protocols 2 to 5 are known")


@_instruction("\x95")
def _frame(machine: PickleMachine) -> None:
    machine.source.take(8)  # a hint for buffering; nothing to do


@_instruction("(")
def _mark(machine: PickleMachine) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


# --- constants, numbers, text, empty containers

Read = Callable[[Source], Any]


def _number(layout: str) -> Read:
    return lambda source: source.unpack(layout)


def _bytes(layout: str) -> Read:
    return lambda source: source.take(source.unpack(layout))


def _text(layout: str) -> Read:
    return lambda source: source.take(source.unpack(layout)).decode("utf-8", "surrogatepass")


def _string_of_python_2(layout: str) -> Read:
    def read(source: Source) -> str | bytes:
        data = source.take(source.unpack(layout))
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data  # not text

    return read


def _long(source: Source) -> int:
    return int.from_bytes(source.take(source.unpack("<B")), "little", signed=True)


def _pushing(read: Read) -> Instruction:
    return lambda machine: machine.push(read(machine.source))


_PUSHED: dict[str, Read] = {
    "N": lambda _: None, "\x88": lambda _: True, "\x89": lambda _: False,
    "J": _number("<i"), "K": _number("<B"), "M": _number("<H"), "G": _number(">d"), "\x8a": _long,
    "X": _text("<I"), "\x8c": _text("<B"), "\x8d": _text("<Q"),
    "B": _bytes("<I"), "C": _bytes("<B"), "\x8e": _bytes("<Q"),
    "T": _string_of_python_2("<i"), "U": _string_of_python_2("<B"),
    "]": lambda _: [], "}": lambda _: {}, ")": lambda _: (), "\x8f": lambda _: set(),
}  # fmt: skip
_INSTRUCTIONS.update({ord(code): _pushing(read) for code, read in _PUSHED.items()})


# --- filling containers


@_instruction("a")
def _append(machine: PickleMachine) -> None:
    item = machine.stack.pop()
    machine.top(list).append(item)


@_instruction("e")
def _appends(machine: PickleMachine) -> None:
    items = machine.pop_mark()
    machine.top(list).extend(items)


@_instruction("s")
def _setitem(machine: PickleMachine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.top(dict)[check_key(key)] = value


@_instruction("u")
def _setitems(machine: PickleMachine) -> None:
    items = machine.pop_mark()
    if len(items) % 2:
        raise CheckpointError("a dictionary in the pickle has a key without a value")
    target = machine.top(dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[check_key(key)] = value


@_instruction("\x90")
def _additems(machine: PickleMachine) -> None:
    items = machine.pop_mark()
    machine.top(set).update(map(check_key, items))


@_instruction("\x91")
def _frozenset(machine: PickleMachine) -> None:
    machine.push(frozenset(map(check_key, machine.pop_mark())))


@_instruction("t")
def _tuple(machine: PickleMachine) -> None:
    machine.push(tuple(machine.pop_mark()))


def _tuple_of(length: int) -> Instruction:
    def make(machine: PickleMachine) -> None:
        items = [machine.stack.pop() for _ in range(length)]
        machine.push(tuple(reversed(items)))

    return make


_INSTRUCTIONS.update({0x84 + length: _tuple_of(length) for length in (1, 2, 3)})


# --- the memo: values used again


def _put(layout: str) -> Instruction:
    return lambda machine: machine.memo.__setitem__(machine.source.unpack(layout), machine.stack[-1])


def _get(layout: str) -> Instruction:
    return lambda machine: machine.push(machine.memo[machine.source.unpack(layout)])


_INSTRUCTIONS.update({ord("q"): _put("<B"), ord("r"): _put("<I"), ord("h"): _get("<B"), ord("j"): _get("<I")})


@_instruction("\x94")
def _memoize(machine: PickleMachine) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


# --- names, and what is done with them


@_instruction("c")
def _global(machine: PickleMachine) -> None:
    module = machine.source.line()
    machine.push(machine.find(module, machine.source.line()))


@_instruction("\x93")
def _stack_global(machine: PickleMachine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(module, str) or not isinstance(name, str):
        raise CheckpointError("a name in the pickle is not text")
    machine.push(machine.find(module, name))


@_instruction("i")
def _instance(machine: PickleMachine) -> None:
    module = machine.source.line()
    machine.push(machine.call(machine.find(module, machine.source.line()), tuple(machine.pop_mark())))


@_instruction("R")
def _reduce(machine: PickleMachine) -> None:
    arguments, function = machine.stack.pop(), machine.stack.pop()
    machine.push(machine.call(function, arguments))


@_instruction("b")
def _build(machine: PickleMachine) -> None:
    state = machine.stack.pop()
    machine.build(machine.stack[-1], state)


@_instruction("Q")
def _persistent(machine: PickleMachine) -> None:
    machine.push(machine.persistent(machine.stack.pop()))
