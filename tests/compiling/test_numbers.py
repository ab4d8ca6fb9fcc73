"""Compiled models: the numbers of the model, bit by bit."""

from __future__ import annotations

import threading
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import models, nn
from tests.compiling.common import images, pair, programs, same
from tests.models.table import ROWS
from tests.onnx.common import Lambda
from tests.onnx.test_zoo import QUICK, narrow

Pair = namedtuple("Pair", ["first", "second"])


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in ROWS])
def test_every_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minicnn_kernels.numba_cpu.staged.convolution.TILES", 0)  # the algorithms of the kernels
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


def test_a_model_of_the_zoo_by_name() -> None:
    model = models.get_model("resnet20").eval()
    same(model, minicnn.compile(model, fullgraph=True), images(1, 3, 32, 32))
