"""Every module on the device: forward, backward and its state as on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minicnn_kernels import precision

import minicnn
from minicnn import nn
from tests.nn.table import ROWS, Row, draw

from .twin import agree, on_host


def run(module: nn.Module, array: np.ndarray, device: str) -> list[Any]:
    """Output, gradients and the state afterwards."""
    x = minicnn.tensor(array, device=device, requires_grad=True)
    y = module(x * 1)  # not a leaf, so that it may be changed in place
    assert y.device.type == device
    y.backward(minicnn.tensor(draw(tuple(y.shape), str(array.dtype)), device=device))
    grads = [x.grad, *(p.grad for p in module.parameters())]
    state = module.state_dict()
    assert all(t.device.type == device for t in (*state.values(), *(g for g in grads if g is not None)))
    return [on_host(t) for t in (y, *grads, *state.values())]


CASES = [(row, mode) for row in ROWS for mode in ("train", "eval") if not (row.random and mode == "train")]


@pytest.mark.parametrize(("row", "mode"), CASES, ids=[f"{row.id}-{mode}" for row, mode in CASES])
def test_as_on_the_cpu(device: str, row: Row, mode: str) -> None:
    minicnn.manual_seed(0)
    module = row.ours().train(mode == "train")
    array = draw(row.shape, "float32")
    with precision.set_conv_tf32(False):
        expected = run(module, array, "cpu")
    module.zero_grad()
    minicnn.manual_seed(0)
    module = row.ours().train(mode == "train").to(device)
    with precision.set_conv_tf32(False):
        agree(run(module, array, device), expected, 1e-4)
