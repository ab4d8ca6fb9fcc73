"""A gradient that waits for the step that uses it: nobody can tell."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from minicnn_kernels.registry import own, replaced
from minicnn_kernels.watching import watch

import minicnn
from minicnn import nn
from minicnn.core import record
from minicnn.nn import functional as F

C = 6
FUSED, APART = "conv2d.grad_input_normalized", "batch_norm.grad_joined"


@pytest.fixture(autouse=True)
def numba_backend() -> Iterator[None]:
    with minicnn.use_backend("numba"):
        yield


class Dense(nn.Module):
    """Dense layers, of which ``steps(net, x, i)`` computes each from the features of all before, joined."""

    def __init__(self, steps: Callable[..., Any]) -> None:
        super().__init__()
        self.steps = steps
        self.norms = nn.ModuleList([nn.BatchNorm2d(C * i) for i in range(1, 5)])
        self.convs = nn.ModuleList([nn.Conv2d(C * i, 8, 1, bias=False) for i in range(1, 5)])
        self.others = nn.ModuleList([nn.Conv2d(C * i, C, 1) for i in range(1, 5)])
        self.spread = nn.Conv2d(8, C, 3, padding=1)
        self.scale = nn.Parameter(minicnn.ones(8, 1, 1, 1))
        self.seen: list[Any] = []

    def forward(self, x: Any) -> Any:
        x = x * 1
        for i in range(4):
            x = minicnn.cat([x, self.steps(self, x, i)], 1)
        return x


def normed(net: Dense, x: Any, i: int) -> Any:
    return F.relu(net.norms[i](x), inplace=True)


def plain(net: Dense, x: Any, i: int) -> Any:
    return net.spread(net.convs[i](normed(net, x, i)))


def no_rectifier(net: Dense, x: Any, i: int) -> Any:
    return net.spread(net.convs[i](net.norms[i](x)))


def cut_off(net: Dense, x: Any, i: int) -> Any:
    return net.spread(net.convs[i](F.relu6(net.norms[i](x))))


def two_users(net: Dense, x: Any, i: int) -> Any:
    y = normed(net, x, i)
    return net.spread(net.convs[i](y)) + net.others[i](y)


def used_twice(net: Dense, x: Any, i: int) -> Any:
    y = normed(net, x, i)
    return net.spread(net.convs[i](y) + net.convs[i](y))


def summed_too(net: Dense, x: Any, i: int) -> Any:
    y = normed(net, x, i)
    total = y.mean()
    return net.spread(net.convs[i](y)) * total


def hooked(net: Dense, x: Any, i: int) -> Any:
    y = normed(net, x, i)
    y.register_hook(lambda grad: net.seen.append(grad.detach().numpy().copy()))
    return net.spread(net.convs[i](y))


def replaced_by_a_hook(net: Dense, x: Any, i: int) -> Any:
    y = normed(net, x, i)
    y.register_hook(lambda grad: grad * 2)
    return net.spread(net.convs[i](y))


def hooks_around(net: Dense, x: Any, i: int) -> Any:
    z = net.convs[i](normed(net, x, i))
    z.register_hook(lambda grad: net.seen.append(grad))
    x.register_hook(lambda grad: net.seen.append(grad.detach().numpy().copy()))
    return net.spread(z)


def changes_the_weight(net: Dense, x: Any, i: int) -> Any:
    """Before the step that uses the gradient, and after the one whose gradient it is."""

    def change(grad: Any) -> None:
        with minicnn.no_grad():
            net.convs[i].weight.data.mul_(2)

    y = normed(net, x, i)
    y.register_hook(change)
    return net.spread(net.convs[i](y))


def kept(net: Dense, x: Any, i: int) -> Any:
    y = normed(net, x, i)
    z = net.convs[i](y)
    for t in (y, z):
        t.retain_grad()
        net.seen.append(t)
    return net.spread(z)


def norm_kept(net: Dense, x: Any, i: int) -> Any:
    y = net.norms[i](x)
    z = net.convs[i](F.relu(y))
    y.retain_grad()
    net.seen.append(y)
    return net.spread(z)


def made_weight(net: Dense, x: Any, i: int) -> Any:
    weight = net.convs[i].weight * net.scale
    return net.spread(F.conv2d(normed(net, x, i), weight))


def made_weight_late(net: Dense, x: Any, i: int) -> Any:
    y = normed(net, x, i)
    weight = net.convs[i].weight * net.scale

    def change(grad: Any) -> None:
        with minicnn.no_grad():
            weight.data.mul_(2)

    weight.register_hook(change)
    return net.spread(F.conv2d(y, weight))


def strided(net: Dense, x: Any, i: int) -> Any:
    y = F.conv2d(normed(net, x, i), net.convs[i].weight, stride=2)
    return net.spread(F.interpolate(y, size=x.shape[2:]))


def padded(net: Dense, x: Any, i: int) -> Any:
    return net.spread(F.conv2d(normed(net, x, i), net.convs[i].weight, padding=1)[:, :, 1:-1, 1:-1])


def residual(net: Dense, x: Any, i: int) -> Any:
    return net.spread(net.convs[i](F.relu(net.norms[i](x) + x)))


STEPS = [
    *(plain, no_rectifier, cut_off, two_users, used_twice, summed_too, hooked, replaced_by_a_hook, hooks_around),
    *(changes_the_weight, kept, norm_kept, made_weight, made_weight_late, strided, padded, residual),
]


def made(steps: Callable[..., Any], dtype: Any = minicnn.float64) -> tuple[Dense, Any]:
    minicnn.manual_seed(0)
    net = Dense(steps).to(dtype)
    with minicnn.no_grad():
        for norm in net.norms:
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return net, minicnn.randn(3, C, 5, 4, dtype=dtype).requires_grad_()


def arrays(values: Any) -> list[np.ndarray]:
    return [v.detach().numpy() if isinstance(v, minicnn.Tensor) else v for v in values]


def run(steps: Callable[..., Any], fused: bool, times: int = 1) -> list[np.ndarray]:
    """Result, gradients, and what was seen."""
    net, x = made(steps)
    with minicnn.set_fusion_enabled(fused):
        y = net(x)
        for _ in range(times):
            (y**2).sum().backward(retain_graph=times > 1)
    seen = [v.grad if isinstance(v, minicnn.Tensor) and v.grad is not None else v for v in net.seen]
    return arrays([y, x.grad, *(p.grad for p in net.parameters() if p.grad is not None), *seen])


def assert_close(values: list[np.ndarray], truths: list[np.ndarray]) -> None:
    for value, truth in zip(values, truths, strict=True):
        np.testing.assert_allclose(value, truth, rtol=1e-9, atol=1e-9 * np.abs(truth).max(initial=1))


@pytest.mark.parametrize("steps", STEPS)
def test_as_one_by_one(steps: Callable[..., Any]) -> None:
    assert_close(run(steps, True), run(steps, False))


@pytest.mark.parametrize("steps", [plain, kept])
def test_backward_twice(steps: Callable[..., Any]) -> None:
    assert_close(run(steps, True, 2), run(steps, False, 2))


@pytest.mark.parametrize("steps", [plain, kept, two_users])
def test_gradients_for_some_tensors(steps: Callable[..., Any]) -> None:
    found = []
    for fused in (True, False):
        net, x = made(steps)
        with minicnn.set_fusion_enabled(fused):
            y = (net(x) ** 2).sum()
            found.append(arrays(minicnn.autograd.grad(y, [x, net.convs[2].weight, *net.seen], retain_graph=True)))
            y.backward(inputs=[net.norms[1].weight, *net.seen[:1]])
            found[-1] += arrays([net.norms[1].weight.grad, *(t.grad for t in net.seen[:1])])
            assert x.grad is None
    assert_close(*found)


def calls(steps: Callable[..., Any]) -> list[str]:
    net, x = made(steps, minicnn.float32)
    found: list[str] = []
    y = net(x).sum()
    with watch(lambda call: found.append(call.operation)):
        y.backward()
    return found


@pytest.mark.parametrize("steps", [plain, no_rectifier, cut_off, hooks_around, made_weight])
def test_the_gradient_between_is_never_made(steps: Callable[..., Any]) -> None:
    found = calls(steps)
    assert found.count(FUSED) == 3  # the first layer has one input, which is not joined
    assert found.count("conv2d.grad_input") == 4 + 1
    assert APART not in found


@pytest.mark.parametrize(
    "steps", [two_users, used_twice, summed_too, hooked, kept, made_weight_late, strided, residual]
)
def test_where_it_is_made(steps: Callable[..., Any]) -> None:
    assert FUSED not in calls(steps)


def test_what_stops_it() -> None:
    with minicnn.set_fusion_enabled(False):
        assert FUSED not in calls(plain)
    with minicnn.autograd.detect_anomaly():
        assert FUSED not in calls(plain)
    net, x = made(plain)
    y, seen = net(x).sum(), []
    with watch(lambda call: seen.append(call.operation)), minicnn.set_fusion_enabled(False):
        y.backward()
    assert FUSED not in seen


def test_with_anomaly_detection() -> None:
    with minicnn.autograd.detect_anomaly():
        found = run(plain, True)
    assert_close(found, run(plain, False))


def test_records_see_every_step() -> None:
    net, x = made(plain)
    y = net(x).sum()
    with record() as steps:
        y.backward()
    names = [step.function.operation for step in steps]
    assert names.count("ConvGradInput") == 4 + 4


def test_another_backend() -> None:
    found = []
    for backend in ("numpy", "numba"):
        net, x = made(plain)
        y = (net(x) ** 2).sum()
        with minicnn.use_backend(backend):
            y.backward()
        found.append(arrays([x.grad, *(p.grad for p in net.parameters() if p.grad is not None)]))
    assert_close(*found)


def test_a_replaced_kernel_is_called() -> None:
    shapes, kernel = [], own("numba", "conv2d.grad_input").function

    def mine(grad_y: Any, w: Any, *others: Any) -> Any:
        shapes.append(w.shape[2:])
        return kernel(grad_y, w, *others)

    net, x = made(plain)
    y = net(x)
    with replaced({"conv2d.grad_input": mine}):
        (y**2).sum().backward()
    assert shapes.count((1, 1)) == 4
    assert_close(arrays([y, x.grad]), run(plain, False)[:2])


def test_no_cycle_is_left() -> None:
    net, x = made(plain)
    net(x).sum().backward()
    gc.collect()
    net(x).sum().backward()
    assert gc.collect() == 0
