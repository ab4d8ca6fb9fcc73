"""Who owns a gradient, and when a hook runs: the same program here and in PyTorch, with the same result."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import minicnn
from minicnn.core.errors import AutogradError


def leaf(t: Any, *values: float) -> Any:
    return t.tensor(values, dtype=t.float64, requires_grad=True)


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.tolist() if isinstance(value, (minicnn.Tensor, torch.Tensor)) else value


def a_leafs_hook_keeps_the_gradient(t: Any) -> Any:
    x, kept = leaf(t, 1, 2), []
    x.register_hook(kept.append)
    for factor in (2, 3):
        (x * factor).sum().backward()
    return kept, x.grad


def a_results_hook_keeps_the_gradient(t: Any) -> Any:
    x, kept = leaf(t, 1, 2), []
    y = x + 0
    y.register_hook(kept.append)
    (y * 2).sum().backward()
    (x * 3).sum().backward()
    return kept, x.grad


def a_modules_hook_keeps_the_gradient(t: Any) -> Any:
    x, kept = leaf(t, 1, 2), []
    layer = t.nn.Identity()
    handle = layer.register_full_backward_hook(lambda _, grad_input, grad_output: kept.extend(grad_input))
    (layer(x) * 2).sum().backward()
    handle.remove()
    (layer(x) * 3).sum().backward()
    return kept, x.grad


def an_operation_of_ones_own_keeps_the_gradient(t: Any) -> Any:
    kept: list[Any] = []

    class Same(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            kept.append(grad)
            return grad

    x = leaf(t, 1, 2)
    (Same.apply(x) * 2).sum().backward()
    (x * 3).sum().backward()
    return kept, x.grad


def gradients_with_a_graph_are_not_shared(t: Any) -> Any:
    x, y, seed = leaf(t, 1, 2), leaf(t, 3, 4), t.ones(2, dtype=t.float64)
    (x + y).backward(seed, create_graph=True)
    x.grad.detach().zero_()
    result = [x.grad, y.grad, seed]
    x.grad = y.grad = None  # they point to the graph, and the graph to them
    return [plain(r) for r in result]


def gradients_that_are_views_of_each_other_are_not_shared(t: Any) -> Any:
    x, y = t.ones(1, 2, requires_grad=True), t.ones(2, requires_grad=True)
    ((x.squeeze(0) + y) * 2).sum().backward()
    x.grad.mul_(5)
    return x.grad, y.grad


def a_retained_gradient_is_the_one_after_the_hooks(t: Any) -> Any:
    x = leaf(t, 1, 2)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 5)
    y.sum().backward()
    return y.grad, x.grad


def a_retained_gradient_follows_a_change_in_place(t: Any) -> Any:
    x = leaf(t, 1, 2)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    return y.grad, x.grad


def a_retained_gradient_of_a_view_follows_its_base(t: Any) -> Any:
    x = leaf(t, 1, 2, 3)
    y = x * 2
    view = y[1:]
    view.retain_grad()
    y.mul_(3)
    (view * view).sum().backward()
    return view.grad, x.grad


def retained_gradients_add_up(t: Any) -> Any:
    x = leaf(t, 1, 2)
    y = x * 2
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    (y * 3).sum().backward()
    return y.grad, y.retains_grad, x.retains_grad


def a_retained_gradient_is_not_the_one_that_travels_on(t: Any) -> Any:
    x, kept = leaf(t, 1, 2), []
    x.register_hook(kept.append)
    y = x + 0
    y.retain_grad()
    for factor in (2, 3):
        (y * factor).sum().backward()
    return y.grad, x.grad, kept


def retain_grad_of_a_leaf_does_nothing(t: Any) -> Any:
    x = leaf(t, 1)
    x.retain_grad()
    (x * 2).sum().backward()
    return x.grad, x.retains_grad


def an_input_named_twice_counts_once(t: Any) -> Any:
    x = leaf(t, 1, 2)
    (x * 2).sum().backward(inputs=[x, x])
    return x.grad


def a_result_among_the_inputs(t: Any) -> Any:
    x = leaf(t, 1, 2)
    y = x * 2
    (y * y).sum().backward(inputs=[y, x])
    return y.grad, x.grad


def a_view_is_older_than_a_change_of_its_base(t: Any) -> Any:
    x = leaf(t, 3, 4)
    y = x * 1
    view = y[0]
    y.mul_(2)
    return t.autograd.grad(view, x)


def hooks_of_leaves_that_are_not_asked_for_stay_silent(t: Any) -> Any:
    x, w, calls = leaf(t, 1, 2), leaf(t, 3, 4), []
    w.register_hook(lambda g: calls.append(plain(g)))
    result = t.autograd.grad((x * w).sum(), x)
    return result, calls


def hooks_of_the_asked_for_change_the_result(t: Any) -> Any:
    x = leaf(t, 1, 2)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    return t.autograd.grad(y.sum(), y, retain_graph=True), t.autograd.grad(y.sum(), x)


def a_generator_without_gradients(t: Any) -> Any:
    @t.no_grad()
    def products(x: Any) -> Any:
        factor = 1
        while factor is not None:
            factor = yield (x * factor).requires_grad
        return "end"

    x, result = leaf(t, 1), []
    steps = products(x)
    result.append(next(steps))
    result.append((x * 2).requires_grad)
    result.append(steps.send(5))
    try:
        steps.send(None)
    except StopIteration as end:
        result.append(end.value)
    return result


def a_copied_parameter_has_no_gradient(t: Any) -> Any:
    layer = t.nn.Linear(1, 1)
    layer(t.ones(1, 1)).sum().backward()
    return copy.deepcopy(layer).weight.grad, layer.weight.grad


def to_the_power_of_zero_and_infinity_above(t: Any) -> Any:
    x = leaf(t, 0, 2)
    ((x**0) * float("inf")).sum().backward()
    return x.grad


PROGRAMS = [
    a_leafs_hook_keeps_the_gradient, a_results_hook_keeps_the_gradient, a_modules_hook_keeps_the_gradient,
    an_operation_of_ones_own_keeps_the_gradient, gradients_with_a_graph_are_not_shared,
    gradients_that_are_views_of_each_other_are_not_shared,
    a_retained_gradient_is_the_one_after_the_hooks, a_retained_gradient_follows_a_change_in_place,
    a_retained_gradient_of_a_view_follows_its_base, retained_gradients_add_up,
    a_retained_gradient_is_not_the_one_that_travels_on,
    retain_grad_of_a_leaf_does_nothing, a_view_is_older_than_a_change_of_its_base,
    an_input_named_twice_counts_once, a_result_among_the_inputs, hooks_of_leaves_that_are_not_asked_for_stay_silent,
    hooks_of_the_asked_for_change_the_result, a_generator_without_gradients, a_copied_parameter_has_no_gradient,
    to_the_power_of_zero_and_infinity_above,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using backward:UserWarning")  # PyTorch's, about create_graph
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_as_in_pytorch(program: Any) -> None:
    assert plain(program(minicnn)) == plain(program(torch))


def test_only_needed_gradients_are_computed() -> None:
    asked: list[tuple[bool, ...]] = []

    class Product(minicnn.core.Function):
        def forward(self, a: Any, b: Any) -> Any:
            self.save(a, b)
            return a * b

        def backward(self, grad_y: Any) -> Any:
            asked.append(self.needs_grad)
            a, b = self.saved
            return grad_y * b, grad_y * a

    a, b = leaf(minicnn, 2), leaf(minicnn, 3)
    y = Product()(a, b)
    assert minicnn.autograd.grad(y, b, retain_graph=True)[0].tolist() == [2]
    y.backward()
    assert asked == [(False, True), (True, True)]
    assert (a.grad.tolist(), b.grad.tolist()) == ([3], [2])


def test_wrong_hooks_and_gradients_are_refused() -> None:
    x = leaf(minicnn, 1, 2)
    handle = x.register_hook(lambda g: g.sum())
    with pytest.raises(AutogradError, match=r"of the shape it was given, \(2,\); got shape \(\)"):
        x.sum().backward()
    handle.remove()
    handle = x.register_hook(lambda g: 3)
    with pytest.raises(AutogradError, match="got 3"):
        x.sum().backward()
    handle.remove()
    with pytest.raises(AutogradError, match="inputs is empty"):
        x.sum().backward(inputs=[])
    with pytest.raises(AutogradError, match=r"requires_grad_\(\)"):
        minicnn.ones(1).retain_grad()

    class Doubled(minicnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, bias: Any, y: Any) -> Any:
            return y + bias

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad, grad

    with pytest.raises(AutogradError, match=r"of Doubled .* shape \(3, 2\) for input 0, whose shape is \(2,\)"):
        Doubled.apply(x, minicnn.zeros(3, 2, dtype=minicnn.float64)).sum().backward()


def test_a_node_is_made_for_one_call() -> None:
    class Square(minicnn.core.Function):
        def forward(self, x: Any) -> Any:
            self.save(x)
            return x * x

        def backward(self, grad_y: Any) -> Any:
            (x,) = self.saved
            return grad_y * 2 * x

    square, x, y = Square(), leaf(minicnn, 1), leaf(minicnn, 5)
    a = square(x)
    with pytest.raises(AutogradError, match=r"made for one call. Fix: a new one for each call, Square\(...\)\(x\)"):
        square(y)
    a.backward()
    assert x.grad.tolist() == [2]


def test_a_change_in_place_is_noticed_through_a_module_with_a_backward_hook() -> None:
    x, layer = leaf(minicnn, 1, 2), minicnn.nn.Identity()
    layer.register_full_backward_hook(lambda *_: None)
    h = x * 2
    y = layer(h)
    z = (y * y).sum()
    h.add_(1)  # y lies on the same memory
    with pytest.raises(AutogradError, match="changed in place"):
        z.backward()
