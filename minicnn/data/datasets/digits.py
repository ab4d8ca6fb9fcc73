"""The handwritten digits that come with scikit-learn: real data without a download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.tensor import from_numpy
from .mnist import MNIST
from .vision import InMemoryDataset

TEST_SHARE = 0.2
SEED = 0


class Digits(InMemoryDataset):
    """1,797 handwritten digits, enlarged from 8 x 8 to 28 x 28, ten classes; no download needed.

    Source: Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI
    Machine Learning Repository (1998), as in ``sklearn.datasets.load_digits``.
    The images are scaled from 0..16 to 0..255 and enlarged bilinearly; a fixed
    fifth of each class is the test set.

    Parameters
    ----------
    train : bool, default True
        The training set (1,438 images), or the test set (359).
    transform : callable, optional
        From a PIL image to what the sample shall hold, ``transforms.ToTensor()`` for example.
    target_transform : callable, optional
        The same for the class number.

    Attributes
    ----------
    data : Tensor (N, 28, 28) of uint8
        The images.
    targets : Tensor (N,) of int64
        The class numbers.
    classes : list of str
        The classes' names, those of MNIST.
    class_to_idx : dict
        From a class's name to its number.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.

    Examples
    --------
    >>> digits = Digits(train=True)
    >>> len(digits), tuple(digits.data.shape)
    (1438, (1438, 28, 28))
    """

    classes = MNIST.classes

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(None, transform, target_transform)
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise ImportError(
                'Digits: these images come with scikit-learn, which is not installed: pip install "minicnn[examples]"'
            ) from None
        self.train = train
        images, labels = load_digits(return_X_y=True)  # (1797, 64) from 0 to 16, (1797,)
        chosen = _in_test_set(labels) != train
        self.data = from_numpy(enlarge(images[chosen].reshape(-1, 8, 8) * (255 / 16), 28))
        self.targets = from_numpy(labels[chosen].astype(np.int64))


def _in_test_set(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """A random fifth of each class. RandomState's numbers are the same in every version of NumPy."""
    rng = np.random.RandomState(SEED)
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        test[members[: round(TEST_SHARE * len(members))]] = True
    return test


def enlarge(images: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """Images (N, h, h) at size x size, bilinearly: ``R @ image @ R.T``.

    Row i of R weighs the two pixels next to the place of output pixel i, whose
    centre lies at (i + 1/2) h / size - 1/2; at the border, the last pixel.

    Examples
    --------
    >>> import numpy as np
    >>> enlarge(np.array([[[0.0, 100.0], [0.0, 100.0]]]), 4)[0, 0].tolist()
    [0, 25, 75, 100]
    """
    h = images.shape[-1]
    place = np.clip((np.arange(size) + 0.5) * h / size - 0.5, 0, h - 1)
    weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(h)))  # R (size, h)
    return np.rint(weights @ images @ weights.T).astype(np.uint8)
