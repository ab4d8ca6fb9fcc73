"""Operations that models use outside layers, changes in place among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minicnn
import minicnn.nn.functional as F
from minicnn import nn

from .common import Lambda, assert_close, check, exported, graph_of, operators, outputs_of, run

SHAPE = (3, 4, 6, 8)
MASK = minicnn.from_numpy(np.arange(8) % 3 == 0)
TABLE = minicnn.from_numpy(np.random.default_rng(1).standard_normal((8, 5)).astype("float32"))
PLANE = minicnn.from_numpy(np.random.default_rng(2).standard_normal((6, 8)).astype("float32"))
ORDER = minicnn.tensor([3, 0, 0, 2])

ARITHMETIC: dict[str, Callable[[Any], Any]] = {
    "add": lambda x: 1 + x + PLANE,
    "sub": lambda x: 1 - x - PLANE,
    "mul": lambda x: 2 * x * PLANE,
    "div": lambda x: x / (x * x + 1),
    "floor division": lambda x: x // 0.7,
    "truncated division": lambda x: minicnn.div(x, 0.7, rounding_mode="trunc"),
    "remainder": lambda x: x % 0.75,
    "fmod": lambda x: minicnn.fmod(x, 0.75),
    "powers": lambda x: (x**2, x**3, x**0, (x.abs() + 1) ** 0.5, (x.abs() + 1) ** -1.5),
    "power of a tensor": lambda x: (x.abs() + 0.1) ** PLANE,
    "neg": lambda x: -x,
    "lerp": lambda x: minicnn.lerp(x, PLANE, 0.3),
    "addcmul": lambda x: minicnn.addcmul(x, PLANE, PLANE, value=2),
    "maximum": lambda x: (minicnn.maximum(x, PLANE), minicnn.minimum(x, PLANE)),
    "clamp": lambda x: (x.clamp(-1, 1), x.clamp(min=0), x.clamp(max=0), x.clamp(-1, PLANE)),
    "where": lambda x: (minicnn.where(MASK, x, 0.0), x.masked_fill(MASK, -1), x.tril()),
    "rounding": lambda x: (x.round(), x.round(decimals=1), x.floor(), x.ceil(), x.trunc(), x.frac()),
    "exponentials": lambda x: (x.exp(), x.expm1(), x.sinh(), x.cosh()),
    "logarithms": lambda x: [(x.abs() + 0.5).__getattribute__(f)() for f in ("log", "log2", "log10", "log1p")],
    "roots": lambda x: ((x.abs() + 1).sqrt(), (x.abs() + 1).rsqrt(), x.square(), (x.abs() + 1).reciprocal()),
    "angles": lambda x: (x.sin(), x.cos(), x.atan(), (x / 9).tan(), (x / 9).asin(), (x / 9).acos()),
    "sign": lambda x: (x.sign(), x.abs()),
    "softmax": lambda x: (x.softmax(1), x.log_softmax(-1), F.normalize(x, dim=1)),
    "cast": lambda x: (x.double(), x.long(), x.long() + 1, x.double().float()),
}
REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: (x.sum(), x.sum(1), x.sum((2, 3), keepdim=True)),
    "mean": lambda x: (x.mean(), x.mean(0), x.mean((1, 2))),
    "var": lambda x: (x.var(1), x.std((2, 3), keepdim=True), x.var(0, unbiased=False)),
    "extremes": lambda x: (x.amax(1), x.amin((2, 3)), x.max(), x.min()),
    "norm": lambda x: (x.norm(1, 1), x.norm(2, 1, keepdim=True), x.norm(3, 1), x.norm(float("inf"), 1)),
    "others": lambda x: (x.logsumexp(1), x.prod(3), x.cumsum(2)),
    "batch statistics": lambda x: (x - x.mean(0, keepdim=True)) / x.std(0, unbiased=False),
}
SHAPES: dict[str, Callable[[Any], Any]] = {
    "flatten": lambda x: (x.flatten(), x.flatten(0, 1), x.flatten(1), x.flatten(1, 2)),
    "reshape": lambda x: (x.reshape(-1, 8), x.view(x.shape[0], 2, 2, -1), x.reshape(3 - 1, -1)),
    "order": lambda x: (x.permute(0, 2, 3, 1), x.transpose(0, 1), x.mT, x.movedim(1, 3)),
    "ones": lambda x: (x[:, :1].squeeze(1), x.unsqueeze(0), x.unsqueeze(-1)),
    "expand": lambda x: (x[:, :1].expand(-1, 5, -1, -1), x.expand(2, *x.shape), x.mean(0).expand_as(x)),
    "repeat": lambda x: (x.repeat(1, 2, 1, 1), x.repeat_interleave(2, dim=1), x.tile(2)),
    "join": lambda x: (minicnn.cat([x, x * 2], 1), minicnn.stack([x, -x], 2), minicnn.cat([x])),
    "split": lambda x: (*x.chunk(2, 1), *x.split([1, 3], 1), x.narrow(2, 1, 3), *x.unbind(1)),
    "slices": lambda x: (x[:, 1], x[..., -1], x[:, ::2, 1:-1], x[:, None, :, 2, None], x[:, 0, 1:, -2]),
    "slices of the batch": lambda x: (x[0], x[-1], x[:2], x[None, 1]),
    "index": lambda x: (x[:, [0, 2]], x[:, ORDER], x.index_select(3, ORDER), x[:, 1, ORDER], x[[1, 0]]),
    "indices": lambda x: (x[:, [0, 1], [2, 3]], x[:, ORDER, :, ORDER], x[:, [[0, 1]], [[2], [3]]]),
    "mask": lambda x: x[..., MASK],
    "rearranged": lambda x: (x.flip(2, 3), x.roll(3, 1), x.roll((1, 2), (2, 3)), x.rot90(1, (2, 3))),
    "diagonal": lambda x: x.diagonal(0, 2, 3) * 2,
    "windows": lambda x: (x.unfold(2, 3, 2), x.unfold(3, 2, 2).sum(-1)),
    "pad": lambda x: (F.pad(x, (1, 2)), F.pad(x, (1, -1, 0, 0, 2, 1), value=0.5), F.pad(x, (2, 2), "circular")),
    "batch of constants": lambda x: minicnn.cat([x, minicnn.ones(x.shape[0], 2, 6, 8)], 1),
    "number of constants": lambda x: minicnn.cat([x.flatten(0, 1), minicnn.ones(4 * x.shape[0], 6, 8)], 1),
    "products": lambda x: (x @ TABLE, x.reshape(-1, 8) @ TABLE, x @ x.mT, x[0, 0, 0] @ TABLE, F.linear(x, TABLE.t())),
    "einsum": lambda x: (minicnn.einsum("nchw,wk->nkc", x, TABLE), minicnn.einsum("nchw->nc", x)),
    "images": lambda x: (F.interpolate(x, size=(3, 9), mode="bilinear"), F.channel_shuffle(x, 2)),
}


def _in_place(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: function(x * 1)


def _views_follow(y: Any) -> Any:
    row, plane, flat = y[:, 0], y.permute(0, 2, 3, 1), y.view(-1, 8)
    before = row * 2
    y += 1
    return row, plane * 1, flat, before


def _views_lead(y: Any) -> Any:
    a, b = y.chunk(2, 1)
    before = y * 1
    F.relu_(a)
    b *= 2
    return before, y, a, b


def _accumulate(y: Any) -> Any:
    total = y * 0
    for channel in range(3):
        total += y[:, channel : channel + 1]
    return total


def _copied(y: Any) -> Any:
    z = y + 5
    z.copy_(y)
    z[:, 1].copy_(y[:, 2])
    return z


def _relu_of_reshaped(y: Any) -> Any:
    flat = y.view(y.shape[0], -1)
    nn.ReLU(inplace=True)(flat)
    return flat, y


def _detached(y: Any) -> Any:
    same = y.detach()
    y += 1
    return same * 2, y


IN_PLACE: dict[str, Callable[[Any], Any]] = {
    "add": lambda y: (y * 2, y.add_(1), y.add_(PLANE, alpha=2)),
    "others": lambda y: y.mul_(2).sub_(PLANE).clamp_(-1, 1).masked_fill_(MASK, 7),
    "activations": lambda y: [f(y, inplace=True) for f in (F.hardswish, F.silu, F.relu6, F.elu)][-1],
    "relu": lambda y: (y * 2, F.relu_(y), y - 1),
    "itself": lambda y: y.add_(y),
    "set a channel": lambda y: (y.__setitem__((slice(None), 0), 5.0), y)[1],
    "set by an array": lambda y: (y.__setitem__((slice(None), 1, [0, 2]), PLANE[[0, 1]]), y)[1],
    "set by a mask": lambda y: (y.__setitem__((..., MASK), 0.0), y)[1],
    "set from itself": lambda y: (y.__setitem__((slice(None), 0), y[:, 1] * 2), y)[1],
    "set a constant for each sample": lambda y: (y.__setitem__((slice(None), 1), PLANE), y)[1],
    "set the whole": lambda y: (y.__setitem__(..., y.flip(1)), y)[1],
    "fill": lambda y: (y[:, 2].fill_(1), y)[1],
    "views follow": _views_follow,
    "views lead": _views_lead,
    "accumulate": _accumulate,
    "copy": _copied,
    "relu of a reshaped view": _relu_of_reshaped,
    "detached": _detached,
    "transposed": lambda y: (y.transpose(2, 3).mul_(PLANE.t()), y),
}
ALL = (
    ARITHMETIC
    | {f"reduce {k}": f for k, f in REDUCTIONS.items()}
    | {f"shape {k}": f for k, f in SHAPES.items()}
    | {f"in place {k}": _in_place(f) for k, f in IN_PLACE.items()}
)


@pytest.mark.parametrize("name", ALL)
def test_an_operation(name: str) -> None:
    check(Lambda(ALL[name]), SHAPE)


@pytest.mark.parametrize("name", IN_PLACE)
def test_an_operation_in_place_without_a_batch(name: str) -> None:
    check(Lambda(_in_place(IN_PLACE[name])), SHAPE, dynamic_axes={})


def test_an_input_changed_in_place() -> None:
    check(nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3)), SHAPE)


@pytest.mark.parametrize("function", [lambda x: x, lambda x: (x, x), lambda x: (x * 2, PLANE), lambda x: [x + 1] * 2])
def test_outputs_that_no_operation_makes(function: Any) -> None:
    check(Lambda(function), SHAPE)


def test_nothing_superfluous() -> None:
    """Dead steps are dropped; copies, and changes of all elements in place, cost no operator."""

    def function(x: Any) -> Any:
        (x * 3).exp()
        y = x.clone().contiguous().flatten(2) + 1
        return F.silu(y, inplace=True)

    assert operators(exported(Lambda(function), SHAPE)) == ["Reshape", "Add", "Sigmoid", "Mul"]


class Shared(nn.Module):
    """A layer used twice, a weight in two layers, a weight in two forms."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.unused = nn.Linear(8, 8)
        self.register_buffer("offset", minicnn.ones(8), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(self.first(x))) @ self.first.weight.detach() + self.offset


