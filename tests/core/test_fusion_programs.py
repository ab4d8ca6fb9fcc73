"""Random networks of the steps that fuse, with everything that may happen in between: fused and step by step agree.

What must be the same: values, gradients of leaves and of intermediate results, what hooks saw, and errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn

CHANNELS = 3
SHAPE = (2, CHANNELS, 4, 4)


@dataclass
class Run:
    """One run of a program: the tensors made so far, and what was seen on the way."""

    pool: list[Any]
    weights: list[Any]
    vectors: list[Any]  # weight and bias of a batch norm
    running: list[Any]
    seen: list[Any] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    fused: int = 0  # nodes whose backward does several steps

    def tensor(self, which: int) -> Any:
        return self.pool[which % len(self.pool)]

    def add(self, t: Any) -> None:
        self.pool.append(t)

    def norm(self, x: Any, training: bool, constant: bool = False) -> Any:
        weight, bias = [v.detach() for v in self.vectors] if constant else self.vectors
        return F.batch_norm(x, *self.running, weight, bias, training)

    def hook(self, t: Any) -> None:
        if t.requires_grad:
            number = len(self.seen)
            self.seen.append(None)

            def hook(grad: Any) -> Any:
                self.seen[number] = grad.numpy().copy()
                return grad * 1.5 if number % 2 else None

            t.register_hook(hook)


def write_through_numpy(run: Run, t: Any) -> None:
    t.detach().numpy()[0] *= 0.9


def in_no_grad(change: Callable[[], Any]) -> None:
    with minicnn.no_grad():
        change()


BEGIN: list[Callable[[Run, Any, int], Any]] = [
    lambda run, x, k: run.add(F.conv2d(x, run.weights[k % 2], run.vectors[0] if k % 3 else None, padding=1)),
    lambda run, x, k: run.add(run.norm(x, training=True)),
    lambda run, x, k: run.add(run.norm(x, training=False)),
    lambda run, x, k: run.add(run.norm(x, training=False, constant=True)),
    lambda run, x, k: run.add(run.norm(F.conv2d(x, run.weights[k % 2], padding=1), training=bool(k % 2))),
]
JOIN: list[Callable[[Run, Any, int], Any]] = [
    lambda run, x, k: run.add(x + run.tensor(k)),
    lambda run, x, k: run.add(run.tensor(k) + x),
    lambda run, x, k: x.add_(run.tensor(k)),
    lambda run, x, k: run.add(x + run.vectors[1].reshape(-1, 1, 1)),
    lambda run, x, k: run.add(x + 1.5),
    lambda run, x, k: run.add(x + run.tensor(k).float()),
]
END: list[Callable[[Run, Any, int], Any]] = [
    lambda run, x, k: run.add(F.relu(x)),
    lambda run, x, k: run.add(F.relu6(x)),
    lambda run, x, k: F.relu(x, inplace=True),
    lambda run, x, k: F.relu6(x, inplace=True),
    lambda run, x, k: run.add(x.clamp(min=-0.5)),
]
BETWEEN: list[Callable[[Run, Any, int], Any]] = [
    lambda run, x, k: run.hook(x),
    lambda run, x, k: run.hook(run.tensor(k)),
    lambda run, x, k: x.retain_grad() if x.requires_grad else None,
    lambda run, x, k: run.seen.append(x.detach().numpy().copy()),
    lambda run, x, k: run.add(x * 0.5),
    lambda run, x, k: run.add(x.detach()),
    lambda run, x, k: run.pool.remove(x) if len(run.pool) > 1 else None,
    lambda run, x, k: in_no_grad(lambda: run.weights[k % 2].mul_(1.1)),
    lambda run, x, k: run.weights[k % 2].data.mul_(0.9),
    lambda run, x, k: run.vectors[k % 2].data.add_(0.1),
    lambda run, x, k: run.running[k % 2].mul_(1.2),
    lambda run, x, k: x.detach().mul_(0.9),
    lambda run, x, k: x.data.add_(0.1),
    lambda run, x, k: write_through_numpy(run, x),
    lambda run, x, k: x.__setitem__(0, 0.25),
    lambda run, x, k: run.add(x[:, :, ::1].mul_(2)),
    lambda run, x, k: x.detach_() if x.grad_fn is not None else None,
    lambda run, x, k: setattr(x, "data", x.data * 2),
]
KINDS = {"begin": BEGIN, "join": JOIN, "end": END, "between": BETWEEN}


def program_of(rng: np.random.Generator) -> list[tuple[str, int, int, int, bool]]:
    """A few chains as networks have them, with something in between or a step missing now and then."""
    program = []
    for _ in range(rng.integers(1, 4)):
        for kind, chance in CHAIN:
            if rng.random() < chance:
                back = int(rng.choice([0, 0, 0, 0, 0, 1, 2, 7]))  # which tensor: mostly the last one
                which, other = (int(number) for number in rng.integers(0, 1000, 2))
                program.append((kind, which, back, other, bool(rng.random() < 0.93)))  # the last: recorded
    return program


CHAIN = [("begin", 1.0), ("between", 0.3), ("join", 0.5), ("between", 0.3), ("end", 0.8), ("between", 0.3)]


class Network(nn.Module):
    """Runs a program in its forward, where results may wait."""

    def forward(self, run: Run, program: list[tuple[str, int, int, int, bool]]) -> None:
        for number, (kind, which, back, other, recorded) in enumerate(program):
            steps = KINDS[kind]
            x = run.tensor(-1 - back)
            try:
                with minicnn.set_grad_enabled(recorded):
                    steps[which % len(steps)](run, x, other)
            except (RuntimeError, ValueError) as error:
                run.refused.append((number, type(error).__name__))


def carry_out(program: list[Any], fused: bool, seed: int) -> tuple[Run, list[Any]]:
    """All that can be compared: values, then gradients of everything, twice."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Any:
        return minicnn.tensor(rng.standard_normal(shape))

    x = draw(*SHAPE).requires_grad_()
    weights = [draw(CHANNELS, CHANNELS, 3, 3).requires_grad_() for _ in range(2)]
    vectors = [draw(CHANNELS).requires_grad_() for _ in range(2)]
    running = [draw(CHANNELS), draw(CHANNELS).abs() + 0.5]
    run = Run([x * 1], weights, vectors, running)
    with minicnn.set_fusion_enabled(fused):
        Network()(run, program)
    found = [*run.running]
    found += [t.detach().clone() for t in run.pool]
    made = [t for t in run.pool if t.requires_grad]
    run.fused = sum(bool(t.grad_fn.passed_over) for t in made if t.grad_fn is not None)
    total: Any = sum((t * t).sum() for t in made) if made else None
    leaves = [x, *weights, *vectors]
    if total is None:
        return run, found
    for once_more in (True, False):
        try:
            targets = made[::2] if once_more else leaves
            found += minicnn.autograd.grad(total, targets, retain_graph=True, allow_unused=True)
            minicnn.autograd.backward(total, retain_graph=once_more)
        except RuntimeError as error:
            run.refused.append((-1, type(error).__name__))
    if (-1, "AutogradError") not in run.refused:  # how far a pass came that failed is not told
        found += [t.grad for t in (*leaves, *run.pool) if t.grad is not None and (t.is_leaf or t.retains_grad)]
    return run, found


def agree(a: Any, b: Any, program: Any) -> None:
    assert (a is None) == (b is None), program
    if a is not None:
        a, b = (np.asarray(t.detach() if isinstance(t, minicnn.Tensor) else t) for t in (a, b))
        assert (a.dtype, a.shape) == (b.dtype, b.shape), program
        tolerance = 1e-9 if a.dtype == np.float64 else 1e-3
        largest = float(np.abs(b[np.isfinite(b)]).max(initial=1.0))
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * largest, err_msg=str(program))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("seed", range(10))
def test_fused_and_step_by_step_agree(backend: str, seed: int) -> None:
    fused_steps = 0
    for number in range(40):
        program = program_of(np.random.default_rng([seed, number]))
        with minicnn.use_backend(backend), np.errstate(all="ignore"):
            fused, in_one = carry_out(program, True, seed)
            plain, one_by_one = carry_out(program, False, seed)
        fused_steps += fused.fused
        assert not plain.fused
        assert fused.refused == plain.refused, program
        for a, b in zip([*in_one, *fused.seen], [*one_by_one, *plain.seen], strict=True):
            agree(a, b, program)
    assert fused_steps > 3
