"""Where a classifier is wrong: the confusion matrix, and the images themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import ShapeError
from ...core.figure import new_figure
from ...core.grad_mode import no_grad
from ...core.tensor import Tensor
from ...nn import Module
from ...ops.counting import confusion_counts
from ..batches import batches
from ..looking import checked_model, classified
from ..printed import text_columns
from ..state import left_as_found
from .canvas import Picture, blank_axes, show_image, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN = 20  # classes up to which a matrix is written out


@dataclass(frozen=True, repr=False)
class ConfusionMatrix(Picture):
    """How often images of each class were given each class.

    Attributes
    ----------
    matrix : array (K, K) of int
        Rows are the true classes, columns the predicted ones.
    classes : list of str

    Examples
    --------
    >>> found = ConfusionMatrix.of([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], ["cat", "dog"])
    >>> print(found)
    Confusion matrix: 3 of 5 right (60.0 %)
    True / said  cat  dog  Right
    ----------------------------
    cat            1    1    50%
    dog            1    2    67%
    >>> found.precision.round(2).tolist(), found.recall.round(2).tolist(), found.most_confused(1)
    ([0.5, 0.67], [0.5, 0.67], [('cat', 'dog', 1)])
    """

    matrix: Any
    classes: list[str]

    @classmethod
    def of(cls, labels: Any, predictions: Any, classes: Sequence[str] | None = None) -> ConfusionMatrix:
        """Count pairs of true and predicted classes.

        Parameters
        ----------
        labels, predictions : sequence of int, array or Tensor (N,)
        classes : sequence of str, optional
            Names. Default: numbers.
        """
        pair = [np.asarray(v.detach()._array if isinstance(v, Tensor) else v) for v in (labels, predictions)]
        if pair[0].ndim != 1 or pair[0].shape != pair[1].shape or any(a.dtype.kind not in "iu" for a in pair if a.size):
            got = ", ".join(f"{a.shape} {a.dtype}" for a in pair)
            raise ShapeError(f"confusion_matrix: expected a whole number for each image, true and predicted; got {got}")
        largest = max((int(a.max(initial=0)) for a in pair), default=0)
        count = largest + 1 if classes is None else len(classes)
        outside = next((int(i) for a in pair for i in a if not 0 <= i < count), None)
        if outside is not None:
            raise ValueError(f"confusion_matrix: classes are 0 to {count - 1}, but {outside} occurs among the labels")
        names = [str(i) for i in range(count)] if classes is None else list(classes)
        return cls(confusion_counts(pair[0], pair[1], count), names)

    @property
    def accuracy(self) -> float:
        """Share of all images that were given their class."""
        return float(np.trace(self.matrix)) / max(int(self.matrix.sum()), 1)

    @property
    def recall(self) -> Any:
        """Of each class, the share of its images that were given it; NaN without images."""
        return _share(self.matrix.diagonal(), self.matrix.sum(1))

    @property
    def precision(self) -> Any:
        """Of each class, the share of the images it was given to that are of it; NaN if it was given to none."""
        return _share(self.matrix.diagonal(), self.matrix.sum(0))

    def most_confused(self, count: int = 5) -> list[tuple[str, str, int]]:
        """The most frequent mistakes: true class, predicted class, how often."""
        wrong = self.matrix - np.diag(self.matrix.diagonal())
        order = np.argsort(-wrong, axis=None, kind="stable")[:count]
        pairs = [np.unravel_index(int(i), wrong.shape) for i in order]
        return [(self.classes[i], self.classes[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]]

    def __str__(self) -> str:
        right, total = int(np.trace(self.matrix)), int(self.matrix.sum())
        lines = [f"Confusion matrix: {right:,} of {total:,} right ({self.accuracy:.1%})".replace("%", " %")]
        if len(self.classes) <= WRITTEN:
            cells = [
                [name, *map(str, row), "" if np.isnan(share) else f"{share:.0%}"]
                for name, row, share in zip(self.classes, self.matrix, self.recall, strict=True)
            ]
            return "\n".join([*lines, text_columns(["True / said", *self.classes, "Right"], cells)])
        confused = [[true, said, f"{n:,}"] for true, said, n in self.most_confused(10)]
        return "\n".join([*lines, text_columns(["True", "Said", "Times"], confused, left=2)] if confused else lines)

    def figure(self) -> Figure:
        """The matrix in colours, as shares of each true class, with the counts written into it if it is small."""
        k = len(self.classes)
        shares = np.nan_to_num(_share(self.matrix, self.matrix.sum(1, keepdims=True)))
        side = min(10.0, max(3.2, 0.5 * k + 1.2))
        fig = new_figure(side + 0.8, side)
        ax = fig.subplots()
        drawn = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        step = -(-k // 40)
        ax.set_xticks(range(0, k, step), self.classes[::step], rotation=90 if k > 4 else 0, fontsize=8)
        ax.set_yticks(range(0, k, step), self.classes[::step], fontsize=8)
        ax.set_xlabel("predicted")
        ax.set_ylabel("true")
        if k <= WRITTEN:
            for (i, j), n in np.ndenumerate(self.matrix):
                if n:
                    ax.text(
                        j, i, f"{n}", ha="center", va="center", fontsize=8, color="white" if shares[i, j] > 0.5 else "k"
                    )
        fig.colorbar(drawn, ax=ax, shrink=0.75, label="share of the true class")
        ax.set_title(f"{self.accuracy:.1%} of {int(self.matrix.sum()):,} right", fontsize=11)
        return fig


@dataclass(frozen=True, repr=False)
class Misclassified(Picture):
    """What :func:`minicnn.explain.misclassified` returns, the surest mistakes first.

    Attributes
    ----------
    images : list of array (C, H, W)
    labels, predictions : list of int
    probabilities : array (n,)
        Of the predicted class.
    indices : list of int
        The number of the image in the data.
    mistakes, total : int
        How many there are in all, of how many images.
    classes : sequence of str or None
    """

    images: list[Any]
    labels: list[int]
    predictions: list[int]
    probabilities: Any
    indices: list[int]
    mistakes: int
    total: int
    classes: Sequence[str] | None

    def _name(self, label: int) -> str:
        return str(label) if self.classes is None else self.classes[label]

    def __str__(self) -> str:
        cells = [
            [str(i), self._name(true), self._name(said), f"{p:.1%}"]
            for i, true, said, p in zip(self.indices, self.labels, self.predictions, self.probabilities, strict=True)
        ]
        surest = "the surest mistake" if len(cells) == 1 else f"the {len(cells)} surest mistakes"
        heading = f"{self.mistakes:,} of {self.total:,} images misclassified; {surest}"
        return f"{heading}\n{text_columns(['Image', 'True', 'Said', 'Sure'], cells, left=3)}" if cells else heading

    def figure(self, columns: int = 6) -> Figure:
        """The images, under what the model said, how sure it was, and what they are.

        Parameters
        ----------
        columns : int, default 6
        """
        n = max(len(self.images), 1)
        columns = min(columns, n)
        rows = -(-n // columns)
        fig = new_figure(1.6 * columns + 0.3, 2.0 * rows + 0.5)
        axes = blank_axes(fig, rows, columns)
        for ax, image, true, said, p in zip(
            axes.flat, self.images, self.labels, self.predictions, self.probabilities, strict=False
        ):
            show_image(ax, visible(image))
            ax.set_title(f"{self._name(said)}? {p:.0%}\nis {self._name(true)}", fontsize=8)
        fig.suptitle(f"{self.mistakes:,} of {self.total:,} misclassified", fontsize=11)
        return fig


def confusion_matrix(model: Module, data: Any, classes: Sequence[str] | None = None) -> ConfusionMatrix:
    """How often a classifier gives images of each class each class.

    Parameters
    ----------
    model : Module
        It runs in evaluation mode and is left as it was.
    data : Dataset, DataLoader, or pair (images, labels)
    classes : sequence of str, optional
        Names of all classes. Default: those that the data has (``data.classes``), or numbers.

    Returns
    -------
    ConfusionMatrix
        ``matrix`` (K, K), ``accuracy``, ``precision``, ``recall``, ``most_confused()``, ``figure()``.

    See Also
    --------
    ConfusionMatrix.of : of labels and predictions that are there already.

    References
    ----------
    Stehman, *Selecting and interpreting measures of thematic classification accuracy*, 1997.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> x = minicnn.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]).reshape(3, 2, 1, 1)
    >>> minicnn.explain.confusion_matrix(nn.Flatten(), (x, minicnn.tensor([0, 1, 1]))).matrix.tolist()
    [[1, 0], [1, 1]]
    """
    checked_model(model, "confusion_matrix")
    labels: list[int] = []
    predictions: list[int] = []
    count = 0
    for _, probabilities, true in _answers(model, data, classes, "confusion_matrix"):
        labels += true.tolist()
        predictions += probabilities.argmax(1).tolist()
        count = probabilities.shape[1]
    names = classes if classes is not None else _names_in(data, count)
    return ConfusionMatrix.of(labels, predictions, [str(i) for i in range(count)] if names is None else names)


def misclassified(model: Module, data: Any, classes: Sequence[str] | None = None, *, count: int = 24) -> Misclassified:
    """The images that a classifier gets wrong, the mistakes of which it was surest first.

    Parameters
    ----------
    model : Module
        It runs in evaluation mode and is left as it was.
    data : Dataset, DataLoader, or pair (images, labels)
    classes : sequence of str, optional
        Names of all classes. Default: those that the data has (``data.classes``), or numbers.
    count : int, default 24
        How many to keep.

    Returns
    -------
    Misclassified
        ``images``, ``labels``, ``predictions``, ``probabilities``, ``indices``; ``figure()``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> x = minicnn.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]).reshape(3, 2, 1, 1)
    >>> print(minicnn.explain.misclassified(nn.Flatten(), (x, minicnn.tensor([0, 1, 1])), ["cat", "dog"]))
    1 of 3 images misclassified; the surest mistake
    Image  True  Said   Sure
    ------------------------
    2      dog   cat   95.3%
    """
    checked_model(model, "misclassified")
    found: list[tuple[float, int, int, int, Any]] = []  # probability, image, true, said, pixels
    total = mistakes = classes_there = 0
    for images, probabilities, labels in _answers(model, data, classes, "misclassified"):
        said = probabilities.argmax(1)
        wrong = np.flatnonzero(said != labels)
        mistakes += len(wrong)
        for i in wrong.tolist():
            found.append((float(probabilities[i, said[i]]), total + i, int(labels[i]), int(said[i]), images[i].copy()))
        found = sorted(found, key=lambda entry: (-entry[0], entry[1]))[:count]
        total += len(labels)
        classes_there = probabilities.shape[1]
    names = classes if classes is not None else _names_in(data, classes_there)
    sure, indices, true, given, pictures = map(list, zip(*found, strict=True)) if found else ([], [], [], [], [])
    return Misclassified(pictures, true, given, np.array(sure), indices, mistakes, total, names)


def _answers(model: Module, data: Any, names: Sequence[str] | None, who: str) -> Iterator[tuple[Any, Any, Any]]:
    """Images, probabilities of the classes and labels, batch by batch, as arrays."""
    with left_as_found(model, "eval"), no_grad():
        for images, labels in batches(data, who, labelled=True):
            yield images._array, classified(model(images), names, who).softmax(1)._array, labels


def _names_in(data: Any, count: int) -> list[str] | None:
    """The classes' names that a dataset, or a loader's, has."""
    names = getattr(data, "classes", getattr(getattr(data, "dataset", None), "classes", None))
    return list(map(str, names)) if names is not None and len(names) == count else None


def _share(part: Any, whole: Any) -> Any:
    """``part / whole``, NaN where there is nothing."""
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=np.asarray(whole) > 0)
