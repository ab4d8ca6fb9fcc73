"""Concatenations that wait, and gradients that are added up in place: nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from minicnn_kernels.watching import watch

import minicnn
from minicnn import nn
from minicnn.core.errors import AutogradError
from minicnn.nn import functional as F
from minicnn.ops.joins import waiting_join

C = 6  # channels of the first part, and of each that is added


class Block(nn.Module):
    """Norms and convolutions, joined as ``steps(block, x)`` says."""

    def __init__(self, steps: Callable[..., Any]) -> None:
        super().__init__()
        self.steps = steps
        self.norms = nn.ModuleList([nn.BatchNorm2d(C * i) for i in range(1, 6)])
        self.convs = nn.ModuleList([nn.Conv2d(C * i, C, 3, padding=1, bias=False) for i in range(1, 6)])
        self.seen: dict[str, Any] = {}

    def normed(self, x: Any) -> Any:
        return self.norms[x.shape[1] // C - 1](x)

    def layer(self, x: Any) -> Any:
        return self.convs[x.shape[1] // C - 1](F.relu(self.normed(x), inplace=True))

    def forward(self, x: Any) -> Any:
        return self.steps(self, x * 1)


def chain(block: Block, x: Any) -> Any:
    for _ in range(4):
        x = minicnn.cat([x, block.layer(x)], 1)
    return F.relu(block.normed(x))


def listed(block: Block, x: Any) -> Any:
    features = [x]
    for _ in range(4):
        features.append(block.layer(minicnn.cat(features, 1)))
    return F.relu(block.normed(minicnn.cat(features, 1)))


def no_rectifier(block: Block, x: Any) -> Any:
    for _ in range(3):
        x = minicnn.cat([x, block.convs[x.shape[1] // C - 1](block.normed(x))], 1)
    return block.normed(x)


def with_residual(block: Block, x: Any) -> Any:
    x = minicnn.cat([x, block.layer(x)], 1)
    return F.relu(block.normed(x) + x)


def looked_at(block: Block, x: Any) -> Any:
    x = minicnn.cat([x, block.layer(x)], 1)
    y = block.layer(x)
    block.seen["joined"] = x.detach().numpy().copy()
    return block.normed(minicnn.cat([x, y], 1))


def part_changed(block: Block, x: Any) -> Any:
    new = block.layer(x)
    x = minicnn.cat([x, new], 1)
    y = block.layer(x)
    new.mul_(3)
    return block.normed(minicnn.cat([x, y], 1)) + new.sum()


def join_changed(block: Block, x: Any) -> Any:
    x = minicnn.cat([x, block.layer(x)], 1)
    y = F.relu(block.normed(x))
    z = minicnn.cat([x, block.layer(x)], 1)
    x.add_(1)
    return F.relu(block.normed(z)).sum() + (x * y).sum()


def used_elsewhere(block: Block, x: Any) -> Any:
    first = minicnn.cat([x, block.layer(x)], 1)
    second = minicnn.cat([first, block.layer(first)], 1)
    third = minicnn.cat([second, block.layer(second)], 1)
    other = (first * first).sum() + second[:, 3:8].exp().sum() + (x * x).sum()
    return F.relu(block.normed(third)).sum() + other


def twice_the_same(block: Block, x: Any) -> Any:
    y = minicnn.cat([x, x], 1)
    return block.normed(minicnn.cat([y, y], 1))


def passed_on(block: Block, x: Any) -> Any:
    """A part that is the sum of a join's parts: its gradient passes through the sum unchanged."""
    a = minicnn.cat([x, block.layer(x)], 1)
    b = F.relu(block.normed(a)) + a
    return F.relu(block.normed(minicnn.cat([b, block.layer(a)], 1)))


def hooked(block: Block, x: Any) -> Any:
    gradients = block.seen.setdefault("gradients", [])
    for i in range(4):
        new = block.layer(x)
        if i != 1:
            new.register_hook(lambda g: gradients.append(g.detach().numpy().copy()))
        x = minicnn.cat([x, new], 1)
        if i == 2:
            x.register_hook(lambda g: g * 2)
    return F.relu(block.normed(x))


def changing_hook(block: Block, x: Any) -> Any:
    for i in range(3):
        x = minicnn.cat([x, block.layer(x)], 1)
        if i == 1:
            x.register_hook(lambda g: g.mul_(0.5))
    return F.relu(block.normed(x))


