"""Operations of one's own, written as PyTorch's documentation shows them, and the graph they are part of."""

from __future__ import annotations

import gc
from typing import Any, ClassVar, Generic, TypeVar

import pytest
import torch

import minicnn
from minicnn.core.errors import AutogradError
from minicnn.core.function import Function

T = TypeVar("T")


def exponential(library: Any) -> Any:
    class Exp(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float, y: Any = None) -> Any:
            result = x.exp() * factor
            ctx.save_for_backward(result, y)
            ctx.factor = factor
            return result

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            assert ctx.needs_input_grad == (True, False, False)
            result, _ = ctx.saved_tensors
            return grad * result, None, None

    return Exp


def split(library: Any) -> Any:
    class Split(library.autograd.Function):
        @staticmethod
        def forward(x: Any, at: int) -> Any:
            return x[:at] * 1, x[at:] * 1, x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            _, ctx.at = inputs
            ctx.mark_non_differentiable(output[1])

        @staticmethod
        def backward(ctx: Any, first: Any, _: Any, whole: Any) -> Any:
            grad = whole.clone()
            grad[: ctx.at] += first
            return grad, None

    return Split


@pytest.mark.parametrize("library", [minicnn, torch], ids=["minicnn", "torch"])
def test_an_operation_of_ones_own(library: Any) -> None:
    exp, cut = exponential(library), split(library)
    x = library.tensor([0.0, 1.0, 2.0], dtype=library.float64, requires_grad=True)
    y = exp.apply(x, 2.0, None)
    assert "grad_fn=<ExpBackward>" in repr(y)
    (first,) = library.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = library.autograd.grad(first.sum(), x)
    assert second.tolist() == first.tolist() == y.tolist()
    assert library.autograd.gradcheck(lambda x: exp.apply(x, 3.0, None), (x,))
    with library.no_grad():
        assert not exp.apply(x, 1.0, None).requires_grad
    head, positive, whole = cut.apply(x, 1)
    assert (head.requires_grad, positive.requires_grad, whole.requires_grad) == (True, False, True)
    (head.sum() + 3 * whole.sum()).backward()
    assert x.grad.tolist() == [4, 3, 3]


def test_mistakes_in_an_operation_of_ones_own() -> None:
    class Wrong(minicnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, what: str) -> Any:
            if what == "dirty":
                ctx.mark_dirty(x)
            if what == "in place":
                x.add_(1)
            return 3 if what == "number" else x.clone()

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad

    x = minicnn.ones(2, requires_grad=True)
    for what, error, says in (
        ("dirty", AutogradError, "cannot change its arguments in place"),
        ("in place", AutogradError, "forward of Wrong changed an argument in place"),
        ("number", TypeError, "must return a tensor or a tuple of tensors; got int"),
    ):
        with pytest.raises(error, match=says):
            Wrong.apply(x, what)
    with pytest.raises(AutogradError, match=r"one gradient for each argument of forward, 2 .*; got 1"):
        Wrong.apply(x, "").sum().backward()
    with pytest.raises(TypeError, match="must define the static methods"):
        minicnn.autograd.Function.apply(x)


