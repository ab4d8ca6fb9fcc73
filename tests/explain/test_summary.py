"""What a summary says about small networks, that it changes nothing, and what it says about mistakes."""

from __future__ import annotations

import json
import sys
import tracemalloc
import types
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn
from minicnn.core.errors import ShapeError
from minicnn.explain import ParameterRow, Row, Summary, summary

from .nets import Branches


def of(model: nn.Module, *size: Any, **options: Any) -> Summary:
    return summary(model, *size, verbose=0, **options)


def by_path(found: Summary) -> dict[str, Row]:
    return {row.path: row for row in reversed(found.rows) if row.kind != "operation"}


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


# ---------------------------------------------------------------------- inputs


def test_sizes_and_data_may_be_given_in_many_ways() -> None:
    conv, linear = nn.Conv2d(3, 2, 3), nn.Linear(6, 2)
    assert of(conv, (3, 8, 8)).input_size == [(1, 3, 8, 8)]
    assert of(conv, [3, 8, 8], batch_size=4).input_size == [(4, 3, 8, 8)]
    assert of(conv, (2, 3, 8, 8)).input_size == of(conv, (2, 3, 8, 8), batch_size=2).input_size == [(2, 3, 8, 8)]
    assert of(conv, minicnn.Size([2, 3, 8, 8])).input_size == [(2, 3, 8, 8)]
    assert of(linear, (6,)).input_size == [(1, 6)]
    assert of(linear, (5, 6)).input_size == [(5, 6)]
    assert of(linear, input_data=np.ones((2, 6), np.float32)).input_size == [(2, 6)]
    assert of(linear, input_data={"input": minicnn.ones(2, 6)}).input_size == [(2, 6)]
    assert of(conv, input_data=minicnn.ones(3, 8, 8)).receptive_field == (3, 3)  # (C, H, W)

    class Many(nn.Module):
        def forward(self, pair: Any, y: Any, scale: float = 1.0) -> Any:
            return {"sum": (pair[0] + pair[1] + y) * scale, "parts": list(pair)}

    a = minicnn.ones(2, 3)
    found = of(Many(), input_data=[(a, a), a, 2.0])
    assert found.input_size == [(2, 3)] * 3
    assert found.rows[0].output_shapes == [(2, 3)] * 3


def test_the_input_has_the_parameters_type_unless_told_otherwise() -> None:
    kinds = []

    class Kind(nn.Linear):
        def forward(self, x: Any) -> Any:
            kinds.append(x.dtype)
            return x

    of(Kind(2, 2), (2,))
    of(Kind(2, 2).double(), (2,))
    of(Kind(2, 2), (2,), dtype=minicnn.int64)
    of(nn.Sequential(Kind(2, 2)), input_data=minicnn.ones(1, 2), dtype=minicnn.float64)
    assert kinds == [minicnn.float32, minicnn.float64, minicnn.int64, minicnn.float64]
    assert of(nn.Conv2d(1, 1, 1).double(), (1, 2, 2)).total_output_bytes == 4 * 8


EXPECTED = r"expected \(C, H, W\) as \(3, 224, 224\), a batch"


