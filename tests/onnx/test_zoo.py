"""Every model of the zoo: onnxruntime gives the model's outputs, for another batch size than was exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import models
from tests.models.table import ROWS

from .common import assert_close, draw, graph_of, outputs_of, run

QUICK = {"lenet5", "resnet20", "squeezenet1_1", "densenet40_k12"}


def settle(model: minicnn.nn.Module) -> None:
    """Running statistics of no default, near enough to it that the numbers of a deep network keep their size."""
    random = np.random.default_rng(5)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.data.copy_(minicnn.from_numpy(random.uniform(-0.1, 0.1, buffer.shape)))
        elif name.endswith("running_var"):
            buffer.data.copy_(minicnn.from_numpy(random.uniform(0.8, 1.2, buffer.shape)))


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in ROWS])
def test_a_model_in_onnxruntime(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    minicnn.manual_seed(0)
    model = row.build(**row.config)
    settle(model)
    path = tmp_path / "model.onnx"
    models.export_onnx(model, path, row.small)
    try:
        parameters = {i.name for i in graph_of(path.read_bytes()).initializer}
        assert {n for n, p in model.named_parameters() if "aux" not in n.lower()} <= parameters
        images = draw((4, *row.small))
        (got,) = run(str(path), images)
        (expected,) = outputs_of(model, images)
    finally:
        path.unlink()
    assert np.abs(expected - expected.mean(0)).max() > 1e-4 * np.abs(expected).max()  # the image matters
    assert_close(got, expected, 1e-4)
