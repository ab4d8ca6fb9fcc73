"""Programs of stages: the bits of the model, whatever the shapes, threads and slices, and no access out of bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicnn_kernels.numba_cpu.staged import convolution, products
from minicnn_kernels.stages import LINE, Buffer, Stages

import minicnn
from minicnn import models, nn
from minicnn.compiling import planning, slicing
from minicnn.compiling.planning import Plan
from tests.compiling.common import Residual, images, plan_of, same
from tests.onnx.common import Lambda
from tests.onnx.test_zoo import narrow

MARGIN = 4096  # bytes of NaN around an arena


def check(model: nn.Module, *shape: int, staged: bool = True) -> Plan:
    """Three runs, bit by bit, with a BatchNorm2d that does something."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.normal_()
    compiled = minicnn.compile(model.eval(), fullgraph=True)
    for _ in range(3):
        same(model, compiled, images(*shape))
    plan = plan_of(compiled)
    assert plan.complete is staged
    return plan


class Guarded:
    """Stands in for the pool's ``empty``: fresh memory of NaN, with more of it on both sides."""

    def __init__(self) -> None:
        self.memories: list[tuple[np.ndarray, int, int]] = []

    def __call__(self, shape: tuple[int], dtype: Any) -> np.ndarray:
        whole = np.full((shape[0] + 2 * MARGIN) // 4, np.nan, np.float32).view(np.uint8)
        start = MARGIN // 2 + -(whole.ctypes.data + MARGIN // 2) % LINE
        self.memories.append((whole, start, start + shape[0]))
        return whole[start : start + shape[0]]

    def check(self) -> None:
        for whole, start, end in self.memories:
            assert np.isnan(whole[:start].view(np.float32)).all(), "written before the arena"
            assert np.isnan(whole[end:].view(np.float32)).all(), "written behind the arena"


@pytest.fixture
def guards(monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    guarded = Guarded()
    monkeypatch.setattr(planning, "empty", guarded)
    yield guarded
    assert guarded.memories
    guarded.check()


CONVOLUTIONS: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (lambda: nn.Conv2d(3, 8, 3, padding=1), (2, 3, 9, 7)),
    (lambda: nn.Conv2d(1, 5, 5, padding=2), (3, 1, 12, 11)),
    (lambda: nn.Conv2d(3, 33, 7, stride=2, padding=3, bias=False), (1, 3, 23, 30)),
    (lambda: nn.Conv2d(12, 20, 3, stride=(2, 1), padding=(0, 2), dilation=(1, 2), groups=4), (2, 12, 11, 10)),
    (lambda: nn.Conv2d(40, 70, 1), (1, 40, 6, 5)),
    (lambda: nn.Conv2d(512, 40, 1, bias=False), (1, 512, 3, 3)),  # rows 2 KiB apart
    (lambda: nn.Conv2d(1100, 8, 1, bias=False), (1, 1100, 4, 4)),  # parts of the depth, summed apart
    (lambda: nn.Conv2d(512, 100, 1), (2, 512, 5, 5)),
    (lambda: nn.Conv2d(32, 48, 3, padding=1), (2, 32, 19, 18)),  # Winograd
    (lambda: nn.Conv2d(16, 20, 5, padding=2, bias=False), (2, 16, 21, 14)),
    (lambda: nn.Conv2d(24, 24, 3, padding=1, groups=24), (2, 24, 9, 9)),  # depthwise
    (lambda: nn.Conv2d(20, 20, (3, 5), stride=2, padding=(1, 2), dilation=2, groups=20, bias=False), (1, 20, 17, 19)),
]


@pytest.mark.usefixtures("guards")
@pytest.mark.parametrize("number", range(len(CONVOLUTIONS)))
@pytest.mark.parametrize("after", ["nothing", "norm and relu6"])
def test_convolutions(number: int, after: str) -> None:
    make, shape = CONVOLUTIONS[number]
    layer = make()
    if after == "nothing":
        check(layer, *shape)
    else:
        check(nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU6()), *shape)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_drawn_convolutions(data: st.DataObject) -> None:
    draw = data.draw
    groups = draw(st.sampled_from([1, 1, 2, 6]))
    channels, outputs = (groups * draw(st.integers(1, 7)) for _ in range(2))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride, dilation, padding = (draw(st.tuples(st.integers(low, 2), st.integers(low, 2))) for low in (1, 1, 0))
    layer = nn.Conv2d(channels, outputs, kernel, stride, padding, dilation, groups, bias=draw(st.booleans()))
    size = draw(st.tuples(st.integers(7, 12), st.integers(7, 12)))
    check(nn.Sequential(layer, nn.ReLU()), draw(st.integers(1, 3)), channels, *size)


