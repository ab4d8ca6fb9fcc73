"""What is done to a model between the calls of its compiled form is seen."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from minicnn_kernels.registry import replaced

import minicnn
from minicnn import nn
from tests.compiling.common import Block, images, pair, plan_of, programs, same
from tests.onnx.common import Lambda


def write_in_place(model: Any) -> None:
    model.conv1.weight.mul_(2)
    model.fc.bias.data.add_(1)


def change_statistics(model: Any) -> None:
    model.bn1.running_mean.add_(1)
    model.bn2.running_var.mul_(3)
    model.bn2.weight.data.mul_(-1)


def give_new_numbers(model: Any) -> None:
    model.conv2.weight.data = minicnn.randn(8, 8, 3, 3)
    model.bn1.bias.data = minicnn.randn(8)


def write_through_numpy(model: Any) -> None:
    model.bn1.running_var.numpy()[...] = 4
    model.conv1.weight.data.numpy()[0] = 0


def same_memory_seen_otherwise(model: Any) -> None:
    model.conv2.weight.data = model.conv2.weight.data.transpose(0, 1)


def load(model: Any) -> None:
    model.load_state_dict(Block().state_dict())


def one_training_step(model: Any) -> None:
    optimizer = minicnn.optim.SGD(model.parameters(), lr=0.1)
    with minicnn.enable_grad():
        model.train()(images()).sum().backward()
    optimizer.step()
    model.eval()


def new_parameter(model: Any) -> None:
    model.conv1.weight = nn.Parameter(minicnn.randn(8, 3, 3, 3))


def new_layer(model: Any) -> None:
    model.fc = nn.Linear(8, 3)


def new_layer_by_its_registry(model: Any) -> None:
    model._modules["relu"] = nn.Tanh()


def new_setting(model: Any) -> None:
    model.conv1.stride = (2, 2)
    model.conv2.stride = (1, 1)
    model.bn1.eps = 0.5


def other_width(model: Any) -> None:
    model.fc.weight.data, model.fc.bias.data = minicnn.randn(4, 8), minicnn.randn(4)


CHANGES = [write_in_place, change_statistics, give_new_numbers, write_through_numpy]
CHANGES += [same_memory_seen_otherwise, load, one_training_step]
CHANGES += [new_parameter, new_layer, new_layer_by_its_registry, new_setting, other_width]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changes_are_seen(change: Callable[[Any], None]) -> None:
    model, compiled = pair()
    x = images()
    with minicnn.no_grad():
        before = compiled(x)
        for _ in range(3):
            change(model)
            same(model, compiled, x)
        after = compiled(x)
    assert before.shape != after.shape or not minicnn.allclose(before, after)


class Attributes(nn.Module):
    """Numbers from all places that an attribute can have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.mean, self.var = minicnn.zeros(8), minicnn.ones(8)
        self.factors = [1.0, (2.0,)]
        self.options = {"slope": SimpleNamespace(value=0.25)}
        self.signs = {1}
        self.numpy = np.ones(8, np.float32)
        self.masks = (minicnn.ones(6), [minicnn.ones(6)])
        self.square = minicnn.randn(6, 6)
        self.number = minicnn.ones(())
        self.register_buffer("picked", minicnn.arange(4))

    def forward(self, x: Any) -> Any:
        y = nn.functional.batch_norm(self.conv(x), self.mean, self.var)
        y = nn.functional.leaky_relu(y, self.options["slope"].value) * self.factors[0] * max(self.signs)
        y = (y * self.masks[0] + self.masks[1][0].detach()) * self.number.item() + self.square
        return (y + minicnn.tensor(self.numpy)[:, None, None] + minicnn.from_numpy(self.numpy)[0])[:, self.picked]


def list_in_place(model: Any) -> None:
    model.factors[0] *= 3


def list_made_longer(model: Any) -> None:
    model.factors.insert(0, model.factors[0] + 1)


def object_in_dict(model: Any) -> None:
    model.options["slope"].value += 0.125


def set_in_place(model: Any) -> None:
    model.signs.add(max(model.signs) + 1)


def numpy_in_place(model: Any) -> None:
    model.numpy += 1


def plain_statistics(model: Any) -> None:
    model.mean.add_(1)
    model.var.fill_(9)


def plain_statistics_by_data(model: Any) -> None:
    model.var.data = model.var + 3


def plain_tensor_by_data(model: Any) -> None:
    model.masks[0].data = minicnn.randn(6)


def plain_tensor_of_another_shape(model: Any) -> None:
    model.masks[0].data = minicnn.randn(2, 8, 1, 1)


def turned_in_place(model: Any) -> None:
    model.square.t_()


def tensor_in_a_list(model: Any) -> None:
    model.masks[1][0].add_(1)


def another_tensor_with_the_same_numbers(model: Any) -> None:
    model.number = minicnn.full((), model.number.item())
    model.masks[1][0] = model.masks[1][0].clone()
    model.masks[1][0].add_(1)


def number_taken_out(model: Any) -> None:
    model.number.add_(1)


def index_in_place(model: Any) -> None:
    model.picked.copy_((model.picked + 1) % 6)


def index_by_data(model: Any) -> None:
    model.picked.data = minicnn.tensor([1, 0, 3])


def index_through_numpy(model: Any) -> None:
    model.picked.numpy()[...] = (model.picked.numpy() + 1) % 6


