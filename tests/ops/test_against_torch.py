"""Every differentiable operation: values, gradients and second gradients equal PyTorch's, in float64 and float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn

from .twin import gradients_agree, values_agree

A, B, V, M = (3, 4), (3, 4), (4,), (2, 3, 4)  # shapes used again and again

UNARY = [
    *("exp", "expm1", "square", "abs", "sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "sigmoid"),
    *("sign", "floor", "ceil", "trunc", "round", "frac"),
]
POSITIVE = ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal"]

# text, expression(library, *tensors), shapes of the inputs; inputs are standard normal
SMOOTH: list[tuple[str, Any, tuple[tuple[int, ...], ...]]] = [
    ("add", lambda t, x, y: t.add(x, y, alpha=2), (A, V)),
    ("sub", lambda t, x, y: t.sub(x, y, alpha=3) - 2 - x + (1 - y), (M, V)),
    ("mul", lambda t, x, y: x * y * 3, ((3, 1), (1, 4))),
    ("mul of itself", lambda t, x: x * x * x, (A,)),
    ("div", lambda t, x, y: x / (y * y + 1) + 2 / (x * x + 1), (A, V)),
    ("div floor", lambda t, x, y: x * t.div(x, y, rounding_mode="floor"), (A, V)),
    ("div trunc", lambda t, x, y: x * t.div(x, y, rounding_mode="trunc"), (A, V)),
    ("remainder", lambda t, x, y: t.remainder(x, y) * x, (A, V)),
    ("fmod", lambda t, x, y: t.fmod(x, y) * x, (A, V)),
    ("neg", lambda t, x: -x * x, (A,)),
    ("pow 2", lambda t, x: x**2, (A,)),
    ("pow 3", lambda t, x: x.pow(3), (A,)),
    ("pow 0", lambda t, x: x**0 * x, (A,)),
    ("pow -1", lambda t, x: (x * x + 1) ** -1.5, (A,)),
    ("pow tensors", lambda t, x, y: (x * x + 0.1) ** y, (A, V)),
    ("rpow", lambda t, x: 2**x, (A,)),
    ("lerp", lambda t, x, y, w: t.lerp(x, y, w) + x.lerp(y, 0.3), (A, A, A)),
    ("addcmul", lambda t, x, y, z: t.addcmul(x, y, z, value=0.5), (A, V, A)),
    ("addcdiv", lambda t, x, y, z: t.addcdiv(x, y, z * z + 1, value=0.5), (A, V, A)),
    *[(name, lambda t, x, name=name: getattr(t, name)(x), (A,)) for name in UNARY],
    *[(name, lambda t, x, name=name: getattr(x * x + 0.3, name)(), (A,)) for name in POSITIVE],
    ("asin", lambda t, x: t.asin(t.tanh(x)), (A,)),
    ("acos", lambda t, x: t.acos(t.tanh(x)), (A,)),
    ("atan2", lambda t, x, y: t.atan2(x, y), (A, V)),
    ("round decimals", lambda t, x: t.round(x, decimals=1) * x, (A,)),
    ("maximum", lambda t, x, y: t.maximum(x, y) * t.minimum(x, y), (A, V)),
    ("max of two", lambda t, x, y: t.max(x, y) + t.min(x, other=y), (A, A)),
    ("clamp", lambda t, x: x.clamp(-0.5, 0.5) * x, (A,)),
    ("clamp one side", lambda t, x: x.clamp_min(0.1) + x.clamp_max(0.2) + x.clamp(max=0.0) ** 2, (A,)),
    ("clamp by tensors", lambda t, x, y: t.clamp(x, min=y, max=y + 0.5) * x, (A, V)),
    ("clamp crossed", lambda t, x, y: t.clamp(x, min=y, max=y - 0.5) * x, (A, V)),
    ("where", lambda t, x, y: t.where(x > y, x * y, y) + t.where(x > 0, x, 0.0), (A, V)),
    ("nan_to_num", lambda t, x: t.nan_to_num(x / (x > 0), nan=3.0, posinf=1.0, neginf=-2.0), (A,)),
    # reductions
    *[
        (f"{name} {options}", lambda t, x, name=name, options=options: getattr(x, name)(**options) ** 2, (M,))
        for name in ("sum", "mean", "std", "var", "amax", "amin")
        for options in ({}, {"dim": 1}, {"dim": (0, -1), "keepdim": True}, {"dim": [2]})
    ],
    ("var correction", lambda t, x: t.var(x, 1, correction=0) + t.var(x, dim=1, correction=2), (M,)),
    ("var unbiased", lambda t, x: x.var(unbiased=False) + t.var(x, False) + x.var(0, False, True), (M,)),
    ("std unbiased", lambda t, x: x.std(unbiased=False) + t.std(x, 1, False), (M,)),
    ("var_mean", lambda t, x: t.var_mean(x, 1) + t.std_mean(x, dim=(0, 2), keepdim=True), (M,)),
    ("logsumexp", lambda t, x: t.logsumexp(x, 1) + t.logsumexp(x * 100, (0, 1)).sum(), ((3, 3),)),
    ("prod", lambda t, x: t.prod(x) * t.prod(x, 1).sum() + x.prod(0, keepdim=True), (A,)),
    *[
        (f"norm {p} {dim}", lambda t, x, p=p, dim=dim: t.norm(x, p, dim=dim) ** 2, (A,))
        for p in (1, 2, 3, 2.5, 0.5, "fro", float("inf"), float("-inf"))
        for dim in (None, 1, (0, 1))
    ],
    ("norm", lambda t, x: x.norm() + x.norm(dim=1, keepdim=True), (A,)),
    ("cumsum", lambda t, x: t.cumsum(x, 1) * x.cumsum(dim=0), (A,)),
    ("cumprod", lambda t, x: t.cumprod(x, 1) * x.cumprod(dim=0), (A,)),
    ("max", lambda t, x: t.max(x) * t.min(x) * x, (A,)),
    ("max dim", lambda t, x: (x.max(1), x.min(0, keepdim=True), t.max(x, dim=-1)[0]), (A,)),
    ("sort", lambda t, x: (t.sort(x), x.sort(0, descending=True)), (A,)),
    ("topk", lambda t, x: (t.topk(x, 2), x.topk(2, dim=0, largest=False)), (A,)),
    ("median", lambda t, x: (t.median(x), x.median(1), x.median(0, keepdim=True)), (A,)),
    ("kthvalue", lambda t, x: t.kthvalue(x, 2, 1), (A,)),
    # shapes
    ("reshape", lambda t, x: (x.reshape(4, -1) * 2, x.view(2, 6), x.view((-1,)), t.reshape(x, (2, 2, 3))), (A,)),
    ("flatten", lambda t, x: (t.flatten(x, 1), x.flatten(), x.flatten(0, 1), x.ravel()), (M,)),
    ("unflatten", lambda t, x: x.unflatten(2, (2, -1)) ** 2, (M,)),
    ("squeeze", lambda t, x: (x.squeeze(), x.squeeze(1), x.squeeze(-1), x.squeeze((0, 2))), ((1, 3, 1),)),
    ("unsqueeze", lambda t, x: (x.unsqueeze(0), x.unsqueeze(-1), t.unsqueeze(x, 1)), (A,)),
    ("permute", lambda t, x: (x.permute(2, 0, 1) ** 2, t.permute(x, (1, 0, 2)), x.movedim(0, -1)), (M,)),
    ("movedim", lambda t, x: (x.movedim((0, 1), (2, 0)), t.moveaxis(x, -1, 0)), (M,)),
    ("transpose", lambda t, x: (x.transpose(0, 2) ** 2, x.swapaxes(-1, 0), x[0].t(), x[0].T, x.mT), (M,)),
    ("expand", lambda t, x: x.expand(2, -1, 4) * x.expand_as(t.ones(2, 3, 4)) + t.broadcast_to(x, (3, 4)), ((3, 1),)),
    ("clone", lambda t, x: x.clone() * x.T.contiguous(), ((3, 3),)),
    ("flip", lambda t, x: x.flip(0) * x.flip((0, 1)) + t.fliplr(x) * t.flipud(x), (A,)),
    ("roll", lambda t, x: (x.roll(1), x.roll((1, -2), (0, 1)), t.roll(x, 2, 1)), (A,)),
    ("rot90", lambda t, x: (*(t.rot90(x, k) for k in range(-1, 5)), t.rot90(x, 1, (1, 0))), (A,)),
    ("narrow", lambda t, x: (x.narrow(1, 1, 2) ** 2, x.narrow(0, -1, 1), x.select(1, -1)), (A,)),
    ("unbind", lambda t, x: (x.unbind(), t.unbind(x, 1)), (A,)),
    ("split", lambda t, x: (x.split(2), t.split(x, [1, 2, 1], dim=1), x.chunk(3, 1), t.tensor_split(x, 3, 1)), (A,)),
    ("unfold", lambda t, x: (x.unfold(1, 2, 1) ** 2, x.unfold(2, 3, 2), x.unfold(0, 2, 1).unfold(-2, 2, 2)), (M,)),
    ("numpy's names", lambda t, x: (x.sum(axis=0), t.mean(x, axis=1, keepdims=True), t.max(x, axis=0)[0] ** 2), (A,)),
    ("diagonal", lambda t, x: (x.diagonal(), x.diagonal(1, 1, 2), x.diagonal(-1, dim1=2, dim2=0)), (M,)),
    ("diag", lambda t, x: (t.diag(x), t.diag(x, 1), t.diag(x[0], -2), t.trace(x)), (A,)),
    ("tril", lambda t, x: (t.tril(x) * t.triu(x), x.tril(1), x.triu(-1), x.triu(2)), (M,)),
    ("repeat", lambda t, x: (x.repeat(2, 1, 3), x.tile((2,)), t.tile(x, (2, 2))), (A,)),
    ("repeat_interleave", lambda t, x: (x.repeat_interleave(2), t.repeat_interleave(x, 3, dim=1)), (A,)),
    ("cat", lambda t, x, y: (t.cat((x, y, x), 0), t.cat([x, x], dim=-1), t.hstack((x, y)), t.vstack((x, y))), (A, B)),
    ("stack", lambda t, x, y: (t.stack((x, y)), t.stack([x, y], dim=-1), t.stack((x, x), 1)), (A, B)),
    # indexing
    ("int", lambda t, x: (x[0] ** 2, x[-1, 2], x[:, 1] * x[1, 2], x[1][0]), (A,)),
    ("slice", lambda t, x: (x[1:], x[:, ::2] ** 2, x[..., -1:], x[None, 1, :, None], x[()]), (A,)),
    ("tensor index", lambda t, x: (x[t.tensor([0, 2, 0])] ** 2, x[:, t.tensor([[1, 1], [3, 0]])]), (A,)),
    ("two tensors", lambda t, x: (x[t.tensor([0, 2]), t.tensor([1, 1])], x[t.arange(3), [3, 3, 3]]), (A,)),
    ("mixed", lambda t, x: (x[0, :, t.tensor([0, 1])], x[t.tensor([1, 0]), :, 2], x[:, 0, [1, 3]]), (M,)),
    ("list", lambda t, x: (x[[0, 0, 1]], x[:, [True, False, True]], x[t.tensor(1)]), (M,)),
    ("mask", lambda t, x: (x[x > 0] ** 2, x[:, x[0, :, 0] > -9], x[x[:, :, 0] > 0]), (M,)),
    ("gather", lambda t, x: (t.gather(x, 1, t.tensor([[0, 0], [3, 1]])), x.gather(0, t.tensor([[2, 0, 1, 1]]))), (A,)),
    ("take_along_dim", lambda t, x: t.take_along_dim(x, x.argmax(1, keepdim=True), 1), (A,)),
    ("scatter", lambda t, x, y: x.scatter(1, t.tensor([[0, 2], [1, 0], [3, 1]]), y) ** 2, (A, (3, 2))),
    ("scatter a number", lambda t, x: t.scatter(x, 0, t.tensor([[0, 2, 1]]), 5.0) * x, (A,)),
    ("scatter_add", lambda t, x, y: x.scatter_add(1, t.tensor([[0, 0], [1, 1], [3, 1]]), y) ** 2, (A, (3, 2))),
    ("index_select", lambda t, x: t.index_select(x, 1, t.tensor([3, 0, 3])) ** 2, (A,)),
    ("index_add", lambda t, x, y: x.index_add(0, t.tensor([1, 1]), y, alpha=2) ** 2, (A, (2, 4))),
    ("index_fill", lambda t, x: x.index_fill(1, t.tensor([0, 2]), 7.0) * x, (A,)),
    (
        "index_put",
        lambda t, x, y: (x.index_put((t.tensor([0, 1]),), y), x.index_put((t.tensor([1, 1]),), y, True)),
        (A, (2, 4)),
    ),
    ("take", lambda t, x: t.take(x, t.tensor([[0, 11], [5, 5]])) ** 2, (A,)),
    ("masked_fill", lambda t, x: x.masked_fill(x > 0, -1.0) * x, (A,)),
    ("masked_fill tensor", lambda t, x, y: x.masked_fill(x > 0, y), (A, ())),
    ("masked_select", lambda t, x: t.masked_select(x, x > 0) ** 2, (A,)),
    # products
    ("matmul", lambda t, x, y: x @ y, ((2, 3), (3, 4))),
    ("matmul vectors", lambda t, x, y: (x @ y, t.matmul(y, x.T), t.dot(y, y), t.mv(x, y), t.outer(y, y)), (A, V)),
    ("matmul batches", lambda t, x, y: x @ y, ((2, 1, 3, 4), (5, 4, 2))),
    ("matmul rows", lambda t, x, y: (x @ y, y.T @ x.mT), (M, (4, 5))),
    ("matmul vector by batch", lambda t, x, y: y @ x, (M, (3,))),
    ("bmm", lambda t, x, y: (t.bmm(x, y), x.bmm(y)), (M, (2, 4, 2))),
    ("mm", lambda t, x, y, z: (t.mm(x, y), t.addmm(z, x, y, beta=0.5, alpha=2)), (A, (4, 2), (3, 2))),
    *[
        (f"einsum {equation}", lambda t, *x, equation=equation: t.einsum(equation, *x), shapes)
        for equation, shapes in {
            "ik,kj->ij": (A, (4, 2)),
            "ij->ji": (A,),
            "ij->": (A,),
            "ij->j": (A,),
            "ii": ((3, 3),),
            "ii->i": ((3, 3),),
            "bij,bjk->bik": (M, (2, 4, 3)),
            "...ij,...jk->...ik": (M, (4, 3)),
            "nchw,oc->nohw": ((2, 3, 2, 2), (4, 3)),
            "i,j": ((2,), (3,)),
            "i,i->": ((3,), (3,)),
            "bi,ij,bj->b": (A, (4, 5), (3, 5)),
            "i...->...": (M,),
            "ij,kl->il": (A, (2, 5)),
            "ab,cb->ac": (A, (2, 1)),
        }.items()
    ],
    ("linear", lambda t, x, w, b: t.nn.functional.linear(x, w, b) + t.nn.functional.linear(x, w), (M, (5, 4), (5,))),
    *[
        (f"pad {widths} {mode}", lambda t, x, w=widths, m=mode: t.nn.functional.pad(x, w, mode=m) ** 2, ((2, 3, 4, 5),))
        for mode in ("constant", "reflect", "replicate", "circular")
        for widths in ((1, 2), (1, 0, 2, 1))
        if len(widths) == 4 or mode == "constant"
    ],
    ("pad value", lambda t, x: t.nn.functional.pad(x, (1, -1, 0, 2), value=3.0) ** 2, (A,)),
    ("cast", lambda t, x: (x.float() * 2).double() * x + x.to(t.float32).to(x), (A,)),
    ("meshgrid", lambda t, x, y: t.meshgrid(x, y, indexing="ij") + t.meshgrid(x, y, indexing="xy"), ((2,), (3,))),
]


@pytest.mark.parametrize(("expression", "shapes"), [row[1:] for row in SMOOTH], ids=[row[0] for row in SMOOTH])
def test_values_and_gradients(expression: Any, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(7)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    gradients_agree(expression, arrays)
    before = [a.copy() for a in arrays]
    values_agree(expression, [a.astype(np.float32) for a in arrays], 2e-5)
    if all(len(shape) > 1 for shape in shapes):  # the same through strides
        laid_out = [np.asfortranarray(a) for a in arrays]
        ours = expression(minicnn, *map(minicnn.from_numpy, laid_out))
        values_agree(lambda t, *x: ours if t is minicnn else expression(t, *x), arrays)
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


TIES = np.array([[0.0, 2.0, 2.0], [-1.0, 0.0, 2.0], [0.0, 0.0, -1.0]])

# expressions at kinks, ties and zeros, where PyTorch has made a choice
KINKS: list[tuple[str, Any]] = [
    ("abs", lambda t, x: x.abs()),
    ("clamp at its limits", lambda t, x: (x.clamp(0.0, 2.0), x.clamp(min=-1.0), x.clamp(max=0.0))),
    ("maximum of equals", lambda t, x: (t.maximum(x, x.T), t.minimum(x, x.T), t.maximum(x, x))),
    ("max among equals", lambda t, x: (x.max(), x.min(), x.max(1), x.min(0))),
    ("amax among equals", lambda t, x: (x.amax(), x.amin(), x.amax(1), x.amin((0, 1)))),
    ("prod with zeros", lambda t, x: (x.prod(), x.prod(0), x.prod(1, keepdim=True), x[:, :1].prod(1))),
    ("cumprod with zeros", lambda t, x: (x.cumprod(0), x.cumprod(1))),
    ("pow at 0", lambda t, x: (x**2, x**1, x**0, t.where(x >= 0, x, 1.0) ** t.where(x == 0, 0.0, x))),
    ("norm of zeros", lambda t, x: ((x * 0).norm(), (x * 0).norm(dim=1), (x * 0).norm(1), (x * 0).norm(3, 0))),
    ("std of equals", lambda t, x: ((x * 0).std(), (x * 0).std(1))),
    ("sort of equals", lambda t, x: (x.sort(stable=True), t.sort(x, dim=0, descending=True, stable=True))),
    ("sign and rounding", lambda t, x: (x.sign(), (x + 0.5).round(), (x - 0.5).round())),
]


@pytest.mark.parametrize("expression", [row[1] for row in KINKS], ids=[row[0] for row in KINKS])
def test_kinks_ties_and_zeros(expression: Any) -> None:
    gradients_agree(expression, [TIES], twice=False)


def test_gradients_at_infinities_and_nan() -> None:
    x = np.array([np.nan, -np.inf, np.inf, 0.5])
    for expression in (
        lambda t, x: x.clamp(0, 1),
        lambda t, x: x.clamp(min=0.0),
        lambda t, x: x.clamp(max=1.0),
        lambda t, x: x.relu(),
    ):
        ours, theirs = minicnn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        expression(minicnn, ours).backward(minicnn.ones(4, dtype=minicnn.float64))
        expression(torch, theirs).backward(torch.ones(4, dtype=torch.float64))
        np.testing.assert_array_equal(ours.grad.numpy(), theirs.grad.numpy())


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")  # PyTorch's
def test_not_a_number_and_infinity_behave_as_in_pytorch() -> None:
    x = np.array([[np.nan, 1.0, -np.inf], [np.inf, 0.0, -2.0]])
    for expression in (
        lambda t, x: (x.max(), x.min(), x.max(1), x.argmax(), x.amax(0), x.sum(), x.mean(1)),
        lambda t, x: (x.sort(), x.sort(descending=True), x.median(1), x.median(), x.topk(2)),
        lambda t, x: (x.sqrt(), x.log(), 1 / x, x / 0, x**0.5, x.sign(), x.round(), x.clamp(0, 1), x.relu()),
        lambda t, x: (t.maximum(x, x * 0), t.minimum(x, x * 0), x == x, x < 0, x != x, x.isnan(), x.isfinite()),
        lambda t, x: (
            x.logsumexp(1),
            x.nan_to_num(),
            x.std(1),
            x.isinf(),
            t.isclose(x, x),
            t.isclose(x, x, equal_nan=True),
        ),
        lambda t, x: (t.sign(x * 0).argmax(1), (x > 0).float().argmax(), (x == x).int().argmin(0, keepdim=True)),
        lambda t, x: (t.zeros(0).sum(), t.zeros(0).mean(), t.zeros(0).prod(), t.ones(1).std(), t.ones(1, 3).var(0)),
        lambda t, x: (t.logsumexp(t.full((2,), float("-inf")), 0), t.logsumexp(t.zeros(0, 2), 0)),
    ):
        values_agree(expression, [x])


@pytest.mark.parametrize("order", ["C", "F"])
def test_long_sums_keep_their_digits(order: Any) -> None:
    x = np.asarray(np.random.default_rng(0).random((20000, 8)) + 10, np.float32, order=order)
    t, wide = minicnn.from_numpy(x), x.astype(np.float64)
    for ours, exact in (
        (t.sum(0), wide.sum(0)),
        (t.mean(0), wide.mean(0)),
        (t.mean(), wide.mean()),
        (t.var(0), wide.var(0, ddof=1)),
        (t.std(), wide.std(ddof=1)),
        (t.norm(dim=0), np.linalg.norm(wide, axis=0)),
    ):
        assert ours.dtype == minicnn.float32
        np.testing.assert_allclose(ours.numpy(), exact, rtol=1e-6)
    half = minicnn.full((70000, 2), 3.0, dtype=minicnn.float16)
    assert half.mean(0).tolist() == [3, 3]
    assert half.var().item() == 0
    assert (half / 300).norm().item() == pytest.approx(torch.full((70000, 2), 0.01).half().norm().item(), rel=1e-3)


def test_padding_a_batch_of_no_images() -> None:
    for mode in ("constant", "reflect", "replicate", "circular"):
        assert minicnn.nn.functional.pad(minicnn.zeros(0, 3, 4, 5), (1, 2, 0, 3), mode=mode).shape == (0, 3, 7, 8)
    with pytest.raises(ValueError, match="can pad dim 1 of size 0 by at most 0"):
        minicnn.nn.functional.pad(minicnn.zeros(2, 0), (1, 1), mode="reflect")
