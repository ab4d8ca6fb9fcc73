"""Every implementation of a kernel: that it is found, agrees, says where it stands; times are never asserted."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import minicnn_kernels
import numpy as np
import pytest
import torch
from minicnn_kernels import available_backends
from minicnn_kernels.numba_cpu.peak import Peak

import minicnn
from minicnn import nn
from minicnn.explain import Comparison, compare, comparing, implementations, with_torch
from minicnn.explain.comparing import KernelComparison
from minicnn.explain.implementations import Implementation, difference
from minicnn.nn import functional as F

GOLDEN = Path(__file__).parent / "golden"
PEAK = Peak(flops=100e9, read=20e9, triad=10e9)


@pytest.fixture(autouse=True)
def known_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "machine_peak", lambda threads: PEAK)


def quick(operation: Any, *inputs: Any, **options: Any) -> Comparison:
    return compare(operation, *inputs, seconds=0.0, **options)


CASES: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "conv": (
        nn.Conv2d(3, 4, 3, padding=1),
        (2, 3, 6, 5),
        "conv2d.forward conv2d.grad_input conv2d.grad_weight conv2d.grad_bias",
    ),
    "groups": (nn.Conv2d(4, 6, 2, stride=2, dilation=2, groups=2, bias=False), (1, 4, 7, 7), "conv2d.forward"),
    "depthwise": (nn.Conv2d(4, 4, 3, groups=4), (1, 4, 7, 7), "conv2d.forward"),
    "same": (nn.Conv2d(2, 2, 2, padding="same"), (1, 2, 5, 5), "conv2d.forward"),
    "transposed": (nn.ConvTranspose2d(2, 3, 3, stride=2), (1, 2, 4, 4), "conv2d.grad_input"),
    "linear": (nn.Linear(5, 3), (4, 5), "matmul"),
    "max": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 2, 6, 6), "max_pool2d.forward max_pool2d.grad_input"),
    "mean": (nn.AvgPool2d(2, ceil_mode=True), (2, 2, 5, 5), "avg_pool2d.forward avg_pool2d.grad_input"),
    "bins": (nn.AdaptiveAvgPool2d(3), (2, 2, 5, 5), "adaptive_avg_pool2d.forward"),
    "largest": (nn.AdaptiveMaxPool2d(3), (2, 2, 5, 5), "adaptive_max_pool2d.forward"),
    "norm": (nn.BatchNorm2d(3), (2, 3, 4, 4), "batch_norm.statistics batch_norm.normalize batch_norm.grad"),
    "softmax": (nn.Softmax(1), (3, 4), "softmax.forward"),
    "relu": (nn.ReLU(), (3, 4), "relu.forward"),
}


@pytest.mark.parametrize("name", CASES)
def test_implementations_agree(name: str) -> None:
    layer, shape, operations = CASES[name]
    minicnn.manual_seed(0)
    before = {key: value.tolist() for key, value in layer.state_dict().items()}
    found = quick(layer, minicnn.randn(*shape), backward=True)
    assert set(operations.split()) <= {call.operation for call in found.calls}
    for call in found.calls:
        ran = [row for row in call.rows if row.seconds is not None]
        assert {row.name.partition(",")[0] for row in ran} >= {"reference", "numpy"}
        assert all(row.difference is not None and row.difference < 1e-5 and row.seconds > 0 for row in ran), call
        assert all(row.note for row in call.rows if row.seconds is None)
        assert {row.name.partition(",")[0] for row in call.rows if "Torch" not in row.name} == {
            *available_backends(),
            "CUDA",
        }
    assert {key: value.tolist() for key, value in layer.state_dict().items()} == before
    assert all(p.grad is None for p in layer.parameters())


def test_algorithms_of_a_convolution_and_why_one_declines() -> None:
    x, w = minicnn.randn(1, 16, 40, 40), minicnn.randn(16, 16, 3, 3)
    found = quick(F.conv2d, x, w, limit=0)
    assert [row.name for row in found.calls[0].rows] == [
        *(
            "reference",
            "numpy",
            "numba, direct",
            "numba, im2col",
            "numba, winograd",
            "CUDA, on the CPU",
            f"PyTorch {torch.__version__.split('+')[0]}",
        )
    ]
    assert found["reference"].seconds is None
    assert found["reference"].note.startswith("left out: its loops would take about 3 s; limit=7 runs them")
    assert found["numba, winograd"].source.startswith("minicnn_kernels/numba_cpu/winograd/convolution.py:")
    assert found["numba, im2col"].source.startswith("minicnn_kernels/numba_cpu/im2col.py:")
    assert found["PyTorch"].source == "torch.nn.functional.conv2d"
    strided = quick(F.conv2d, x, w, limit=0, stride=2)
    assert strided["numba, winograd"].note == "Winograd's algorithm is for stride 1 and dilation 1"
    assert "numba, winograd: Winograd's algorithm is for stride 1" in str(strided)
    with pytest.raises(KeyError, match="no implementation 'cuda'; there are 'reference', 'numpy'"):
        found["cuda"]


def test_sources_are_where_the_kernels_stand() -> None:
    found = quick(F.conv2d, minicnn.randn(1, 2, 5, 5), minicnn.randn(2, 2, 3, 3))
    root = Path(minicnn_kernels.__file__).parents[1]
    for row in found.calls[0].rows[:4]:
        file, _, line = row.source.partition(":")
        near = (root / file).read_text().splitlines()[int(line) - 1 : int(line) + 1]
        assert any(text.startswith("def ") for text in near), row
    function = importlib.import_module("minicnn_kernels.reference.conv").conv2d_forward
    assert found["reference"].source.endswith(f":{inspect.getsourcelines(function)[1]}")


def test_the_choice_is_the_registrys() -> None:
    x, w = minicnn.randn(1, 2, 5, 5), minicnn.randn(2, 2, 3, 3)
    with minicnn.use_backend("reference"):
        found = quick(F.conv2d, x, w)
        assert minicnn.active_backend() == "reference"
    assert found.calls[0].chosen == (
        "conv2d.forward: minicnn_kernels.reference.conv.conv2d_forward, because backend 'reference' is active"
    )
    assert str(found).count("chosen: conv2d.forward") == 1
    assert minicnn.active_conv_algorithm() == "auto"


def test_calls_of_one_kind_and_size_are_compared_once_and_fused_ones_say_so() -> None:
    layer = nn.Conv2d(2, 2, 3, padding=1)
    found = quick(nn.Sequential(layer, layer, nn.ReLU()), minicnn.randn(1, 2, 5, 5))
    assert [call.what for call in found.calls] == [
        *("3x3 2->2 at 5x5, batch 1", "3x3 2->2 at 5x5, batch 1, with what follows in the same call")
    ]
    assert "no one function for this and what is computed" in found.calls[1].rows[-1].note


def test_float64_and_other_types() -> None:
    x, w = minicnn.randn(1, 2, 5, 5, dtype=minicnn.float64), minicnn.randn(2, 2, 3, 3, dtype=minicnn.float64)
    found = quick(F.conv2d, x, w)
    assert found["numpy"].difference == 0
    assert found.calls[0].kind == "float64"
    single = quick(F.conv2d, x.float(), w.float())
    assert found.calls[0].flops / PEAK.flops * 2 <= found.calls[0].limit  # vectors of half as many numbers
    assert found.calls[0].moved == 2 * single.calls[0].moved
    assert "float64, not" not in str(single)
    assert found["numba, winograd"].note == "Winograd's algorithm is for float32, not float64"


def test_without_pytorch_and_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(with_torch.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(implementations.registry, "missing", lambda name: "no" if name == "numba" else None)
    implementations.machine_peak.cache_clear()
    assert implementations.machine_peak(1) == "numba is not installed"
    implementations.machine_peak.cache_clear()
    monkeypatch.setattr(comparing, "machine_peak", lambda threads: "numba is not installed")
    found = quick(F.relu, minicnn.randn(3))
    assert found["PyTorch"].note == "not installed"
    assert found.calls[0].limit is None
    assert "the machine's peak is not known: numba is not installed" in str(found)


def test_threads_of_pytorch_are_put_back() -> None:
    before = torch.get_num_threads()
    with with_torch.on_threads(1):
        assert torch.get_num_threads() == 1
        assert not torch.is_grad_enabled()
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (before, True)


def test_the_difference() -> None:
    inf, nan = float("inf"), float("nan")
    assert difference(np.array([1.0, inf, nan]), np.array([1.0, inf, nan])) == 0
    assert difference(np.array([1.0, 4.5, inf]), np.array([1.0, 5.0, inf])) == 0.1
    assert difference(np.zeros(0), np.zeros(0)) == 0
    assert difference(np.array([0.25]), np.array([0.0])) == 0.25


def made_up() -> Comparison:
    rows = [
        Implementation("reference", "minicnn_kernels/reference/conv.py:47", 0.0, 2.0, 1),
        Implementation("numba, direct", "minicnn_kernels/numba_cpu/conv.py:72", 1.5e-7, 0.0005, 40),
        Implementation("numba, winograd", note="Winograd's algorithm is for one group of channels, not 2"),
    ]
    call = KernelComparison(
        "conv2d.forward", "3x3 8->8 at 9x9", "float32", 2e6, 4096, 2e-5, "conv2d.forward: here", rows
    )
    other = KernelComparison("relu.forward", "8x8", "float32", 0.0, 512, 5e-8, "relu.forward: there", rows[1:2])
    return Comparison([call, other], 2, PEAK)


def test_the_text_is_the_one_in_the_file() -> None:
    assert f"{made_up()}\n" == (GOLDEN / "compare.txt").read_text()
    assert repr(made_up()) == "<Comparison of conv2d.forward, relu.forward>"
    html = made_up()._repr_html_()
    assert html.count("<table") == 2
    assert "minicnn_kernels/reference/conv.py:47" in html


def test_the_figure_has_a_bar_for_each_that_ran() -> None:
    axes = made_up().figure().get_axes()
    assert [ax.get_title().partition(":")[0] for ax in axes] == ["conv2d.forward", "relu.forward"]
    assert [bar.get_width() for bar in axes[0].patches] == [2000.0, 0.5]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["reference", "numba, direct"]
    assert [text.get_text() for text in axes[0].texts] == ["2.00 s (0.001 GFLOP/s)", "500.00 us (4 GFLOP/s)"]
    assert axes[0].lines[0].get_xdata()[0] == pytest.approx(0.02)


def test_times_that_surprise_are_explained() -> None:
    call = made_up().calls[0]
    row = call.rows[-1]
    fast = [replace(row, name="numpy", seconds=2e-5), replace(row, name="numba, winograd", seconds=2e-4)]
    surprising = replace(call, rows=fast, limit=1e-3, threads=2)
    first, second = surprising.remarks()
    assert "numba, winograd beats the limit: it needs fewer multiplications" in first
    assert "to start its threads costs more" in second
    assert {first, second} <= set(surprising.notes())
    assert replace(surprising, limit=1e-4, threads=1).remarks() == []
    (ax,) = replace(made_up(), calls=[surprising]).figure().get_axes()
    assert first in ax.get_xlabel()
    assert ax.get_xlim()[1] > 3 * 1e3 * max(fast[1].seconds or 0, 1e-3)  # room for the labels


if __name__ == "__main__":  # after a change that is meant: python -m tests.explain.test_compare
    (GOLDEN / "compare.txt").write_text(f"{made_up()}\n")