INSIDE = [list_in_place, list_made_longer, object_in_dict, set_in_place, numpy_in_place]
INSIDE += [plain_statistics, plain_statistics_by_data, plain_tensor_by_data, plain_tensor_of_another_shape]
INSIDE += [turned_in_place, tensor_in_a_list, another_tensor_with_the_same_numbers, number_taken_out]
INSIDE += [index_in_place, index_by_data, index_through_numpy]


@pytest.mark.parametrize("change", INSIDE, ids=lambda change: change.__name__)
def test_changes_inside_attributes_are_seen(change: Callable[[Any], None]) -> None:
    model = Attributes().eval()
    compiled = minicnn.compile(model, fullgraph=True)
    x = images()
    same(model, compiled, x)
    with minicnn.no_grad():
        before = compiled(x)
        for _ in range(3):
            change(model)
            same(model, compiled, x)
        after = compiled(x)
    assert before.shape != after.shape or not minicnn.allclose(before, after)


def test_what_is_held_as_an_array_can_be_written_at_any_time() -> None:
    model, compiled = pair()
    x = images()
    same(model, compiled, x)
    held = model.conv1.weight.detach().numpy()
    with minicnn.no_grad():
        for _ in range(3):
            held *= 2
            assert minicnn.allclose(compiled(x), model(x), rtol=1e-4)  # other roundings: here the model joins nothing
        del held
        model.fc.weight.detach().numpy()[...] = 1  # held no longer than this
        assert minicnn.allclose(compiled(x), model(x), rtol=1e-4)


def test_without_a_change_nothing_is_looked_at() -> None:
    model, compiled = pair()
    x = images()
    same(model, compiled, x)
    plan = plan_of(compiled)
    assert plan.current()
    minicnn.zeros(3).add_(1).numpy()[...] = 2  # somebody else's
    compiled(x).detach().numpy()
    assert plan.current()
    model.conv1.weight.data.mul_(1)
    assert not plan.current()
    same(model, compiled, x)
    assert plan_of(compiled) is plan
    assert plan.current()


def test_no_change_no_new_program() -> None:
    model = Attributes().eval()
    compiled = minicnn.compile(model, fullgraph=True)
    same(model, compiled, images())
    (program,) = programs(compiled)
    model.picked.numpy()  # may have been written to, but was not
    model.note = "an edit"
    del model.note
    same(model, compiled, images())
    assert programs(compiled) == [program]


def test_a_container_in_itself() -> None:
    model = Attributes().eval()
    model.factors.append(model.factors)
    compiled = minicnn.compile(model, fullgraph=True)
    for _ in range(2):
        same(model, compiled, images())
        model.factors[0] += 1


def test_a_plain_tensor_may_need_a_gradient() -> None:
    model = Attributes().eval().requires_grad_(False)
    compiled = minicnn.compile(model, fullgraph=True)
    same(model, compiled, images())
    model.masks[0].requires_grad_(True)
    compiled(images()).sum().backward()
    assert model.masks[0].grad is not None


@pytest.mark.parametrize("constant", [lambda: minicnn.zeros(3), lambda: minicnn.zeros(3)[None]], ids=["all", "view"])
def test_constants_that_are_returned_are_the_callers(constant: Callable[[], Any]) -> None:
    compiled = minicnn.compile(Lambda(lambda x: (x * 2, constant())).eval(), fullgraph=True)
    with minicnn.no_grad():
        for _ in range(3):
            _, zeros = compiled(images())
            assert not zeros.any()
            zeros.add_(10)


def test_training_is_the_models() -> None:
    model, compiled = pair()
    same(model, compiled, images())
    (program,) = programs(compiled)
    program.run = lambda arrays: pytest.fail("a program ran")
    y = compiled(images())  # gradients are on
    y.sum().backward()
    assert model.conv1.weight.grad is not None
    assert compiled.train() is compiled
    assert model.bn1.training
    with minicnn.no_grad():
        compiled(images())
        model.eval()
        model.bn1.train()
        compiled(images())
        model.eval()
        with minicnn.set_fusion_enabled(False):
            compiled(images())
        with minicnn.autograd.detect_anomaly():
            compiled(images())
    model.requires_grad_(False)
    del program.run
    same(model, compiled, images())
    assert not compiled(images()).requires_grad
    assert programs(compiled) == [program]


def test_hooks_are_called() -> None:
    model, compiled = pair()
    same(model, compiled, images())
    seen: list[Any] = []
    for register in (model.conv2.register_forward_hook, compiled.register_forward_pre_hook):
        handle = register(lambda module, *given: seen.append(given))
        with minicnn.no_grad():
            compiled(images())
        assert len(seen) == 1
        handle.remove()
        seen.clear()
    same(model, compiled, images())


def test_kernels_that_are_replaced_run() -> None:
    class Net(nn.Module):
        def forward(self, x: Any) -> Any:
            return nn.functional.max_pool2d(x, 2).tanh()

    model, x = Net().eval(), images()
    compiled = minicnn.compile(model, fullgraph=True)
    same(model, compiled, x)
    with minicnn.no_grad():
        with replaced({"tanh.forward": lambda x, out=None: np.zeros_like(x)}):
            assert not compiled(x).any()
        assert compiled(x).any()
