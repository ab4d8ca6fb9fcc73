"""Random programs of views, writes in place and operations: values and gradients are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn

VIEWS: list[Any] = [
    lambda y: y[0],
    lambda y: y[-1:],
    lambda y: y[:, 1:],
    lambda y: y[..., 0],
    lambda y: y[None],
    lambda y: y.t(),
    lambda y: y.transpose(0, -1),
    lambda y: y.view(-1),
    lambda y: y.reshape(-1),
    lambda y: y.reshape(2, -1),
    lambda y: y.unsqueeze(1),
    lambda y: y.squeeze(),
    lambda y: y.flatten(),
    lambda y: y.diagonal(),
    lambda y: y.narrow(0, 1, 2),
    lambda y: y.select(-1, 1),
    lambda y: y.detach(),
    lambda y: y.unfold(-1, 2, 2),
    lambda y: y.movedim(0, -1),
    lambda y: y[::2],
]
WRITES: list[Any] = [
    lambda t, y, z: y.add_(1.5),
    lambda t, y, z: y.mul_(2),
    lambda t, y, z: y.add_(z),
    lambda t, y, z: y.mul_(z),
    lambda t, y, z: y.sub_(z * 2),
    lambda t, y, z: y.copy_(z),
    lambda t, y, z: y.fill_(0.5),
    lambda t, y, z: y.exp_(),
    lambda t, y, z: y.tanh().add_(1),
    lambda t, y, z: y.clamp_(-1, 1),
    lambda t, y, z: y.masked_fill_(y > 0.5, 0.25),
    lambda t, y, z: y.__setitem__(0, 0.75),
    lambda t, y, z: y.__setitem__((Ellipsis, 0), z.sum()),
    lambda t, y, z: y.__setitem__(y < 0, 0.1),
    lambda t, y, z: y.__setitem__([0], z.mean()),
    lambda t, y, z: y.__iadd__(z.sum()),
    lambda t, y, z: y.requires_grad and y.square_(),
]
USES: list[Any] = [
    lambda t, y, z: y * z,
    lambda t, y, z: y * y,
    lambda t, y, z: y.clone(),
    lambda t, y, z: y.sin(),
    lambda t, y, z: t.cat([y.reshape(-1), z.reshape(-1)]),
    lambda t, y, z: y.sum(0, keepdim=True) * z.mean(),
]

step = st.tuples(st.sampled_from(["view", "view", "write", "write", "use"]), *(st.integers(0, 1000),) * 3)


def run(t: Any, x: Any, program: list[tuple[str, int, int, int]]) -> tuple[list[Any], list[int]]:
    """The tensors that the program made, and the numbers of the steps that were refused."""
    pool, refused = [x * 1, x * x, x.t() * 2], []  # the last lies transposed in memory
    for number, (kind, which, first, second) in enumerate(program):
        y, z = pool[first % len(pool)], pool[second % len(pool)]
        try:
            if kind == "view":
                pool.append(VIEWS[which % len(VIEWS)](y))
            elif kind == "write":
                WRITES[which % len(WRITES)](t, y, z * 1)  # not overlapping: there PyTorch's results are undefined
            else:
                pool.append(USES[which % len(USES)](t, y, z))
        except (RuntimeError, ValueError, IndexError, TypeError):
            refused.append(number)
    return pool, refused


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(step, min_size=2, max_size=9))
def test_programs(program: list[tuple[str, int, int, int]]) -> None:
    values = np.random.default_rng(len(program)).standard_normal((3, 4)) * 0.3
    grads: list[Any] = []
    pools, refusals = [], []
    for t, x in (
        (minicnn, minicnn.tensor(values, requires_grad=True)),
        (torch, torch.tensor(values, requires_grad=True)),
    ):
        pool, refused = run(t, x, program)
        pools.append(pool)
        refusals.append(refused)
        loss = sum((p * (i + 1)).sum() for i, p in enumerate(pool))
        try:
            loss.backward()
            grads.append(x.grad.numpy())
        except RuntimeError:
            grads.append(None)
    if refusals[0] != refusals[1]:  # PyTorch refuses copies between overlapping views, and more views of strided memory
        assert min(set(refusals[0]) ^ set(refusals[1])) in refusals[1]
        return
    for a, b in zip(*pools, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-12)
        assert a.requires_grad == b.requires_grad
    if grads[1] is not None:  # PyTorch keeps more than it needs of some operations, and then refuses
        np.testing.assert_allclose(grads[0], grads[1], rtol=1e-11, atol=1e-11)
