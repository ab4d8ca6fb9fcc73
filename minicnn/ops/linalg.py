"""Products of matrices and vectors. Each product is one call of the "matmul" kernel."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from minicnn_kernels import call
from minicnn_kernels.arrays import as_array

from ..core.errors import DTypeError, ShapeError
from ..core.function import Function
from ..core.tensor import Tensor
from .deferrable import Deferrable
from .operands import as_tensor, unbroadcast


class MatMul(Function):
    """``A B`` for stacks of matrices; ``dA = dY B^T``, ``dB = A^T dY``."""

    differentiable = True

    def forward(self, a: Any, b: Any) -> Any:
        self.save(a if self.needs_grad[1] else None, b if self.needs_grad[0] else None)
        self.shapes = a.shape, b.shape
        if a.dtype.kind != "f":  # the kernels are for floating-point numbers
            return np.matmul(a, b)
        return call("matmul", a, b)

    def backward(self, grad_y: Tensor) -> Any:
        a, b = self.saved
        return (
            unbroadcast(MatMul()(grad_y, b.mT), self.shapes[0]) if self.needs_grad[0] else None,
            unbroadcast(MatMul()(a.mT, grad_y), self.shapes[1]) if self.needs_grad[1] else None,
        )


class Linear(Deferrable):
    """``Y = X W^T + b`` for rows X (M, K), W (N, K), b (N): one product forward, two backward."""

    differentiable = True

    def prepare(self, x: Any, weight: Any, bias: Any) -> Any:
        self.save(x if self.needs_grad[1] else None, weight if self.needs_grad[0] else None)
        return "matmul", (x, weight.T, bias), (len(x), len(weight))

    def backward(self, grad_y: Tensor) -> Any:
        x, weight = self.saved
        return (
            MatMul()(grad_y, weight) if self.needs_grad[0] else None,  # dX = dY W
            MatMul()(grad_y.mT, x) if self.needs_grad[1] else None,  # dW = dY^T X
            grad_y.sum(0) if self.needs_grad[2] else None,  # db = sum over the rows of dY
        )


def _one_type(operation: str, *tensors: Tensor) -> None:
    kinds = {t._array.dtype for t in tensors}
    if len(kinds) > 1:
        names = " and ".join(str(t.dtype) for t in tensors)
        raise DTypeError(f"{operation}: the operands must have one type; got {names}. Fix: x.to(other.dtype)")


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The product of two vectors (a number), matrices, or stacks of matrices (``@``).

    A vector on the left counts as a row, on the right as a column; dimensions
    before the last two are broadcast.

    Examples
    --------
    >>> import minicnn
    >>> a = minicnn.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> a @ minicnn.tensor([1.0, 1.0])
    tensor([3., 7.])
    """
    a, b = as_tensor(input, "input", "matmul"), as_tensor(other, "other", "matmul")
    _one_type("matmul", a, b)
    inner = a._array.shape[-1:], b._array.shape[-2:-1] if b.ndim > 1 else b._array.shape
    if a.ndim == 0 or b.ndim == 0 or inner[0] != inner[1]:
        raise ShapeError(
            f"matmul: shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit: the last size of the first must equal "
            "the last but one of the second (the only one, if it is a vector)"
        )
    rows = a.unsqueeze(0) if a.ndim == 1 else a
    columns = b.unsqueeze(1) if b.ndim == 1 else b
    try:
        np.broadcast_shapes(rows._array.shape[:-2], columns._array.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"matmul: the dimensions before the last two of {tuple(a.shape)} and {tuple(b.shape)} cannot be broadcast"
        ) from None
    if rows.ndim > 2 and columns.ndim == 2:  # one large product instead of many small ones
        y = MatMul()(rows.reshape(-1, inner[0][0]) if rows.numel() else rows, columns)
        y = y.reshape(*rows._array.shape[:-1], columns._array.shape[-1])
    else:
        y = MatMul()(rows, columns)
    if a.ndim == 1:
        y = y.squeeze(-2)
    return y.squeeze(-1) if b.ndim == 1 else y


