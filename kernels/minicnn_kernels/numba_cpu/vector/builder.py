"""A thin layer over llvmlite, in which the micro-kernels are written.

LLVM's language has unlimited *values* instead of registers, each assigned once; a loop's variables are *phi* values,
which are one thing when the loop is entered and another when it is repeated. :class:`Code` hides the types and
the phis: numbers are vectors of one width, addresses are integers in bytes, and a loop is a function from the
variables before one turn to those after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

I64, I32, BIT = ir.IntType(64), ir.IntType(32), ir.IntType(1)
_FLOATS = {4: ir.FloatType(), 8: ir.DoubleType()}

Value = Any  # an llvmlite value: typed, but by LLVM


def _bits(kind: ir.VectorType) -> int:
    """Bits of one lane."""
    element = kind.element
    return element.width if isinstance(element, ir.IntType) else 8 * {v: k for k, v in _FLOATS.items()}[element]


class Code:
    """The body of one function ``void name(int64, ...)`` that computes with vectors of ``lanes`` numbers.

    Parameters
    ----------
    name : str
    arguments : int
        How many integers the function takes.
    itemsize : {4, 8}
        Bytes of a number: float32 or float64.
    lanes : int
        Numbers in a vector. Any value is right on any machine; the best one is ``Target.lanes``.
    """

    def __init__(self, name: str, arguments: int, itemsize: int, lanes: int) -> None:
        self.module = ir.Module(name)
        kind = ir.FunctionType(ir.VoidType(), [I64] * arguments)
        self.function = ir.Function(self.module, kind, name)
        self.arguments: tuple[Value, ...] = self.function.args
        self.ir = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.itemsize, self.lanes = itemsize, lanes
        self.number = _FLOATS[itemsize]
        self.vector = ir.VectorType(self.number, lanes)
        self.width = itemsize * lanes  # bytes of a vector

    def finish(self) -> str:
        """End the function; return it as LLVM's text."""
        self.ir.ret_void()
        return str(self.module)

    # ---------------------------------------------------------------- integers

    def integer(self, value: int) -> Value:
        return ir.Constant(I64, value)

    def at(self, address: Value, offset: Value | int) -> Value:
        """The address ``offset`` bytes on."""
        if isinstance(offset, int):
            return address if offset == 0 else self.ir.add(address, self.integer(offset))
        return self.ir.add(address, offset)

    def times(self, value: Value, factor: int) -> Value:
        return self.ir.mul(value, self.integer(factor))

    def load_integer(self, address: Value) -> Value:
        return self.ir.load(self.ir.inttoptr(address, I64.as_pointer()), align=8)

    # ----------------------------------------------------------------- vectors

    def constant(self, value: float) -> Value:
        return ir.Constant(self.vector, [float(value)] * self.lanes)

    def integers(self, size: int) -> ir.VectorType:
        """The type of a vector of ``lanes`` integers of ``size`` bytes, unsigned."""
        return ir.VectorType(ir.IntType(8 * size), self.lanes)

    def load(self, address: Value, kind: Any = None) -> Value:
        """Read a vector; of numbers, or of another ``kind``."""
        kind = kind or self.vector
        return self.ir.load(self.ir.inttoptr(address, kind.as_pointer()), align=_bits(kind) // 8)

    def store(self, vector: Value, address: Value) -> None:
        self.ir.store(vector, self.ir.inttoptr(address, vector.type.as_pointer()), align=_bits(vector.type) // 8)

    def stream(self, vector: Value, address: Value) -> None:
        """Write past the caches; the address must be a multiple of the vector's width."""
        written = self.ir.store(vector, self.ir.inttoptr(address, vector.type.as_pointer()), align=self.width)
        written.set_metadata("nontemporal", self.module.add_metadata([ir.Constant(I32, 1)]))

    def load_number(self, address: Value) -> Value:
        """Read one number into all lanes."""
        number = self.ir.load(self.ir.inttoptr(address, self.number.as_pointer()), align=self.itemsize)
        return self._spread(number, self.vector)

    def store_number(self, number: Value, address: Value) -> None:
        self.ir.store(number, self.ir.inttoptr(address, self.number.as_pointer()), align=self.itemsize)

    def total(self, x: Value) -> Value:
        """The sum of the lanes, halves added to halves."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            upper = [i + lanes if i < lanes else i for i in range(self.lanes)]
            x = self.add(x, self.ir.shuffle_vector(x, x, ir.Constant(ir.VectorType(I32, self.lanes), upper)))
        return self.ir.extract_element(x, ir.Constant(I32, 0))

    def spread_integer(self, value: Value, kind: ir.VectorType) -> Value:
        """An integer of 8 bytes, cut down to the size of ``kind``, in all lanes."""
        return self._spread(value if kind.element == I64 else self.ir.trunc(value, kind.element), kind)

    def _spread(self, scalar: Value, kind: ir.VectorType) -> Value:
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.ir.insert_element(undefined, scalar, ir.Constant(I32, 0))
        return self.ir.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count))

    def first_lanes(self, count: Value) -> Value:
        """A mask of the lanes ``0 .. count-1``."""
        kind = ir.VectorType(I64, self.lanes)
        return self.ir.icmp_signed("<", ir.Constant(kind, list(range(self.lanes))), self._spread(count, kind))

    def _intrinsic(self, name: str, kind: ir.VectorType, result: Any, arguments: Sequence[Any]) -> Any:
        suffix = f"v{self.lanes}{'i' if isinstance(kind.element, ir.IntType) else 'f'}{_bits(kind)}"
        full = f"llvm.{name}.{suffix}" + (".p0" if name.startswith("masked") else "")
        known = self.module.globals.get(full)
        return known or ir.Function(self.module, ir.FunctionType(result, arguments), full)

    def load_masked(self, address: Value, mask: Value | None, kind: Any = None) -> Value:
        """Read the lanes of the mask; the others are 0, and their memory is not touched. No mask: all lanes."""
        if mask is None:
            return self.load(address, kind)
        kind = kind or self.vector
        pointer = self.ir.inttoptr(address, kind.as_pointer())
        load = self._intrinsic("masked.load", kind, kind, [pointer.type, I32, mask.type, kind])
        return self.ir.call(load, [pointer, ir.Constant(I32, _bits(kind) // 8), mask, ir.Constant(kind, None)])

    def store_masked(self, vector: Value, address: Value, mask: Value | None) -> None:
        """Write the lanes of the mask and nothing else. No mask: all lanes."""
        if mask is None:
            self.store(vector, address)
            return
        pointer = self.ir.inttoptr(address, vector.type.as_pointer())
        arguments = [vector.type, pointer.type, I32, mask.type]
        store = self._intrinsic("masked.store", vector.type, ir.VoidType(), arguments)
        self.ir.call(store, [vector, pointer, ir.Constant(I32, _bits(vector.type) // 8), mask])

    def prefetch(self, address: Value, to_write: bool = False, near: int = 3) -> None:
        """Begin to fetch a cache line; nobody waits for it, and the address may be any. ``near=2``: not into L1."""
        pointer = self.ir.inttoptr(address, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
        fetch = self.module.globals.get("llvm.prefetch.p0") or ir.Function(self.module, kind, "llvm.prefetch.p0")
        self.ir.call(fetch, [pointer, *(ir.Constant(I32, value) for value in (int(to_write), near, 1))])  # 1: data

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """``x*y + z``, rounded once."""
        return self.ir.call(self._intrinsic("fma", self.vector, self.vector, [self.vector] * 3), [x, y, z])

    def add(self, x: Value, y: Value) -> Value:
        return self.ir.fadd(x, y)

    def sub(self, x: Value, y: Value) -> Value:
        return self.ir.fsub(x, y)

    def mul(self, x: Value, y: Value) -> Value:
        return self.ir.fmul(x, y)

    def at_least(self, x: Value, low: Value) -> Value:
        """``max(x, low)``; NaN stays NaN."""
        return self.ir.select(self.ir.fcmp_ordered("<", x, low), low, x)

    def at_most(self, x: Value, high: Value) -> Value:
        """``min(x, high)``; NaN stays NaN."""
        return self.ir.select(self.ir.fcmp_ordered(">", x, high), high, x)

    # ------------------------------------------------------------ control flow

    def loop(
        self, start: Value, end: Value, step: int, variables: Sequence[Value], turn: Callable[..., Sequence[Value]]
    ) -> list[Value]:
        """``for i in range(start, end, step): variables = turn(i, variables)``; returns what they are in the end."""
        before = self.ir.block
        body, after = self.ir.append_basic_block("turn"), self.ir.append_basic_block("after")
        self.ir.cbranch(self.ir.icmp_signed("<", start, end), body, after)
        self.ir.position_at_end(body)
        i = self.ir.phi(I64)
        i.add_incoming(start, before)
        phis = [self.ir.phi(v.type) for v in variables]
        for phi, v in zip(phis, variables, strict=True):
            phi.add_incoming(v, before)
        results = list(turn(i, phis))
        following = self.at(i, step)
        last = self.ir.block
        i.add_incoming(following, last)
        for phi, result in zip(phis, results, strict=True):
            phi.add_incoming(result, last)
        self.ir.cbranch(self.ir.icmp_signed("<", following, end), body, after)
        self.ir.position_at_end(after)
        return self._joined([(before, list(variables)), (last, results)])

    def choose(
        self, condition: Value, then: Callable[[], Sequence[Value]], otherwise: Callable[[], Sequence[Value]]
    ) -> list[Value]:
        """The values that ``then`` or ``otherwise`` computes; only one of them runs."""
        yes, no, after = (self.ir.append_basic_block(name) for name in ("then", "otherwise", "joined"))
        self.ir.cbranch(condition, yes, no)
        ends = []
        for block, values in ((yes, then), (no, otherwise)):
            self.ir.position_at_end(block)
            results = list(values())
            ends.append((self.ir.block, results))
            self.ir.branch(after)
        self.ir.position_at_end(after)
        return self._joined(ends)

    def _joined(self, ends: list[tuple[Any, list[Value]]]) -> list[Value]:
        phis = []
        for values in zip(*(values for _, values in ends), strict=True):
            phi = self.ir.phi(values[0].type)
            for (block, _), value in zip(ends, values, strict=True):
                phi.add_incoming(value, block)
            phis.append(phi)
        return phis

    def nonzero(self, value: Value) -> Value:
        """The condition ``value != 0``."""
        return self.ir.icmp_signed("!=", value, self.integer(0))
