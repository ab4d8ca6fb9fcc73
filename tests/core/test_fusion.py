"""Steps computed in one: how many kernel calls a network makes, and that nobody who looks can tell."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from minicnn_kernels import registry

import minicnn
import minicnn.nn.functional as F
from minicnn import nn
from minicnn.core import record
from minicnn.core.errors import AnomalyError, AutogradError


@pytest.fixture(autouse=True)
def _numpy() -> Iterator[None]:
    minicnn.manual_seed(0)
    with minicnn.use_backend("numpy"):
        yield


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each kernel was looked up, which is once for each call."""
    counted: Counter[str] = Counter()
    select = registry.select

    def count(operation: str, arguments: Any) -> Any:
        counted[operation] += 1
        return select(operation, arguments)

    monkeypatch.setattr(registry, "select", count)
    return counted


class Block(nn.Module):
    """The residual block of ResNet, as torchvision writes it."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Any) -> Any:
        identity = x
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        out += identity
        return self.relu(out)


def image(channels: int = 4, **options: Any) -> Any:
    return minicnn.randn(2, channels, 5, 5, **options)


def both(model: nn.Module, x: Any) -> list[list[np.ndarray]]:
    """The result and all gradients, fused and step by step, from the same state."""
    found = []
    state = {name: t.clone() for name, t in model.state_dict().items()}
    for fused in (True, False):
        model.load_state_dict(state)
        model.zero_grad()
        leaf = x.detach().clone().requires_grad_()
        with minicnn.set_fusion_enabled(fused):
            y = model(leaf)
            (y * y).sum().backward()
        arrays = [y, leaf.grad, *(p.grad for p in model.parameters()), *model.buffers()]
        found.append([t.detach().numpy().copy() for t in arrays])
    return found


def assert_same(model: nn.Module, x: Any) -> None:
    fused, plain = both(model, x)
    for a, b in zip(fused, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * max(float(np.abs(b).max(initial=0)), 1e-3))


# ----------------------------------------------------------------- it happens


def test_a_residual_block_in_training(calls: Counter[str]) -> None:
    block, x = Block(), image(requires_grad=True)
    y = block(x)
    assert calls == {"conv2d.forward": 2, "batch_norm.statistics": 2, "batch_norm.normalize": 2}
    calls.clear()
    y.sum().backward()
    assert calls == {"batch_norm.grad": 2, "conv2d.grad_input": 2, "conv2d.grad_weight": 2}
    assert_same(block, x)


def test_a_residual_block_in_evaluation(calls: Counter[str]) -> None:
    block, x = Block().eval(), image()
    for buffer in block.buffers():
        if buffer.ndim:
            buffer.uniform_(0.5, 1.5)
    with minicnn.no_grad():
        y = block(x)
        assert calls == {"conv2d.forward": 2}
        calls.clear()
        with minicnn.set_fusion_enabled(False):
            plain = block(x)
    assert calls == {"conv2d.forward": 2, "batch_norm.normalize": 2, "relu.forward": 2}
    np.testing.assert_allclose(y.numpy(), plain.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("last", [nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.ReLU6(inplace=True)], ids=repr)
@pytest.mark.parametrize("norm", [True, False])
def test_a_convolution_a_norm_and_a_rectifier(calls: Counter[str], last: nn.Module, norm: bool) -> None:
    model = nn.Sequential(nn.Conv2d(4, 3, 3), *([nn.BatchNorm2d(3)] if norm else []), last)
    model(image())
    assert sum(calls.values()) == (3 if norm else 1)
    assert_same(model, image())


def test_frozen_statistics_with_gradients(calls: Counter[str]) -> None:
    """The norm's gradient needs its input, so the convolution is computed; norm, sum and rectifier still are one."""
    block, x = Block().eval(), image(requires_grad=True)
    y = block(x)
    assert calls == {"conv2d.forward": 2, "batch_norm.normalize": 2}
    calls.clear()
    y.sum().backward()
    assert calls == {"batch_norm.grad": 2, "conv2d.grad_input": 2, "conv2d.grad_weight": 2}
    assert_same(block, x)