def retained(block: Block, x: Any) -> Any:
    for i in range(3):
        x = minicnn.cat([x, block.layer(x)], 1)
        x.retain_grad()
        block.seen[f"kept {i}"] = x
    return F.relu(block.normed(x))


def frozen(block: Block, x: Any) -> Any:
    block.eval()
    return chain(block, x)


STEPS = [
    *(chain, listed, no_rectifier, with_residual, looked_at, part_changed, used_elsewhere),
    *(twice_the_same, passed_on, hooked, changing_hook, retained, frozen),
]


def run(steps: Callable[..., Any], fused: bool, passes: int = 1) -> dict[str, Any]:
    """All that can be seen: outputs, gradients, statistics."""
    minicnn.manual_seed(0)
    block = Block(steps).double()
    x = minicnn.randn(3, C, 7, 5, dtype=minicnn.float64).requires_grad_()
    minicnn.set_fusion_enabled(fused)
    try:
        y = block(x)
        weights = minicnn.sin(minicnn.arange(float(y.numel()))).double().reshape(y.shape)
        loss = (y * weights).sum()
        for i in range(passes):
            loss.backward(retain_graph=i + 1 < passes)
    finally:
        minicnn.set_fusion_enabled(True)
    seen = {"y": y.detach().numpy(), "x.grad": x.grad.numpy()}
    seen |= {name: p.grad.numpy() for name, p in block.named_parameters() if p.grad is not None}
    seen |= {name: b.numpy() for name, b in block.named_buffers()}
    for name, value in block.seen.items():
        values = value if isinstance(value, list) else [value.grad.numpy() if hasattr(value, "grad") else value]
        seen |= {f"{name} {i}": v for i, v in enumerate(values)}
    return seen


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("steps", STEPS)
def test_nobody_can_tell(steps: Callable[..., Any], passes: int) -> None:
    fused, plain = run(steps, True, passes), run(steps, False, passes)
    assert fused.keys() == plain.keys()
    for name, truth in plain.items():
        np.testing.assert_allclose(fused[name], truth, rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("fused", [True, False])
def test_a_join_that_backward_needs_may_not_be_changed(fused: bool) -> None:
    with pytest.raises(AutogradError, match="changed in place"):
        run(join_changed, fused)


def test_nothing_is_joined_and_sums_are_made_in_place() -> None:
    calls: list[str] = []
    with watch(lambda call: calls.append(call.operation)):
        run(chain, True)
    assert "cat.forward" not in calls
    assert calls.count("add.forward") == 0
    assert calls.count("batch_norm.grad_joined") == 4
    assert calls.count("batch_norm.statistics") == 1 + 5  # of x, before it is joined, and of each part once
    assert calls.count("batch_norm.add_line") == 5


def test_waits_in_a_network_only() -> None:
    x = minicnn.ones(1, 2, 3, 3)
    assert waiting_join(minicnn.cat([x, x], 1)) is None
    seen = []
    block = Block(lambda self, x: seen.append(waiting_join(minicnn.cat([x, x], 1)) is not None) or x)
    block(minicnn.ones(1, C, 3, 3))
    assert seen == [True]


def test_a_part_held_as_an_array_is_copied() -> None:
    def steps(block: Block, x: Any) -> Any:
        held = x.detach().numpy()
        y = minicnn.cat([x, x], 1)
        held[...] = 7
        return y

    x = minicnn.randn(2, C, 3, 3)
    assert np.array_equal(Block(steps)(x).numpy()[:, :C], x.numpy())


def test_gradients_for_some_tensors() -> None:
    found = {}
    for fused in (True, False):
        minicnn.manual_seed(0)
        block = Block(retained).double()
        x = minicnn.randn(2, C, 4, 4, dtype=minicnn.float64).requires_grad_()
        minicnn.set_fusion_enabled(fused)
        try:
            y = (block(x) ** 2).sum()
            wanted = [block.seen["kept 1"], x, block.convs[0].weight]
            found[fused] = [g.numpy() for g in minicnn.autograd.grad(y, wanted)]
        finally:
            minicnn.set_fusion_enabled(True)
    for value, truth in zip(found[True], found[False], strict=True):
        np.testing.assert_allclose(value, truth, rtol=1e-9, atol=1e-10)


def test_gradients_of_gradients_are_refused_as_ever() -> None:
    x = minicnn.randn(2, C, 4, 4, requires_grad=True)
    y = Block(chain)(x).sum()
    with pytest.raises(AutogradError, match="create_graph=True"):
        minicnn.autograd.grad(y, x, create_graph=True)