@pytest.mark.parametrize(
    ("size", "options", "says"),
    [
        (None, {}, "give either input_size or input_data; got none of them"),
        ((1, 2), {"input_data": minicnn.ones(1)}, "got both"),
        (224, {}, EXPECTED),
        ("224", {}, EXPECTED),
        ((3, 224.0, 224), {}, EXPECTED),
        ((3, 0, 224), {}, EXPECTED),
        ((3, True, 224), {}, EXPECTED),
        ((1, 2, 3, 4, 5), {}, EXPECTED),
        ((), {}, EXPECTED),
        ([(1, 2), 3], {}, EXPECTED),
        ((3, 8, 8), {"batch_size": 0}, "batch_size must be at least 1"),
        ((3, 8, 8), {"batch_size": "2"}, EXPECTED),
        ((2, 3, 8, 8), {"batch_size": 4}, r"batch of 2 already, .* Fix: input_size=\(3, 8, 8\), batch_size=4"),
        (None, {"input_data": minicnn.ones(1), "batch_size": 2}, "input_data has its own batch"),
        ((3, 8, 8), {"mode": "training"}, "mode must be one of 'eval', 'train', 'same'; got 'training'"),
        ((3, 8, 8), {"col_names": ["size"]}, "unknown column 'size'; known are input_size, output_size"),
        ((3, 8, 8), {"device": "cuda"}, "cannot be used"),
        ((3, 8, 8), {"depth": -1}, "depth must be at least 0, the model itself; got -1"),
        ((3, 8, 8), {"depth": "2"}, "depth must be at least 0, the model itself; got '2'"),
    ],
)
def test_wrong_arguments_say_what_is_expected(size: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        of(nn.Conv2d(3, 1, 1), size, **options)


def test_other_mistakes() -> None:
    with pytest.raises(ValueError, match="verbose must be 0, 1 or 2"):
        summary(nn.ReLU(), (1,), verbose=3)
    with pytest.raises(TypeError, match=r"expected an nn.Module; got the class ReLU. Fix: ReLU\(\)"):
        summary(nn.ReLU, (1,))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"the size is one tuple. Fix: summary\(model, \(3, 32, 32\)\)"):
        summary(nn.ReLU(), 3, 32, 32)
    with pytest.raises(TypeError, match="all else by name, as batch_size=4; got 1 more after input_size"):
        summary(nn.ReLU(), (3, 32, 32), 4)


@pytest.mark.parametrize(
    "data",
    [
        (x := minicnn.ones(2, 3, 4, 4)),
        [x, x],
        {"input": [x]},
        (3, x),
        np.ones((2, 3, 4, 4)),
    ],
    ids=["tensor", "list", "dict", "mixed", "array"],
)
def test_data_where_a_size_belongs(data: Any) -> None:
    fix = r"Fix: summary\(model, input_data=x\), or its size alone, summary\(model, \(2, 3, 4, 4\)\)"
    with pytest.raises(ValueError, match=rf"got a (Tensor|ndarray) of shape \(2, 3, 4, 4\)\. {fix}$"):
        of(nn.ReLU(), data)


def test_a_wrong_size_is_not_printed_at_length() -> None:
    with pytest.raises(ValueError, match=r"input_size=\[0, 1, 2, 3, 4, 5, \.\.\.\]: expected"):
        of(nn.ReLU(), list(range(1000)))


def test_a_forward_that_fails_says_where_and_shows_the_sizes_up_to_there() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 4, 3)), nn.Flatten())
    with pytest.raises(ShapeError, match="has 4 channels") as caught:
        of(net, (3, 12, 12))
    assert "'1.1': Conv2d(8, 4" in str(caught.value)
    (note,) = caught.value.__notes__
    lines = [" ".join(line.split()) for line in note.splitlines() if ":" in line]
    assert lines == [
        "summary: Sequential failed. What ran until then:",
        "0: Conv2d (1, 3, 12, 12) (1, 4, 8, 8) (12 - 5 + 2*0)/1 + 1 = 8",
        "1: Sequential (1, 4, 8, 8)",
        "0: MaxPool2d (1, 4, 8, 8) (1, 4, 4, 4) (8 - 2 + 2*0)/2 + 1 = 4",
        "1: Conv2d (failed here) (1, 4, 4, 4)",
    ]


def test_a_deep_network_that_fails_shows_the_layers_that_were_running_and_the_last_rows() -> None:
    class Deep(nn.Module):
        def __init__(self, layers: int) -> None:
            super().__init__()
            self.body = nn.Sequential(*[nn.ReLU() for _ in range(layers)])
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(5, 2))

        def forward(self, x: Any) -> Any:
            return self.head(self.body(x))

    def shown(layers: int) -> list[str]:
        with pytest.raises(ShapeError) as caught:
            of(Deep(layers), (3, 4, 4))
        return [line.partition("  (")[0].strip() for line in caught.value.__notes__[-1].splitlines()[3:-1]]

    end = ["head: Sequential", "0: Flatten", "1: Linear (failed here)"]
    assert shown(40) == ["Deep", "... and 32 rows before", *[f"{i}: ReLU" for i in range(31, 40)], *end]
    assert shown(7) == ["Deep", "body: Sequential", *[f"{i}: ReLU" for i in range(7)], *end]


