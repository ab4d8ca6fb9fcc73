"""The confusion matrix and the gallery of mistakes, against counting by hand and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

import minicnn
from minicnn import nn
from minicnn.data import DataLoader, TensorDataset
from minicnn.explain import ConfusionMatrix, Misclassified, confusion_matrix, misclassified

NAMES = ["ant", "bee", "cat", "dog"]


def answers() -> tuple[Any, Any, Any]:
    """Images whose four channels are the scores themselves, and labels."""
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(50, 4, 1, 1)).astype(np.float32), rng.integers(0, 4, 50)
    scores[range(50), labels] += 1
    return nn.Flatten(), scores, labels


def test_the_matrix_is_that_of_scikit_learn() -> None:
    model, scores, labels = answers()
    loader = DataLoader(TensorDataset(minicnn.tensor(scores), minicnn.tensor(labels)), batch_size=16)
    found = confusion_matrix(model, loader, NAMES)
    said = scores[:, :, 0, 0].argmax(1)
    assert isinstance(found, ConfusionMatrix)
    np.testing.assert_array_equal(found.matrix, metrics.confusion_matrix(labels, said))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, said))
    np.testing.assert_allclose(found.recall, metrics.recall_score(labels, said, average=None))
    np.testing.assert_allclose(found.precision, metrics.precision_score(labels, said, average=None))
    true, given, n = found.most_confused(1)[0]
    assert n == found.matrix[NAMES.index(true), NAMES.index(given)] == (found.matrix * (1 - np.eye(4))).max()


def test_the_figure_of_the_matrix() -> None:
    found = ConfusionMatrix.of([0, 0, 0, 1], [0, 0, 1, 1], ["cat", "dog", "elk"])
    ax = found.figure().axes[0]
    np.testing.assert_allclose(ax.images[0].get_array(), [[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 0, 0]])
    assert {text.get_position(): text.get_text() for text in ax.texts} == {(0, 0): "2", (1, 0): "1", (1, 1): "1"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "dog", "elk"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    assert ax.get_title() == "75.0% of 4 right"
    assert np.isnan(found.recall[2])


def test_many_classes_are_not_written_out() -> None:
    labels = [*range(30), 0, 0]
    found = ConfusionMatrix.of(labels, [*range(30), 7, 7])
    assert str(found).splitlines()[1:] == ["True  Said  Times", "-----------------", "0     7         2"]
    assert not found.figure().axes[0].texts
    assert str(ConfusionMatrix.of(range(30), range(30))) == "Confusion matrix: 30 of 30 right (100.0 %)"


def test_names_come_from_the_data() -> None:
    class Named(TensorDataset):
        classes = NAMES

    model, scores, labels = answers()
    data = Named(minicnn.tensor(scores), minicnn.tensor(labels))
    assert confusion_matrix(model, data).classes == NAMES
    assert confusion_matrix(model, DataLoader(data, batch_size=7)).classes == NAMES
    assert misclassified(model, data).classes == NAMES
    assert confusion_matrix(model, (minicnn.tensor(scores), minicnn.tensor(labels))).classes == list("0123")


def test_the_surest_mistakes_come_first() -> None:
    model, scores, labels = answers()
    found = misclassified(model, (minicnn.tensor(scores), minicnn.tensor(labels)), NAMES, count=5)
    flat = scores[:, :, 0, 0]
    p = np.exp(flat) / np.exp(flat).sum(1, keepdims=True)
    wrong = [i for i in range(50) if flat[i].argmax() != labels[i]]
    wrong.sort(key=lambda i: -p[i].max())
    assert isinstance(found, Misclassified)
    assert found.indices == wrong[:5]
    assert (found.mistakes, found.total) == (len(wrong), 50)
    assert found.labels == labels[wrong[:5]].tolist()
    assert found.predictions == flat[wrong[:5]].argmax(1).tolist()
    np.testing.assert_allclose(found.probabilities, p[wrong[:5]].max(1), rtol=1e-5)
    np.testing.assert_array_equal(found.images[2], scores[wrong[2]])
    axes = found.figure(columns=3).axes
    first = wrong[0]
    assert axes[0].get_title() == f"{NAMES[flat[first].argmax()]}? {p[first].max():.0%}\nis {NAMES[labels[first]]}"
    assert len(axes) == 6
    assert not axes[5].images


def test_no_mistakes() -> None:
    model, scores, _ = answers()
    right = minicnn.tensor(scores[:, :, 0, 0].argmax(1))
    found = misclassified(model, (minicnn.tensor(scores), right))
    assert str(found) == "0 of 50 images misclassified; the 0 surest mistakes"
    assert len(found.figure().axes) == 1