def test_an_operation_of_ones_own_leaves_nothing_behind() -> None:
    exp = exponential(minicnn)
    x = minicnn.ones(2, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        exp.apply(x, 1.0, None).sum().backward()
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("library", [minicnn, torch], ids=["minicnn", "torch"])
def test_the_graph_can_be_walked(library: Any) -> None:
    w = library.ones(2, requires_grad=True)
    loss = (library.nn.functional.relu(w + 1) * 3).mean()
    names, node = [], loss.grad_fn
    while node is not None:
        names.append(node.name().rstrip("0"))
        leaf = node
        node = node.next_functions[0][0] if node.next_functions else None
    assert [name.split("::")[-1] for name in names] == [
        "MeanBackward", "MulBackward", "ReluBackward", "AddBackward", "AccumulateGrad",
    ]  # fmt: skip
    assert leaf.variable is w
    assert (w * library.ones(2)).grad_fn.next_functions[1][0] is None


def test_anomaly_switch_and_inference_mode() -> None:
    with minicnn.autograd.set_detect_anomaly(True):
        assert minicnn.is_anomaly_enabled()
    minicnn.autograd.set_detect_anomaly(True)
    assert minicnn.is_anomaly_enabled()
    minicnn.autograd.set_detect_anomaly(False)
    assert not minicnn.is_anomaly_enabled()
    x = minicnn.ones(1, requires_grad=True)
    for library in (minicnn, torch):
        seen = []
        for mode in (True, False):
            with library.inference_mode(mode):
                seen.append(library.is_grad_enabled())
            seen.append(library.inference_mode(mode)(library.is_grad_enabled)())
        seen.append(library.inference_mode(library.is_grad_enabled)())
        assert seen == [False, False, True, True, False]
    assert not minicnn.autograd.Variable(x * 2).requires_grad
    assert minicnn.autograd.Variable(x * 2, requires_grad=True).is_leaf


def test_anomaly_mode_names_the_layer_on_both_ways() -> None:
    class Root(minicnn.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.sqrt()

    net = minicnn.nn.Sequential(minicnn.nn.Identity(), minicnn.nn.Sequential(Root()))
    with minicnn.autograd.detect_anomaly():
        with pytest.raises(AutogradError, match=r"forward of Sqrt made the first NaN.*\n *in layer '1.0': Root\(\)"):
            net(-minicnn.ones(1, requires_grad=True))
        y = net(minicnn.zeros(1, requires_grad=True)) * 0
        with pytest.raises(AutogradError, match=r"backward of Sqrt made the first NaN.*\n *in layer '1.0'") as caught:
            y.sum().backward()
    assert "test_custom.py" in caught.value.__notes__[0]


@pytest.mark.parametrize("library", [minicnn, torch], ids=["minicnn", "torch"])
def test_arguments_of_grad(library: Any) -> None:
    x, unused = (library.ones(2, requires_grad=True) for _ in range(2))
    y = (x * 3).sum()
    first, second = library.autograd.grad(
        y, (x, unused), retain_graph=True, create_graph=False, only_inputs=True, allow_unused=True
    )
    assert first.tolist() == [3, 3]
    assert second is None
    assert library.autograd.grad(y, (x, unused), retain_graph=True, materialize_grads=True)[1].tolist() == [0, 0]
    with pytest.raises(RuntimeError):
        library.autograd.grad(y, (x, unused), retain_graph=True)
    with pytest.raises(RuntimeError):
        y.backward(inputs=[library.ones(1)])


def test_gradients_of_all_leaves_are_for_backward() -> None:
    x = minicnn.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="only_inputs=False"):
        minicnn.autograd.grad((x * 3).sum(), x, only_inputs=False)


def test_classes_of_ones_own_may_be_made_as_they_like() -> None:
    """What a class asks of those who make its objects does not matter when the class itself is made."""

    class Registered:
        names: ClassVar[list[str]] = []

        def __init_subclass__(cls, name: str, **options: Any) -> None:
            super().__init_subclass__(**options)
            Registered.names.append(name)

    class Scale(Function, Registered, Generic[T], name="scale"):
        def __new__(cls, factor: float) -> Any:
            made = super().__new__(cls)
            made.factor = factor
            return made

        def __setattr__(self, name: str, value: Any) -> None:
            if "factor" in self.__dict__ or name == "factor":
                return super().__setattr__(name, value)
            raise AttributeError(f"{name} before factor")

        @property
        def layer(self) -> str:  # type: ignore[override]
            return "layer"

        def forward(self, x: Any) -> Any:
            return x * self.factor

        def backward(self, grad: Any) -> Any:
            return grad * self.factor

    x = minicnn.ones(2, requires_grad=True)
    Scale[int](3.0)(x).sum().backward()
    assert x.grad.tolist() == [3, 3]
    assert Registered.names == ["scale"]
