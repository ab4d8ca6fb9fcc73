"""state_dict and load_state_dict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import nn


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(nn.Linear(3, 4)))


def test_entries_share_memory_without_history() -> None:
    model = net()
    state = model.state_dict()
    assert not state["0.weight"].requires_grad
    with minicnn.no_grad():
        model[0].weight.fill_(5)
    assert (state["0.weight"] == 5).all()
    assert model.state_dict(keep_vars=True)["0.weight"] is model[0].weight


def test_loading_copies_into_the_same_parameters() -> None:
    source, target = net(), net()
    parameters = list(target.parameters())
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert [id(p) for p in target.parameters()] == [id(p) for p in parameters]
    for a, b in zip(source.parameters(), target.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
        assert not np.shares_memory(a.detach().numpy(), b.detach().numpy())


def test_loading_converts_types_unless_assigning() -> None:
    state = {"weight": minicnn.ones(2, 3, dtype=minicnn.float64), "bias": minicnn.zeros(2, dtype=minicnn.float64)}
    layer = nn.Linear(3, 2)
    layer.load_state_dict(state)
    assert layer.weight.dtype == minicnn.float32
    layer.load_state_dict(state, assign=True)
    assert layer.weight.dtype == minicnn.float64
    assert isinstance(layer.weight, nn.Parameter)
    assert np.shares_memory(layer.weight.detach().numpy(), state["weight"].numpy())


@pytest.mark.parametrize("convert", [lambda t: t, lambda t: t.numpy()], ids=["tensors", "arrays"])
def test_a_state_of_torch_loads(convert: Any) -> None:
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Sequential(torch.nn.Linear(3, 4))
    )
    model = net()
    model.load_state_dict({name: convert(t) for name, t in theirs.state_dict().items()})
    np.testing.assert_array_equal(model[0].weight.detach().numpy(), theirs[0].weight.detach().numpy())


def test_the_error_lists_everything_and_changes_nothing() -> None:
    model = net()
    before = {name: t.numpy().copy() for name, t in model.state_dict().items()}
    state = {name: t * 0 + 9 for name, t in model.state_dict().items()}
    del state["0.bias"], state["1.running_mean"]
    state["2.0.weight"] = minicnn.zeros(10, 3)
    state["extra"] = minicnn.zeros(2, 2)
    state["2.1.weight"] = minicnn.zeros(1)
    state["1.bias"] = "text"
    with pytest.raises(nn.StateDictError) as caught:
        model.load_state_dict(state)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, RuntimeError)
    message = str(caught.value)
    expected = [
        "load_state_dict: the state_dict does not fit Sequential; nothing was loaded",
        "missing (the model has them, the state_dict does not):",
        "0.bias          (2,)",
        "1.running_mean  (2,)",
        "unexpected (the state_dict has them, the model does not):",
        "extra       (2, 2)",
        "2.1.weight  (1,)",
        "do not fit:",
        "1.bias      model (2,)    state_dict str",
        "2.0.weight  model (4, 3)  state_dict (10, 3)",
        "Fix: build the model with the sizes it was saved with",
    ]
    for line in expected:
        assert line in message, message
    for name, values in before.items():
        np.testing.assert_array_equal(model.state_dict()[name].numpy(), values)


def test_not_strict_loads_what_fits_and_returns_the_rest() -> None:
    model = net()
    state = {"0.weight": minicnn.ones(2, 1, 3, 3), "extra": minicnn.zeros(1)}
    result = model.load_state_dict(state, strict=False)
    assert (model[0].weight == 1).all()
    assert result.unexpected_keys == ["extra"]
    assert result.missing_keys[:2] == ["0.bias", "1.weight"]
    assert "1.num_batches_tracked" not in result.missing_keys  # as torch: older states do not have it
    missing, unexpected = result
    assert (len(missing), unexpected) == (7, ["extra"])
    with pytest.raises(RuntimeError, match="do not fit"):
        model.load_state_dict({"0.weight": minicnn.ones(1)}, strict=False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: {"weights": s, "epoch": 3}, "No key fits.*Its keys are 'weights', 'epoch'$"),
        (lambda s: {k: v for k, v in s.items() if k != "0.bias"}, "strict=False"),
        (lambda s: dict(list(s.items())[:2]), "Most keys do not fit.*another network than this Sequential"),
        (lambda s: {f"module.{k}": v for k, v in s.items() if k != "0.bias"}, "missing.*    0.bias"),
    ],
    ids=["checkpoint", "one missing", "another network", "one missing, data parallel"],
)
def test_the_error_says_what_probably_happened(change: Any, says: str) -> None:
    model = net()
    with pytest.raises(nn.StateDictError, match=f"(?s){says}"):
        model.load_state_dict(change(model.state_dict()))
    with pytest.raises(TypeError, match="expected a dict"):
        model.load_state_dict([1])
    with pytest.raises(TypeError, match="expected a dict of tensors by name; got the key 0"):
        model.load_state_dict({0: minicnn.ones(1)})


def test_loading_a_deep_model_does_not_compare_every_key_with_every_layer() -> None:
    class Key(str):
        looks = 0

        def startswith(self, *prefix: Any) -> bool:
            Key.looks += 1
            return super().startswith(*prefix)

    model = nn.Sequential(*(nn.Sequential(*(nn.Linear(1, 1) for _ in range(10))) for _ in range(20)))
    model.load_state_dict({Key(key): value for key, value in model.state_dict().items()})
    assert Key.looks < 20_000  # 400 keys in 221 layers: 88,400 pairs


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda s: {f"module.{k}": v for k, v in s.items()},
        lambda s: {"state_dict": s, "best_prec1": 91.7},
        lambda s: {"epoch": 3, "model": {f"module.{k}": v for k, v in s.items()}},
        lambda s: {"model_state_dict": s, "optimizer_state_dict": {}},
    ],
    ids=["data parallel", "state_dict", "model, data parallel", "model_state_dict"],
)
def test_the_state_is_found_in_a_checkpoint_and_without_module(wrapped: Any) -> None:
    model, other = net(), net()
    given = wrapped({k: v.clone() for k, v in model.state_dict().items()})
    assert str(other.load_state_dict(given)) == "<All keys matched successfully>"
    for name, values in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name].numpy(), values.numpy())


def test_keys_that_fit_are_never_renamed() -> None:
    class Wrapper(nn.Module):  # as data parallelism: its own keys begin with "module."
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(2, 1)

    model = Wrapper()
    assert str(model.load_state_dict(model.state_dict())) == "<All keys matched successfully>"


def test_a_long_table_shows_its_beginning() -> None:
    model = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(40)))
    with pytest.raises(nn.StateDictError) as caught:
        model.load_state_dict({f"{i}.weight": minicnn.zeros(2, 1) for i in range(40)})
    assert "11.weight" in str(caught.value)
    assert "12.weight" not in str(caught.value)
    assert "... and 28 more" in str(caught.value)


def test_a_subclass_can_translate_old_keys() -> None:
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
            if prefix + "w" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    model = nn.Sequential(Renamed(2, 2))
    state = {"0.w": minicnn.ones(2, 2), "0.bias": minicnn.zeros(2)}
    model.load_state_dict(state)
    assert (model[0].weight == 1).all()
    assert list(state) == ["0.w", "0.bias"]  # the caller's dictionary is left alone


def test_loading_bumps_versions_so_that_backward_notices() -> None:
    layer = nn.Linear(2, 2)
    x = minicnn.ones(1, 2, requires_grad=True)
    y = layer(x).sum()
    layer.load_state_dict({"weight": minicnn.zeros(2, 2), "bias": minicnn.zeros(2)})
    with pytest.raises(RuntimeError, match="in place"):
        y.backward()


def test_the_count_of_batches_may_be_missing_from_old_states_only() -> None:
    state = torch.nn.BatchNorm2d(2).state_dict()  # its metadata says that it is of version 2
    del state["num_batches_tracked"]
    with pytest.raises(ValueError, match="num_batches_tracked"):
        nn.BatchNorm2d(2).load_state_dict(state)
    state._metadata[""]["version"] = 1
    nn.BatchNorm2d(2).load_state_dict(state)