def test_a_parameter_appears_once() -> None:
    data = check(Shared(), (3, 8))
    assert [i.name for i in graph_of(data).initializer] == ["first.weight", "first.bias", "second.bias", "offset"]
    assert [n.name for n in graph_of(data).node][:3] == ["first/Gemm", "first/Gemm_1", "second/Gemm"]


def test_several_inputs() -> None:
    """Inputs whose first dimension is the first one's are batches; the others are fixed."""

    def forward(x: Any, y: Any, w: Any) -> Any:
        return {"sum": x + y, "product": x @ w}

    data = exported(Lambda(forward), (3, 4), (3, 4), (4, 2))
    graph = graph_of(data)
    assert [i.type.tensor_type.shape.dim[0].dim_param for i in graph.input] == ["N", "N", ""]
    assert [o.name for o in graph.output] == ["sum", "product"]
    x, y, w = (np.random.default_rng(0).standard_normal(s).astype("float32") for s in ((6, 4), (6, 4), (4, 2)))
    got = run(data, x, y, w)
    assert_close(got[0], x + y)
    assert_close(got[1], x @ w)


def test_integers_keep_their_numbers() -> None:
    """Integers may be labels or indices, which must lie in a range."""
    one_hot = minicnn.eye(5)
    model = Lambda(lambda x, labels: x + labels.float().unsqueeze(1) + one_hot[0])
    labels = minicnn.tensor([4, 2])
    import io

    file = io.BytesIO()
    minicnn.onnx.export(model, (minicnn.zeros(2, 5), labels), file)
    x, indices = np.ones((3, 5), "float32"), np.array([1, 2, 3])
    assert_close(run(file.getvalue(), x, indices)[0], outputs_of(model, x, indices)[0])
