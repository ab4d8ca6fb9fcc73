"""The graph: going back once, twice, partly, deeply; hooks, switches, and what stays in memory."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn.autograd import grad
from minicnn.core.errors import AnomalyError, AutogradError


def leaf(*values: float) -> minicnn.Tensor:
    return minicnn.tensor(values, dtype=minicnn.float64, requires_grad=True)


def test_gradients_add_up_and_can_be_cleared() -> None:
    x = leaf(1, 2)
    for expected in ([2, 4], [4, 8]):
        (x * x).sum().backward()
        assert x.grad.tolist() == expected
    x.grad.zero_()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_backward_from_several_and_from_a_vector() -> None:
    x = leaf(1, 2)
    y = x * x
    y.backward(minicnn.tensor([1.0, 10.0], dtype=minicnn.float64))
    assert x.grad.tolist() == [2, 40]
    a, b = (x * 2).sum(), (x * 3).sum()
    x.grad = None
    minicnn.autograd.backward([a, b])
    assert x.grad.tolist() == [5, 5]
    with pytest.raises(AutogradError, match=r"only for a scalar; this tensor has shape \(2,\)"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"expected a gradient of shape \(2,\); got \(3,\)"):
        (x * 2).backward(minicnn.ones(3))
    with pytest.raises(AutogradError, match="does not require a gradient"):
        minicnn.ones(1).backward()


def test_a_second_time_needs_retain_graph() -> None:
    x = leaf(3)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12]
    with pytest.raises(AutogradError, match=r"a second time.*retain_graph=True"):
        y.backward()
    z = (x + 1).sum()  # sums keep nothing, so nothing is missing, as in PyTorch
    z.backward()
    z.backward()


def test_only_the_inputs_asked_for() -> None:
    x, w = leaf(2), leaf(5)
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None
    assert w.grad.tolist() == [2]
    h = x * w
    assert [g.tolist() for g in grad((h * h).sum(), [h, x])] == [[20], [100]]
    with pytest.raises(AutogradError, match=r"inputs\[1\] was not used"):
        grad((x * 2).sum(), [x, w])
    assert grad((x * 2).sum(), [x, w], allow_unused=True)[1] is None
    assert [g.tolist() for g in grad((x * 2).sum(), [x, x])] == [[2], [2]]
    with pytest.raises(AutogradError, match=r"inputs\[0\] does not require a gradient"):
        grad(x.sum(), minicnn.ones(1))


def test_what_is_not_asked_for_is_not_computed_nor_freed() -> None:
    x, w = leaf(2), leaf(5)
    h = x * x  # its saved arrays must survive grad(..., h)
    y = (h * w).sum()
    assert grad(y, h)[0].tolist() == [5]
    h.sum().backward()
    assert x.grad.tolist() == [4]


def test_third_derivatives() -> None:
    x = minicnn.tensor(2.0, requires_grad=True, dtype=minicnn.float64)
    y, derivatives = x**4, []
    for _ in range(4):
        (y,) = grad(y, x, create_graph=True)
        derivatives.append(y.item())
    assert derivatives == [32, 48, 48, 24]
    a = minicnn.tensor(0.7, requires_grad=True, dtype=minicnn.float64)
    b = torch.tensor(0.7, requires_grad=True, dtype=torch.float64)
    y, z = (a.sin() * a.exp()).log1p(), (b.sin() * b.exp()).log1p()
    for _ in range(3):
        (y,), (z,) = grad(y, a, create_graph=True), torch.autograd.grad(z, b, create_graph=True)
        assert abs(y.item() - z.item()) < 1e-11


def test_backward_with_create_graph_leaves_a_graph_on_grad() -> None:
    x = leaf(3)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (second,) = grad(x.grad.sum(), x)
    assert second.tolist() == [18]
    x.grad = None  # grad points to the graph, and the graph to x


def test_two_leaves_never_share_a_gradient() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    (x + w).sum().backward()
    assert not np.shares_memory(x.grad.numpy(), w.grad.numpy())
    x.grad.mul_(5)
    assert w.grad.tolist() == [1, 1]
    seed = minicnn.ones(2, dtype=minicnn.float64)
    y = leaf(1, 1)
    (y + 0).backward(seed)
    y.grad.mul_(7)
    assert seed.tolist() == [1, 1]
    z = leaf(1, 1)
    z.sum().backward()
    assert z.grad.numpy().flags.writeable
    a, b = leaf(1), leaf(2)
    (a * b).sum().backward()
    a.grad.mul_(9)
    assert b.detach().tolist() == [2]


def test_hooks() -> None:
    x, seen = leaf(1, 2), []
    y = x * 2
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    y.sum().backward()
    assert seen == [[1, 1], [21, 21]]
    handle.remove()
    handle.remove()
    (x * 0).sum().backward()
    assert seen[2:] == [[22, 22]]
    with pytest.raises(AutogradError, match="does not require a gradient"):
        minicnn.ones(1).register_hook(print)
    with pytest.raises(AutogradError, match="only leaves"):
        y.register_post_accumulate_grad_hook(print)


def test_retain_grad() -> None:
    x = leaf(1, 2)
    h = x * 3
    h.retain_grad()
    h.retain_grad()
    (h * h).sum().backward()
    assert h.grad.tolist() == [6, 12]
    assert x.grad.tolist() == [18, 36]
    assert not h.is_leaf


def test_detach_and_data() -> None:
    x = leaf(1, 2)
    y = (x * 2).detach()
    assert not y.requires_grad
    assert y.is_leaf
    assert np.shares_memory(x.detach().numpy(), x.data.numpy())
    (x * y).sum().backward()
    assert x.grad.tolist() == [2, 4]
    z = x * 2
    assert z.detach_() is z
    assert z.is_leaf
    with pytest.raises(AutogradError, match=r"x.detach\(\).numpy\(\)"):
        x.numpy()
    with pytest.raises(AutogradError, match="leaves only"):
        (x * 2).requires_grad = False


def test_switches() -> None:
    x = leaf(1)
    with minicnn.no_grad():
        assert not (x * 2).requires_grad
        with minicnn.enable_grad():
            assert (x * 2).requires_grad
        assert not minicnn.is_grad_enabled()
    with minicnn.set_grad_enabled(False), minicnn.inference_mode():
        assert not (x * 2).requires_grad
    assert minicnn.is_grad_enabled()

    @minicnn.no_grad()
    def plain(a: Any, *, b: int = 1) -> Any:
        """Documented."""
        return a * b

    @minicnn.no_grad
    def bare(a: Any) -> Any:
        return plain(a, b=2)

    assert not plain(x).requires_grad
    assert bare(x).tolist() == [2]
    assert plain.__doc__ == "Documented."
    with pytest.raises(ZeroDivisionError), minicnn.no_grad():
        raise ZeroDivisionError
    assert minicnn.is_grad_enabled()
    minicnn.set_grad_enabled(False)
    assert not minicnn.is_grad_enabled()
    minicnn.set_grad_enabled(True)
    seen: list[bool] = []
    with minicnn.no_grad():
        thread = threading.Thread(target=lambda: seen.append(minicnn.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_integer_results_do_not_require_a_gradient() -> None:
    x = leaf(3, 1)
    values, indices = x.sort()
    assert values.requires_grad
    assert not indices.requires_grad
    for t in (x.argmax(), x > 1, x.long(), x.isnan(), x.bool()):
        assert not t.requires_grad


@pytest.fixture
def _without_the_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_without_the_collector")
@pytest.mark.parametrize("length", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_long_chains_go_back_and_are_freed_without_recursion(length: int) -> None:
    x = leaf(1)
    y = x
    for _ in range(length):
        y = y + 1
    y.sum().backward()
    assert x.grad.tolist() == [1]
    del y
    y = x
    for _ in range(length):
        y = y * 1
    del y  # never went back: freeing must not recurse either


def test_a_wide_graph_visits_every_node_once() -> None:
    x = leaf(1)
    y = x
    for _ in range(60):
        y = y + y  # 2 ** 60 paths
    y.sum().backward()
    assert x.grad.tolist() == [2.0**60]


def representative(x: minicnn.Tensor, w: minicnn.Tensor) -> minicnn.Tensor:
    """A graph with views, writes in place, saved results, reductions, indexing and a product."""
    h = (x @ w).exp() * 1
    h[:, 0] += 1
    v = h[1:]
    v.mul_(x[1:, :1])
    h = h.view(-1)[2:].sigmoid() * h.t().reshape(-1)[2:]
    p = h.softmax(0) + h.std() + h.max() + h.norm() + h.cumsum(0) + h.prod()
    q = p.sort(descending=True).values[minicnn.tensor([0, 0, 1])].clamp(0, 1) ** 2
    return (minicnn.cat([q, p]) / p.max(0)[0]).mean()


@pytest.mark.slow
@pytest.mark.usefixtures("_without_the_collector")
def test_memory_is_freed_by_reference_count_alone() -> None:
    x = minicnn.rand(3, 2).double().requires_grad_()
    w = minicnn.rand(2, 4).double().requires_grad_()
    representative(x, w).backward()  # what is loaded once is loaded now
    x.grad = w.grad = None
    gc.collect()
    before = {id(o) for o in gc.get_objects()}
    loss = representative(x, w)
    node = weakref.ref(loss.grad_fn)
    loss.backward()
    assert x.grad is not None
    x.grad = w.grad = None
    del loss
    assert node() is None
    kinds = (minicnn.Tensor, minicnn.core.function.Function)
    left = [o for o in gc.get_objects() if issubclass(type(o), kinds) and id(o) not in before]
    assert left == []
    representative(x, w)  # without going back
    (dx,) = grad(representative(x, w), x, create_graph=False)
    del dx
    assert gc.collect() == 0


def test_saved_arrays_are_freed_while_going_back() -> None:
    x = minicnn.ones(1000, requires_grad=True)
    y = x * 2
    z = y * y
    saved = weakref.ref(y._array)
    total = z.sum()
    del y, z
    assert saved() is not None
    total.backward()
    assert saved() is None  # the graph still stands, without its arrays
    assert total.grad_fn is not None


def test_anomaly_mode_names_the_operation() -> None:
    x = leaf(-1, 0)
    with minicnn.autograd.detect_anomaly():
        with pytest.raises(AnomalyError, match=r"forward of Log made the first NaN: 1 of 2 elements, at index \(0,\)"):
            x.log()
        y = leaf(0, 1)
        z = (y.sqrt() * 0).sum()
        with pytest.raises(AnomalyError, match="backward of Sqrt made the first NaN") as caught:
            z.backward()
    assert "The operation was called here" in caught.value.__notes__[0]
    assert np.isnan(x.log().detach().numpy()[0])


def test_errors_leave_tensors_as_they_were() -> None:
    x = leaf(1, 2)
    y = x * 1
    with pytest.raises(ValueError, match="cannot be broadcast"):
        y += minicnn.ones(3)
    with pytest.raises(ValueError, match="cannot be broadcast"):
        y[0] = minicnn.ones(3)
    (y * y).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_copies_of_tensors() -> None:
    import copy
    import pickle

    x = leaf(1, 2)
    x.grad = minicnn.ones(2).double()
    y = copy.deepcopy(x)
    assert y.requires_grad
    assert y.grad.tolist() == [1, 1]
    assert not np.shares_memory(x.grad.numpy(), y.grad.numpy())
    assert not np.shares_memory(x.detach().numpy(), y.detach().numpy())
    assert pickle.loads(pickle.dumps(x)).requires_grad
    assert pickle.loads(pickle.dumps(minicnn.float32)) is minicnn.float32
    with pytest.raises(AutogradError, match="only leaves can be copied deeply"):
        copy.deepcopy(x * 2)


def test_steps_of_a_backward_pass_that_works_on_arrays() -> None:
    from minicnn.core import record

    conv = minicnn.nn.Conv2d(2, 3, 3, padding=1).double()
    x = minicnn.randn(2, 2, 6, 6, dtype=minicnn.float64, requires_grad=True)
    inputs = [x, conv.weight, conv.bias]

    def loss() -> Any:
        return (minicnn.nn.functional.max_pool2d(minicnn.sigmoid(conv(x)), 2) ** 2).sum()

    plain = grad(loss(), inputs)
    recorded = grad(loss(), inputs, create_graph=True)
    for a, b in zip(plain, recorded, strict=True):
        assert not a.requires_grad
        assert b.requires_grad
        np.testing.assert_array_equal(a.numpy(), b.detach().numpy())
    y = loss()
    with record() as steps:
        y.backward()
    assert {"ConvGradInput", "ConvGradWeight", "MaxPoolGrad", "sigmoid.grad"} <= {s.function.operation for s in steps}
    np.testing.assert_array_equal(x.grad.numpy(), plain[0].numpy())


def test_a_deep_copy_has_its_own_attributes_and_no_hooks() -> None:
    import copy

    x = leaf(1, 2)
    x.name = ["w"]
    x.register_hook(lambda grad: grad * 2)
    x.register_post_accumulate_grad_hook(lambda leaf: leaf.grad.mul_(10))
    y = copy.deepcopy(x)
    assert y.name == ["w"]
    assert y.name is not x.name
    (x + y).sum().backward()
    assert x.grad.tolist() == [20, 20]
    assert y.grad.tolist() == [1, 1]


@pytest.mark.parametrize("switch", [minicnn.set_grad_enabled, minicnn.set_fusion_enabled])
def test_a_switch_takes_true_or_false(switch) -> None:
    with pytest.raises(TypeError, match=rf"{switch.__name__}: expected True or False, as in .*; got 'off'"):
        switch("off")
