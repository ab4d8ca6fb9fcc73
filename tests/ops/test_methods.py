"""The table of methods: PyTorch's names, and its argument names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn.ops import methods

from .twin import values_agree

OURS = {
    "Generator",
    "active_backend",
    "available_backends",
    "use_backend",
    "default_generator",
    "show_config",
    "summary",
    "gradcheck",
    "empty_cache",
    "memory_stats",
    "active_conv_algorithm",
    "set_conv_algorithm",
    "is_fusion_enabled",
    "set_fusion_enabled",
    "exercise",
    "exercises",
}
PARTS = {"bool_", "core", "data", "datasets", "explain", "io", "models", "ops", "transforms", "kernels"}


def test_every_method_and_property_is_one_of_pytorch() -> None:
    assert not [
        name for name in methods.METHODS | methods.OPERATORS | methods.PROPERTIES if not hasattr(torch.Tensor, name)
    ]


def test_every_public_name_is_one_of_pytorch_or_known_as_ours() -> None:
    assert not [name for name in minicnn.__all__ if not hasattr(torch, name) and name not in OURS | PARTS]


def test_methods_are_documented_and_named() -> None:
    for name, method in methods.METHODS.items():
        assert method.__doc__, name
        assert getattr(minicnn.Tensor, name) is method


KEYWORDS: list[Any] = [
    lambda t, x, i: (t.add(input=x, other=x, alpha=2), t.sub(input=x, other=1, alpha=2), t.mul(input=x, other=x)),
    lambda t, x, i: (
        t.div(input=x, other=x, rounding_mode="floor"),
        t.pow(input=x, exponent=2),
        t.clamp(input=x, min=0, max=1),
    ),
    lambda t, x, i: (
        t.sum(input=x, dim=0, keepdim=True, dtype=t.float32),
        t.mean(input=x, dim=1, keepdim=False, dtype=t.float32),
    ),
    lambda t, x, i: (
        t.max(input=x, dim=0, keepdim=True),
        t.min(input=x, dim=1),
        t.amax(input=x, dim=0),
        t.argmax(input=x, dim=0),
    ),
    lambda t, x, i: (
        t.std(input=x, dim=0, unbiased=True, keepdim=True),
        t.var(input=x, dim=0, correction=0, keepdim=True),
    ),
    lambda t, x, i: (
        t.norm(input=x, p=1, dim=0, keepdim=True),
        t.logsumexp(input=x, dim=0, keepdim=True),
        t.prod(input=x, dim=1),
    ),
    lambda t, x, i: (t.sort(input=x, dim=0, descending=True), t.topk(input=x, k=2, dim=1, largest=False, sorted=True)),
    lambda t, x, i: (
        t.cumsum(input=x, dim=0, dtype=t.float64),
        t.median(input=x, dim=0, keepdim=True),
        t.all(input=x, dim=0),
    ),
    lambda t, x, i: (
        t.reshape(input=x, shape=(-1,)),
        t.flatten(input=x, start_dim=0, end_dim=1),
        t.squeeze(input=x, dim=0),
    ),
    lambda t, x, i: (
        t.unsqueeze(input=x, dim=0),
        t.transpose(input=x, dim0=0, dim1=1),
        t.permute(input=x, dims=(1, 0)),
    ),
    lambda t, x, i: (
        t.movedim(input=x, source=0, destination=1),
        t.flip(input=x, dims=(0,)),
        t.roll(input=x, shifts=1, dims=0),
    ),
    lambda t, x, i: (
        t.cat(tensors=(x, x), dim=1),
        t.stack(tensors=(x, x), dim=0),
        t.split(x, 1, dim=0),
        t.chunk(x, chunks=2, dim=0),
    ),
    lambda t, x, i: (
        t.gather(input=x, dim=1, index=i),
        t.index_select(input=x, dim=0, index=i[0]),
        t.where(x > 0, input=x, other=x),
    ),
    lambda t, x, i: (t.scatter(input=x, dim=1, index=i, src=x), t.scatter(input=x, dim=1, index=i, value=2.0)),
    lambda t, x, i: (
        t.masked_fill(input=x, mask=x > 0, value=1),
        t.masked_select(input=x, mask=x > 0),
        t.nonzero(x, as_tuple=True),
    ),
    lambda t, x, i: (
        t.tril(input=x, diagonal=1),
        t.diagonal(input=x, offset=0, dim1=0, dim2=1),
        t.diag(input=x, diagonal=0),
    ),
    lambda t, x, i: (
        t.matmul(input=x, other=x.T),
        t.mm(input=x, mat2=x.T),
        t.einsum("ij,kj->ik", x, x),
        t.narrow(x, 0, start=0, length=1),
    ),
    lambda t, x, i: (
        t.full(size=(2,), fill_value=3.0),
        t.eye(n=2, m=3),
        t.linspace(start=0, end=1, steps=3),
        t.arange(start=1, end=3),
    ),
    lambda t, x, i: (
        t.repeat_interleave(x, repeats=2, dim=0),
        x.repeat(repeats=(1, 2)),
        x.expand(size=(2, 3)),
        x.view(size=(3, 2)),
    ),
    lambda t, x, i: (
        t.allclose(input=x, other=x, rtol=1e-3, atol=1e-3, equal_nan=True),
        t.bincount(input=i[0], minlength=4),
    ),
    lambda t, x, i: (
        x.to(dtype=t.float64),
        x.to(device="cpu", dtype=t.float64, non_blocking=True, copy=False),
        x.new_full(size=(1,), fill_value=2),
    ),
    lambda t, x, i: (
        t.zeros(size=(2, 1)),
        t.ones(size=[2]),
        x.new_zeros(size=(2,)),
        t.rand(size=(2, 3)).shape[1],
        t.randn(size=(2,)) * 0,
    ),
    lambda t, x, i: (
        t.lerp(input=x, end=x, weight=0.5),
        t.addcmul(input=x, tensor1=x, tensor2=x, value=2),
        t.outer(input=x[0], vec2=x[0]),
    ),
]


@pytest.mark.parametrize("expression", KEYWORDS, ids=map(str, range(len(KEYWORDS))))
def test_argument_names_are_those_of_pytorch(expression: Any) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    values_agree(expression, [x, np.array([[0, 1, 1], [1, 0, 0]])], 1e-5)
