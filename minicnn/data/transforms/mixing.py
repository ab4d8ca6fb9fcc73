"""Mixing the images of a batch with each other, and their labels too.

Both work on a batch ``(images, labels)``, in the training loop or as the ``collate_fn`` of a ``DataLoader``, where
what they draw follows from the seed of the pass and the number of the batch, whatever the workers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ShapeError
from ...core.tensor import Tensor, from_numpy
from ..collate import default_collate
from ..randomness import sample_rng
from .chance import SMALLEST, check_number


class _Mixture:
    """Every sample with the one before it in the batch (the first with the last)."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None) -> None:
        who = type(self).__name__
        check_number(alpha, f"{who}: alpha is a number above 0", lowest=SMALLEST)
        if num_classes is not None and (not isinstance(num_classes, int) or num_classes < 1):
            raise ValueError(f"{who}: num_classes is a whole number of at least 1; got {num_classes!r}")
        self.alpha = alpha
        self.num_classes = num_classes

    def __call__(self, *batch: Any) -> tuple[Tensor, Tensor]:
        """Mix ``(images, labels)``, given as two arguments or as a pair, or a list of samples (image, label)."""
        given = batch[0] if len(batch) == 1 else batch
        if isinstance(given, Sequence) and len(given) and not isinstance(given[0], (Tensor, np.ndarray)):
            given = default_collate(given)  # samples, from a DataLoader
        if not isinstance(given, Sequence) or len(given) != 2:
            raise TypeError(
                f"{type(self).__name__}: expected (images, labels), or a list of such samples; got {_kind(given)}"
            )
        images, labels = (np.asarray(part.detach() if isinstance(part, Tensor) else part) for part in given)
        self._check(images, labels)
        share = float(sample_rng().beta(self.alpha, self.alpha))
        targets = self._one_hot(labels, images.dtype)
        mixed, share = self.mix(images, np.roll(images, 1, axis=0), share)
        kind = targets.dtype.type
        return from_numpy(mixed), from_numpy(kind(share) * targets + kind(1 - share) * np.roll(targets, 1, axis=0))

    def mix(self, images: NDArray[Any], others: NDArray[Any], share: float) -> tuple[NDArray[Any], float]:
        """The mixed images and the share of ``images`` in them; written by each subclass."""
        raise TypeError(f"{type(self).__name__} needs a method mix(self, images, others, share)")

    def _check(self, images: NDArray[Any], labels: NDArray[Any]) -> None:
        who = type(self).__name__
        if images.ndim != 4 or images.dtype.kind != "f":
            raise ShapeError(
                f"{who}: expected a batch of images (N, C, H, W) of a floating type; got shape {images.shape}, "
                f"{images.dtype}. Fix: ToTensor() at the end of the dataset's transform; this comes behind the "
                "DataLoader, or as its collate_fn"
            )
        if len(labels) != len(images) or labels.ndim not in (1, 2):
            raise ShapeError(
                f"{who}: expected labels (N,) or (N, classes) for {len(images)} images; got {labels.shape}"
            )

    def _one_hot(self, labels: NDArray[Any], kind: Any) -> NDArray[Any]:
        """Class numbers (N,) as probabilities (N, classes)."""
        if labels.ndim == 2:
            return labels.astype(kind)
        who, classes = type(self).__name__, self.num_classes
        if classes is None:
            raise ValueError(
                f"{who}: to mix class numbers it must know how many classes there are: {who}(num_classes=10)"
            )
        if labels.dtype.kind not in "iu" or (labels.size and not 0 <= labels.min() <= labels.max() < classes):
            raise ValueError(
                f"{who}: labels must be whole numbers from 0 to num_classes - 1 = {classes - 1}; got "
                f"{labels.min()} to {labels.max()}, {labels.dtype}"
            )
        return np.eye(classes, dtype=kind)[labels]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, num_classes={self.num_classes})"


class MixUp(_Mixture):
    """Two images shining through each other, ``s * a + (1 - s) * b``, the labels likewise.

    The share s is drawn once per batch from Beta(alpha, alpha); b is the sample before a. The labels become
    probabilities (N, classes), which ``nn.CrossEntropyLoss`` takes.

    Parameters
    ----------
    alpha : float, default 1.0
        1 draws every share equally often, smaller ones mostly near 0 and 1. The paper takes 0.2 for ImageNet.
    num_classes : int, optional
        Needed where labels are class numbers.

    Raises
    ------
    ShapeError, ValueError
        If it gets no batch of images, or a label is out of range.

    References
    ----------
    Zhang, Cisse, Dauphin, Lopez-Paz, *mixup: Beyond Empirical Risk Minimization*, 2018, arXiv:1710.09412.

    Examples
    --------
    >>> from minicnn.data import DataLoader
    >>> data = [(np.full((1, 2, 2), float(i)), i) for i in range(2)]
    >>> images, labels = next(iter(DataLoader(data, batch_size=2, collate_fn=MixUp(num_classes=2))))
    >>> labels.sum(1).tolist(), bool((images[:, 0, 0, 0] == labels[:, 1]).all())
    ([1.0, 1.0], True)
    """

    def mix(self, images: NDArray[Any], others: NDArray[Any], share: float) -> tuple[NDArray[Any], float]:
        """The weighted sum."""
        kind = images.dtype.type
        return kind(share) * images + kind(1 - share) * others, share


class CutMix(_Mixture):
    """A rectangle of another image pasted in; the labels are mixed by area.

    With s drawn once per batch from Beta(alpha, alpha), the rectangle has ``sqrt(1 - s)`` times the height and width of
    the image and lies anywhere, cut off at the border; it comes from the sample before in the batch. The labels become
    probabilities (N, classes), which ``nn.CrossEntropyLoss`` takes.

    Parameters
    ----------
    alpha : float, default 1.0
        The paper's.
    num_classes : int, optional
        Needed where labels are class numbers.

    Raises
    ------
    ShapeError, ValueError
        If it gets no batch of images, or a label is out of range.

    References
    ----------
    Yun et al., *CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features*, 2019,
    arXiv:1905.04899.

    Examples
    --------
    >>> images = np.stack([np.zeros((1, 8, 8)), np.ones((1, 8, 8))])
    >>> mixed, labels = CutMix(num_classes=2)(images, np.array([0, 1]))
    >>> bool((mixed.mean((1, 2, 3)) == labels[:, 1]).all())  # the share of the area
    True
    """

    def mix(self, images: NDArray[Any], others: NDArray[Any], share: float) -> tuple[NDArray[Any], float]:
        """One rectangle for the whole batch."""
        h, w = images.shape[-2:]
        y, x = int(sample_rng().integers(h)), int(sample_rng().integers(w))
        half = 0.5 * math.sqrt(1 - share)
        rows = slice(max(y - int(half * h), 0), min(y + int(half * h), h))
        columns = slice(max(x - int(half * w), 0), min(x + int(half * w), w))
        mixed = images.copy()
        mixed[..., rows, columns] = others[..., rows, columns]
        return mixed, 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (h * w)


def _kind(given: Any) -> str:
    return f"{type(given).__name__} of {len(given)}" if isinstance(given, Sequence) else type(given).__name__
