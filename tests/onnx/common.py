"""Exporting, and running the file with onnxruntime."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime

import minicnn
from minicnn import nn


class Lambda(nn.Module):
    """A module of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs)


def exported(model: nn.Module, *shapes: Sequence[int], kind: str = "float32", **options: Any) -> bytes:
    """The bytes of the ONNX file."""
    file = io.BytesIO()
    args = tuple(minicnn.zeros(*shape, dtype=getattr(minicnn, kind)) for shape in shapes)
    minicnn.onnx.export(model, args, file, **options)
    return file.getvalue()


def graph_of(data: bytes) -> Any:
    return onnx.load_from_string(data).graph


def operators(data: bytes) -> list[str]:
    return [node.op_type for node in graph_of(data).node]


def run(file: bytes | str, *arrays: Any) -> list[np.ndarray]:
    """The outputs that onnxruntime computes, on two threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: array for i, array in zip(session.get_inputs(), arrays, strict=True)})


def draw(shape: Sequence[int], kind: str = "float32") -> np.ndarray:
    return (np.random.default_rng(7).standard_normal(shape) * 2).astype(kind)


def outputs_of(model: nn.Module, *arrays: np.ndarray) -> list[np.ndarray]:
    """What the model computes in evaluation mode."""
    model.eval()
    with minicnn.no_grad():
        result = model(*(minicnn.from_numpy(array.copy()) for array in arrays))
    results = result if isinstance(result, (tuple, list)) else [result]
    return [t.numpy() for t in results]


def assert_close(got: np.ndarray, expected: np.ndarray, relative: float = 1e-5) -> None:
    """Equal up to ``relative`` times the largest number."""
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=1e-30)) if expected.dtype.kind == "f" else 0
    np.testing.assert_allclose(got, expected, 0, relative * scale)


def check(model: nn.Module, *shapes: Sequence[int], kind: str = "float32", **options: Any) -> bytes:
    """Export with one batch size, run with another: onnxruntime must give the model's outputs."""
    data = exported(model, *shapes, kind=kind, **options)
    larger = [shape if options.get("dynamic_axes") == {} else (5, *shape[1:]) for shape in shapes]
    arrays = [draw(shape, kind) for shape in larger]
    got, expected = run(data, *arrays), outputs_of(model, *arrays)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert_close(a, b)
    return data