def test_layers_in_other_threads_are_refused_not_left_out() -> None:
    class Threaded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Conv2d(3, 4, 3)

        def forward(self, x: Any) -> Any:
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(self.inner, x).result()

    model = Threaded()
    with pytest.raises(ValueError, match="layers of Threaded ran in other threads"):
        of(model, (3, 8, 8))
    assert model(minicnn.ones(1, 3, 8, 8)).shape == (1, 4, 6, 6)


def test_an_error_that_is_not_about_sizes_has_the_note_too() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return self.first(x).no_such_method()

    with pytest.raises(AttributeError) as caught:
        of(Broken(), (3,))
    assert "Broken (failed here)" in caught.value.__notes__[-1]
    assert "first: Linear" in caught.value.__notes__[-1]


@pytest.mark.parametrize("more", [True, False])
def test_an_error_that_the_model_catches_is_no_failure(more: bool) -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.narrow = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 9)), nn.Conv2d(1, 1, 3)

        def forward(self, x: Any) -> Any:
            try:
                x = self.wide(x)
            except ShapeError:
                x = x * 2
            return self.narrow(x) if more else x

    rows = of(Careful(), (1, 8, 8)).rows
    ran = [("Careful", 0), ("wide", 1), ("0", 2), ("1", 2), ("mul", 1), ("narrow", 1)]
    assert [(row.name or row.type, row.depth) for row in rows] == ran
    failed, left = ["failed", "failed"], [] if more else ["not called"]
    assert [row.kind for row in rows if row.output_shape is None] == failed + left
    assert rows[0].receptive_field == ((3, 3) if more else (1, 1))


def test_a_too_small_image_gives_the_models_own_error() -> None:
    with pytest.raises(ShapeError, match="the smallest square image that this network takes has 17 x 17") as caught:
        of(minicnn.models.squeezenet1_1(num_classes=2), (3, 12, 12))
    assert "8: MaxPool2d (failed here)" in caught.value.__notes__[-1]
    assert "(0, " not in caught.value.__notes__[-1]  # the sizes that the model then tried are not shown


# ---------------------------------------------------------------------- output


def test_it_prints_as_it_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3))
    assert isinstance(summary(net, (1, 5, 5), verbose=0), Summary)
    assert capsys.readouterr().out == ""
    found = summary(net, (1, 5, 5))
    assert capsys.readouterr().out == f"{found}\n"
    full = summary(net, (1, 5, 5), verbose=2)
    assert capsys.readouterr().out == f"{full}\n"
    more = [line.strip() for line in str(full).splitlines() if line not in str(found).splitlines()]
    assert more == [
        "weight (2, 1, 3, 3): 3*3*1*2 = 18",
        "bias (2,): 2",
        "multiply-adds: 3*3*1*2*3*3 = 162",
        "receptive field: 1 + (3 - 1)*1 = 3, jump 1*1 = 1",
    ]
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    summary(net, (1, 5, 5))
    assert capsys.readouterr().out == ""  # the notebook shows what is returned
    assert repr(found) == "<Summary of Sequential: 20 parameters, 162 multiply-adds>"


def test_depth_hides_rows_but_not_their_numbers() -> None:
    whole, short = (of(Branches(), (3, 32, 32), depth=depth) for depth in (None, 0))
    assert len(short.shown) == 1
    assert short.totals() == whole.totals()
    assert str(short).splitlines()[2].split()[:3] == ["Branches", "(1,", "10)"]
    assert len(short.to_dict()["rows"]) == 1


def test_columns_can_be_chosen() -> None:
    names = ["input_size", "trainable", "jump"]
    lines = str(of(nn.Conv2d(1, 2, 3, stride=(1, 2)), (1, 5, 5), col_names=names)).splitlines()
    assert lines[0].split() == ["Layer", "Input", "Trainable", "Jump"]
    assert lines[2].split() == ["Conv2d", "(1,", "1,", "5,", "5)", "20", "1", "x", "2"]
    assert of(nn.ReLU(), (1,), col_names="jump").col_names == ("jump",)


