"""The smallest network of each file of `minicnn.models` computes and learns on the device.

On the stand-in with the NumPy kernels, which NumPy hands to it: the CUDA kernels, one thread after another, would take
hours. Five networks go through those in test_training.py.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from minicnn_kernels import precision

import minicnn
from minicnn import nn
from minicnn.core.errors import ShapeError
from tests.models.golden import parts
from tests.models.table import ROWS

from .conftest import ON_GPU
from .twin import agree, on_host

SMALLEST: dict[str, Any] = {}
for _row in ROWS.values():
    _family = _row.build.__module__.rpartition(".")[2]
    if _family not in SMALLEST or _row.parameters < SMALLEST[_family].parameters:
        SMALLEST[_family] = _row


@pytest.mark.parametrize("family", SMALLEST)
def test_the_smallest_network_computes_as_on_the_cpu(device: str, family: str) -> None:
    row, outputs = SMALLEST[family], []
    with precision.set_conv_tf32(False), nullcontext() if ON_GPU else minicnn.use_backend("numpy"):
        for where in ("cpu", device):
            minicnn.manual_seed(0)
            model = row.build(**row.config).to(where)
            images = minicnn.randn(2, *row.small, generator=minicnn.Generator().manual_seed(1)).to(where)
            with minicnn.no_grad():
                outputs.append(on_host(model.eval()(images)))
        labels = minicnn.tensor([0, 1], device=device)
        sum(nn.functional.cross_entropy(output, labels) for output in parts(model.train()(images))).backward()
    agree([outputs[1]], [outputs[0]], 1e-3)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.is_cuda
        assert bool(parameter.grad.isfinite().all()), name


@pytest.mark.parametrize("drop", [nn.Dropout2d(0.5), nn.StochasticDepth(0.5, "row"), nn.Dropout(0.5)], ids=repr)
def test_what_is_dropped_is_drawn_on_the_device(device: str, drop: nn.Module) -> None:
    x = minicnn.ones(16, 4, 2, 2, device=device)
    y = drop(x)
    assert y.device == x.device
    assert sorted(set(on_host(y).reshape(-1).tolist())) == [0.0, 2.0]


def test_an_image_that_is_too_small_is_answered_there_too(device: str) -> None:
    model = minicnn.models.alexnet(num_classes=2).to(device)
    with pytest.raises(ShapeError, match="smallest"):
        model(minicnn.zeros(1, 3, 20, 20, device=device))
