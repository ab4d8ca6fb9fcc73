"""A compiled model is like the model."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import nn
from minicnn.compiling import CompiledModule
from tests.compiling.common import Block, images, pair, programs, same
from tests.models.table import ROWS


def test_it_may_be_recorded_and_summarised() -> None:
    model, compiled = pair()
    same(model, compiled, images())
    assert (
        str(minicnn.summary(compiled, (3, 8, 8))).splitlines()[2:]
        == str(minicnn.summary(model, (3, 8, 8))).splitlines()[2:]
    )


def test_two_models_and_a_part_of_another() -> None:
    (one, first), (two, second) = pair(), pair()
    x = images()
    for _ in range(2):
        same(one, first, x)
        same(two, second, x)
    whole = nn.Sequential(nn.Conv2d(3, 3, 1), first).eval()
    same(nn.Sequential(whole[0], one).eval(), minicnn.compile(whole, fullgraph=True), x)
    assert list(whole.state_dict())[2:4] == ["1.conv1.weight", "1.conv1.bias"]
    assert minicnn.compile(first)._orig_mod is one


def test_it_has_what_the_model_has() -> None:
    model, compiled = pair()
    assert isinstance(compiled, nn.Module)
    assert repr(compiled) == repr(model)
    assert list(compiled.state_dict()) == list(model.state_dict())
    assert [id(p) for p in compiled.parameters()] == [id(p) for p in model.parameters()]
    assert [name for name, _ in compiled.named_modules()] == [name for name, _ in model.named_modules()]
    assert compiled.fc is model.fc
    assert "fc" in dir(compiled)
    compiled.fc = nn.Linear(8, 2)
    compiled.note = "mine"
    assert model.fc.out_features == 2
    assert model.note == "mine"
    del compiled.note
    assert not hasattr(model, "note")
    assert (
        nn.Sequential(model)[0]
        is minicnn.compile(nn.Sequential(model))[0]
        is next(iter(minicnn.compile(nn.Sequential(model))))
    )
    assert compiled.double() is compiled
    assert model.fc.weight.dtype == minicnn.float64
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = compiled.missing


def test_state_dicts_of_both_libraries() -> None:
    row = ROWS["squeezenet1_1"]
    model = row.build(**row.config)
    compiled = minicnn.compile(row.build(**row.config))
    assert str(compiled.load_state_dict(model.state_dict())) == "<All keys matched successfully>"
    theirs = torch.compile(torch.nn.Sequential(torch.nn.Linear(2, 2)), backend="eager")
    assert next(iter(theirs.state_dict())).startswith("_orig_mod.")
    ours = minicnn.compile(nn.Sequential(nn.Linear(2, 2)))
    ours.load_state_dict(theirs.state_dict())
    np.testing.assert_array_equal(ours[0].weight.detach().numpy(), theirs._orig_mod[0].weight.detach().numpy())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_record_anew(copied: Callable[[Any], Any]) -> None:
    model, compiled = pair()
    same(model, compiled, images())
    other = copied(compiled)
    assert isinstance(other, CompiledModule)
    assert other._orig_mod is not model
    assert not programs(other)
    with minicnn.no_grad():
        other.conv1.weight.mul_(2)
    same(other._orig_mod, other, images())
    same(model, compiled, images())


def test_arguments() -> None:
    with pytest.raises(TypeError, match=r"expected an nn\.Module; got function"):
        minicnn.compile(lambda x: x)  # type: ignore[arg-type]
    model = Block()
    assert minicnn.compile(model, disable=True) is model
