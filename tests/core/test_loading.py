"""Batch norms that a 1x1 convolution does while it loads its input: nobody can tell."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from minicnn_kernels.registry import own, replaced
from minicnn_kernels.watching import watch

import minicnn
from minicnn import nn
from minicnn.core import record
from minicnn.core.errors import AutogradError
from minicnn.nn import functional as F
from minicnn.ops.loading import Rectified

C = 6


@pytest.fixture(autouse=True)
def numba_backend() -> Iterator[None]:
    with minicnn.use_backend("numba"):
        yield


class Net(nn.Module):
    """A convolution, and what ``steps(net, x)`` says."""

    def __init__(self, steps: Callable[..., Any]) -> None:
        super().__init__()
        self.steps = steps
        self.first = nn.Conv2d(C, C, 3, padding=1)
        self.norm, self.relu = nn.BatchNorm2d(C), nn.ReLU()
        self.conv, self.other = nn.Conv2d(C, 4, 1), nn.Conv2d(C, 4, 1, bias=False)
        self.after, self.strided = nn.BatchNorm2d(4), nn.Conv2d(C, 4, 1, stride=2)
        self.wide_norm, self.wide = nn.BatchNorm2d(2 * C), nn.Conv2d(2 * C, 4, 1)
        self.seen: dict[str, Any] = {}

    def forward(self, x: Any) -> Any:
        return self.steps(self, x * 1)


def bottleneck(net: Net, x: Any) -> Any:
    return F.relu(net.after(net.conv(net.relu(net.norm(net.first(x))))))


def in_place(net: Net, x: Any) -> Any:
    return net.conv(F.relu6(net.norm(net.first(x)), inplace=True))


def no_rectifier(net: Net, x: Any) -> Any:
    return net.conv(net.norm(net.first(x)))


def joined(net: Net, x: Any) -> Any:
    return net.wide(F.relu(net.wide_norm(minicnn.cat([x, net.first(x)], 1)), inplace=True))


def two_convolutions(net: Net, x: Any) -> Any:
    y = F.relu(net.norm(net.first(x)))
    return net.conv(y) + net.other(y)


def another_user(net: Net, x: Any) -> Any:
    y = F.relu(net.norm(net.first(x)))
    return net.conv(y) + y.mean() + net.first(y).sum()


def used_before(net: Net, x: Any) -> Any:
    y = F.relu(net.norm(net.first(x)))
    total = y.sum()
    return net.conv(y) + total


def looked_at(net: Net, x: Any) -> Any:
    y = F.relu(net.norm(net.first(x)))
    z = net.conv(y)
    net.seen["y"] = y.detach().numpy().copy()
    return z


def kept(net: Net, x: Any) -> Any:
    net.seen["kept"] = y = F.relu(net.norm(net.first(x)))
    if y.requires_grad:
        y.retain_grad()
    return net.conv(y)


def hooked(net: Net, x: Any) -> Any:
    y = F.relu(net.norm(net.first(x)))
    if y.requires_grad:
        y.register_hook(lambda grad: grad * 2)
    return net.conv(y)


def rectifier_and_norm(net: Net, x: Any) -> Any:
    y = net.norm(net.first(x))
    return net.conv(F.relu(y)) + net.other(y)


def with_a_residual(net: Net, x: Any) -> Any:
    return net.conv(F.relu(net.norm(net.first(x)) + x))


def stride(net: Net, x: Any) -> Any:
    return net.strided(F.relu(net.norm(net.first(x))))


def rectified_twice(net: Net, x: Any) -> Any:
    return net.conv(F.relu6(F.relu(net.norm(net.first(x)))) * 1)


def bias_changed(net: Net, x: Any) -> Any:
    y = net.conv(F.relu(net.norm(net.first(x))))
    with minicnn.no_grad():
        net.norm.bias.add_(0.5)
    return y


def changed_before(net: Net, x: Any) -> Any:
    return net.conv(F.relu(net.norm(net.first(x))).mul_(2))


STEPS = [
    *(bottleneck, in_place, no_rectifier, joined, two_convolutions, another_user, used_before, looked_at, kept, hooked),
    *(rectifier_and_norm, with_a_residual, stride, rectified_twice, bias_changed),
]


def made(steps: Callable[..., Any], dtype: Any = minicnn.float64) -> tuple[Net, Any]:
    minicnn.manual_seed(0)
    net = Net(steps).to(dtype)
    with minicnn.no_grad():
        for norm in (net.norm, net.wide_norm):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return net, minicnn.randn(3, C, 5, 4, dtype=dtype)


def run(steps: Callable[..., Any], fused: bool, training: bool = True, times: int = 1) -> list[np.ndarray]:
    """Result, gradients, statistics, and what was seen."""
    net, x = made(steps)
    net.train(training)
    x.requires_grad_()
    with minicnn.set_fusion_enabled(fused):
        y = net(x)
        for _ in range(times):
            (y**2).sum().backward(retain_graph=times > 1)
    found = [y, x.grad, *(p.grad for p in net.parameters() if p.grad is not None), *net.buffers()]
    for t in net.seen.values():
        found += [t, t.grad] if isinstance(t, minicnn.Tensor) else [minicnn.tensor(t)]
    return [t.detach().numpy() for t in found]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("steps", STEPS)
def test_as_one_by_one(steps: Callable[..., Any], training: bool) -> None:
    for value, truth in zip(run(steps, True, training), run(steps, False, training), strict=True):
        np.testing.assert_allclose(value, truth, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("steps", [*STEPS, changed_before])
def test_without_gradients(steps: Callable[..., Any], training: bool) -> None:
    found = []
    for fused in (True, False):
        net, x = made(steps)
        with minicnn.no_grad(), minicnn.set_fusion_enabled(fused):
            found.append(net.train(training)(x).numpy())
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("steps", [bottleneck, joined])
def test_backward_twice(steps: Callable[..., Any]) -> None:
    for value, truth in zip(run(steps, True, times=2), run(steps, False, times=2), strict=True):
        np.testing.assert_allclose(value, truth, rtol=1e-9, atol=1e-10)


def operations(steps: Callable[..., Any], backward: bool = True, training: bool = True) -> list[str]:
    net, x = made(steps, minicnn.float32)
    calls: list[str] = []
    with watch(lambda call: calls.append(call.operation)), minicnn.set_grad_enabled(backward):
        y = net.train(training)(x)
        if backward:
            y.sum().backward()
    return calls


@pytest.mark.parametrize("steps", [bottleneck, in_place, no_rectifier, joined, two_convolutions])
def test_the_normalised_array_is_never_made(steps: Callable[..., Any]) -> None:
    calls = operations(steps)
    count = 2 if steps is two_convolutions else 1
    assert calls.count("conv2d.forward_normalized") == calls.count("conv2d.grad_weight_normalized") == count
    assert "batch_norm.normalize_joined" not in calls
    assert calls.count("batch_norm.normalize") == (1 if steps is bottleneck else 0)  # the last one


def test_in_evaluation_the_next_norm_is_folded_too() -> None:
    """Of a join: a norm after a convolution is part of that, so only the join's is left to load."""

    def steps(net: Net, x: Any) -> Any:
        return F.relu(net.after(joined(net, x)))

    assert operations(steps, False, False) == ["conv2d.forward", "conv2d.forward_normalized"]
    found = []
    for fused in (True, False):
        net, x = made(steps)
        with minicnn.no_grad(), minicnn.set_fusion_enabled(fused):
            net.eval()
            found.append(net(x).numpy())
            net.wide.bias.add_(1)
            found.append(net(x).numpy())
    np.testing.assert_allclose(found[:2], found[2:], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("steps", [stride, with_a_residual, used_before])
def test_where_it_is_made(steps: Callable[..., Any]) -> None:
    calls = operations(steps)
    assert "conv2d.forward_normalized" not in calls
    assert calls.count("batch_norm.normalize") == 1


def test_a_frozen_norm_is_made_where_its_gradient_reads_it() -> None:
    assert "conv2d.forward_normalized" not in operations(bottleneck, training=False)
    assert "conv2d.forward_normalized" in operations(joined, backward=False, training=False)


def test_other_backends_normalise_once() -> None:
    with minicnn.use_backend("numpy"):
        calls = operations(bottleneck)
    assert calls.count("batch_norm.normalize") == 2
    assert "conv2d.forward_normalized" not in calls


def test_a_backend_chosen_before_backward() -> None:
    net, x = made(bottleneck)
    y = net(x)
    with minicnn.use_backend("numpy"):
        (y**2).sum().backward()
    grads = [p.grad.numpy() for p in net.parameters() if p.grad is not None]
    net, x = made(bottleneck)
    (net(x) ** 2).sum().backward()
    for value, truth in zip(grads, [p.grad.numpy() for p in net.parameters() if p.grad is not None], strict=True):
        np.testing.assert_allclose(value, truth, rtol=1e-9, atol=1e-10)


def test_a_replaced_convolution_is_called() -> None:
    net, x = made(bottleneck)
    expected = net(x).detach().numpy()
    seen = []

    def mine(kernel: Any, x: Any, *others: Any) -> Any:
        seen.append(x.shape)
        return kernel(x, *others)

    net, x = made(bottleneck)
    with replaced({"conv2d.forward": partial(mine, own("numba", "conv2d.forward").function)}):
        y = net(x)
    assert len(seen) == 2
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-9, atol=1e-10)


