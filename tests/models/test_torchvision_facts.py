"""The models that torchvision has, against facts measured on torchvision (make_torchvision_facts.py)."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import models

from . import golden

FACTS: dict[str, Any] = json.loads(
    gzip.decompress(Path(__file__).with_name("torchvision_facts.json.gz").read_bytes()).decode()
)
QUICK = {"squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5"}


def names(quick: set[str]) -> list[Any]:
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in FACTS]


def plain(name: str) -> dict[str, Any]:
    """Arguments that save the time of initialisation where torchvision has one."""
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


@pytest.mark.parametrize("name", names({n for n in FACTS if FACTS[n]["parameters"] < 5e6}))
def test_keys_shapes_and_text_are_those_of_torchvision(name: str) -> None:
    model = models.get_model(name, **plain(name))
    assert sum(p.numel() for p in model.parameters()) == FACTS[name]["parameters"]
    assert [(k, list(v.shape)) for k, v in model.state_dict().items()] == list(FACTS[name]["state_dict"].items())
    assert hashlib.sha256(repr(model).encode()).hexdigest() == FACTS[name]["repr"], repr(model)


def filled(name: str) -> Any:
    """The model with the weights of the formula."""
    model = models.get_model(name, num_classes=golden.CLASSES, **plain(name)).double()
    state = {key: golden.values(key, tuple(value.shape)) for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize("name", names(QUICK))
def test_outputs_and_gradients_are_those_of_torchvision(name: str) -> None:
    ours, theirs = golden.measure(name, filled(name), minicnn.from_numpy), FACTS[name]["numbers"]
    assert ours["with_grad"] == theirs["with_grad"]
    for what in ("logits", "grad_norm", "grad_input", "grad_first"):
        expected = np.array(theirs[what])
        np.testing.assert_allclose(ours[what], expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max(), err_msg=what)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_all_outputs_of_training_are_those_of_torchvision(name: str) -> None:
    ours, theirs = golden.measure_training(name, filled(name), minicnn.from_numpy), FACTS[name]["training"]
    assert len(ours) == len(theirs)
    for mine, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-7, atol=1e-7 * np.abs(expected).max())
