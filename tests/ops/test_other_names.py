"""Second names of operations, results given a place (``out=``), shapes changed in place, and types as classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn.core.errors import AutogradError
from minicnn.ops.out import WITH_OUT

from .twin import values_agree

X = np.random.default_rng(0).standard_normal((3, 4))
Y = np.abs(np.random.default_rng(1).standard_normal((3, 4))) + 0.1

OTHER_NAMES: list[Any] = [
    lambda t, x, y: (t.absolute(x), t.clip(x, -1, 1), x.clip(min=0), t.concat([x, y]), t.concatenate([x, y], 1)),
    lambda t, x, y: (t.divide(x, y), t.multiply(x, y), t.negative(x), t.subtract(x, y), t.true_divide(x, y)),
    lambda t, x, y: (t.greater(x, y), t.greater_equal(x, y), t.less(x, y), t.less_equal(x, y), t.not_equal(x, y)),
    lambda t, x, y: (t.gt(x, y), t.le(x, y), x.gt(0), x.le(y), x.not_equal(y), x.greater(y), x.less(y)),
    lambda t, x, y: (t.moveaxis(x, 0, 1), t.swapaxes(x, 0, 1), x.swapaxes(0, 1), x.swapdims(0, 1), x.moveaxis(0, -1)),
    lambda t, x, y: (t.logical_or(x > 0, y > 1), t.logical_xor(x > 0, y > 1), (x > 0).logical_or(y > 1)),
    lambda t, x, y: (t.argsort(x, dim=1, descending=True),
                     x.reshape_as(y.T), t.floor_divide(x, y), t.empty_like(x).shape[1]),
    lambda t, x, y: (x.clone().tanh_(), x.clone().sigmoid_(), x.clone().tril_(), x.clone().triu_(1),
                     x.clone().clip_(0)),
    lambda t, x, y: (x.clone().unsqueeze_(1), x[:1].clone().squeeze_(), x.clone().t_(), x.clone().transpose_(0, 1)),
    lambda t, x, y: (x.where(x > 0, y), t.where(x > 0, x, y), x.ndimension(), t.randint_like(x, 3, 4)),
    lambda t, x, y: (x.type(t.FloatTensor), x.type(t.HalfTensor), x.type(t.LongTensor), x.type(t.BoolTensor)),
    lambda t, x, y: (t.ShortTensor([1, 2]), t.CharTensor([3]), t.ByteTensor([4]), t.IntTensor([5]),
                     t.DoubleTensor([6])),
    lambda t, x, y: (t.LongTensor(2, 3).shape[1], t.FloatTensor([[1, 2]]), t.HalfTensor(2).shape[0]),
    lambda t, x, y: (x.to(memory_format=t.preserve_format), x.contiguous(memory_format=t.contiguous_format)),
]  # fmt: skip


@pytest.mark.parametrize("expression", OTHER_NAMES, ids=map(str, range(len(OTHER_NAMES))))
def test_other_names(expression: Any) -> None:
    values_agree(expression, [X, Y])


def test_types_are_classes_of_tensors() -> None:
    for library in (minicnn, torch):
        x = library.zeros(2)
        assert isinstance(x, library.FloatTensor)
        assert not isinstance(x, library.LongTensor)
        assert not isinstance(3, library.FloatTensor)
        assert isinstance(x.long(), library.LongTensor)
    assert str(minicnn.FloatTensor) == "<class 'minicnn.FloatTensor'>"
    assert str(type(minicnn.zeros(1))) == "<class 'minicnn.Tensor'>"
    assert minicnn.ones(1).type("torch.DoubleTensor").dtype == minicnn.float64


ARGUMENTS: dict[str, Any] = {
    **dict.fromkeys(("add", "sub", "mul", "div", "pow", "maximum", "minimum"), lambda x, y: (y, x)),
    **dict.fromkeys(("eq", "gt", "lt", "ge", "le", "ne"), lambda x, y: (x, y)),
    **dict.fromkeys(("matmul", "mm"), lambda x, y: (x, y.T)),
    **dict.fromkeys(("sum", "mean", "cumsum", "argmax", "argmin"), lambda x, y: (x, 1)),
    **dict.fromkeys(("cat", "stack"), lambda x, y: ([x, y],)),
    **dict.fromkeys(("dot", "outer"), lambda x, y: (x[0], y[0])),
    "mv": lambda x, y: (x, y[0]),
    "bmm": lambda x, y: (x[None], y.T[None]),
    "addmm": lambda x, y: (x[:, :3], x, y.T),
    "clamp": lambda x, y: (x, 0.5),
}


@pytest.mark.parametrize("name", WITH_OUT)
def test_results_go_where_they_are_told(name: str) -> None:
    def expression(t: Any, x: Any, y: Any) -> Any:
        given = ARGUMENTS.get(name, lambda x, y: (y,))(x, y)
        out = getattr(t, name)(*given) * 0
        returned = getattr(t, name)(*given, out=out)
        assert returned is out
        return out

    values_agree(expression, [X, Y])


def test_out_must_fit_and_is_not_differentiated() -> None:
    x = minicnn.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match=r"add: the result has shape \(3,\), but out has \(2,\)"):
        minicnn.add(minicnn.ones(3), 1, out=minicnn.ones(2))
    with pytest.raises(AutogradError, match="not differentiated"):
        minicnn.add(x, 1, out=minicnn.ones(3))
    with minicnn.no_grad():
        assert minicnn.add(x, 1, out=minicnn.ones(3)).tolist() == [2, 2, 2]


def test_changing_the_shape_in_place() -> None:
    base = minicnn.zeros(2, 3)
    row = base[0]
    assert row.unsqueeze_(0) is row
    row[0, 1] = 5
    assert base.tolist() == [[0, 5, 0], [0, 0, 0]]
    with pytest.raises(AutogradError, match=r"x = x\.squeeze\(\.\.\.\)"):
        minicnn.ones(1, requires_grad=True).squeeze_()
    w = minicnn.ones(1, requires_grad=True)
    base, old = base.clone(), None
    old = base[0]
    base.t_()
    new = base[0]
    assert old.tolist() == [0, 5, 0]
    base.add_(w)
    new.sum().backward()  # a view of the new shape
    assert w.grad.tolist() == [2]
    with pytest.raises(AutogradError, match="after a view of it was taken"):
        old.sum().backward()


MEMORY: list[Any] = [
    lambda t, x: x.to(memory_format=t.channels_last),
    lambda t, x: x.contiguous(memory_format=t.channels_last),
    lambda t, x: x.clone(memory_format=t.channels_last),
    lambda t, x: x.to(memory_format=t.channels_last).clone(),
    lambda t, x: x.to(memory_format=t.channels_last).contiguous(),
    lambda t, x: x.to(memory_format=t.channels_last).clone(memory_format=t.contiguous_format),
    lambda t, x: x.to(t.float32, memory_format=t.channels_last),
    lambda t, x: x.to(memory_format=t.preserve_format),
    lambda t, x: x[:, :1].to(memory_format=t.channels_last),
]


@pytest.mark.parametrize("expression", MEMORY, ids=map(str, range(len(MEMORY))))
def test_order_in_memory(expression: Any) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    (ours,) = values_agree(expression, [x], 1e-6)
    theirs = expression(torch, torch.from_numpy(x))
    assert ours.stride() == theirs.stride()
    assert ours.is_contiguous() == theirs.is_contiguous()
    assert ours.is_contiguous(memory_format=minicnn.channels_last) == theirs.is_contiguous(
        memory_format=torch.channels_last
    )


def test_order_in_memory_is_checked() -> None:
    with pytest.raises(ValueError, match=r"memory_format must be one of contiguous_format, .*got 'nhwc'"):
        minicnn.zeros(1).contiguous("nhwc")
    with pytest.raises(ValueError, match=r"tensors \(N, C, H, W\); this one has 2 dimensions"):
        minicnn.zeros(1, 1).clone(memory_format=minicnn.channels_last)
    net = minicnn.nn.Sequential(minicnn.nn.Conv2d(3, 4, 3), minicnn.nn.Flatten(), minicnn.nn.Linear(4, 2))
    x = minicnn.randn(1, 3, 3, 3)
    before = net(x).detach()
    assert net.to(memory_format=minicnn.channels_last) is net
    assert net[0].weight.is_contiguous(memory_format=minicnn.channels_last)
    assert minicnn.allclose(net(x), before)
