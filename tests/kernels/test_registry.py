"""The table of kernels: which backend is active when, who computes, and what is said when nobody can."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import BackendError, active_backend, available_backends, call, explain, operations, use_backend
from minicnn_kernels import registry as table
from minicnn_kernels.threads import available_threads


@pytest.fixture(autouse=True)
def numpy_is_active() -> Iterator[None]:
    with use_backend("numpy"):
        yield


def test_a_block_restores_the_backend_even_after_an_error() -> None:
    def fail_inside() -> None:
        with use_backend("reference"):
            assert active_backend() == "reference"
            raise KeyError("inside")

    with pytest.raises(KeyError):
        fail_inside()
    assert active_backend() == "numpy"


def test_blocks_nest() -> None:
    with use_backend("reference"):
        with use_backend("numpy"):
            assert active_backend() == "numpy"
        assert active_backend() == "reference"
    assert active_backend() == "numpy"


def test_a_block_prepared_earlier_switches_when_it_is_entered() -> None:
    block = use_backend("reference")
    use_backend("numpy")
    with block:
        assert active_backend() == "reference"
    with block:
        assert active_backend() == "reference"


def test_the_backend_holds_for_all_threads() -> None:
    with use_backend("reference"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(active_backend).result() == "reference"


def test_the_environment_chooses_the_first_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_active", None)
    monkeypatch.setenv("MINICNN_BACKEND", "reference")
    assert active_backend() == "reference"
    monkeypatch.setattr(table, "_active", None)
    monkeypatch.setenv("MINICNN_BACKEND", "nunba")
    with pytest.raises(BackendError, match="MINICNN_BACKEND='nunba': there is no backend 'nunba'"):
        active_backend()


def test_a_switch_is_a_decorator_and_shows_what_it_says() -> None:
    use_backend("numpy")

    @use_backend("reference")
    def inside() -> str:
        return active_backend()

    assert (active_backend(), inside(), active_backend()) == ("numpy", "reference", "numpy")
    assert repr(use_backend("numpy")) == "use_backend('numpy')"


@pytest.mark.parametrize("asked", ["0", "-1"])
def test_no_threads_at_all_are_refused(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", asked)
    available_threads.cache_clear()
    try:
        with pytest.raises(ValueError, match=rf"NUMBA_NUM_THREADS={asked}: expected .* 1 or more. Fix: "):
            operations("numba")
    finally:
        available_threads.cache_clear()


@pytest.mark.parametrize("ask", [use_backend, operations])
def test_an_unknown_backend_names_the_known_ones_and_changes_nothing(ask: Any) -> None:
    with pytest.raises(BackendError, match="there is no backend 'nunba'; choose one of 'reference', 'numpy', 'numba'"):
        ask("nunba")
    assert active_backend() == "numpy"


def test_an_unknown_operation_names_the_known_ones() -> None:
    for ask in (call, explain):
        with pytest.raises(BackendError, match=re.escape("no kernel computes 'relu.backward'")):
            ask("relu.backward", np.zeros(1))


def test_a_backend_without_a_kernel_falls_back_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.array([-1.0, 2.0])
    assert "relu.forward" in operations("reference")
    monkeypatch.delitem(table._table, ("relu.forward", "reference"))
    with use_backend("reference"):
        why = explain("relu.forward", x)
        np.testing.assert_array_equal(call("relu.forward", x), [0, 2])
    assert why == (
        "relu.forward: minicnn_kernels.vectorized.activations.relu_forward, because backend 'reference' has no kernel "
        "for it, so the 'numpy' kernel computes it"
    )


def test_a_numba_that_cannot_be_imported_leaves_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        if name == "minicnn_kernels.numba_cpu":
            raise ImportError("Numba needs NumPy 2.4 or less. Got NumPy 9.0.")
        return importlib.import_module(name)

    if "numba" not in available_backends():
        pytest.skip("numba is not installed")
    others = {key: found for key, found in table._table.items() if key[1] != "numba"}
    monkeypatch.setattr(table, "_table", others)  # as if it had not been loaded yet
    monkeypatch.setattr(table, "importlib", SimpleNamespace(import_module=refuse, util=importlib.util))
    message = "'numba' cannot be loaded (Numba needs NumPy 2.4 or less. Got NumPy 9.0.). Fix: repair that package, or "
    with use_backend("numba"), pytest.raises(BackendError, match=re.escape(message) + r".*use_backend\('numpy'\)"):
        call("relu.forward", np.zeros(2))
    np.testing.assert_array_equal(call("relu.forward", np.array([-1.0, 1.0])), [0, 1])


def test_names_and_arguments_that_are_nearly_right() -> None:
    with pytest.raises(BackendError, match=r"no kernel computes 'conv2d.forwrd'\. Did you mean 'conv2d.forward'\?"):
        explain("conv2d.forwrd")
    with pytest.raises(BackendError, match=r"known operations: .*relu\.forward"):
        explain("hello")
    with pytest.raises(TypeError, match=r"needs the kernel's arguments \(grad_y, y\): missing"):
        explain("relu.grad", np.ones(3))


def test_an_operation_can_be_replaced_for_a_while() -> None:
    before = table.select("relu.forward", (np.ones(2),))[0]
    with table.replaced({"relu.forward": lambda x, out=None: x + 1}):
        np.testing.assert_array_equal(call("relu.forward", np.array([-1.0, 2.0])), [0, 3])
        with table.replaced({"relu.forward": lambda x, out=None: x - 1, "tanh.forward": np.negative}):
            np.testing.assert_array_equal(call("relu.forward", np.array([-1.0])), [-2])
            np.testing.assert_array_equal(call("tanh.forward", np.array([-1.0])), [1])
        np.testing.assert_array_equal(call("relu.forward", np.array([-1.0])), [0])
    with pytest.raises(KeyError), table.replaced({"relu.forward": np.abs}):
        raise KeyError
    assert table.select("relu.forward", (np.ones(2),))[0] is before


def test_an_unknown_operation_cannot_be_replaced() -> None:
    with (
        pytest.raises(BackendError, match=r"'relu.forwrad'. Did you mean 'relu.forward'"),
        table.replaced({"relu.forwrad": np.negative}),
    ):
        pass
