"""Every module of the table does what PyTorch's does: text, signature, state, values, gradients."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn import nn

from .table import ROWS, Row, draw, randomise, states, to_ours

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
OURS_ALONE = {"Maxout", "Module", "Buffer", "Parameter", "StateDictError", "StochasticDepth"}
CLASSES = [name for name in nn.__all__ if name not in OURS_ALONE and inspect.isclass(getattr(nn, name))]


@each_row
def test_print(row: Row) -> None:
    assert repr(row.ours()) == repr(row.theirs())


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    return [
        (p.name, p.kind, p.default) for p in found if p.kind is not p.VAR_KEYWORD and p.kind is not p.VAR_POSITIONAL
    ]


@pytest.mark.parametrize("name", CLASSES)
def test_signature_of_the_class_and_of_forward(name: str) -> None:
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    container = {"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}
    assert parameters(ours.__init__) == parameters(theirs.__init__)
    if name not in container:
        assert parameters(ours.forward) == parameters(theirs.forward)


def test_the_table_has_every_layer() -> None:
    losses = {name for name in CLASSES if name.endswith("Loss")}
    containers = {"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}
    assert {row.name for row in ROWS} == set(CLASSES) - losses - containers - {"MaxUnpool2d"}


@each_row
def test_state(row: Row) -> None:
    ours, theirs = row.ours().state_dict(), row.theirs().state_dict()
    assert list(ours) == list(theirs)
    assert [tuple(t.shape) for t in ours.values()] == [tuple(t.shape) for t in theirs.values()]
    assert [t.numpy().dtype for t in ours.values()] == [t.numpy().dtype for t in theirs.values()]


def run(module: Any, x: Any) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Output, and gradients of the input and the parameters for some gradient of the output."""
    library = torch if isinstance(x, torch.Tensor) else minicnn
    y = module(x * 1)  # not a leaf, so that it may be changed in place
    out = y.detach().numpy().copy()
    y.backward(library.from_numpy(draw(out.shape, str(out.dtype))))
    grads = [x.grad, *(p.grad for p in module.parameters())]
    return out, [None if g is None else g.numpy() for g in grads]


DETERMINISTIC = [(row, mode) for row in ROWS for mode in ("train", "eval") if not (row.random and mode == "train")]


@pytest.mark.parametrize(("row", "mode"), DETERMINISTIC, ids=[f"{row.id}-{mode}" for row, mode in DETERMINISTIC])
@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_values_and_gradients(row: Row, kind: str, mode: str) -> None:
    training = mode == "train"
    ours, theirs = row.ours().to(getattr(minicnn, kind)), row.theirs()
    randomise(theirs, kind)
    ours.load_state_dict(states(theirs.state_dict()))
    array = draw(row.shape, kind)
    y, grads = run(ours.train(training), to_ours(array, True))
    expected, expected_grads = run(theirs.train(training), torch.from_numpy(array).requires_grad_())
    tolerance = 1e-7 if row.name == "Hardsigmoid" else TOLERANCE[kind]  # PyTorch's factor 1/6 is rounded to float32
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
    for g, e in zip(grads, expected_grads, strict=True):
        assert (g is None) == (e is None)
        if g is not None:
            np.testing.assert_allclose(g, e, rtol=tolerance, atol=tolerance * 10)


NORMS = [row for row in ROWS if row.name in ("BatchNorm1d", "BatchNorm2d", "InstanceNorm2d")]


@pytest.mark.parametrize("row", NORMS, ids=lambda row: row.id)
def test_running_statistics_after_five_steps(row: Row) -> None:
    ours, theirs = row.ours().double(), row.theirs().double()
    for step in range(5):
        array = draw(row.shape, "float64") * (step + 1) + step
        ours(to_ours(array))
        theirs(torch.from_numpy(array))
    after, expected = states(ours.state_dict()), states(theirs.state_dict())
    assert list(after) == list(expected)
    for name in expected:
        np.testing.assert_allclose(after[name], expected[name], rtol=1e-12, atol=1e-12)
    array = draw(row.shape, "float64")
    np.testing.assert_allclose(
        ours.eval()(to_ours(array)).detach().numpy(),
        theirs.eval()(torch.from_numpy(array)).detach().numpy(),
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.parametrize("kind", ["float64", "float32"])
@pytest.mark.parametrize(("size", "output_size"), [((6, 8), None), ((6, 7), (1, 4, 6, 7)), ((7, 6), (7, 6))])
def test_unpooling(kind: str, size: tuple[int, int], output_size: Any) -> None:
    array = draw((1, 4, *size), kind)
    pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    x, e = to_ours(array, True), torch.from_numpy(array).requires_grad_()
    y, indices = pool(x)
    expected, places = torch.nn.MaxPool2d(2, return_indices=True)(e)
    np.testing.assert_array_equal(indices.numpy(), places.numpy())
    back = unpool(y, indices, output_size)
    expected_back = torch.nn.MaxUnpool2d(2)(expected, places, output_size)
    np.testing.assert_array_equal(back.detach().numpy(), expected_back.detach().numpy())
    (back * back).sum().backward()
    (expected_back * expected_back).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), e.grad.numpy(), rtol=1e-6)


def test_transposed_convolution_to_a_given_size() -> None:
    ours, theirs = (
        nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1),
        torch.nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1),
    )
    ours.load_state_dict(states(theirs.state_dict()))
    array = draw((1, 2, 4, 4), "float32")
    for size in ([7, 8], [1, 3, 8, 7]):
        y = ours(to_ours(array), output_size=size)
        np.testing.assert_allclose(y.detach(), theirs(torch.from_numpy(array), output_size=size).detach(), atol=1e-5)
    with pytest.raises(ValueError, match=r"sizes from \(7, 7\) to \(8, 8\) can"):
        ours(to_ours(array), output_size=[9, 9])


@pytest.mark.parametrize(
    "name", ["Conv2d", "ConvTranspose2d", "Linear", "BatchNorm2d", "GroupNorm", "LayerNorm", "PReLU"]
)
def test_dtype_argument(name: str) -> None:
    row = next(row for row in ROWS if row.name == name)
    module = getattr(nn, name)(*row.args, dtype=minicnn.float64, device="cpu")
    assert {p.dtype for p in module.parameters()} == {minicnn.float64}
    with pytest.raises(ValueError, match="cuda"):
        getattr(nn, name)(*row.args, device="cuda")


def test_a_whole_network_prints_as_in_torch() -> None:
    def build(library: Any) -> Any:
        n = library.nn
        body = n.Sequential(n.Conv2d(3, 8, 3, padding=1), n.BatchNorm2d(8), n.ReLU(inplace=True))
        heads = n.ModuleDict({"a": n.Linear(8, 2), "b": n.Sequential()})
        return n.Sequential(body, n.ModuleList([n.Linear(2, 2) for _ in range(3)] + [n.ReLU()]), heads, n.ModuleList())

    assert repr(build(minicnn)) == repr(build(torch))


def test_parameter_list_prints_as_in_torch() -> None:
    ours = nn.ParameterList([minicnn.zeros(2, 3), minicnn.zeros(1)])
    theirs = torch.nn.ParameterList([torch.zeros(2, 3), torch.zeros(1)])
    assert repr(ours) == repr(theirs).replace("torch.", "minicnn.")