def test_hooks_see_numbers() -> None:
    net, x = made(bottleneck)
    seen = []
    net.relu.register_forward_hook(lambda module, inputs, output: seen.append(output._deferred))
    net.conv.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]._deferred))
    net(x)
    assert seen == [None, None]


def test_records_see_every_step() -> None:
    net, x = made(bottleneck)
    with record() as steps:
        net(x)
    names = [step.function.operation for step in steps if step.function.operation != "Mul"]
    assert names == ["Conv2d", "BatchNorm", "relu"] * 2


def test_what_leaves_the_network_does_not_wait() -> None:
    def steps(net: Net, x: Any) -> Any:
        net.seen["y"] = F.relu(net.norm(net.first(x)))
        net.seen["waited"] = isinstance(net.seen["y"]._deferred, Rectified)
        return net.conv(net.seen["y"])

    net, x = made(steps)
    net(x)
    assert net.seen["waited"]
    assert net.seen["y"]._deferred is None


def test_another_convolution_before_it() -> None:
    """Then it is computed while what it is made of is in the caches."""

    def steps(net: Net, x: Any) -> Any:
        y = F.relu(net.norm(net.first(x)))
        waiting = y._deferred
        net.seen["before"] = waiting._array is None
        z = net.strided(x)
        net.seen["after"] = waiting._array is None
        return net.conv(y).sum() + z

    net, x = made(steps)
    net(x)
    assert (net.seen["before"], net.seen["after"]) == (True, False)


@pytest.mark.parametrize("change", ["result", "input"])
def test_a_change_in_place_after_it_is_refused(change: str) -> None:
    def steps(net: Net, x: Any) -> Any:
        x = net.first(x)
        y = F.relu(net.norm(x))
        z = net.conv(y)
        with minicnn.no_grad():
            (y if change == "result" else x).mul_(2)
        return z

    net, x = made(steps)
    y = net(x)
    with pytest.raises(AutogradError, match="changed in place"):
        y.sum().backward()


def test_no_cycle_is_left() -> None:
    net, x = made(bottleneck)
    net(x).sum().backward()
    gc.collect()
    net(x).sum().backward()
    net(x)
    assert gc.collect() == 0
