"""Every model of the zoo: onnxruntime gives the model's outputs, for another batch size than was exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import models, nn
from tests.models.table import ROWS

from .common import assert_close, draw, graph_of, outputs_of, run

QUICK = {"lenet5", "resnet20", "squeezenet1_1", "densenet40_k12"}


def settle(model: nn.Module, image: tuple[int, ...]) -> None:
    """Make signals keep their size through all layers, as they do in a trained network, so that the image matters."""
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
    settle(model, row.small)
    path = tmp_path / f"{name}.onnx"
    models.export_onnx(model, path, row.small)
    images = draw((4, *row.small))
    try:
        names = {i.name for i in graph_of(path.read_bytes()).initializer}
        (got,) = run(str(path), images)
    finally:
        path.unlink()
    assert {n for n, _ in model.named_parameters() if "aux" not in n.lower()} <= names
    assert np.abs(got - got.mean(0)).max() > 0.01 * np.abs(got).max()  # the image matters
    (expected,) = outputs_of(model, images[:1])
    assert_close(got[:1], expected, 1e-4)
