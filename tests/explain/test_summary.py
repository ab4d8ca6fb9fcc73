"""What a summary says about small networks, and that it changes nothing."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn
from minicnn.core.errors import ShapeError
from minicnn.explain import ParameterRow

from .nets import Branches, by_path, of

# --------------------------------------------------------------------- numbers


def test_numbers_of_a_network_against_arithmetic() -> None:
    found = of(Branches(), (3, 32, 32))
    rows = by_path(found)
    params = {
        "stem": 3 * 3 * 3 * 8 + 8,
        "shared": 3 * 3 * 8 * 8,
        "norm": 16,
        "branches.0": 8 * 4 + 4,
        "branches.1": 7 * 4 * 8 + 8,
        "up": 3 * 3 * 20 * 6 + 6,
        "spare": 30,
        "head": 70,
    }
    assert {path: rows[path].params for path in params} == params
    assert found.total_params == sum(params.values()) + 6 == rows[""].params
    assert (found.non_trainable_params, found.trainable_params) == (16, found.total_params - 16)
    assert found.total_buffers == 8 + 8 + 1
    assert found.total_param_bytes == 4 * found.total_params
    mult_adds = {
        "stem": 27 * 8 * 16 * 16,
        "shared": 72 * 8 * 16 * 16,
        "branches.0": 8 * 4 * 16 * 16,
        "branches.1": 7 * 4 * 8 * 16 * 16,
        "up": 9 * 20 * 6 * 16 * 16,
        "head": 60,
    }
    assert {path: rows[path].mult_adds for path in mult_adds} == mult_adds
    assert found.total_mult_adds == sum(mult_adds.values()) + mult_adds["shared"]
    plane = 16 * 16 * 4
    memory = {"stem": 8 * plane, "shared": 8 * plane, "norm": 8 * plane, "up": 2 * 6 * 32 * 32 * 4, "drop": 0}
    assert {path: rows[path].output_bytes for path in memory} == memory  # up: the product, and with the bias
    assert rows["pool"].output_bytes == 6 * 16 * 16 * 4
    assert rows["pool"].formula == "ceil((32 - 3 + 2*0)/2) + 1 = 16"
    assert rows["up"].formula == "(16 - 1)*2 - 2*1 + 1*(3 - 1) + 1 + 1 = 32"
    assert rows["branches.1"].param_formula == "1*7*(8/2)*8 + 8"


def test_a_layer_that_is_used_twice_is_marked_and_counted_once() -> None:
    uses = [row for row in of(Branches(), (3, 32, 32)).rows if row.path == "shared"]
    assert [(row.call, row.params, row.mult_adds) for row in uses] == [(1, 576, 147456), (2, 0, 147456)]
    assert [p.shared for row in uses for p in row.parameters] == [False, True]
    assert [row.receptive_field for row in uses] == [(7, 7), (11, 11)]
    text = str(of(Branches(), (3, 32, 32)))
    assert "shared: Conv2d (call 2)" in text
    assert " shared  " in next(line for line in text.splitlines() if "(call 2)" in line)


def test_parameters_that_two_layers_share_are_counted_once() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    found = of(net, (4,))
    assert [row.params for row in found.rows] == [24, 20, 4]
    assert found.rows[2].parameters[0] == ParameterRow("weight", (4, 4), 16, "4*4", True, True)
    assert found.total_params == 24


def test_operations_in_a_forward_are_rows_where_they_run() -> None:
    rows = [(row.type, row.depth) for row in of(Branches(), (3, 32, 32)).rows if row.kind == "operation"]
    assert rows == [("add", 1), ("relu", 1), ("cat", 1), ("mean", 1), ("mul", 1)]


def test_layers_that_are_not_called_say_so() -> None:
    net = Branches()
    net.extra = nn.ParameterList([nn.Parameter(minicnn.ones(3))])
    last = of(net, (3, 32, 32)).rows[-2:]
    assert [(row.name, row.kind, row.params, row.output_shape) for row in last] == [
        ("spare", "not called", 30, None),
        ("extra", "parameters", 3, None),
    ]
    assert "spare: Linear (not called)" in str(of(net, (3, 32, 32)))


def test_what_is_not_called_is_listed_once_in_a_block_that_runs_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Linear(3, 3))
            self.block[0].spare = nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            return self.block(self.block(x))

    rows = of(Twice(), (3,)).rows
    assert [(row.path, row.kind, row.params) for row in rows] == [
        ("", "layer", 18),
        ("block", "layer", 18),
        ("block.0", "layer", 18),
        ("block.0.spare", "not called", 6),
        ("block", "layer", 0),
        ("block.0", "layer", 0),
    ]


@pytest.mark.parametrize("order", ["contiguous_format", "channels_last"])
def test_flatten_counts_as_a_view_in_every_layout(order: str) -> None:
    class Flat(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.flatten(1)

    assert of(Flat(), input_data=minicnn.ones(1, 2, 3, 3).contiguous(memory_format=order)).total_output_bytes == 0


@pytest.mark.parametrize("batch", [1, 3])
def test_products_of_all_kinds_are_counted(batch: int) -> None:
    class Products(nn.Module):
        def forward(self, x: Any) -> Any:
            x = x @ minicnn.ones(4, 5)  # (N, 3, 5)
            x = minicnn.einsum("nij,jk->nik", x, minicnn.ones(5, 6))
            x = x @ x.mT  # (N, 3, 3)
            return F.linear(x, minicnn.ones(2, 3)) * 2

    found = of(Products(), input_data=minicnn.ones(batch, 3, 4))
    assert [row.mult_adds for row in found.rows if row.mult_adds and row.depth] == [
        batch * 3 * 4 * 5,
        batch * 3 * 5 * 6,
        batch * 3 * 6 * 3,
        batch * 3 * 3 * 2,
    ]


def test_functions_of_ones_own_are_seen_through() -> None:
    class Doubled(minicnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            return F.conv2d(x, w) * 2

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return None, None

    class Opaque(minicnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return minicnn.from_numpy(np.sort(x.numpy(), axis=None).reshape(x.shape))

    class Own(nn.Module):
        def __init__(self, after: bool) -> None:
            super().__init__()
            self.w, self.after = nn.Parameter(minicnn.ones(1, 1, 3, 3)), after

        def forward(self, x: Any) -> Any:
            y = Doubled.apply(x, self.w)
            return Opaque.apply(y) if self.after else y

    found = of(Own(False), (1, 8, 8))
    assert (found.total_mult_adds, found.receptive_field, found.total_output_bytes) == (9 * 36, (3, 3), 2 * 36 * 4)
    assert [row.type for row in found.rows[1:]] == ["conv2d", "mul", "doubled"]
    assert of(Own(True), (1, 8, 8)).rows[0].sees_all  # what NumPy did is not known


def test_layers_in_a_plain_list_are_shown_with_a_warning() -> None:
    class Forgotten(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)]  # not an nn.ModuleList

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    found = of(Forgotten(), (1, 8, 8))
    assert found.total_params == 0
    assert [row.note for row in found.rows] == [
        "",
        *["in a Conv2d that is not registered: its parameters are not the model's"] * 2,
    ]
    assert found.total_mult_adds == 18 * 36 + 36 * 16


@pytest.mark.parametrize("backend", ["reference", pytest.param("numba", marks=pytest.mark.slow)])
def test_every_backend_gives_the_same_table(backend: str) -> None:
    expected = str(of(Branches(), (3, 8, 8)))
    with minicnn.use_backend(backend):
        assert str(of(Branches(), (3, 8, 8))) == expected


# ------------------------------------------------------------- nothing changes


@pytest.mark.parametrize("mode", ["eval", "train", "same"])
def test_the_model_is_left_as_it_was(mode: str) -> None:
    net = Branches()
    net.norm.eval()
    calls: list[str] = []
    net.pool.register_forward_hook(lambda *_: calls.append("forward"))
    net.pool.register_forward_pre_hook(lambda *_: calls.append("before"))
    net(minicnn.rand(2, 3, 32, 32)).sum().backward()
    del calls[:]

    def state() -> Any:
        flags = [(m.training, list(m._forward_hooks), list(m._forward_pre_hooks)) for m in net.modules()]
        kept = [(id(t), t._versions.count, t.tolist()) for t in [*net.parameters(), *net.buffers()]]
        grads = [None if p.grad is None else (id(p.grad), p.grad.tolist(), p.requires_grad) for p in net.parameters()]
        return flags, kept, grads, minicnn.get_rng_state(), minicnn.is_grad_enabled()

    before = state()
    found = of(net, (4, 3, 32, 32), mode=mode)
    assert state() == before
    assert calls == ["before", "forward"]
    assert found.rows[0].output_shape == (4, 10)
    drop = by_path(found)["drop"]
    assert drop.output_bytes == (0 if mode == "eval" else 4 * 6 * 4)  # in evaluation nothing happens


def test_buffers_that_a_forward_replaces_come_back() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", minicnn.zeros(1))
            self.register_buffer("last", None)

        def forward(self, x: Any) -> Any:
            self.calls = self.calls + 1
            self.last = x
            return x

    net = Counter()
    before = net.calls
    of(net, (4,))
    assert net.calls is before
    assert net.calls.item() == 0
    assert net.last is None


def test_after_an_error_the_model_is_as_before_too() -> None:
    net = Branches()
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()]
    with pytest.raises(ShapeError):
        of(net, (4, 32, 32))
    assert net.training
    assert hooks == [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()]
    assert not minicnn.core.recording.records.open


def test_given_data_are_not_changed() -> None:
    x = minicnn.tensor([[-1.0, 2.0]])
    assert of(nn.ReLU(inplace=True), input_data=x).total_output_bytes == 0
    assert x.tolist() == [[-1.0, 2.0]]


def test_results_are_let_go_of_while_it_runs() -> None:
    chain = nn.Sequential(*[nn.ReLU() for _ in range(40)])
    tracemalloc.start()
    try:
        found = of(chain, (1, 16, 250, 250))  # 4 MB each
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.total_output_bytes == 40 * 4_000_000
    assert most < 6 * 4_000_000
