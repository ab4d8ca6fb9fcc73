"""MixUp and CutMix: images, labels, and their place in a loader."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minicnn
from minicnn import nn
from minicnn.core import from_numpy
from minicnn.data import DataLoader
from minicnn.data import transforms as T

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.random((5, 3, 16, 12)).astype(np.float32), np.array([0, 1, 2, 3, 0])
ONE_HOT = np.eye(4, dtype=np.float32)[LABELS]


def test_mixup_is_a_weighted_sum_of_images_and_labels() -> None:
    minicnn.manual_seed(0)
    shares = []
    for _ in range(50):
        images, labels = T.MixUp(alpha=0.4, num_classes=4)(from_numpy(IMAGES), from_numpy(LABELS))
        share = labels.numpy()[1, 1]
        np.testing.assert_allclose(images.numpy(), share * IMAGES + (1 - share) * np.roll(IMAGES, 1, 0), atol=1e-6)
        np.testing.assert_allclose(labels.numpy(), share * ONE_HOT + (1 - share) * np.roll(ONE_HOT, 1, 0), atol=1e-6)
        assert images.dtype == labels.dtype == minicnn.float32
        shares.append(share)
    assert min(shares) < 0.1 < 0.9 < max(shares)


def test_the_shares_are_those_of_a_beta_distribution() -> None:
    minicnn.manual_seed(0)
    mix = T.MixUp(alpha=2.0, num_classes=4)
    shares = [mix(IMAGES[:2], LABELS[:2])[1].numpy()[1, 1] for _ in range(2000)]
    assert abs(np.mean(shares) - 0.5) < 0.02
    assert abs(np.var(shares) - 1 / (4 * (2 * 2 + 1))) < 0.005


def test_cutmix_pastes_a_rectangle_and_weighs_labels_by_area() -> None:
    minicnn.manual_seed(0)
    others = np.roll(IMAGES, 1, 0)
    shares = []
    for _ in range(200):
        images, labels = T.CutMix(num_classes=4)(from_numpy(IMAGES), from_numpy(LABELS))
        pasted = (images.numpy() == others).all((0, 1))  # (H, W)
        np.testing.assert_array_equal(images.numpy(), np.where(pasted, others, IMAGES))
        rows, columns = np.flatnonzero(pasted.any(1)), np.flatnonzero(pasted.any(0))
        if rows.size:
            assert pasted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()  # a rectangle
        share = 1 - pasted.mean()
        np.testing.assert_allclose(labels.numpy(), share * ONE_HOT + (1 - share) * np.roll(ONE_HOT, 1, 0), atol=1e-6)
        shares.append(share)
    assert min(shares) < 0.3
    assert max(shares) == 1


@pytest.mark.parametrize("kind", [T.MixUp, T.CutMix])
def test_a_network_learns_from_a_mixed_batch(kind: Any) -> None:
    data = list(zip(IMAGES, LABELS.tolist(), strict=True))
    loader = DataLoader(data, batch_size=4, collate_fn=kind(num_classes=4))
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 12, 4))
    sizes = []
    for images, labels in loader:
        loss = nn.CrossEntropyLoss()(model(images), labels)
        loss.backward()
        sizes.append(tuple(labels.shape))
    assert sizes == [(4, 4), (1, 4)]
    assert model[1].weight.grad is not None


def test_labels_may_be_probabilities_already() -> None:
    once = T.MixUp(num_classes=4)(IMAGES, LABELS)
    images, labels = T.CutMix()(once)  # a pair
    assert labels.shape == (5, 4)
    np.testing.assert_allclose(labels.numpy().sum(1), 1, atol=1e-6)
    assert images.shape == IMAGES.shape


@pytest.mark.parametrize(
    ("batch", "error", "says"),
    [
        ((IMAGES, LABELS + 1), ValueError, r"whole numbers from 0 to num_classes - 1 = 3; got 1 to 4, int64"),
        ((IMAGES, LABELS / 2), ValueError, "got 0.0 to 1.5, float64"),
        ((IMAGES, LABELS[:3]), ValueError, r"for 5 images; got \(3,\)"),
        ((IMAGES[0], LABELS[:3]), ValueError, r"a batch of images \(N, C, H, W\).*got shape \(3, 16, 12\)"),
        (((255 * IMAGES).astype(np.uint8), LABELS), ValueError, r"uint8\. Fix: ToTensor\(\)"),
        ((IMAGES,), TypeError, r"expected \(images, labels\)"),
        (((IMAGES, LABELS, LABELS),), TypeError, "got tuple of 3"),
    ],
)
def test_what_is_no_batch_is_explained(batch: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        T.MixUp(num_classes=4)(*batch)


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="MixUp: alpha is a number above 0; got 0"):
        T.MixUp(alpha=0, num_classes=3)
    with pytest.raises(ValueError, match="CutMix: num_classes is a whole number"):
        T.CutMix(num_classes=0)
    with pytest.raises(ValueError, match=r"how many classes there are: CutMix\(num_classes=10\)"):
        T.CutMix()(IMAGES, LABELS)
