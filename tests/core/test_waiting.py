"""Results that wait: what they read may change, who asks gets them, and nothing waits outside of a network."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn

from .test_fusion import Block, image


@pytest.fixture(autouse=True)
def _numpy() -> Iterator[None]:
    minicnn.manual_seed(0)
    with minicnn.use_backend("numpy"):
        yield


class Changed(nn.Module):
    """A convolution whose result waits while ``change(self, x)`` happens; then it is looked at."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.change = change

    def forward(self, x: Any) -> Any:
        y = self.conv(x)
        self.waited = y._deferred is not None
        with minicnn.no_grad():
            self.change(self, x)
        return y


CHANGES = {
    "the weight in place": lambda m, x: m.conv.weight.mul_(3),
    "the weight's data": lambda m, x: m.conv.weight.data.mul_(3),
    "the weight's data, given anew": lambda m, x: setattr(m.conv.weight, "data", m.conv.weight.data * 3),
    "a view of the weight": lambda m, x: m.conv.weight[0].zero_(),
    "the weight detached": lambda m, x: m.conv.weight.detach().zero_(),
    "the weight by NumPy": lambda m, x: m.conv.weight.detach().numpy().fill(1),
    "the weight by an initialiser": lambda m, x: nn.init.ones_(m.conv.weight),
    "the bias": lambda m, x: m.conv.bias.add_(1),
    "the state": lambda m, x: m.load_state_dict({name: t * 2 for name, t in m.state_dict().items()}),
    "the input in place": lambda m, x: x.zero_(),
    "the input by NumPy": lambda m, x: x.numpy().fill(0),
    "a parameter on the input's memory": lambda m, x: nn.Parameter(x).zero_(),
    "the input's data, and that": lambda m, x: x.data.data.zero_(),
    "the input by its address": lambda m, x: ctypes.memset(x.data_ptr(), 0, x.nbytes),
    "the weight by its address": lambda m, x: ctypes.memset(m.conv.weight.data_ptr(), 0, m.conv.weight.nbytes),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_a_waiting_result_reads(change: str) -> None:
    model, x = Changed(CHANGES[change]), image()
    with minicnn.no_grad():
        expected = F.conv2d(x, model.conv.weight, model.conv.bias).clone()
        y = model(x)
    assert model.waited
    np.testing.assert_array_equal(y.numpy(), expected.numpy())


def test_a_step_of_an_optimiser_while_a_result_waits() -> None:
    model, x = Changed(lambda m, x: m.optimizer.step()), image()
    model.optimizer = minicnn.optim.SGD(model.parameters(), lr=1.0)
    F.conv2d(x, model.conv.weight, model.conv.bias).sum().backward()
    before = F.conv2d(x, model.conv.weight, model.conv.bias).detach().clone()
    np.testing.assert_array_equal(model(x).detach().numpy(), before.numpy())


def test_memory_that_numpy_holds_is_read_at_once() -> None:
    array = np.ones((1, 4, 2, 2), np.float32)

    class Reuses(Changed):
        def forward(self, x: Any) -> Any:
            y = self.conv(minicnn.from_numpy(array))
            array[...] = 0
            return y

    model = Reuses(None)
    expected = F.conv2d(minicnn.from_numpy(array), model.conv.weight, model.conv.bias).detach().clone()
    np.testing.assert_array_equal(model(None).detach().numpy(), expected.numpy())


def test_memory_that_numpy_let_go_may_wait_again() -> None:
    model, x = Changed(lambda m, x: None), image()
    held = x.numpy()
    model(x)
    assert not model.waited
    del held
    model(x)
    assert model.waited


def test_memory_whose_address_is_known_is_read_at_once_from_then_on() -> None:
    model, x = Changed(lambda m, x: ctypes.memset(m.address, 0, x.nbytes)), image()
    model.address = x.data_ptr()
    expected = F.conv2d(x, model.conv.weight, model.conv.bias).detach().clone()
    np.testing.assert_array_equal(model(x).detach().numpy(), expected.numpy())
    assert not model.waited


def test_a_norm_that_numpy_let_go_is_folded_again() -> None:
    """What was kept from the first time must not count as somebody who holds the arrays."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

        def forward(self, x: Any) -> Any:
            y = self.norm(self.conv(x))
            self.folded = y._deferred is not None and y._deferred.operation == "conv2d.forward"
            return F.relu(y)

    model, x = Net().eval(), image()
    with minicnn.no_grad():
        model(x)
        assert model.folded
        held = [t.numpy() for t in model.state_dict().values()]
        model(x)
        assert not model.folded
        held[list(model.state_dict()).index("norm.running_mean")][...] = 3
        held.clear()
        y = model(x)
        assert model.folded
        with minicnn.set_fusion_enabled(False):
            np.testing.assert_allclose(y.numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)


def test_running_statistics_that_change_while_the_folded_norm_waits() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

        def forward(self, x: Any) -> Any:
            y = self.norm(self.conv(x))
            if self.move:
                self.norm.running_mean.add_(5)
            return F.relu(y)

    model, x = Net().eval(), image()
    with minicnn.no_grad():
        model.move = True
        moved = model(x)
        model.norm.running_mean.sub_(5)
        model.move = False
        np.testing.assert_allclose(moved.numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------- where it stops


def test_what_leaves_a_network_is_computed() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x: Any) -> Any:
            self.inside = self.conv(x)
            local = self.conv(x)
            assert local._deferred is not None
            self.local = weakref.ref(local._deferred)
            return {"a": self.conv(x), "b": [(self.conv(x), None)], "c": Two(self.conv(x), {self.conv(x)})}

    @dataclass
    class Two:
        left: Any
        right: Any

    model = Net()
    out = model(image())
    assert out["a"]._deferred is None
    assert out["b"][0][0]._deferred is None
    assert out["c"].left._deferred is None
    assert [t._deferred for t in out["c"].right] == [None]
    assert model.inside._deferred is None
    assert model.local() is None  # nobody had it any more
    assert F.conv2d(image(), model.conv.weight)._deferred is None  # outside of networks nothing waits
    np.testing.assert_array_equal(model.inside.detach().numpy(), out["a"].detach().numpy())


def test_what_an_error_left_waiting_is_computed_by_the_next_call() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x: Any) -> Any:
            self.inside = self.conv(x)
            raise KeyError("of the user")

    model = Fails()
    with pytest.raises(KeyError):
        model(image())
    assert model.inside._deferred is not None
    model.conv(image())
    assert model.inside._deferred is None


def test_shape_and_type_are_known_while_a_result_waits() -> None:
    class Net(nn.Conv2d):
        def forward(self, x: Any) -> Any:
            y = super().forward(x)
            facts = (
                y.shape,
                y.size(1),
                y.ndim,
                y.numel(),
                len(y),
                y.dtype,
                y.is_floating_point(),
                y.nbytes,
                y.itemsize,
            )
            assert facts == ((2, 3, 5, 5), 3, 4, 150, 2, minicnn.float32, True, 600, 4)
            assert y.requires_grad
            assert y._deferred is not None
            repr(y)
            assert y._deferred is None
            return y

    Net(4, 3, 1)(image())


def test_arguments_are_checked_at_once() -> None:
    model = nn.Sequential(nn.Conv2d(4, 3, 1), nn.BatchNorm2d(5))
    with pytest.raises(minicnn.core.errors.ShapeError, match=r"BatchNorm2d\(5\): expected") as error:
        model(image())
    assert "'1'" in str(error.value)


def test_an_error_in_the_middle_leaves_nothing_behind() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x: Any) -> Any:
            self.y = self.conv(x)
            raise KeyError("of the user")

    model = Fails()
    with pytest.raises(KeyError):
        model(image())
    np.testing.assert_allclose(model.y.detach().numpy().shape, (2, 4, 5, 5))
    assert F.conv2d(image(), model.conv.weight)._deferred is None


def test_the_backend_is_that_of_the_call() -> None:
    class Switches(nn.Conv2d):
        def forward(self, x: Any) -> Any:
            with minicnn.use_backend("reference"):
                y = super().forward(x)
            self.module = y._deferred._kernel.__module__
            return y

    model = Switches(4, 4, 1)
    model(image())
    assert model.module == "minicnn_kernels.reference.conv"


def test_threads_that_ask_at_once_get_the_same_array() -> None:
    class Net(nn.Conv2d):
        def forward(self, x: Any) -> Any:
            y = super().forward(x)
            barrier, arrays = threading.Barrier(4), []

            def ask() -> None:
                barrier.wait()
                arrays.append(y._array)

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len({id(array) for array in arrays}) == 1
            return y

    model = Net(4, 4, 3)
    for _ in range(5):
        model(image())


def test_networks_in_several_threads() -> None:
    block, x = Block().eval(), image()
    results: list[Any] = [None] * 4

    def run(i: int) -> None:
        with minicnn.no_grad():
            for _ in range(5):
                results[i] = block(x).numpy()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with minicnn.no_grad():
        expected = block(x).numpy()
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_the_switch() -> None:
    assert minicnn.is_fusion_enabled()
    model, x = Changed(lambda m, x: None), image()
    minicnn.set_fusion_enabled(False)
    try:
        model(x)
        assert not model.waited
        assert not minicnn.is_fusion_enabled()
    finally:
        minicnn.set_fusion_enabled(True)
    model(x)
    assert model.waited


NORM_CHANGES = {
    "in place": lambda norm: norm.running_var.mul_(4),
    "data": lambda norm: norm.weight.data.mul_(3),
    "another array": lambda norm: setattr(norm.bias, "data", norm.bias.data + 1),
    "its own array, reversed": lambda norm: setattr(norm.bias, "data", norm.bias.data.flip(0)),
    "NumPy": lambda norm: norm.running_mean.numpy().fill(2),
    "another tensor": lambda norm: setattr(norm, "running_var", norm.running_var * 2),
    "eps": lambda norm: setattr(norm, "eps", 0.5),
    "a batch": lambda norm: (norm.train()(image() * 3), norm.eval()),
    "the state": lambda norm: norm.load_state_dict({name: t * 2 for name, t in norm.state_dict().items()}),
}


@pytest.mark.parametrize("change", NORM_CHANGES)
@pytest.mark.parametrize("bias", [True, False])
def test_a_norm_that_changes_after_it_was_folded(change: str, bias: bool) -> None:
    """The scale and the shift that it gave the convolution are kept only as long as they hold."""
    model, x = nn.Sequential(nn.Conv2d(4, 4, 1, bias=bias), nn.BatchNorm2d(4), nn.ReLU()).eval(), image()
    for t in [*model[1].parameters(), *model[1].buffers()]:
        if t.ndim:
            t.data.uniform_(0.5, 1.5)
    with minicnn.no_grad():
        for _ in range(2):
            before = model(x)
        NORM_CHANGES[change](model[1])
        after = model(x)
        with minicnn.set_fusion_enabled(False):
            expected = model(x)
    np.testing.assert_allclose(after.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    assert not np.allclose(before.numpy(), after.numpy(), rtol=1e-3)