@pytest.mark.usefixtures("guards")
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.MaxPool2d(3, 2, 1), (2, 20, 9, 8)),
        (nn.MaxPool2d(2, ceil_mode=True), (1, 3, 7, 7)),
        (nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 20, 9, 8)),
        (nn.AdaptiveAvgPool2d((3, 2)), (2, 20, 9, 8)),
        (nn.AdaptiveAvgPool2d(1), (2, 20, 19, 8)),
        (nn.AdaptiveAvgPool2d(1), (1, 130, 7, 7)),
        (nn.BatchNorm2d(20), (2, 20, 5, 3)),
        (nn.Sequential(nn.BatchNorm2d(33), nn.ReLU()), (2, 33, 5, 3)),
        (nn.Sequential(nn.MaxPool2d(2), nn.ReLU6()), (2, 20, 5, 3)),
        (nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(120, 30), nn.ReLU(), nn.Linear(30, 3)), (1, 20, 4, 6)),
        (nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(120, 70, bias=False)), (9, 20, 4, 6)),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 3)), (2, 20, 4, 6)),
    ],
    ids=str,
)
def test_other_layers(layer: nn.Module, shape: tuple[int, ...]) -> None:
    check(layer, *shape)


def test_maxima_of_nan_and_infinity() -> None:
    pool = nn.MaxPool2d(3, 1, 1).eval()
    compiled = minicnn.compile(pool, fullgraph=True)
    x = images(1, 17, 6, 6)
    x[0, :, 2, 3], x[0, 3, 5, 5], x[0, 5] = float("nan"), float("inf"), -float("inf")
    for _ in range(2):
        same(pool, compiled, x)


