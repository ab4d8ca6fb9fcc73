"""Calling one case here and in PyTorch, forward and backward, and comparing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import minicnn

from .case import Case, Op


@dataclass
class Result:
    """Results and gradients of one call, as arrays (None for inputs that take no gradient)."""

    outputs: list[np.ndarray]
    grads: list[np.ndarray | None]


def _differentiable(case: Case, position: int) -> bool:
    value = case.inputs[position]
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and position not in case.fixed


def arguments(case: Case, dtype: str, layout: Callable[[np.ndarray], np.ndarray] = np.copy) -> list[Any]:
    """The case's inputs with floating arrays as ``dtype``, each laid out in memory by ``layout``."""
    values: list[Any] = []
    for value in case.inputs:
        if isinstance(value, np.ndarray):
            value = layout(value.astype(dtype) if value.dtype.kind == "f" else value)
        values.append(value)
    return values


def run_ours(op: Op, case: Case, values: list[Any]) -> Result:
    """Forward and backward through minicnn."""
    tensors = [minicnn.from_numpy(v) if isinstance(v, np.ndarray) else v for v in values]
    leaves = [t.requires_grad_() if _differentiable(case, i) else None for i, t in enumerate(tensors)]
    result = op.resolve(minicnn)(*tensors, **case.options)
    outputs = list(result) if isinstance(result, tuple) else [result]
    outputs[0].backward(minicnn.from_numpy(direction(outputs[0].shape, outputs[0].detach().numpy().dtype)))
    return Result(
        [y.detach().numpy() for y in outputs],
        [None if t is None else _array(t) for t in leaves],
    )


def _array(leaf: minicnn.Tensor) -> np.ndarray:
    return np.zeros_like(leaf.detach().numpy()) if leaf.grad is None else leaf.grad.numpy()


def run_torch(op: Op, case: Case, values: list[Any]) -> Result:
    """The same through PyTorch."""
    tensors = [torch.from_numpy(np.ascontiguousarray(v)).clone() if isinstance(v, np.ndarray) else v for v in values]
    leaves = [t.requires_grad_() if _differentiable(case, i) else None for i, t in enumerate(tensors)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's remarks about its own speed
        result = op.resolve(torch)(*tensors, **case.options)
    outputs = list(result) if isinstance(result, tuple) else [result]
    outputs[0].backward(torch.from_numpy(direction(outputs[0].shape, outputs[0].detach().numpy().dtype)))
    return Result(
        [y.detach().numpy() for y in outputs],
        [None if t is None else (np.zeros(t.shape) if t.grad is None else t.grad.numpy()) for t in leaves],
    )


def direction(shape: Any, dtype: Any) -> np.ndarray:
    """The gradient to start from: fixed, without regularity."""
    return np.asarray(np.random.default_rng(7).standard_normal(tuple(shape)), dtype=dtype)


def assert_close(ours: Result, theirs: Result, tolerance: float) -> None:
    """Every result and gradient: same shape, and differences within ``tolerance`` of the largest value."""
    assert len(ours.outputs) == len(theirs.outputs)
    pairs = [(f"output {i}", a, b) for i, (a, b) in enumerate(zip(ours.outputs, theirs.outputs, strict=True))]
    for i, (a, b) in enumerate(zip(ours.grads, theirs.grads, strict=True)):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            pairs.append((f"gradient of input {i}", a, b))
    for name, a, b in pairs:
        assert a.shape == b.shape, f"{name}: shape {a.shape}, expected {b.shape}"
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(a, b, err_msg=name)
            continue
        scale = max(float(np.abs(b[np.isfinite(b)]).max(initial=0.0)), 1e-3)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale, err_msg=name)
