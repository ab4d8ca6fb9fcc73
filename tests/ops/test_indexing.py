"""Reading and writing with any index, and broadcasting, drawn at random and compared with PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn

from .twin import gradients_agree, same, to_torch, values_agree

EXAMPLES = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def shape_and_index(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Any]]:
    """A shape, and an index of ints, slices, None, ..., index arrays (of one common shape) and masks."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    common = draw(st.sampled_from([(), (1,), (2,), (3,), (2, 3)]))
    index: list[Any] = []
    d = 0
    masks = 0
    while d < len(shape) and draw(st.integers(0, 5)):
        n = shape[d]
        kind = draw(st.sampled_from(["int", "slice", "slice", "None", "array", "array", "list", "mask"]))
        if kind == "None":
            index.append(None)
            continue
        if kind == "int":
            index.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            ends = st.one_of(st.none(), st.integers(-n - 1, n + 1))
            index.append(slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, 3]))))
        elif kind == "array" and common:
            index.append(rng.integers(-n, n, common))
        elif kind == "list" and len(common) < 2:
            index.append(rng.integers(0, n, common).tolist())
        elif kind == "mask" and not masks and common in ((), (1,)):
            masks += 1
            width = min(len(shape) - d, draw(st.integers(1, 2)))
            mask = np.zeros(shape[d : d + width], bool)
            mask.reshape(-1)[rng.integers(mask.size)] = True  # one element: it broadcasts with other index arrays
            index.append(mask)
            d += width - 1
        else:
            index.append(slice(None))
        d += 1
    if draw(st.booleans()):  # where it stands for nothing, ... may be anywhere; else at the end
        index.insert(draw(st.integers(0, len(index))) if d == len(shape) else len(index), Ellipsis)
    return shape, index


def convert(library: Any, index: list[Any]) -> tuple[Any, ...]:
    make = minicnn.from_numpy if library is minicnn else torch.from_numpy
    return tuple(make(i) if isinstance(i, np.ndarray) else i for i in index)


@EXAMPLES
@given(shape_and_index())
def test_reading(case: tuple[tuple[int, ...], list[Any]]) -> None:
    shape, index = case
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    gradients_agree(lambda t, x: x[convert(t, index)] ** 2, [x])
    a, b = minicnn.from_numpy(x), torch.from_numpy(x)
    ours, theirs = a[convert(minicnn, index)], b[convert(torch, index)]
    shared = theirs.numel() > 0 and theirs.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    assert np.shares_memory(ours.numpy(), x) == shared


@EXAMPLES
@given(shape_and_index(), st.booleans(), st.booleans())
def test_writing(case: tuple[tuple[int, ...], list[Any]], number: bool, leaf: bool) -> None:
    shape, index = case
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    selected = torch.from_numpy(x)[convert(torch, index)].shape
    value = np.random.default_rng(0).standard_normal(selected)
    if value.size == 0:
        return
    for position in [i for i in index if isinstance(i, np.ndarray | list) and np.asarray(i).dtype.kind == "i"]:
        if np.unique(np.asarray(position)).size != np.asarray(position).size:
            number = True  # which of several values is written last is not defined

    def expression(t: Any, x: Any, value: Any) -> Any:
        y = x * 1 if not leaf else x.detach().clone()
        y[convert(t, index)] = 2.5 if number else value
        return y * y if leaf else (y * x, y)

    if leaf:
        values_agree(expression, [x, value])
    else:
        gradients_agree(expression, [x, value])


@st.composite
def shapes_that_broadcast(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    full = draw(st.lists(st.integers(0, 4), max_size=4))
    pair = []
    for _ in range(2):
        shape = [1 if draw(st.booleans()) else n for n in full]
        pair.append(tuple(shape[draw(st.integers(0, len(shape))) :] if draw(st.booleans()) else shape))
    return pair[0], pair[1]


@EXAMPLES
@given(shapes_that_broadcast(), st.integers(0, 2**32))
def test_broadcasting(shapes: tuple[tuple[int, ...], tuple[int, ...]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    gradients_agree(lambda t, x, y: (x * y - x / (y * y + 1), t.where(x > y, x, y), t.maximum(x, y)), arrays)
    values_agree(lambda t, x, y: (x < y, t.broadcast_tensors(x, y)), arrays)


@EXAMPLES
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 2**32), st.booleans(), st.data())
def test_reducing(shape: list[int], seed: int, keepdim: bool, data: st.DataObject) -> None:
    dims = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1))
    dims = [d - len(shape) if data.draw(st.booleans()) else d for d in dims]
    x = np.random.default_rng(seed).standard_normal(shape)

    def expression(t: Any, x: Any) -> Any:
        several = [getattr(x, name)(dim=dims, keepdim=keepdim) for name in ("sum", "mean", "amax", "amin", "logsumexp")]
        several += [x.var(dims, correction=0, keepdim=keepdim), x.norm(2, dims, keepdim)]
        return several, x.max(dims[0], keepdim), x.prod(dims[0], keepdim=keepdim), x.sort(dims[0]), x.cumsum(dims[0])

    gradients_agree(expression, [x], 1e-11)


def test_repeated_indices_add_up_the_same_way_every_time() -> None:
    rng = np.random.default_rng(0)
    index = minicnn.from_numpy(rng.integers(0, 10, 20000))
    grads = []
    for _ in range(2):
        x = minicnn.ones(10, requires_grad=True)
        (x[index] * minicnn.from_numpy(rng.permutation(1).repeat(20000) + np.float32(0.1))).sum().backward()
        grads.append(x.grad)
    assert minicnn.equal(*grads)


def test_masks_of_old_listings() -> None:
    x = np.arange(4.0)
    same(minicnn.from_numpy(x)[minicnn.tensor([0, 1, 1, 0]).byte()], to_torch(x[1:3]), 0)


def test_iteration_membership_and_length() -> None:
    x = minicnn.arange(6).reshape(3, 2)
    assert [row.tolist() for row in x] == [[0, 1], [2, 3], [4, 5]]
    assert 5 in x
    assert 6 not in x
    assert len(x) == 3
    assert x.tolist()[x[0, 1]] == [2, 3]  # a tensor of one integer is an index
    assert list(range(10))[x[1, 0] : x[2, 0]] == [2, 3]