class Joins(nn.Module):
    """Concatenations of results, of the input, of one another, and twice of the same; sums beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(6, 6, 1), nn.Conv2d(12, 9, 3, padding=1)
        self.norm, self.depthwise = nn.BatchNorm2d(21), nn.Conv2d(21, 21, 3, padding=1, groups=21)
        self.pool, self.last = nn.MaxPool2d(2), nn.Conv2d(63, 6, 1)

    def forward(self, x: Any) -> Any:
        a = minicnn.relu(self.first(x))
        b = minicnn.cat((a, x), 1)
        c = minicnn.cat((b, self.second(b)), 1)
        d = self.depthwise(minicnn.relu(self.norm(c)))
        e = minicnn.cat((d, c, d), 1)
        return self.pool(self.last(e) + a), self.first(minicnn.relu(self.first(x) + x))


@pytest.mark.usefixtures("guards")
def test_joins() -> None:
    model = Joins().eval()
    compiled = minicnn.compile(model, fullgraph=True)
    for x in (images(2, 6, 8, 8), images(1, 6, 5, 9).to(memory_format=minicnn.channels_last)):
        for _ in range(3):
            with minicnn.no_grad():
                for got, expected in zip(compiled(x), model(x), strict=True):
                    np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_a_dense_block_is_one_array() -> None:
    model = models.get_model("densenet121", num_classes=4)
    narrow(model)
    plan = check(model, 1, 3, 32, 32)
    joins = [call.outputs[0] for call in plan.calls if "Cat" in type(call.made_of).__name__]
    assert len({plan.laid[v].buffer for v in joins}) == 4


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2", "googlenet", "resnet18", "alexnet"])
def test_whole_networks_are_stages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "TILES", 0)  # the algorithms of the kernels
    model = models.get_model(name, num_classes=4)
    narrow(model)
    check(model, 2, 3, 64, 64)


def test_a_call_without_stages_runs_between_two_launches() -> None:
    first, second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = first, second

        def forward(self, x: Any) -> Any:
            y = self.first(x)
            z = self.second(minicnn.cat((minicnn.tanh(y), y), 1)[:, 4:12])
            return z, y.flatten(1)

    model = Net().eval()
    compiled = minicnn.compile(model, fullgraph=True)
    for _ in range(3):
        x = images(2, 3, 6, 6)
        with minicnn.no_grad():
            for got, expected in zip(compiled(x), model(x), strict=True):
                np.testing.assert_array_equal(got.numpy(), expected.numpy())
    assert plan_of(compiled).foreign


@pytest.mark.usefixtures("guards")
@pytest.mark.parametrize("near", [1, 20_000, 100_000])
def test_slices(monkeypatch: pytest.MonkeyPatch, near: int) -> None:
    monkeypatch.setattr(slicing, "NEAR", near)
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8)),
        *(nn.MaxPool2d(2), nn.Conv2d(8, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 40, 1, stride=2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 50), nn.Linear(50, 3)),
    )
    plans = check(model, 6, 3, 16, 16), check(Residual(), 6, 4, 12, 12)
    assert near > 20_000 or all(plan.slices.several for plan in plans)
    joins = nn.Sequential(nn.Conv2d(6, 6, 1), Joins()).eval()
    compiled = minicnn.compile(joins, fullgraph=True)
    for _ in range(3):
        x = images(6, 6, 8, 8)
        with minicnn.no_grad():
            for got, expected in zip(compiled(x), joins(x), strict=True):
                np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_a_mean_over_the_batch_is_not_sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicing, "NEAR", 1)
    first = nn.Conv2d(3, 8, 3)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = first

        def forward(self, x: Any) -> Any:
            y = self.layer(x)
            return y - y.mean(0, keepdim=True)

    assert not check(Net(), 4, 3, 8, 8, staged=False).slices.several


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 1000)), max_size=30))
def test_no_two_buffers_share_a_place_at_one_time(drawn: list[tuple[int, int, int]]) -> None:
    stages = Stages()
    stages.scratch(100)
    for a, b, size in drawn:
        buffer = Buffer(size, min(a, b))
        buffer.last = max(a, b)
        stages.buffers.append(buffer)
    total = stages.lay_out()
    for i, one in enumerate(stages.buffers):
        assert one.offset >= 128
        assert one.offset + one.size <= total
        for other in stages.buffers[:i]:
            apart = one.offset + one.size <= other.offset or other.offset + other.size <= one.offset
            assert apart or one.last < other.first or other.last < one.first


@given(st.integers(1, 500), st.integers(1, 300), st.integers(1, 300), st.integers(1, 3))
def test_shares_are_whole_tiles_and_cover_the_product(m: int, n: int, k: int, batches: int) -> None:
    block, panels = products._shares(m, n, k, k, batches)
    rows = products.tile_rows()
    assert block % rows == 0
    assert 0 < block < m + rows
    assert 0 < panels <= -(-n // products.tile_columns(4))


def test_inputs_in_any_memory_order() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1)).eval()
    compiled = minicnn.compile(model, fullgraph=True)
    numbers = np.random.default_rng(0).standard_normal((2, 6, 9, 14), dtype=np.float32)
    fields = np.zeros((2, 3, 5, 7), [("tag", "i2"), ("number", "<f4")])
    fields["number"] = numbers[:, :3, :5, :7]
    views = [
        *(numbers[:, ::2], numbers[:, 5:2:-1, ::-1, ::-2], numbers.transpose(0, 1, 3, 2)[:, :3], fields["number"]),
        *(np.broadcast_to(numbers[:1, :1], (2, 3, 9, 14)), numbers[1:, :3, 1:, 3:].transpose(0, 1, 3, 2)),
    ]
    for view in views:
        x = minicnn.from_numpy(view) if view.flags.writeable else minicnn.tensor(view[:1, :1]).expand(2, 3, -1, -1)
        for _ in range(3):
            with minicnn.no_grad():
                np.testing.assert_allclose(compiled(x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)


def test_inputs_that_are_no_float32_images() -> None:
    model = Lambda(lambda x: x.reshape(2, -1) * 2).eval()
    compiled = minicnn.compile(model, fullgraph=True)
    for x in (images(2, 6), images(2, 3, 2), minicnn.arange(12).reshape(2, 6)):
        for _ in range(2):
            with minicnn.no_grad():
                np.testing.assert_array_equal(compiled(x).numpy(), model(x).numpy())


@pytest.mark.parametrize("shape", [(4, 2), (8, 1), (1, 8), (2, 4)])
def test_reshaped_averages(shape: tuple[int, int]) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.pool, self.last = nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Linear(shape[1], 3)

        def forward(self, x: Any) -> Any:
            return self.last(self.pool(self.layer(x)).reshape(shape))

    check(Net(), 2, 3, 4, 4, staged=shape == (2, 4))


@pytest.mark.parametrize("names", ["weight", "bias", "mean", "var", "weight bias mean var"])
def test_constants_that_other_calls_compute(names: str) -> None:
    """Weights, biases and statistics may be results too."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.filters, self.matrix = nn.Parameter(minicnn.randn(4, 3, 1, 1)), nn.Parameter(minicnn.randn(5, 4))
            self.mean, self.var, self.bias = (nn.Parameter(minicnn.rand(4)) for _ in range(3))

        def forward(self, x: Any) -> Any:
            def perhaps(name: str, t: Any) -> Any:
                return t.tanh() if name in names else t

            weight, bias = perhaps("weight", self.filters), perhaps("bias", self.bias)
            x = nn.functional.conv2d(x, weight, bias)
            x = nn.functional.max_pool2d(x, 2)
            x = nn.functional.batch_norm(x, perhaps("mean", self.mean), perhaps("var", self.var), self.var, bias)
            x = nn.functional.linear(
                x.flatten(2).sum(2), perhaps("weight", self.matrix), perhaps("bias", self.bias[:1]).expand(5)
            )
            return nn.functional.relu(x)

    check(Net(), 2, 3, 4, 4, staged=False)


def test_a_batch_that_is_not_the_first_inputs() -> None:
    """The algorithm of a convolution depends on its own number of images."""
    layer = nn.Conv2d(32, 32, 3, padding=1)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, factor: Any, x: Any) -> Any:
            return self.layer(x) * factor.sum()

    model = Net().eval()
    compiled = minicnn.compile(model, fullgraph=True)
    for factors, batch in ((9, 1), (1, 9)):
        for _ in range(2):
            same(model, compiled, images(factors), images(batch, 32, 8, 8))


def test_few_rows_of_a_matrix_are_those_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicing, "NEAR", 1)
    model = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(20 * 36, 2))
    assert check(model, 12, 20, 12, 12).slices.several
