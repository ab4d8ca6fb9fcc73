"""Making tensors: the same types, shapes and values as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn.core.errors import DTypeError, ShapeError

from .twin import flat, same

EXPRESSIONS: list[Any] = [
    lambda t: [
        t.tensor(v) for v in (1, 1.5, True, [1, 2], [1, 2.0], [[True], [False]], [], [[]], [[1], [2.5]], (1, 2))
    ],
    lambda t: [
        t.tensor(v) for v in (np.float64(1), np.float32(1), [np.float64(1)], np.ones(2), [np.ones(2), np.ones(2)])
    ],
    lambda t: [
        t.tensor([1, 2], dtype=t.float64),
        t.tensor([1.7], dtype=t.int32),
        t.tensor(np.arange(3, dtype=np.int16)),
    ],
    lambda t: [t.tensor([t.tensor(1.0), t.tensor(2.0)]), t.tensor([t.tensor(1), t.tensor(2)])],
    lambda t: [t.zeros(2, 3), t.zeros((2, 3)), t.zeros([2]), t.zeros(()), t.ones(2, dtype=t.bool), t.zeros(0, 2)],
    lambda t: [t.zeros(t.ones(2, 3).shape), t.zeros(2, 3, dtype=t.int64), t.ones(t.tensor(2).item())],
    lambda t: [t.full((2,), v) for v in (1, 1.0, True)] + [t.full((2, 1), 3, dtype=t.float64), t.full((), 2)],
    lambda t: [t.arange(5), t.arange(2, 5), t.arange(1, 10, 3), t.arange(5, 1, -2), t.arange(5.0), t.arange(0, 1, 0.3)],
    lambda t: [
        t.arange(0.5, 3),
        t.arange(3, dtype=t.float32),
        t.arange(1, 1),
        t.arange(0, 1, 0.1),
        t.arange(-3.5, 3.5, 0.5),
    ],
    lambda t: [t.linspace(0, 1, 5), t.linspace(-2, 3, 7), t.linspace(1, 1, 1), t.linspace(0, 10, 3, dtype=t.float64)],
    lambda t: [t.logspace(0, 3, 4), t.logspace(0, 3, 4, base=2), t.eye(3), t.eye(2, 3), t.eye(2, dtype=t.int64)],
    lambda t: [
        t.zeros_like(t.ones(2, dtype=t.int32)),
        t.ones_like(t.zeros(2), dtype=t.int64),
        t.full_like(t.ones(2), 3),
    ],
    lambda t: [t.ones(1).new_zeros(2, 3), t.ones(1, dtype=t.int64).new_ones((2,)), t.ones(1).new_full((2,), 5)],
    lambda t: [t.ones(1, dtype=t.float64).new_tensor([1, 2]), t.ones(1).new_empty(0, 2)],
    lambda t: [t.from_numpy(np.arange(3.0)), t.as_tensor(np.arange(3)), t.as_tensor([1.0]), t.asarray([1, 2])],
    lambda t: [t.Tensor([1, 2]), t.Tensor([[1.5]]), t.Tensor(0), t.scalar if False else t.tensor(3)],
    lambda t: [
        t.nonzero(t.tensor([0, 3, 0])),
        t.nonzero(t.tensor(2)),
        t.argwhere(t.tensor([[1, 0]])),
        *t.where(t.eye(2) > 0),
    ],
    lambda t: [t.bincount(t.tensor([1, 1, 3])), t.bincount(t.tensor([0, 1]), minlength=4), t.histc(t.arange(5.0), 3)],
    lambda t: [t.bincount(t.tensor([0, 1, 1]), t.tensor([0.5, 1, 2])), t.bincount(t.tensor([], dtype=t.int64))],
    lambda t: [
        t.unique(t.tensor([3, 1, 3])),
        *t.unique(t.tensor([[2, 1], [2, 2]]), return_inverse=True, return_counts=True),
    ],
    lambda t: [
        t.unique(t.tensor([[2, 1], [0, 1], [2, 1]]), dim=0),
        *t.meshgrid(t.arange(2), t.arange(3), indexing="xy"),
    ],
    lambda t: [
        t.any(t.eye(2) > 0, 1),
        t.all(t.eye(2) > 0),
        t.eye(2).any(),
        t.eye(2).all(0, keepdim=True),
        t.zeros(0).all(),
    ],
    lambda t: [t.count_nonzero(t.eye(3)), t.eye(3).count_nonzero(0), t.eye(3).bool().sum(), t.eye(3).bool().sum(1)],
    lambda t: [
        t.logical_and(t.eye(2), t.ones(2)),
        t.logical_not(t.eye(2)),
        ~t.tensor([1, 2]),
        t.tensor(5) ^ 1,
        1 << t.arange(3),
    ],
    lambda t: [t.tensor([1, 2]).type(t.float32), t.ones(2).type_as(t.tensor(1)), t.tensor([1.9, -1.9]).int()],
    lambda t: [
        t.FloatTensor([1, 2]),
        t.LongTensor([[1], [2]]),
        t.ByteTensor([3]),
        t.LongTensor(np.arange(3)),
        t.DoubleTensor([1]),
        t.IntTensor(0),
    ],
    lambda t: [t.ones(2, dtype=t.int32).view(t.float32) * 0, t.ones(2).view(t.uint8).view(t.float32)],
    lambda t: [t.isclose(t.ones(2), t.ones(2) + 1e-6), t.eq(t.ones(2), 1), t.ones(2) != t.ones(2), t.ones(3).ge(2)],
    lambda t: [
        t.hstack((t.tensor(1), t.tensor(2))),
        t.vstack((t.arange(2), t.arange(2))),
        t.cat((t.zeros(0), t.ones(2, 1))),
    ],
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=map(str, range(len(EXPRESSIONS))))
@pytest.mark.filterwarnings(
    "ignore:.*numpy.ndarrays is extremely slow", "ignore:Converting a tensor with requires_grad"
)
def test_the_same_tensors(expression: Any) -> None:
    ours, theirs = flat(expression(minicnn)), flat(expression(torch))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        same(a, b, 1e-6)


REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda t: t.tensor([[1, 2], [3]]), ShapeError, "nested lists must have equal lengths"),
    (lambda t: t.tensor(["a"]), DTypeError, "elements must be numbers; got str"),
    (lambda t: t.zeros(2.5), TypeError, "sizes must be ints; got 2.5"),
    (lambda t: t.arange(0, 5, -1), ValueError, "step must lead from start to end"),
    (lambda t: t.ones(2, dtype="text"), DTypeError, "expected an element type"),
    (
        lambda t: t.ones(2, dtype=t.int64, requires_grad=True),
        DTypeError,
        "only floating-point tensors can require a gradient",
    ),
    (lambda t: t.ones(2, device="cuda"), ValueError, "cannot be used"),
    (lambda t: t.ones(2, 3) + t.ones(2), ShapeError, r"the shapes \(2, 3\) and \(2,\) cannot be broadcast"),
    (lambda t: t.ones(2, 3).reshape(4), ShapeError, r"2 \* 3 = 6 elements, which cannot fill shape \(4,\)"),
    (lambda t: t.ones(2, 3).reshape(4, -1), ShapeError, "6 / 4 is no integer"),
    (lambda t: t.ones(2, 3).t().view(6), ShapeError, "without moving elements in memory. Fix: reshape"),
    (lambda t: t.ones(2, 3) @ t.ones(2, 3), ShapeError, r"matmul: shapes \(2, 3\) and \(2, 3\) do not fit"),
    (lambda t: t.ones(2, 3) @ t.ones(3, 2, dtype=t.float64), DTypeError, "must have one type; got minicnn.float32 and"),
    (lambda t: t.ones(2).sum(1), ShapeError, r"dim must lie in \[-1, 0\]"),
    (lambda t: t.ones(2, 2).sum((0, 0)), ShapeError, "each dim may be given once"),
    (lambda t: t.arange(3).mean(), DTypeError, "the mean of minicnn.int64 numbers"),
    (lambda t: t.zeros(0).max(), ShapeError, "none among no elements"),
    (lambda t: t.cat((t.ones(2, 3), t.ones(2, 2))), ShapeError, r"tensor 1 has \(2, 2\)"),
    (lambda t: t.stack((t.ones(2), t.ones(3))), ShapeError, "all tensors must have one shape"),
    (lambda t: t.ones(3)[5], IndexError, "out of bounds"),
    (lambda t: t.ones(3)[0, 0], IndexError, "2 indices for a tensor of 1 dimensions"),
    (lambda t: t.ones(3)[::-1], ValueError, "the step of a slice must be positive; got -1. Fix: x.flip"),
    (lambda t: t.ones(3)[1.5], IndexError, "an index must be made of ints"),
    (lambda t: t.ones(2, 2).gather(1, t.tensor([[0], [-1]])), IndexError, r"indices must lie in \[0, 1\]; got -1"),
    (lambda t: t.ones(2).expand(3), ShapeError, "cannot be expanded"),
    (lambda t: t.ones(2).masked_fill(t.ones(2), 0), DTypeError, "mask must be a bool tensor"),
    (lambda t: t.arange(2).add_(1.5), DTypeError, "cannot be stored in place in minicnn.int64"),
    (lambda t: t.ones(2).add_(t.ones(2, 2)), ShapeError, "does not fit in place"),
    (lambda t: t.ones(2).__setitem__(0, t.ones(3)), ShapeError, "cannot be broadcast into the place of shape"),
    (lambda t: t.arange(2) ** -1, DTypeError, "integers to negative integer powers"),
    (lambda t: t.arange(2) // 0, ZeroDivisionError, "divided by zero"),
    (lambda t: t.tensor([True]) - t.tensor([True]), DTypeError, "not defined for bool"),
    (lambda t: t.ones(2, 2).permute(0, 0), ShapeError, "each of the 2 dimensions"),
    (lambda t: t.ones(2).split(0), ShapeError, "must be positive"),
    (lambda t: t.ones(2).topk(3), ShapeError, r"k must lie in \[0, 2\]"),
    (lambda t: t.einsum("ij,jk->ik", t.ones(2, 3), t.ones(2, 3)), ShapeError, "index 'j' .* has sizes 3 and 2"),
    (lambda t: t.ones(2).cuda(), ValueError, "cannot be used"),
    (lambda t: t.add(t.ones(2), [1]), DTypeError, "expected a tensor or a number; got list"),
]


@pytest.mark.parametrize(("expression", "error", "text"), REFUSED, ids=[row[2] for row in REFUSED])
def test_mistakes_are_refused_as_in_pytorch_with_a_text_that_helps(expression: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        expression(minicnn)
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError, AssertionError, NotImplementedError)):
        expression(torch)


def test_one_hot() -> None:
    from minicnn.ops.creation import one_hot

    labels = np.array([[0, 2], [1, 1]])
    for classes in (-1, 3, 5):
        theirs = torch.nn.functional.one_hot(torch.from_numpy(labels), classes)
        same(one_hot(minicnn.from_numpy(labels), classes), theirs, 0)
    with pytest.raises(ShapeError, match=r"must lie in \[0, 1\]; got 0 to 2"):
        one_hot(minicnn.from_numpy(labels), 2)


def test_element_types_that_do_not_exist_here_are_named() -> None:
    for make in (minicnn.tensor, minicnn.from_numpy, minicnn.as_tensor):
        with pytest.raises(DTypeError, match="arrays of type complex64 have no tensor type"):
            make(np.ones(2, np.complex64))


def test_random_tensors_have_the_promised_distributions() -> None:
    minicnn.manual_seed(0)
    n = 20000
    for draw, mean, std in (
        (lambda: minicnn.rand(n), 0.5, 12**-0.5),
        (lambda: minicnn.randn(n), 0.0, 1.0),
        (lambda: minicnn.randint(3, (n,)).double(), 1.0, (2 / 3) ** 0.5),
        (lambda: minicnn.normal(2.0, 3.0, (n,)), 2.0, 3.0),
        (lambda: minicnn.normal(minicnn.full((n,), 2.0), 3.0), 2.0, 3.0),
        (lambda: minicnn.empty(n).uniform_(-1, 1), 0.0, 3**-0.5),
        (lambda: minicnn.empty(n).normal_(1, 2), 1.0, 2.0),
        (lambda: minicnn.bernoulli(minicnn.full((n,), 0.25)), 0.25, 0.1875**0.5),
        (lambda: minicnn.randperm(n).double() / n, 0.5, 12**-0.5),
        (lambda: minicnn.rand(n, dtype=minicnn.float16), 0.5, 12**-0.5),
        (lambda: minicnn.multinomial(minicnn.tensor([1.0, 0.0, 3.0]), n, True).double(), 1.5, 0.75**0.5),
    ):
        x = draw()
        assert abs(x.double().mean().item() - mean) < 5 * std / n**0.5 + 1e-3
        assert abs(x.double().std().item() - std) < 0.03 * std
        assert len(set(x.tolist())) > 1


def test_sampling_without_replacement_follows_the_weights() -> None:
    minicnn.manual_seed(1)
    drawn = minicnn.multinomial(minicnn.tensor([[1.0, 2.0, 1.0, 0.0]] * 4000), 2)
    assert drawn.shape == (4000, 2)
    assert bool((drawn[:, 0] != drawn[:, 1]).all())
    assert not bool((drawn == 3).any())
    assert abs((drawn[:, 0] == 1).double().mean().item() - 0.5) < 0.04


def test_one_seed_one_sequence() -> None:
    draws = []
    for _ in range(2):
        minicnn.manual_seed(3)
        own = minicnn.Generator().manual_seed(3)
        draws.append([minicnn.rand(3), minicnn.randn(2), minicnn.randperm(5), minicnn.rand(3, generator=own)])
    for a, b in zip(*draws, strict=True):
        assert minicnn.equal(a, b)
    assert minicnn.equal(draws[0][0], draws[0][3])
    state = minicnn.get_rng_state()
    a = minicnn.rand(4)
    minicnn.manual_seed(8)
    minicnn.set_rng_state(state)
    assert minicnn.equal(a, minicnn.rand(4))
    assert minicnn.initial_seed() == 3


def test_memory_shared_with_numpy() -> None:
    a = np.zeros(3)
    t = minicnn.from_numpy(a)
    t[0] = 1
    a[1] = 2
    assert a.tolist() == t.tolist() == [1, 2, 0]
    assert t.numpy() is a
    assert np.from_dlpack(t)[0] == 1
    assert torch.from_dlpack(t).data_ptr() == t.data_ptr()
    other = torch.arange(3.0)
    assert minicnn.from_dlpack(other).data_ptr() == other.data_ptr()
    assert minicnn.ones(1, requires_grad=True).numpy(force=True).tolist() == [1]
    assert minicnn.as_tensor(a).numpy() is a
    assert minicnn.tensor(a).numpy() is not a
    assert np.asarray(t).sum() == 3.0
    assert np.exp(t).tolist() == np.exp(a).tolist()
