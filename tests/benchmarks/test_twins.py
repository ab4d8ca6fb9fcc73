"""The networks that are compared compute the same in minicnn and in PyTorch, and in what PyTorch exports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import minicnn
from benchmarks import sides
from benchmarks.networks import NETWORKS, Network, write_weights
from benchmarks.scaling import CHAIN
from benchmarks.training import check_same, difference

LARGE = {"alexnet", "vgg16"}  # hundreds of MB of weights; compared when they are timed
SMALL = [
    replace(network, batch=2, side=28 if network.channels == 1 else 64, classes=10)
    for network in (*NETWORKS, replace(CHAIN, model="chain2"))
    if network.model not in LARGE
]


DEEP = {"resnet50", "densenet121"}


@pytest.fixture(
    params=[pytest.param(n, id=n.model, marks=[pytest.mark.slow] if n.model in DEEP else []) for n in SMALL]
)
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Network:
    with minicnn.use_backend("numpy"):
        write_weights(request.param, tmp_path)
    return request.param


def training(network: Network, folder: Path, library: str, way: sides.Way) -> sides.Training:
    """In float64, and without dropout, which draws other numbers in each library."""
    side = sides.Training(network, folder, 1, library, way)
    side.model.double()
    side.x = side.x.double()
    for module in side.model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    return side


def test_both_compute_the_same(network: Network, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    with minicnn.use_backend("numpy"):
        ours = training(network, tmp_path, "minicnn", sides.Way())
        theirs = training(network, tmp_path, "torch", sides.Way(channels_last=True, fused=True))
        assert difference(ours.output(), theirs.output()) < 1e-9
        losses = [ours() for _ in range(2)]  # the second one after a step
        assert losses == pytest.approx([theirs() for _ in range(2)], rel=1e-7)
        assert losses[1] != losses[0]
        assert ours.output().std() > 1e-3
    torch.set_num_threads(threads)


def test_the_frozen_and_the_exported_network_are_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    network = next(n for n in SMALL if n.model == "squeezenet1_1")
    with minicnn.use_backend("numpy"):
        write_weights(network, tmp_path)
        ours = sides.Inference(network, tmp_path, 1, 2, "minicnn").output()
    frozen = sides.Inference(network, tmp_path, 1, 2, "torch", sides.Way(frozen=True)).output()
    assert difference(frozen, ours) < 1e-4
    sides.export_onnx(network, tmp_path, (2,))
    theirs = sides.OnnxRuntime(network, tmp_path, 1, 2).output()
    assert difference(theirs, ours) < 1e-4


def test_networks_that_differ_are_not_timed() -> None:
    scores = np.array([[1.0, -4.0]])
    check_same("a", scores + 0.003, scores)
    with pytest.raises(ArithmeticError, match=r"b: the outputs differ by 1\.0e-02 of the largest score"):
        check_same("b", scores + 0.04, scores)
    with pytest.raises(ArithmeticError):
        check_same("c", scores * np.nan, scores)
