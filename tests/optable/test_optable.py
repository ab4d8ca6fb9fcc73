"""Every operation, on every backend, derived from the rows of the table."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minicnn_kernels import registry

import minicnn

from . import rows_chains, rows_layers, rows_windows
from .case import Case, Op, Source
from .run import arguments, assert_close, run_ours, run_torch

ROWS = [*rows_windows.ROWS, *rows_layers.ROWS, *rows_chains.ROWS]
BACKENDS = ["reference", "numpy", "numba"]
EXAMPLES = {"reference": 10, "numpy": 30, "numba": 30}

each_row = pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
each_backend = pytest.mark.parametrize("backend", BACKENDS)


def for_cases(examples: int) -> Any:
    """Run a check on that many drawn cases; deterministic."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def check(op: Op, examples: int, body: Any, batch: int | None = None) -> None:
    """Call ``body(case)`` on drawn cases of one row."""

    @for_cases(examples)
    @given(st.data())
    def inner(data: Any) -> None:
        body(op.draw(Source(data.draw, batch)))

    inner()


@each_row
@each_backend
def test_float64_matches_torch(op: Op, backend: str) -> None:
    def body(case: Case) -> None:
        with minicnn.use_backend(backend):
            ours = run_ours(op, case, arguments(case, "float64"))
        assert_close(ours, run_torch(op, case, arguments(case, "float64")), op.float64_tolerance)

    check(op, EXAMPLES[backend], body)


@each_row
@each_backend
def test_float32_matches_torch_and_keeps_its_type(op: Op, backend: str) -> None:
    def body(case: Case) -> None:
        with minicnn.use_backend(backend):
            ours = run_ours(op, case, arguments(case, "float32"))
        theirs = run_torch(op, case, arguments(case, "float32"))
        assert_close(ours, theirs, op.float32_tolerance)
        for mine, reference in zip(ours.outputs, theirs.outputs, strict=True):
            assert mine.dtype == reference.dtype
        assert {g.dtype for g in ours.grads if g is not None} <= {np.dtype("float32")}

    check(op, max(EXAMPLES[backend] // 3, 4), body)


@each_row
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_gradcheck(op: Op, backend: str) -> None:
    def body(case: Case) -> None:
        if not case.smooth or sum(v.size for v in case.inputs if isinstance(v, np.ndarray)) > 400:
            return
        values = arguments(case, "float64")
        tensors = [minicnn.from_numpy(v) if isinstance(v, np.ndarray) else v for v in values]
        for i, t in enumerate(tensors):
            if isinstance(t, minicnn.Tensor) and t.is_floating_point() and i not in case.fixed:
                t.requires_grad_()
        with minicnn.use_backend(backend):
            minicnn.autograd.gradcheck(
                lambda *xs: op.resolve(minicnn)(*xs, **case.options), tensors, atol=1e-6, rtol=1e-5
            )

    check(op, 3, body)


def channels_last(a: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if a.ndim > 2 else np.asfortranarray(a)


def strided(a: np.ndarray) -> np.ndarray:
    """The same values, every second element of a larger array, backwards in memory along the last axis."""
    if a.ndim == 0:
        return a.copy()
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1] + 1), np.nan if a.dtype.kind == "f" else 1, a.dtype)
    view = wide[..., 1::2][..., ::-1]
    view[...] = a
    return view


@each_row
@each_backend
@pytest.mark.parametrize("layout", [channels_last, strided], ids=lambda f: f.__name__)
def test_memory_layout_does_not_matter_and_inputs_are_unchanged(op: Op, backend: str, layout: Any) -> None:
    def body(case: Case) -> None:
        values = arguments(case, "float64", layout)
        before = [v.copy() if isinstance(v, np.ndarray) else v for v in values]
        with minicnn.use_backend(backend):
            laid_out = run_ours(op, case, values)
            plain = run_ours(op, case, arguments(case, "float64"))
        assert_close(laid_out, plain, 1e-12)
        for now, then in zip(values, before, strict=True):
            if isinstance(then, np.ndarray):
                np.testing.assert_array_equal(now, then)

    check(op, 4, body)


@pytest.mark.parametrize("op", [op for op in ROWS if op.empty], ids=lambda op: op.name)
@each_backend
def test_empty_batch(op: Op, backend: str) -> None:
    def body(case: Case) -> None:
        with minicnn.use_backend(backend):
            ours = run_ours(op, case, arguments(case, "float32"))
        assert_close(ours, run_torch(op, case, arguments(case, "float32")), 1e-6)

    check(op, 2, body, batch=0)


@each_row
def test_no_array_outlives_backward(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reference counts alone free everything: no cycle holds an array."""
    alive: list[weakref.ref[Any]] = []
    set_array = minicnn.Tensor._set_array

    def watch(self: Any, array: Any) -> None:
        set_array(self, array)
        alive.append(weakref.ref(self))

    def body(case: Case) -> None:
        alive.clear()
        gc.collect()
        gc.disable()
        try:
            run_ours(op, case, arguments(case, "float64"))
            assert alive
            assert not [r() for r in alive if r() is not None]
        finally:
            gc.enable()

    monkeypatch.setattr(minicnn.Tensor, "_set_array", watch)
    check(op, 2, body)


def test_the_table_exercises_every_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optimiser steps are compared in tests/optim, dropout's masks in tests/nn, add in tests/kernels."""
    called: set[str] = set()
    select = registry.select

    def record(operation: str, arguments: Any) -> Any:
        called.add(operation)
        return select(operation, arguments)

    monkeypatch.setattr(registry, "select", record)
    for op in ROWS:
        check(op, 6, lambda case, op=op: run_ours(op, case, arguments(case, "float64")))
    steps = {name for name in registry.operations() if name.endswith(".step")}
    elsewhere = steps | {"dropout.forward", "dropout.grad", "add.forward"}
    assert set(registry.operations("numpy")) - called == elsewhere


def test_all_backends_have_all_kernels() -> None:
    assert registry.operations("reference") == registry.operations("numpy") == registry.operations("numba")