def test_html_is_well_formed_and_escaped() -> None:
    net = type("A<b>&", (Branches,), {})()
    found = of(net, (3, 32, 32))
    tree = ElementTree.fromstring(f"<div>{found._repr_html_()}</div>")
    cells = [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]
    assert cells[0][:2] == ["Layer", "Output"]
    assert len(cells) == 1 + len(found.rows)
    assert cells[1][:2] == ["A<b>&", "(1, 10)"]
    hint = next(cell.get("title") for cell in tree.iter("td") if (cell.text or "").startswith("head"))
    assert hint == "weight (10, 6): 6*10 = 60\nbias (10,): 10\nmultiply-adds: 6*10 = 60"
    hints = {cell.text: cell.get("title") for cell in tree.iter("th")}
    assert list(hints) == cells[0]
    assert all(hints[title] for title in cells[0][1:])
    assert "one position of the output depends on" in str(hints["Field"])
    assert "the product of the strides" in str(hints["Jump"])
    assert "".join(tree.find("p").itertext()) == "".join(found.totals())  # type: ignore[union-attr]


def test_the_dictionary_is_json_and_has_all() -> None:
    found = of(Branches(), (3, 32, 32))
    read = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert read["model"] == "Branches"
    assert read["total_mult_adds"] == found.total_mult_adds
    assert [row["path"] for row in read["rows"]] == [row.path for row in found.rows]
    conv = next(row for row in read["rows"] if row["path"] == "stem.0")
    assert conv["output_shape"] == [1, 8, 16, 16]
    assert conv["receptive_field"] == [3, 3]
    assert conv["jump"] == [2.0, 2.0]
    assert conv["formula"] == "floor((32 - 3 + 2*1)/2) + 1 = 16"
    assert conv["parameters"][0] == {
        "name": "weight", "shape": [8, 3, 3, 3], "count": 216, "formula": "3*3*3*8", "trainable": True, "shared": False
    }  # fmt: skip


FORMULAS = [
    (nn.Conv2d(1, 1, 11, stride=4), 227, "(227 - 11 + 2*0)/4 + 1 = 55"),
    (nn.Conv2d(1, 1, 7, stride=2, padding=3), 224, "floor((224 - 7 + 2*3)/2) + 1 = 112"),
    (nn.Conv2d(1, 1, 3, padding=2, dilation=2), 32, "(32 - 2*(3 - 1) - 1 + 2*2)/1 + 1 = 32"),
    (nn.Conv2d(1, 1, 4, padding="same"), 10, "(10 - 4 + 1 + 2)/1 + 1 = 10"),
    (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), 10, "(12 - 3 + 2*0)/1 + 1 = 10"),
    (nn.MaxPool2d(2), 7, "floor((7 - 2 + 2*0)/2) + 1 = 3"),
    (nn.AvgPool2d(2, ceil_mode=True), 7, "ceil((7 - 2 + 2*0)/2) + 1 = 4"),
    (nn.LPPool2d(2, 2), 8, "(8 - 2 + 2*0)/2 + 1 = 4"),
    (nn.AdaptiveAvgPool2d(1), 7, "all 7*7 in one"),
    (nn.AdaptiveMaxPool2d((3, None)), 7, "height 7 in 3 bins; width 7 in 7 bins"),
    (nn.Upsample(scale_factor=2), 7, "7 to 14"),
    (nn.ZeroPad2d((1, 2, 1, 2)), 7, "1 + 7 + 2 = 10"),
    (nn.Flatten(), 7, "1*7*7 = 49"),
    (nn.Unfold(3), 5, "(5 - 3 + 2*0)/1 + 1 = 3"),
    (nn.ReLU(), 7, ""),
]


@pytest.mark.parametrize(("layer", "side", "formula"), FORMULAS, ids=[str(f[0]) for f in FORMULAS])
def test_formulas_have_the_numbers_of_the_operation_that_ran(layer: nn.Module, side: int, formula: str) -> None:
    assert of(layer, (1, side, side)).rows[0].formula == formula
