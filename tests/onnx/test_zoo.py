"""Every model of the zoo: onnxruntime gives the model's outputs, for another batch size than was exported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import models, nn
from tests.models.table import ROWS

from .common import assert_close, draw, graph_of, outputs_of, run

QUICK = {"lenet5", "resnet20", "squeezenet1_1", "densenet40_k12"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small images have little to share out, and threads that wait for each other are slow on a busy machine."""
    before = minicnn.get_num_threads()
    minicnn.set_num_threads(1)
    yield
    minicnn.set_num_threads(before)


def settle(model: nn.Module, image: tuple[int, ...]) -> None:
    """Make signals keep their size through all layers, as they do in a trained network."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # running statistics are those of the last batch
    if norms:
        with minicnn.no_grad():
            model.train()(minicnn.from_numpy(draw((2, *image)) * 0.5))
    else:
        for p in model.parameters():
            if p.ndim > 1:
                p.data.mul_(float((2 / np.prod(p.shape[1:])) ** 0.5) / float(p.detach().std()))


def spread(y: np.ndarray) -> float:
    """How much the outputs for two images differ, compared to their size."""
    return float(np.abs(y - y.mean(0)).max() / np.abs(y).max())


def narrow(model: nn.Module) -> None:
    """Two layers of 4096 units hold most parameters of VGG and AlexNet: with 64 the graph is the same, and small."""
    head = getattr(model, "classifier", None)
    if not isinstance(head, nn.Sequential):
        return
    width = None
    for i, layer in enumerate(head):
        if isinstance(layer, nn.Linear) and (layer.out_features == 4096 or width):
            outputs = 64 if layer.out_features == 4096 else layer.out_features
            head[i] = nn.Linear(width or layer.in_features, outputs)
            width = outputs


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in ROWS])
def test_a_model_in_onnxruntime(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    minicnn.manual_seed(0)
    model = row.build(**row.config)
    narrow(model)
    images = draw((4, *row.small))
    (expected,) = outputs_of(model, images[:2])
    if not spread(expected) > 0.05:  # or NaN
        settle(model, row.small)
        (expected,) = outputs_of(model, images[:2])
    path = tmp_path / f"{name}.onnx"
    models.export_onnx(model, path, row.small)
    try:
        names = {i.name for i in graph_of(path.read_bytes()).initializer}
        (got,) = run(str(path), images)
    finally:
        path.unlink()
    assert {n for n, _ in model.named_parameters() if "aux" not in n.lower()} <= names
    assert spread(expected) > 3e-3  # the image matters
    assert_close(got[:2], expected, 1e-4)
