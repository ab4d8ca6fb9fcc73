"""Changes in place and views: gradients as PyTorch's, and errors where a gradient would be lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn.core.errors import AutogradError, ShapeError

from ..ops.twin import gradients_agree, values_agree

X = np.random.default_rng(3).standard_normal((3, 4))


def listing(text: str) -> Any:
    """An expression made of statements: ``y`` is a fresh intermediate result, ``out`` what they compute."""
    code = compile("\n".join(line.strip() for line in text.split(";")), "listing", "exec")

    def run(t: Any, x: Any) -> Any:
        names = {"t": t, "x": x, "y": x * 1}
        exec(code, names)
        return names.get("out", names["y"])

    return run


LISTINGS = [
    "y[:, 0] += 1",
    "y[:, 0] *= x[:, 1]",
    "y[1] = x[0] * 2",
    "y[1] = 0; out = y * y",
    "y += x",
    "y += x[0]; y += y; out = y * x",
    "y.unfold(1, 2, 2).mul_(3); out = y * x",
    "v = y[1]; y += x; out = v * v + y[0]",
    "v = y[1]; v += x[0]; out = y * y",
    "y *= x; out = y * x",
    "y -= x * x; y /= 2; out = y",
    "y.add_(x, alpha=2).mul_(3)",
    "y.addcmul_(x, x, value=2)",
    "y.addcdiv_(x, x * x + 1).lerp_(x, 0.5)",
    "y.pow_(2); out = y + x",
    "y.exp_(); out = y * y",
    "y.abs_().add_(0.1).sqrt_()",
    "y.abs_().add_(1).log_()",
    "y.clamp_(-0.5, 0.5); out = y * x",
    "y.neg_(); y.sin_().cos_(); out = y",
    "y.masked_fill_(y > 0, 3.0); out = y * x",
    "y.zero_(); out = y + x * 0",
    "y.fill_(2.0); out = y * x",
    "y[y > 0] = 1; out = y * x",
    "y[y > 0] *= 2",
    "y[[0, 2]] += x[[1, 1]]",
    "y[t.tensor([0, 2]), 1:3] = x[:2, :2]; out = y * y",
    "y[:, 1][0] = 5; out = y * x",
    "y.t()[1] += x.t()[2]; out = y * y",
    "y.view(2, 6)[0] *= 2; out = y * x",
    "y.view(-1)[3:9].reshape(2, 3)[:, 1] = 7; out = y * x",
    "y.reshape(4, 3).t()[0].mul_(x[0]); out = y * y",
    "y.diagonal().fill_(1); out = y * x",
    "y.diagonal().mul_(2); out = y * x",
    "y.unsqueeze(0).squeeze().transpose(0, 1).mul_(3); out = y * x",
    "v = y[0]; y.mul_(2); out = v * x[0]",
    "v = y[0]; y *= x; out = v * 2",
    "v = y[0]; w = y[:, 1]; v.mul_(2); out = (w * w, v, y * x)",
    "v = y.view(-1); w = v[2:]; y[0] += 1; v[5] = 9.0; out = (w * w, v.sum(), y)",
    "v = y[1:]; v[0] = x[0]; v[1].add_(x[2]); out = (v * v, y * y)",
    "a = y.clone(); y.mul_(5); out = a * y",
    "z = t.zeros(3, 4, dtype=t.float64); z.copy_(y); out = z * x",
    "z = t.zeros(3, 4, dtype=t.float64); z[1] = y[1]; z[2].add_(y[0]); out = z * x",
    "z = t.zeros(3, 4); z += y.float(); out = z * z",
    "z = t.ones(2, 3, 4, dtype=t.float64); z[0].mul_(y); z[:, 1] = y[2]; out = z * z",
    "y.index_add_(0, t.tensor([1, 1]), x[:2]); out = y * x",
    "y.scatter_(1, t.tensor([[0], [2], [1]]), 3.0); out = y * x",
    "y.scatter_add_(1, t.tensor([[0], [2], [1]]), x[:, :1]); out = y * x",
    "y.copy_(x[0]); out = y * x",
    "y.detach()[0] = 5; out = y + 0",
    "y.data.mul_(2); out = y + 1",
    "v = x[0]; w = v.detach(); out = w * x",
    "y.relu_(); out = y * x",
    "y.triu().mul_(2); out = y",
    "y.round_().add_(y); out = y * x",
    "y.remainder_(2).mul_(x); out = y",
    "y.clamp_min_(0.1); out = y * y",
]


@pytest.mark.parametrize("text", LISTINGS)
def test_as_in_pytorch(text: str) -> None:
    gradients_agree(listing(text), [X])


@pytest.mark.parametrize("text", LISTINGS)
def test_as_in_pytorch_without_recording(text: str) -> None:
    def quiet(t: Any, x: Any) -> Any:
        with t.no_grad():
            return listing(text)(t, x)

    values_agree(quiet, [X])


LOST = [
    "c = y > 0; out = t.where(c, x, -x); c[0] = False",
    "for i in range(4): y[:, i] = y[:, i - 1] * x[:, i]",
    "out = y.exp(); out.mul_(2)",
    "out = y * x; y.add_(1)",
    "out = (y * y).sum(); y[0] = 0",
    "v = y[0]; out = v * v; y.mul_(2)",
    "v = y[0]; out = y * y; v.mul_(2)",
    "out = y.sqrt(); y.sqrt()[0]; out[0] = 1",
    "w = t.ones(3, 4, dtype=t.float64); out = x * w; w.add_(1)",
    "w = t.ones(3, 4, dtype=t.float64); out = x * w; w.detach().add_(1)",
    "w = t.ones(3, 4, dtype=t.float64); out = x * w; w.view(-1)[0] = 2",
]


@pytest.mark.parametrize("text", LOST)
def test_a_value_that_backward_needs_was_overwritten(text: str) -> None:
    x = minicnn.tensor(np.abs(X), requires_grad=True)
    with pytest.raises(AutogradError, match=r"was changed in place since: it is at version \d, expected version \d"):
        listing(text)(minicnn, x).sum().backward()
    other = torch.tensor(np.abs(X), requires_grad=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        listing(text)(torch, other).sum().backward()


LEAVES = [
    "x.add_(1)",
    "x[0] = 1",
    "x[0].mul_(2)",
    "x.view(-1).zero_()",
    "x.diagonal().fill_(1)",
]


@pytest.mark.parametrize("text", LEAVES)
def test_a_leaf_is_not_changed_while_recording(text: str) -> None:
    x = minicnn.tensor(X, requires_grad=True)
    with pytest.raises(AutogradError, match="a leaf that requires a gradient cannot be changed in place"):
        listing(text)(minicnn, x)
    np.testing.assert_array_equal(x.detach().numpy(), X)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        listing(text)(torch, torch.tensor(X, requires_grad=True))
    with minicnn.no_grad():  # as optimisers and initialisers do
        listing(text)(minicnn, x)
    assert x.is_leaf
    assert x.requires_grad
    assert not np.array_equal(x.detach().numpy(), X)


def test_an_index_tensor_may_change_after_its_use() -> None:
    x = minicnn.ones(3, requires_grad=True)
    index = minicnn.tensor([0, 1])
    y = x[index].sum() + x.gather(0, index).sum() + x.index_select(0, index).sum()
    index.fill_(2)
    y.backward()
    assert x.grad.tolist() == [3, 3, 0]


def test_what_has_no_memory_of_its_own_cannot_be_written() -> None:
    for write in (lambda t: t.ones(1).expand(3).add_(1), lambda t: t.ones(1).expand(3).__setitem__(0, 2.0)):
        with pytest.raises(ShapeError, match=r"cannot be written: .* Fix: clone\(\) first"):
            write(minicnn)
    with pytest.raises(RuntimeError):
        torch.ones(1).expand(3).add_(1)


def test_every_method_in_place_returns_its_tensor_and_counts() -> None:
    for name in ("add_", "mul_", "clamp_min_", "fill_", "pow_", "div_", "sub_"):
        x = minicnn.ones(2)
        address = x.data_ptr()
        assert getattr(x, name)(2) is x
        assert x._version == 1
        assert x.data_ptr() == address
    x = minicnn.ones(2, 2)
    x[0].zero_()
    assert x._version == 1
    x.detach().zero_()
    assert x._version == 2
    x.data.zero_()
    assert x._version == 2


def test_a_view_knows_its_base_and_a_copy_does_not() -> None:
    x = minicnn.arange(6).reshape(2, 3)
    for view in (
        x[0],
        x[:, 1:],
        x.t(),
        x.view(-1),
        x.unsqueeze(0),
        x.expand(2, 2, 3),
        x.diagonal(),
        x.T[1],
        x.detach(),
    ):
        assert np.shares_memory(view.numpy(), x.numpy())
    for copy in (x[[0]], x[x > 0], x.clone(), x.t().reshape(-1), x.t().contiguous(), x.repeat(1, 1), x.flip(0), x + 0):
        assert not np.shares_memory(copy.numpy(), x.numpy())
    assert x.contiguous() is x
