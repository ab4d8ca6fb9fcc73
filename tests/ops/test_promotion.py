"""Element types: what a mixed operation gives, over all pairs of types, shapes and Python numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn.core.errors import DTypeError

from .twin import same

TYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
OPERATIONS: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "pow": lambda a, b: a**b,
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "and": lambda a, b: a & b,
}
NUMBERS = (True, 2, 1.5, -1)


def operands(dtype: str, values: Any) -> tuple[minicnn.Tensor, torch.Tensor]:
    return minicnn.tensor(values).to(getattr(minicnn, dtype)), torch.tensor(values).to(getattr(torch, dtype))


def outcome(operation: Any, *values: Any) -> Any:
    """The result, or the fact that it is refused."""
    try:
        return operation(*values)
    except (TypeError, RuntimeError, ZeroDivisionError):
        return None


def agree(operation: Any, pairs: list[tuple[Any, Any]]) -> None:
    ours, theirs = (outcome(operation, *side) for side in zip(*pairs, strict=True))
    assert (ours is None) == (theirs is None), (pairs, ours, theirs)
    if ours is not None:
        same(ours, theirs, 1e-3 if "float16" in str(ours.dtype) else 1e-6)


@pytest.mark.parametrize("name", OPERATIONS)
def test_types_of_two_tensors(name: str) -> None:
    for a, b in itertools.product(TYPES, TYPES):
        for left, right in itertools.product(([3, 2], 3), ([1, 2], 2)):
            agree(OPERATIONS[name], [operands(a, left), operands(b, right)])


@pytest.mark.parametrize("name", OPERATIONS)
def test_types_of_a_tensor_and_a_number(name: str) -> None:
    for kind, values, number in itertools.product(TYPES, ([3, 1], 3), NUMBERS):
        if number == -1 and kind == "uint8" and name in ("div", "floordiv", "mod", "pow", "eq", "lt"):
            continue  # PyTorch compares and divides by the number before wrapping it
        if kind == "bool" and number is True and name == "pow":
            continue  # PyTorch knows the first power of bools, and no other
        agree(OPERATIONS[name], [operands(kind, values), (number, number)])
        agree(OPERATIONS[name], [(number, number), operands(kind, values)])


@pytest.mark.parametrize(
    "name", ["exp", "sqrt", "sin", "abs", "floor", "round", "square", "sum", "prod", "cumsum", "argmax"]
)
def test_types_of_functions(name: str) -> None:
    for kind in TYPES:
        if kind == "bool" and name in ("abs", "floor", "round", "square", "argmax"):
            continue
        ours, theirs = operands(kind, [1, 2, 3])
        options = {"dim": 0} if name == "cumsum" else {}
        same(getattr(ours, name)(**options), getattr(theirs, name)(**options), 1e-3)


def test_joining_and_choosing_promote() -> None:
    for a, b in itertools.product(TYPES, TYPES):
        (x, tx), (y, ty) = operands(a, [1, 0]), operands(b, [0, 1])
        same(minicnn.cat((x, y)), torch.cat((tx, ty)), 0)
        same(minicnn.where(x > 0, x, y), torch.where(tx > 0, tx, ty), 0)
        if "bool" not in (a, b):
            same(minicnn.maximum(x, y), torch.maximum(tx, ty), 0)
            same(x.clamp(min=y), tx.clamp(min=ty), 0)
        assert str(minicnn.promote_types(x.dtype, y.dtype))[8:] == str(torch.promote_types(tx.dtype, ty.dtype))[6:]
        assert str(minicnn.result_type(x, y))[8:] == str(torch.result_type(tx, ty))[6:]
        for in_place in ("add_", "mul_", "div_"):
            agree(lambda p, q, f=in_place: getattr(p, f)(q), [(x.clone(), tx.clone()), (y, ty)])
            agree(lambda p, q, f=in_place: getattr(p, f)(q), [(x.clone(), tx.clone()), (1.5, 1.5)])


def test_conversions() -> None:
    for kind in TYPES:
        ours, theirs = operands(kind, [0, 1, 2])
        for name in ["float", "double", "half", "long", "int", "short", "char", "byte", "bool"]:
            same(getattr(ours, name)(), getattr(theirs, name)(), 0)
        assert ours.type()[8:] == theirs.type()[6:]
        assert ours.to(ours.dtype) is ours
        assert ours.to(ours.dtype, copy=True) is not ours
        assert ours.dtype.itemsize == theirs.dtype.itemsize


def test_the_default_type() -> None:
    try:
        minicnn.set_default_dtype(minicnn.float64)
        assert minicnn.tensor(1.0).dtype == minicnn.zeros(1).dtype == (minicnn.tensor(1) / 2).dtype == minicnn.float64
        assert minicnn.rand(1).dtype == minicnn.arange(1.0).dtype == minicnn.float64
    finally:
        minicnn.set_default_dtype(minicnn.float32)
    with pytest.raises(DTypeError, match=r"expected a floating type; got minicnn.int64"):
        minicnn.set_default_dtype(minicnn.int64)


def test_numpy_scalars_and_arrays_on_the_other_side() -> None:
    x = minicnn.tensor([1.0, 2.0])
    for value in (np.float64(2), np.float32(2), np.int64(2)):
        assert (value * x).dtype == (x * value).dtype == minicnn.float32
        assert (value * x).tolist() == [2.0, 4.0]
    assert isinstance(np.ones(2) * x, minicnn.Tensor)
    with pytest.raises(TypeError, match="unsupported operand"):
        x + "1"
    assert (x == "1") is False
