"""Compiled models: the numbers of the model, whatever is done to it in between; and what is refused."""

from __future__ import annotations

import copy
import pickle
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import models, nn
from minicnn.compiling import CompiledModule, CompileError
from tests.models.table import ROWS
from tests.onnx.common import Lambda
from tests.onnx.test_zoo import QUICK, narrow

Pair = namedtuple("Pair", ["first", "second"])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = minicnn.get_num_threads()
    minicnn.set_num_threads(1)
    minicnn.manual_seed(0)
    yield
    minicnn.set_num_threads(before)


class Block(nn.Module):
    """Everything that is joined: convolution, norm, sum, ReLU, and a linear layer."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, 5)
        for norm in (self.bn1, self.bn2):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Any) -> Any:
        y = self.relu(self.bn1(self.conv1(x)))
        z = self.bn2(self.conv2(y))
        z += y
        return self.fc(self.relu(z).mean((2, 3)))


def images(*shape: int) -> Any:
    return minicnn.randn(*(shape or (2, 3, 8, 8)))


def same(model: nn.Module, compiled: nn.Module, *inputs: Any) -> None:
    """Bit by bit, and by a program."""
    with minicnn.no_grad():
        expected, got = model(*inputs), compiled(*inputs)
    np.testing.assert_array_equal(got.numpy(), expected.numpy())
    assert programs(compiled)


def programs(compiled: Any) -> list[Any]:
    return [found[0] for found in compiled._programs.values() if found != "eager"]


def pair() -> tuple[nn.Module, Any]:
    model = Block().eval()
    return model, minicnn.compile(model, fullgraph=True)


# -------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in ROWS])
def test_every_model(name: str) -> None:
    row = ROWS[name]
    model = row.build(**row.config)
    narrow(model)
    compiled = minicnn.compile(model.eval(), fullgraph=True)
    for _ in range(3):
        same(model, compiled, images(1, *row.small))
    assert len(programs(compiled)) == 1


@pytest.mark.parametrize("backend", ["reference", "numpy", "numba"])
@pytest.mark.parametrize("dtype", [minicnn.float32, minicnn.float64])
def test_backends_and_types(backend: str, dtype: Any) -> None:
    model, compiled = pair()
    model.to(dtype)
    with minicnn.use_backend(backend):
        for _ in range(2):
            same(model, compiled, images().to(dtype))


def test_a_block_is_five_calls() -> None:
    model, compiled = pair()
    same(model, compiled, images())
    names = [getattr(s.function, "__name__", s.function) for s in programs(compiled)[0]._listing]
    assert names == ["Epilogue", "conv2d.forward", "Epilogue", "conv2d.forward", "forward", "forward"]


def test_a_result_with_two_readers_is_not_swallowed() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x: Any) -> Any:
            y = self.conv(x)
            z = self.norm(y)
            return minicnn.relu(z) + y * minicnn.clamp(z, -1, 1) + minicnn.nn.functional.relu6(self.norm(x) + x)

    model = Net().eval()
    compiled = minicnn.compile(model, fullgraph=True)
    for _ in range(2):
        x = images()
        with minicnn.no_grad(), minicnn.set_fusion_enabled(False):
            expected = model(x)
        with minicnn.no_grad():  # not bit by bit: what the batch norm joins is rounded less often
            np.testing.assert_allclose(compiled(x).numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    assert len(programs(compiled)) == 1


def test_views_writes_and_several_results() -> None:
    def function(x: Any, y: Any) -> Any:
        z = x * 2
        z[:, 0] += y[:, 1]
        half, _ = z.chunk(2, 1)
        largest, where = minicnn.nn.functional.max_pool2d(z, 2, return_indices=True)
        both = minicnn.cat((half.flatten(1), largest.flatten(1)), 1).relu_()
        return {"a": [both, where], "b": Pair(half.sum(), None), "c": (minicnn.arange(4) * 2 + half.sum().long(),)}

    model = Lambda(function).eval()
    compiled = minicnn.compile(model, fullgraph=True)
    for _ in range(3):
        x, y = images(2, 4, 4, 4), images(2, 4, 4, 4)
        with minicnn.no_grad():
            expected, got = model(x, y), compiled(x, y)
        assert isinstance(got["b"], Pair)
        assert got["b"].second is None
        flat = [(*r["a"], r["b"].first, *r["c"]) for r in (got, expected)]
        for a, b in zip(*flat, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert len(programs(compiled)) == 1


def test_shapes_and_memory_orders_have_programs_of_their_own() -> None:
    model, compiled = pair()
    for x in (images(), images(1, 3, 8, 8), images(2, 3, 5, 7), images().to(memory_format=minicnn.channels_last)):
        same(model, compiled, x)
    assert len(programs(compiled)) == 4
    with minicnn.no_grad():
        assert compiled(minicnn.zeros(0, 3, 8, 8)).shape == (0, 5)


def test_results_of_calls_are_their_own() -> None:
    _, compiled = pair()
    with minicnn.no_grad():
        first = compiled(images())
        kept = first.clone()
        compiled(images())
    assert minicnn.equal(first, kept)


# ---------------------------------------------------------- what is done in between


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


CHANGES = [write_in_place, change_statistics, give_new_numbers, write_through_numpy, load, one_training_step]
CHANGES += [new_parameter, new_layer, new_layer_by_its_registry, new_setting, other_width]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changes_are_seen(change: Callable[[Any], None]) -> None:
    model, compiled = pair()
    x = images()
    with minicnn.no_grad():
        before = compiled(x)
        for _ in range(2):
            change(model)
            same(model, compiled, x)
        after = compiled(x)
    assert before.shape != after.shape or not minicnn.allclose(before, after)


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


def test_it_may_be_recorded_and_summarised() -> None:
    model, compiled = pair()
    same(model, compiled, images())
    assert (
        str(minicnn.summary(compiled, (3, 8, 8))).splitlines()[2:]
        == str(minicnn.summary(model, (3, 8, 8))).splitlines()[2:]
    )


def test_two_models_and_a_part_of_another() -> None:
    (one, first), (two, second) = pair(), pair()
    x = images()
    for _ in range(2):
        same(one, first, x)
        same(two, second, x)
    whole = nn.Sequential(nn.Conv2d(3, 3, 1), first).eval()
    same(nn.Sequential(whole[0], one).eval(), minicnn.compile(whole, fullgraph=True), x)
    assert list(whole.state_dict())[2:4] == ["1.conv1.weight", "1.conv1.bias"]
    assert minicnn.compile(first)._orig_mod is one


def test_threads() -> None:
    model, compiled = pair()
    inputs = [images() for _ in range(8)]
    results: dict[int, Any] = {}

    def work(i: int) -> None:
        with minicnn.no_grad():
            for _ in range(5):
                results[i] = compiled(inputs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, x in enumerate(inputs):
        with minicnn.no_grad():
            np.testing.assert_array_equal(results[i].numpy(), model(x).numpy())
    assert len(programs(compiled)) == 1


# -------------------------------------------------------------- it is like the model


def test_it_has_what_the_model_has() -> None:
    model, compiled = pair()
    assert isinstance(compiled, nn.Module)
    assert repr(compiled) == repr(model)
    assert list(compiled.state_dict()) == list(model.state_dict())
    assert [id(p) for p in compiled.parameters()] == [id(p) for p in model.parameters()]
    assert [name for name, _ in compiled.named_modules()] == [name for name, _ in model.named_modules()]
    assert compiled.fc is model.fc
    assert "fc" in dir(compiled)
    compiled.fc = nn.Linear(8, 2)
    compiled.note = "mine"
    assert model.fc.out_features == 2
    assert model.note == "mine"
    del compiled.note
    assert not hasattr(model, "note")
    assert (
        nn.Sequential(model)[0]
        is minicnn.compile(nn.Sequential(model))[0]
        is next(iter(minicnn.compile(nn.Sequential(model))))
    )
    assert compiled.double() is compiled
    assert model.fc.weight.dtype == minicnn.float64
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = compiled.missing


def test_state_dicts_of_both_libraries() -> None:
    row = ROWS["squeezenet1_1"]
    model = row.build(**row.config)
    compiled = minicnn.compile(row.build(**row.config))
    assert str(compiled.load_state_dict(model.state_dict())) == "<All keys matched successfully>"
    theirs = torch.compile(torch.nn.Sequential(torch.nn.Linear(2, 2)), backend="eager")
    assert next(iter(theirs.state_dict())).startswith("_orig_mod.")
    ours = minicnn.compile(nn.Sequential(nn.Linear(2, 2)))
    ours.load_state_dict(theirs.state_dict())
    np.testing.assert_array_equal(ours[0].weight.detach().numpy(), theirs._orig_mod[0].weight.detach().numpy())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_record_anew(copied: Callable[[Any], Any]) -> None:
    model, compiled = pair()
    same(model, compiled, images())
    other = copied(compiled)
    assert isinstance(other, CompiledModule)
    assert other._orig_mod is not model
    assert not programs(other)
    with minicnn.no_grad():
        other.conv1.weight.mul_(2)
    same(other._orig_mod, other, images())
    same(model, compiled, images())


def test_arguments() -> None:
    with pytest.raises(TypeError, match=r"expected an nn\.Module; got function"):
        minicnn.compile(lambda x: x)  # type: ignore[arg-type]
    model = Block()
    assert minicnn.compile(model, disable=True) is model


# ------------------------------------------------------------------- what is refused


def by_sign(x: Any) -> Any:
    return x + 1 if x.mean() > 0 else x - 1


def by_length(x: Any) -> Any:
    for _ in range(int(x.abs().sum()) % 7 + (1 if x.mean() > 0 else 2)):
        x = x * 2
    return x


def by_number(x: Any) -> Any:
    return x * x.mean().item()


def by_index(x: Any) -> Any:
    return x[minicnn.arange(2), :, x.mean((1, 2, 3)).argmax()] + x.detach().numpy().sum()


def random(x: Any) -> Any:
    return nn.functional.dropout(x, 0.5, training=True)


def into_input(x: Any) -> Any:
    return x.mul_(2) + 1


def view(x: Any) -> Any:
    return x.flatten(1)


def raises(x: Any) -> Any:
    if x.mean() > 0:
        raise ValueError("positive")
    return x * 2


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", minicnn.zeros(()))

    def forward(self, x: Any) -> Any:
        self.calls.add_(1)
        return x * 2


class Remembering(nn.Module):
    def forward(self, x: Any) -> Any:
        self.last = x * 2
        return self.last + 1


REFUSED = [Lambda(f) for f in (by_sign, by_length, by_number, by_index, random, into_input, view, raises)]
REFUSED += [Counting(), Remembering()]


@pytest.mark.parametrize(
    "model", REFUSED, ids=lambda m: m.function.__name__ if isinstance(m, Lambda) else type(m).__name__
)
def test_what_is_more_than_numbers_is_refused_and_run_as_it_is(model: nn.Module) -> None:
    model.eval()
    inputs = [images() - 1, images() - 1]
    with minicnn.no_grad():
        minicnn.manual_seed(1)
        expected = [model(x.clone()) for x in inputs]
        minicnn.manual_seed(1)
        compiled = minicnn.compile(model)
        with pytest.warns(UserWarning, match="is run as it is, not compiled") as warned:
            got = [compiled(x.clone()) for x in inputs]
        assert len(warned) == 1
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        with pytest.raises(CompileError, match="cannot be compiled: "):
            minicnn.compile(model, fullgraph=True)(inputs[0])


def test_what_the_model_raises_is_raised() -> None:
    _, compiled = pair()
    with minicnn.no_grad(), pytest.raises(ValueError, match="conv2d"):
        compiled(images(2, 4, 8, 8))


def test_a_model_of_the_zoo_by_name() -> None:
    model = models.get_model("resnet20").eval()
    same(model, minicnn.compile(model, fullgraph=True), images(1, 3, 32, 32))
