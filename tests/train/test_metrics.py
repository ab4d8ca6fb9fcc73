"""Metrics against scikit-learn, batch after batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

import minicnn
from minicnn import nn, train

CLASSES = 5


def draw(seed: int, n: int = 60, classes: int = CLASSES, used: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N, C) and labels (N,), of which only the first ``used`` occur."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, used, n)
    scores = rng.standard_normal((n, classes)).astype(np.float32)
    scores[:, used:] -= 10
    scores[np.arange(n), labels] += rng.random(n).astype(np.float32) * 2
    return scores, labels


def streamed(metric: Any, scores: np.ndarray, labels: np.ndarray) -> Any:
    for start in (0, 7, 8, 30):
        stop = {0: 7, 7: 8, 8: 30, 30: len(labels)}[start]
        metric.update(minicnn.from_numpy(scores[start:stop]), minicnn.from_numpy(labels[start:stop]))
    return metric.compute()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("used", [CLASSES, 3])
def test_against_scikit_learn(seed: int, used: int) -> None:
    scores, labels = draw(seed, used=used)
    predicted = scores.argmax(1)
    everything = list(range(CLASSES))
    assert streamed(train.Accuracy(), scores, labels) == pytest.approx(sk.accuracy_score(labels, predicted))
    matrix = streamed(train.ConfusionMatrix(), scores, labels)
    assert matrix == sk.confusion_matrix(labels, predicted, labels=everything).tolist()
    for k in (1, 2, 4):
        expected = sk.top_k_accuracy_score(labels, scores, k=k, labels=everything)
        assert streamed(train.TopKAccuracy(k), scores, labels) == pytest.approx(expected)
    for ours, theirs in (
        (train.Precision, sk.precision_score),
        (train.Recall, sk.recall_score),
        (train.F1Score, sk.f1_score),
        (train.MeanIoU, sk.jaccard_score),
    ):
        for average in ("macro", "micro", "weighted"):
            expected = theirs(labels, predicted, average=average, zero_division=0)
            assert streamed(ours(average), scores, labels) == pytest.approx(expected), (ours, average)
        expected = theirs(labels, predicted, average=None, labels=everything, zero_division=0)
        np.testing.assert_allclose(streamed(ours(average=None), scores, labels), expected)


def test_pixels_and_ignored_labels() -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((4, 3, 6, 5)).astype(np.float32)
    labels = rng.integers(0, 3, (4, 6, 5))
    labels[:, 0] = 255
    counts = labels != 255
    expected = sk.jaccard_score(labels[counts], scores.argmax(1)[counts], average="macro")
    metric = train.MeanIoU(ignore_index=255)
    assert metric(minicnn.from_numpy(scores), minicnn.from_numpy(labels)) == pytest.approx(expected)
    accuracy = train.Accuracy(ignore_index=255)
    assert accuracy(minicnn.from_numpy(scores), minicnn.from_numpy(labels)) == pytest.approx(
        sk.accuracy_score(labels[counts], scores.argmax(1)[counts])
    )


def test_two_classes_by_one_logit_and_mixed_targets() -> None:
    logits, labels = minicnn.tensor([[-1.0], [2.0], [0.5]]), minicnn.tensor([[0.0], [1.0], [0.0]])
    assert train.Accuracy()(logits, labels) == pytest.approx(2 / 3)
    assert train.Precision("micro")(logits.squeeze(1), labels.squeeze(1)) == pytest.approx(2 / 3)
    scores = minicnn.tensor([[2.0, 1.0], [2.0, 3.0]])
    assert train.Accuracy()(scores, minicnn.tensor([[0.7, 0.3], [0.6, 0.4]])) == 0.5  # the larger part counts


def test_equal_scores_and_nan_are_not_luck() -> None:
    labels = minicnn.tensor([0, 1, 2, 3, 4])
    assert train.TopKAccuracy(2)(minicnn.zeros(5, 5), labels) == 0.4  # classes 0 and 1 come first
    assert train.TopKAccuracy(2)(minicnn.full((5, 5), float("nan")), labels) == 0.0


def test_state_and_reset() -> None:
    scores, labels = draw(0)
    for metric in (train.Accuracy(), train.TopKAccuracy(2), train.F1Score()):
        whole = streamed(type(metric)(2) if metric.name == "top2" else type(metric)(), scores, labels)
        metric.update(scores[:20], labels[:20])  # arrays too
        other = type(metric)(2) if metric.name == "top2" else type(metric)()
        other.load_state_dict(metric.state_dict())
        other.update(scores[20:], labels[20:])
        assert other.compute() == whole
        metric.reset()
        assert np.isnan(metric.compute())


def test_by_name() -> None:
    for name in train.list_metrics():
        assert isinstance(train.get_metric(name), train.Metric)
    assert train.get_metric("top3").name == "top3"
    for call, says in (
        (lambda: train.get_metric("acuracy"), "no metric 'acuracy'. Did you mean 'accuracy'"),
        (lambda: train.get_metric("f1", averge="micro"), "no option 'averge'. Did you mean 'average'"),
        (lambda: train.F1Score("mean"), "'macro', 'micro', 'weighted'"),
        (lambda: train.TopKAccuracy(0), "k must be"),
        (lambda: train.TopKAccuracy(5)(minicnn.zeros(2, 3), minicnn.tensor([0, 1])), r"\(2, 3\)"),
        (lambda: train.Accuracy()(minicnn.zeros(2, 3), minicnn.tensor([0, 3])), "0 to 2"),
        (lambda: train.Accuracy()(minicnn.zeros(2, 3), minicnn.tensor([0, -1])), "-1"),
        (lambda: train.Accuracy()(minicnn.zeros(2, 3), minicnn.tensor([0, 1, 2])), r"\(2, 3\).*\(3,\)"),
        (lambda: train.MeanIoU(num_classes=2)(minicnn.zeros(2, 3), minicnn.tensor([0, 1])), "num_classes=2"),
    ):
        with pytest.raises(ValueError, match=says):
            call()


def test_one_output_is_a_logit_or_with_bce_loss_a_probability() -> None:
    y = minicnn.tensor([[0.0], [1.0], [1.0], [0.0]])
    logits = minicnn.tensor([[-1.0], [0.3], [2.0], [-0.2]])
    for name in ("accuracy", "f1"):
        assert train.evaluate(nn.Identity(), [(logits, y)], [name], loss=nn.BCEWithLogitsLoss())[name] == 1
        for loss in (nn.BCELoss(), nn.functional.binary_cross_entropy):
            assert train.evaluate(nn.Sigmoid(), [(logits, y)], [name], loss=loss)[name] == 1
    assert train.Accuracy()(logits.sigmoid(), y) == 0.5  # a metric alone cannot know