def _of_dims(operation: str, *pairs: tuple[Tensor, int]) -> None:
    for t, ndim in pairs:
        if as_tensor(t, "operand", operation).ndim != ndim:
            raise ShapeError(
                f"{operation}: expected {ndim} dimensions; got shape {tuple(t.shape)}. Fix: matmul for others"
            )


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.mm(minicnn.eye(2), minicnn.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    _of_dims("mm", (input, 2), (mat2, 2))
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two stacks of matrices, ``(B, M, K)`` and ``(B, K, N)``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.bmm(minicnn.ones(4, 2, 3), minicnn.ones(4, 3, 5)).shape
    minicnn.Size([4, 2, 5])
    """
    _of_dims("bmm", (input, 3), (mat2, 3))
    if input._array.shape[0] != mat2._array.shape[0]:
        raise ShapeError(f"bmm: equally many matrices expected; got {tuple(input.shape)} and {tuple(mat2.shape)}")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.mv(minicnn.tensor([[1, 2], [3, 4]]), minicnn.tensor([1, 1]))
    tensor([3, 7])
    """
    _of_dims("mv", (input, 2), (vec, 1))
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors' elements.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.dot(minicnn.tensor([1, 2]), minicnn.tensor([3, 4]))
    tensor(11)
    """
    _of_dims("dot", (input, 1), (tensor, 1))
    return matmul(input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The matrix ``y[i, j] = input[i] * vec2[j]``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.outer(minicnn.tensor([1, 2]), minicnn.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    _of_dims("outer", (input, 1), (vec2, 1))
    return input.unsqueeze(1) * vec2


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * mat1 @ mat2``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.addmm(minicnn.ones(1), minicnn.eye(2), minicnn.ones(2, 1), beta=10)
    tensor([[11.],
            [11.]])
    """
    product = mm(mat1, mat2)
    return (input if beta == 1 else input * beta) + (product if alpha == 1 else product * alpha)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``y = x W^T + b``.

    Parameters
    ----------
    input : Tensor of shape (..., in_features)
    weight : Tensor of shape (out_features, in_features)
    bias : Tensor of shape (out_features,), optional

    Examples
    --------
    >>> import minicnn.nn.functional as F
    >>> import minicnn
    >>> F.linear(minicnn.ones(1, 2), minicnn.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 7.]])
    """
    _one_type("linear", input, weight, *(() if bias is None else (bias,)))
    shape = input._array.shape
    if weight.ndim != 2 or not shape or shape[-1] != weight._array.shape[1]:
        raise ShapeError(
            f"linear: input has shape {tuple(shape)}, whose last size is in_features; the weight, "
            f"(out_features, in_features) = {tuple(weight.shape)}, expects {weight._array.shape[-1]}. "
            f"Fix: {_features(tuple(shape), tuple(weight.shape))}"
        )
    if bias is not None and tuple(bias.shape) != weight._array.shape[:1]:
        raise ShapeError(f"linear: bias must have shape ({weight._array.shape[0]},); got {tuple(bias.shape)}")
    rows = input if len(shape) == 2 else input.reshape(int(np.prod(shape[:-1])), shape[-1])
    y = Linear()(rows, weight, bias)
    return y if len(shape) == 2 else y.reshape(*shape[:-1], weight._array.shape[0])


def _features(shape: tuple[int, ...], weight: tuple[int, ...]) -> str:
    """What to write so that an input of this shape and the layer fit."""
    features = prod(shape[1:])
    layer = f"the layer with in_features = {shape[-1] if shape else '...'}"
    if len(shape) > 2:
        product = f"{'*'.join(map(str, shape[1:]))} = {features}"
        if features == weight[-1]:
            return f"x.flatten(1) before it, which makes (N, {product})"
        return f"x.flatten(1) before it and in_features = {product}; or {layer} for the last size alone"
    fit = f"{layer}{f', Linear({shape[-1]}, {weight[0]})' if shape and len(weight) == 2 else ''}"
    if len(shape) == 2 and prod(shape) == weight[-1]:
        return (
            f"x[None] (or x.unsqueeze(0)) as the input of the network if it is one image without batch axis, as "
            f"{shape[0]}*{shape[1]} = {weight[-1]} suggests; otherwise {fit}"
        )
    return fit


class Einsum(Function):
    """One sum of products. The gradient of an operand is the sum with that operand and the result exchanged."""

    differentiable = True

    def __init__(self, inputs: list[str], output: str) -> None:
        self.inputs, self.output = inputs, output

    def forward(self, *arrays: Any) -> Any:
        self.sizes = {
            c: n for term, a in zip(self.inputs, arrays, strict=True) for c, n in zip(term, a.shape, strict=True)
        }
        self.save(*arrays)
        return as_array(np.einsum(",".join(self.inputs) + "->" + self.output, *arrays, optimize=len(arrays) > 1))

    def backward(self, grad_y: Tensor) -> Any:
        operands = self.saved
        return tuple(self._grad(i, grad_y, operands) if need else None for i, need in enumerate(self.needs_grad))

    def _grad(self, i: int, grad_y: Tensor, operands: tuple[Tensor, ...]) -> Tensor:
        terms = [self.output, *(t for j, t in enumerate(self.inputs) if j != i)]
        others = [grad_y, *(x for j, x in enumerate(operands) if j != i)]
        wanted = self.inputs[i]
        known = "".join(c for c in wanted if any(c in t for t in terms))  # the others were summed: spread the gradient
        g = Einsum(terms, known)(*others)
        g = g.reshape([self.sizes[c] if c in known else 1 for c in wanted])
        return g.expand([self.sizes[c] for c in wanted])


def einsum(equation: str, *operands: Any) -> Tensor:
    """Einstein's summation: ``einsum("ik,kj->ij", a, b)`` is the product of two matrices.

    Indices that are not in the output are summed over. ``...`` stands for
    the other dimensions; without ``->`` the output has the indices that occur
    once, in alphabetical order.

    Examples
    --------
    >>> import minicnn
    >>> a, b = minicnn.ones(2, 3), minicnn.ones(3, 4)
    >>> minicnn.einsum("ik,kj->ij", a, b).shape
    minicnn.Size([2, 4])
    """
    tensors = list(operands[0]) if len(operands) == 1 and isinstance(operands[0], Sequence) else list(operands)
    inputs, output, shapes = _parse(equation, tensors)
    prepared, terms = [], []
    for t, term, shape in zip(tensors, inputs, shapes, strict=True):
        x = t if tuple(t.shape) == shape else t.expand(shape)
        for c in sorted({c for c in term if term.count(c) > 1}):  # a repeated index is a diagonal
            while term.count(c) > 1:
                i = term.index(c)
                j = term.index(c, i + 1)
                x, term = x.diagonal(dim1=i, dim2=j), term[:i] + term[i + 1 : j] + term[j + 1 :] + c
        prepared.append(x)
        terms.append(term)
    return Einsum(terms, output)(*prepared)


def _parse(equation: str, tensors: list[Tensor]) -> tuple[list[str], str, list[tuple[int, ...]]]:
    """Terms with letters for ``...``, the output, and the operands' shapes with 1s stretched to their index's size."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(tensors):
        raise ShapeError(f"einsum: {equation!r} has {len(inputs)} operands; got {len(tensors)}")
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in equation]
    counts = [
        t.ndim - len(term.replace("...", "")) if "..." in term else 0 for t, term in zip(tensors, inputs, strict=True)
    ]
    dots = "".join(free[: max(counts, default=0)]) if max(counts, default=0) > 0 else ""
    inputs = [
        term.replace("...", dots[len(dots) - n :] if n > 0 else "") for term, n in zip(inputs, counts, strict=True)
    ]
    for t, term in zip(tensors, inputs, strict=True):
        if len(term) != t.ndim:
            raise ShapeError(
                f"einsum: {term!r} of {equation!r} names {len(term)} dimensions; got shape {tuple(t.shape)}"
            )
    if arrow:
        output = output.replace("...", dots)
    else:
        letters = "".join(inputs)
        output = dots + "".join(sorted(c for c in set(letters) - set(dots) if letters.count(c) == 1))
    size: dict[str, int] = {}
    for t, term in zip(tensors, inputs, strict=True):
        for c, n in zip(term, t._array.shape, strict=True):
            if n != 1 and size.get(c, 1) not in (1, n):
                raise ShapeError(f"einsum: index {c!r} of {equation!r} has sizes {size[c]} and {n}")
            size[c] = max(size.get(c, 1), n) if n else 0
    if missing := set(output) - set(size):
        raise ShapeError(f"einsum: output indices {sorted(missing)} of {equation!r} occur in no operand")
    shapes = [tuple(size[c] for c in term) for term in inputs]
    return inputs, output, shapes