@pytest.mark.parametrize("limits", [(-0.5, 0.5), (None, 0.2), (0, None), (0.5, -0.5), (float("nan"), 1)])
def test_numbers_as_limits_without_gradients(limits: Any) -> None:
    class Clipped(nn.Conv2d):
        def forward(self, x: Any) -> Any:
            y = super().forward(x)
            z = y.clamp(*limits)
            self.waits = y._deferred is not None
            return z

    model, x = Clipped(4, 4, 3), image()
    for recorded in (True, False):
        with minicnn.set_grad_enabled(recorded):
            y = model(x).detach()
            assert model.waits == (not recorded and limits in [(-0.5, 0.5), (None, 0.2), (0, None)])
            with minicnn.set_fusion_enabled(False):
                np.testing.assert_array_equal(y.numpy(), model(x).detach().numpy())


def test_both_branches_wait_and_one_is_the_others_residual(calls: Counter[str]) -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = (nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)) for _ in range(2))

        def forward(self, x: Any) -> Any:
            return F.relu(self.left(x) + self.right(x))

    model, x = Fork(), image()
    model(x).sum().backward()
    assert calls["relu.forward"] == calls["relu.grad"] == 0
    assert calls["batch_norm.normalize"] == calls["batch_norm.grad"] == 2
    assert_same(model, x)


@pytest.mark.parametrize("kind", [minicnn.float16, minicnn.float32, minicnn.float64])
def test_every_type_and_an_empty_batch(kind: Any) -> None:
    block = Block().to(kind).eval()
    with minicnn.no_grad():
        for n in (0, 2):
            x = minicnn.randn(n, 4, 5, 5).to(kind)
            y = block(x)
            with minicnn.set_fusion_enabled(False):
                plain = block(x)
            assert (y.dtype, y.shape) == (kind, plain.shape)
            tolerance = 1e-2 if kind == minicnn.float16 else 1e-5
            np.testing.assert_allclose(y.numpy(), plain.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "join",
    [
        lambda y, x: y + x.double(),
        lambda y, x: y + x[:1],
        lambda y, x: y + x[:, :, :1, :1],
        lambda y, x: y + 1,
        lambda y, x: y + y,
        lambda y, x: y - x,
        lambda y, x: (y + x) + x,
    ],
)
def test_sums_of_another_kind(join: Any) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(4)

        def forward(self, x: Any) -> Any:
            return F.relu(join(self.norm(x), x))

    assert_same(Sum(), image())


# ------------------------------------------------------------ nobody can tell


def names(node: Any) -> list[str]:
    """The names of all nodes that ``next_functions`` leads to."""
    return [node.name(), *(name for n, _ in node.next_functions if n is not None for name in names(n))]


@pytest.mark.parametrize("after_backward", [False, True])
def test_every_step_is_in_the_graph(after_backward: bool) -> None:
    block, x = Block(), image(requires_grad=True)
    y = block(x)
    with minicnn.set_fusion_enabled(False):
        plain = block(x)
    if after_backward:
        y.sum().backward()
    assert names(y.grad_fn) == names(plain.grad_fn)


def test_the_record_has_every_step_and_its_numbers() -> None:
    block, x = Block().eval(), image()
    with minicnn.no_grad(), record() as steps:
        block(x)
    assert [step.function.operation for step in steps] == [
        *("Conv2d", "BatchNormFixed", "relu", "Conv2d", "BatchNormFixed", "AddInto", "relu")
    ]


def test_gradients_of_gradients_go_step_by_step() -> None:
    model, x = nn.Sequential(nn.Conv2d(4, 2, 3), nn.ReLU()), image().double().requires_grad_()
    assert minicnn.autograd.gradgradcheck(model.double(), [x])
    y = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())(image(requires_grad=True))
    with pytest.raises(AutogradError, match="gradient of BatchNorm cannot itself be differentiated"):
        y.sum().backward(create_graph=True)


def test_anomaly_detection_names_the_step() -> None:
    model, x = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), image()
    with minicnn.autograd.detect_anomaly(), pytest.raises(AnomalyError, match="forward of BatchNorm made the first"):
        model(minicnn.full_like(x, float("nan")))
    y = model(x)  # one pass; only its backward is watched
    with minicnn.autograd.detect_anomaly(), pytest.raises(AnomalyError, match="backward of relu made the first"):
        y.backward(minicnn.full_like(y, float("nan")))


