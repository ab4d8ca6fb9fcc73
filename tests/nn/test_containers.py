"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict: the same steps as in PyTorch."""

from __future__ import annotations

import operator
from typing import Any

import pytest
import torch

import minicnn
from minicnn import nn

SEQUENTIAL = {
    "index": lambda n, s: s[1],
    "negative index": lambda n, s: s[-1],
    "slice": lambda n, s: s[1:],
    "slice with a step": lambda n, s: s[::2],
    "assign": lambda n, s: (s.__setitem__(1, n.Tanh()), s)[1],
    "assign at the end": lambda n, s: (s.__setitem__(-1, n.Tanh()), s)[1],
    "delete": lambda n, s: (s.__delitem__(1), s)[1],
    "delete a slice": lambda n, s: (s.__delitem__(slice(0, 2)), s)[1],
    "append": lambda n, s: s.append(n.Tanh()),
    "insert": lambda n, s: (s.insert(1, n.Tanh()), s)[1],
    "insert at the front": lambda n, s: (s.insert(0, n.Tanh()), s)[1],
    "extend": lambda n, s: s.extend([n.Tanh(), n.Sigmoid()]),
    "pop": lambda n, s: (s.pop(0), s)[0],
    "what pop leaves": lambda n, s: (s.pop(0), s)[1],
    "length": lambda n, s: len(s),
    "iterate": lambda n, s: [repr(m) for m in s],
    "add": lambda n, s: s + type(s)(*([n.Tanh()] if isinstance(s, n.Sequential) else [[n.Tanh()]])),
    "add in place": lambda n, s: s.__iadd__(type(s)(*([n.Tanh()] if isinstance(s, n.Sequential) else [[n.Tanh()]]))),
}


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
@pytest.mark.parametrize("step", SEQUENTIAL)
def test_rows_of_modules(kind: str, step: str) -> None:
    def run(library: Any) -> Any:
        n = library.nn
        layers = [n.Linear(2, 3), n.ReLU(), n.Linear(3, 1)]
        row = n.Sequential(*layers) if kind == "Sequential" else n.ModuleList(layers)
        result = SEQUENTIAL[step](n, row)
        return result if isinstance(result, (int, list)) else (repr(result), list(result.state_dict()))

    assert run(minicnn) == run(torch)


def test_multiplying_a_sequential() -> None:
    ours, theirs = nn.Sequential(nn.Linear(1, 1)), torch.nn.Sequential(torch.nn.Linear(1, 1))
    assert repr(ours * 3) == repr(theirs * 3)
    assert repr(2 * ours) == repr(2 * theirs)
    with pytest.raises(ValueError, match="at least once"):
        ours * 0


@pytest.mark.parametrize("kind", [dict, "OrderedDict"])
def test_named_sequential(kind: Any) -> None:
    from collections import OrderedDict

    factory = dict if kind is dict else OrderedDict
    net = nn.Sequential(factory([("conv", nn.Conv2d(1, 2, 3)), ("act", nn.ReLU())]))
    assert [name for name, _ in net.named_children()] == ["conv", "act"]
    assert net.conv is net[0]
    net[0] = nn.Conv2d(1, 4, 3)
    assert net.conv.out_channels == 4
    assert list(net[1:]._modules) == ["act"]


def test_the_last_layer_of_a_classifier_is_replaced_as_in_the_lecture() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1000))
    net[2] = nn.Linear(4, 10)
    assert net(minicnn.zeros(2, 4)).shape == (2, 10)
    assert len(list(net.parameters())) == 4


def test_module_dict() -> None:
    def run(library: Any) -> Any:
        n = library.nn
        d = n.ModuleDict({"b": n.ReLU(), "a": n.Linear(1, 1)})
        d["c"] = n.Tanh()
        d.update([("d", n.Sigmoid())])
        del d["b"]
        popped = d.pop("d")
        return (
            repr(d),
            repr(popped),
            list(d),
            len(d),
            "a" in d,
            "b" in d,
            list(d.state_dict()),
            [repr(v) for v in d.values()],
        )

    assert run(minicnn) == run(torch)


def test_parameter_containers() -> None:
    def run(library: Any) -> Any:
        n = library.nn
        p = n.ParameterList([library.ones(2)])
        p.append(library.zeros(3))
        p += [n.Parameter(library.zeros(1))]
        p[0] = library.ones(4)
        d = n.ParameterDict({"x": library.ones(2)})
        d["y"] = library.zeros(1)
        d.pop("x")
        owner = n.Module()
        owner.p, owner.d = p, d
        shapes = [(name, tuple(t.shape), t.requires_grad) for name, t in owner.named_parameters()]
        return len(p), tuple(p[-1].shape), len(p[:2]), list(d.keys()), "y" in d, shapes

    assert run(minicnn) == run(torch)


@pytest.mark.parametrize(
    ("mistake", "error"),
    [
        (lambda: nn.Sequential(nn.ReLU())[1], IndexError),
        (lambda: nn.ModuleList([3]), TypeError),
        (lambda: nn.ModuleList(3), TypeError),
        (lambda: nn.ModuleDict(3), TypeError),
        (lambda: nn.ParameterList([1.0]), TypeError),
        (lambda: nn.ParameterList(minicnn.zeros(2)), TypeError),
        (lambda: operator.add(nn.Sequential(), [nn.ReLU()]), ValueError),
        (lambda: nn.ModuleList().insert(3, nn.ReLU()), IndexError),
    ],
)
def test_mistakes(mistake: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        mistake()
