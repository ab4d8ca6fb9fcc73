"""Programs of stages whose weights change, whose runs are interrupted, and that run on other threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from minicnn_kernels.numba_cpu.staged import launch

import minicnn
from minicnn import models, nn
from minicnn.compiling import folding
from tests.compiling.common import Residual, images, pair, programs, same


def in_place(model: nn.Module) -> None:
    for p in model.parameters():
        p.mul_(1.5)


def other_memory(model: nn.Module) -> None:
    for p in model.parameters():
        p.data = p.data * 1.5


def statistics(model: nn.Module) -> None:
    model[1].running_var.mul_(3)


def two_layers() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, groups=16)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.MaxPool2d(2), nn.BatchNorm2d(32), nn.Flatten()),
        nn.Linear(32 * 64, 5),
    ).eval()


@pytest.mark.parametrize("change", [in_place, other_memory, statistics])
def test_weights_are_prepared_anew(change: Callable[[nn.Module], None]) -> None:
    model, x = two_layers(), images(6, 3, 16, 16)
    compiled = minicnn.compile(model, fullgraph=True)
    for _ in range(3):
        same(model, compiled, x)
        same(model, compiled, x)
        with minicnn.no_grad():
            change(model)
    same(model, compiled, x)


def test_weights_that_are_written_unseen_are_prepared_in_each_call() -> None:
    model, x = two_layers(), images(6, 3, 16, 16)
    compiled = minicnn.compile(model, fullgraph=True)
    same(model, compiled, x)
    arrays = [t.detach().numpy() for t in (*model.parameters(), *model.buffers()) if t.dtype == minicnn.float32]
    for _ in range(3):
        for array in arrays:
            array *= 1.25
        with minicnn.no_grad():  # what somebody holds is not joined by the model: other roundings
            np.testing.assert_allclose(compiled(x).numpy(), model(x).numpy(), rtol=1e-4, atol=1e-4)


def test_the_number_of_threads_makes_no_difference() -> None:
    model = models.get_model("mobilenet_v2", num_classes=4).eval()
    compiled, x = minicnn.compile(model, fullgraph=True), images(2, 3, 48, 48)
    before, results = minicnn.get_num_threads(), []
    try:
        for threads in (1, before, 1):
            minicnn.set_num_threads(threads)
            with minicnn.no_grad():
                results.append(compiled(x).numpy())
    finally:
        minicnn.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@contextmanager
def interrupted(module: Any, name: str, calls: int) -> Iterator[None]:
    """Ctrl-C is pressed at a call of a function, after so many others."""
    function, left = getattr(module, name), iter(range(calls))

    def raising(*arguments: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return function(*arguments)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        patch.setattr(module, name, raising)
        yield


@pytest.mark.parametrize("calls", range(2))
def test_an_interrupted_run_leaves_nothing_behind(calls: int) -> None:
    model = nn.Sequential(Residual(), nn.Tanh(), nn.Conv2d(30, 4, 1)).eval()  # a launch, a call, a launch
    compiled, x = minicnn.compile(model, fullgraph=True), images(6, 4, 12, 12)
    same(model, compiled, x)
    with minicnn.no_grad(), interrupted(launch, "_launch", calls):
        compiled(x)
    same(model, compiled, x)


def test_only_the_latest_shape_keeps_memory() -> None:
    model, compiled = pair()
    for shape in ((2, 3, 8, 8), (3, 3, 8, 8), (2, 3, 8, 8)):
        for _ in range(2):
            same(model, compiled, images(*shape))
        kept = [program._plan.arena is not None for program in programs(compiled)]
        assert kept.count(True) == 1
    first, second = (program._plan for program in programs(compiled))
    assert first.arena is not None
    assert second.arena is None


@pytest.mark.parametrize("calls", range(4))
def test_interrupted_preparations_are_done_again(calls: int) -> None:
    model, x = two_layers(), images(6, 3, 16, 16)
    compiled = minicnn.compile(model, fullgraph=True)
    same(model, compiled, x)
    with minicnn.no_grad():
        in_place(model)
        with interrupted(launch, "_launch", calls):
            compiled(x)
    same(model, compiled, x)


def test_interrupted_folding_is_done_again() -> None:
    model, x = two_layers(), images(6, 3, 16, 16)
    compiled = minicnn.compile(model, fullgraph=True)
    same(model, compiled, x)
    with minicnn.no_grad():
        statistics(model)
        with interrupted(folding, "scale_and_shift", 0):
            compiled(x)
    same(model, compiled, x)


FORKED = """
import os, minicnn
from minicnn.compiling import wrapper
from minicnn_kernels.numba_cpu.vector import compiled

minicnn.set_num_threads(1)
wrapper._turn.acquire(), compiled._lock.acquire()  # other threads were at it when the process was forked
child = os.fork()
if child == 0:
    model = minicnn.compile(minicnn.nn.Linear(3, 2).eval(), fullgraph=True)
    with minicnn.no_grad():
        os._exit(model(minicnn.ones(1, 3)).numel())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_can_compile_though_another_thread_was_at_it() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "2\n", done.stderr
