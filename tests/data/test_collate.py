"""Batches from samples, against torch's default_collate."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from minicnn.core import Tensor, from_numpy
from minicnn.core.errors import ShapeError
from minicnn.data import default_collate, default_convert

Pair = namedtuple("Pair", ["image", "label"])

BATCHES: list[Any] = [
    [1, 2, 3],
    [True, False],
    [1.5, 2.0],
    [np.float32(1), np.float32(2)],
    [np.int64(1), np.int64(2)],
    [np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)],
    ["a", "b"],
    [b"a", b"b"],
    [(1, 2.0, "x"), (3, 4.0, "y")],
    [[1, 2], [3, 4]],
    [Pair(np.zeros(2), 1), Pair(np.ones(2), 2)],
    [{"image": np.zeros(2), "label": 1}, {"image": np.ones(2), "label": 2}],
    [OrderedDict(b=1, a=2), OrderedDict(b=3, a=4)],
    [((1, 2), {"k": [3, 4.0]}), ((5, 6), {"k": [7, 8.0]})],
]


def assert_same(ours: Any, theirs: Any) -> None:
    """The same nesting, types and values; torch tensors correspond to ours."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, Tensor)
        assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        return
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)) and not (theirs and isinstance(theirs[0], (str, bytes))):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b)
    else:
        assert ours == theirs


@pytest.mark.parametrize("batch", BATCHES, ids=repr)
def test_collates_as_pytorch(batch: list[Any]) -> None:
    assert_same(default_collate(batch), torch.utils.data.default_collate(batch))


@pytest.mark.parametrize(
    "sample", [np.zeros(3), 5, "a", (np.ones(2), 1), {"a": np.zeros(1)}, Pair(np.ones(1), 2)], ids=repr
)
def test_converts_as_pytorch(sample: Any) -> None:
    assert_same(default_convert(sample), torch.utils.data.default_convert(sample))


def test_tensors_are_stacked() -> None:
    batch = default_collate([from_numpy(np.full((1, 2, 2), i, np.float32)) for i in range(3)])
    assert batch.shape == (3, 1, 2, 2)
    assert batch.numpy()[2, 0, 1, 1] == 2


def test_a_pil_image_needs_to_tensor() -> None:
    with pytest.raises(TypeError, match=r"sample 0 is a PIL image.*add transforms\.ToTensor\(\)"):
        default_collate([(Image.new("L", (2, 2)), 0)])


def test_different_sizes_name_shapes_sample_and_fix() -> None:
    images = [np.zeros((3, 8, 8)), np.zeros((3, 8, 8)), np.zeros((3, 8, 9))]
    with pytest.raises(ShapeError, match=r"sample 0 has shape \(3, 8, 8\), sample 2 has shape \(3, 8, 9\).*Resize"):
        default_collate(images)
    with pytest.raises(ShapeError, match="sample 0 has 2 elements, sample 1 has 3"):
        default_collate([(1, 2), (1, 2, 3)])


def test_other_mistakes_name_the_sample() -> None:
    with pytest.raises(TypeError, match="sample 1 is None: does the dataset's __getitem__"):
        default_collate([np.zeros(2), None])
    with pytest.raises(TypeError, match="sample 0 is None"):
        default_collate([None])
    with pytest.raises(TypeError, match=r"sample 0 is a builtins\.object.*collate_fn"):
        default_collate([object()])
    with pytest.raises(TypeError, match=r"sample 0 of this batch is a int, but sample 1 is a builtins\.tuple"):
        default_collate([1, (2, 3)])
    with pytest.raises(TypeError, match="array of type <U1"):
        default_collate([np.array(["a"])])
