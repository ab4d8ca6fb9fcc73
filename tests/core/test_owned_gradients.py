"""A gradient becomes ``.grad`` without a copy if nothing else can reach its memory, and only then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicnn_kernels.memory import empty

import minicnn
from minicnn.core.function import Function


class Passing(Function):
    """Hands out the gradients that it is given, whatever arrives."""

    def __init__(self, *grads: np.ndarray) -> None:
        self.grads: tuple[np.ndarray, ...] = grads

    def forward(self, *xs: Any) -> Any:
        return sum(x.sum() for x in xs)

    def backward(self, grad_y: Any) -> Any:
        grads, self.grads = self.grads, ()
        return grads if len(grads) > 1 else grads[0]


def address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]


def leaf(*shape: int) -> minicnn.Tensor:
    return minicnn.zeros(*shape, requires_grad=True)


def large() -> np.ndarray:
    """(4, 3, 40, 50) in channels-last memory, a view as the compiled kernels return it."""
    return np.moveaxis(empty((4, 40, 50, 3), np.float32), -1, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: empty((4, 3, 40, 50), np.float32),
        lambda: np.empty((4, 3, 40, 50), np.float32),
        lambda: np.zeros((4, 6000), np.float32).reshape(4, 3, 40, 50),
        large,
        lambda: large().transpose(0, 3, 1, 2).transpose(0, 2, 3, 1),
    ],
)
def test_an_own_array_is_not_copied(make: Any) -> None:
    w = leaf(4, 3, 40, 50)
    step = Passing(make())
    place, strides = address(step.grads[0]), step.grads[0].strides
    step(w).backward()
    assert w.grad is not None
    assert address(w.grad.numpy()) == place
    assert w.grad.numpy().strides == strides


def test_a_part_of_an_array_is_copied_in_the_memory_order_of_the_leaf() -> None:
    w = minicnn.from_numpy(np.moveaxis(np.zeros((4, 5, 6, 3)), -1, 1)).requires_grad_()
    Passing(np.ones((5, 3, 5, 6))[:4])(w).backward()
    assert w.grad is not None
    assert w.grad.numpy().strides == w.detach().numpy().strides
    assert w.grad.numpy().base is None or w.grad.numpy().base.nbytes < 5 * 3 * 5 * 6 * 8


def test_one_array_for_several_leaves_is_shared_by_none() -> None:
    g = large()
    for grads in ((g, g), (g, g[:]), (g[:], g), (g.reshape(4, 3, 40, 50), g[:], g), (g[:], g[:])):
        leaves = [leaf(4, 3, 40, 50) for _ in grads]
        grads[0][...] = 1
        Passing(*grads)(*leaves).backward()
        check_apart(*[w.grad.numpy() for w in leaves], g)
        assert all((w.grad.numpy() == 1).all() for w in leaves)


def test_what_a_hook_or_the_caller_has_is_copied() -> None:
    w, seen = leaf(4, 3, 40, 50), []
    w.register_hook(lambda grad: seen.append(grad.numpy()[:, 1:]))
    Passing(large())(w).backward()
    check_apart(w.grad.numpy(), *seen)
    v = leaf(4, 3, 40, 50)
    kept = large()
    Passing(kept[...])(v).backward()
    check_apart(v.grad.numpy(), kept)
    seed = minicnn.ones(4, 3)
    u = leaf(3, 4)
    u.t().backward(seed)
    check_apart(u.grad.numpy(), seed.numpy())


def check_apart(*arrays: np.ndarray) -> None:
    for number, a in enumerate(arrays):
        for b in arrays[:number]:
            assert not np.shares_memory(a, b)


USES: list[Any] = [
    lambda a, b: a + b,
    lambda a, b: a - b.t(),
    lambda a, b: a.reshape(-1).view(130, 130) + b,
    lambda a, b: a.t(),
    lambda a, b: a[:] + b[:],
    lambda a, b: minicnn.cat([a[:60], b[60:]]),
    lambda a, b: minicnn.stack([a, b]).sum(0),
    lambda a, b: minicnn.cat(a.split(65)),
    lambda a, b: a.expand(2, 130, 130)[0],
    lambda a, b: a.unsqueeze(0).transpose(1, 2).squeeze(0),
    lambda a, b: a @ b,
    lambda a, b: a.clone(),
    lambda a, b: a.unfold(0, 65, 65).movedim(-1, 1).reshape(130, 130),
]
uses = st.lists(st.tuples(st.integers(0, len(USES) - 1), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(uses, st.booleans())
def test_no_two_tensors_share_a_gradient(program: list[tuple[int, int, int]], retain: bool) -> None:
    leaves = [minicnn.randn(130, 130, requires_grad=True) for _ in range(3)]
    made = list(leaves)
    for which, a, b in program:
        made.append(USES[which](made[a % len(made)], made[b % len(made)]))
        if retain and made[-1].requires_grad:
            made[-1].retain_grad()
    seed = minicnn.ones(130, 130)
    made[-1].backward(seed)
    everything = [t.grad.numpy() for t in made if t.grad is not None]
    check_apart(*everything, seed.numpy(), *[w.detach().numpy() for w in leaves])
    for number, g in enumerate(everything):
        g[...] = number
    assert all((g == number).all() for number, g in enumerate(everything))