def test_a_forward_hook_is_given_numbers_and_may_change_them(calls: Counter[str]) -> None:
    block, x = Block(), image(requires_grad=True)
    kept: dict[str, Any] = {}
    block.bn2.register_forward_hook(lambda module, args, out: kept.update(bn2=out))
    block.conv1.register_forward_hook(lambda module, args, out: out * 2)
    block(x)
    assert calls["batch_norm.normalize"] == 2
    assert calls["relu.forward"] == 1  # after bn1 it is still part of the norm
    assert kept["bn2"].grad_fn is not None
    assert_same(block, x)


def test_backward_hooks_of_modules() -> None:
    block, x = Block(), image(requires_grad=True)
    found: list[Any] = []
    block.bn2.register_full_backward_hook(lambda module, gi, go: found.append((gi[0].numpy(), go[0].numpy())))
    block(x).sum().backward()
    with minicnn.set_fusion_enabled(False):
        block(x).sum().backward()
    for a, b in zip(found[0], found[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


class Open(nn.Module):
    """Norm, sum and rectifier, not in place; keeps what it computed on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Any) -> Any:
        y = self.norm(x)
        z = y + x
        self.kept = y, z
        return F.relu(z)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("look", ["hook", "retain_grad", "grad", "backward to", "another use"])
def test_looking_at_a_step_afterwards(look: str, which: int) -> None:
    def gradients(fused: bool) -> list[Any]:
        minicnn.manual_seed(1)
        model, x = Open(), image(requires_grad=True)
        with minicnn.set_fusion_enabled(fused):
            out = model(x)
        assert bool(out.grad_fn.passed_over) == fused
        t, seen = model.kept[which], []
        loss = (out * out).sum()
        if look == "hook":
            t.register_hook(lambda grad: seen.append(grad) or grad * 2)
        elif look == "retain_grad":
            t.retain_grad()
        elif look == "another use":
            loss = loss + (t * t).sum()
        elif look == "grad":
            seen += minicnn.autograd.grad(loss, [t, x], retain_graph=True)
        else:
            loss.backward(inputs=[t, x], retain_graph=True)
        loss.backward()
        return [t.grad if t.retains_grad else x.grad, x.grad, *seen, *(p.grad for p in model.parameters())]

    for a, b in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_a_hook_that_looks_while_backward_runs() -> None:
    """The gradient has set out on the shortcut's side of the graph; the step appears before it gets there."""
    found = []
    for fused in (True, False):
        minicnn.manual_seed(1)
        model, x = Open(), image(requires_grad=True)
        with minicnn.set_fusion_enabled(fused):
            out = model(x)
        seen: list[Any] = []
        out.register_hook(lambda grad, seen=seen, y=model.kept[0]: y.register_hook(seen.append) and None)
        (gradient,) = minicnn.autograd.grad(out.sum(), x)
        found.append((gradient.numpy(), seen[0].numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_step_that_two_sums_use_is_not_passed_over() -> None:
    class Two(Open):
        def forward(self, x: Any) -> Any:
            y = self.norm(x)
            return F.relu(y + x) + F.relu(y + x * 2)

    assert_same(Two(), image())


def test_backward_twice() -> None:
    model, x = Open(), image(requires_grad=True)
    loss = model(x).sum()
    loss.backward(retain_graph=True)
    first = x.grad.clone()
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * first.numpy(), rtol=1e-6)
    with pytest.raises(AutogradError, match="a second time"):
        loss.backward()
    with pytest.raises(AutogradError, match="a second time"):  # as if it had been gone through
        model.kept[0].sum().backward()


def test_what_a_norm_kept_is_freed_in_backward() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block, self.norm = Block(), nn.BatchNorm2d(4)

        def forward(self, x: Any) -> Any:
            middle = x * 2
            self.middle = weakref.ref(middle._array)
            return F.relu(self.norm(middle))

    model, x = Net(), image(requires_grad=True)
    gc.disable()
    try:
        y = model(x)
        assert model.middle() is not None
        y.sum().backward()
        assert y.grad_fn is not None
        assert model.middle() is None
    finally:
        gc.enable()


def test_no_cycle_keeps_a_network_alive() -> None:
    alive: list[Any] = []
    gc.collect()
    gc.disable()
    try:
        model, x = Open(), image(requires_grad=True)
        y = model(x)
        alive = [weakref.ref(t) for t in (y, *model.kept, y.grad_fn, *y.grad_fn.passed_over)]
        del y, model
        assert not [r() for r in alive if r() is not None]
    finally:
        gc.enable()
