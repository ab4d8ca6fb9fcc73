"""Genuine trained weights on real pictures: the accuracy that their sources state."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import datasets, models, transforms
from minicnn.data import DataLoader

from ..real_data import real_data, real_tool

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.slow
def test_squeezenet_knows_the_imagenet_samples() -> None:
    weights = real_data("weights") / "squeezenet1_1_torchvision_names_fp16.npz"
    folder = real_data("imagenet_samples")
    model = models.squeezenet1_1(weights=weights).eval()
    synsets = [line.split()[0] for line in (folder / "synset_words.txt").read_text().splitlines()]
    preprocess = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    )
    pictures = sorted(folder.glob("*.JPEG"))
    assert len(pictures) == 250
    first = five = 0
    with minicnn.no_grad():
        for start in range(0, len(pictures), 25):
            batch = pictures[start : start + 25]
            labels = [synsets.index(path.name.split("_")[0]) for path in batch]
            logits = model(minicnn.stack([preprocess(Image.open(path).convert("RGB")) for path in batch]))
            ranked = logits.topk(5).indices.numpy()
            first += sum(int(label == best[0]) for label, best in zip(labels, ranked, strict=True))
            five += sum(int(label in best) for label, best in zip(labels, ranked, strict=True))
    assert first / len(pictures) >= 0.60, first
    assert five / len(pictures) >= 0.82, five


def cifar10_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """CIFAR-10's test set, from the official files that the tool writes."""
    real_data("cifar10")
    tool = real_tool("unpack_cifar10.py")
    monkeypatch.setattr(sys, "argv", [str(tool), str(tmp_path)])
    runpy.run_path(str(tool), run_name="__main__")
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    return datasets.CIFAR10(tmp_path, train=False, transform=transform)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "stated"),
    [  # what their origin states; "best_prec1" in the files (91.78, 93.62) is not what these weights score
        ("resnet20", "resnet20-12fca82f.th", 91.73),
        ("resnet56", "resnet56-4bfd9763.th", 93.39),
    ],
)
def test_cifar_resnets_score_what_their_origin_states(
    name: str, file: str, stated: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models.get_model(name, weights=real_data("weights") / file).eval()
    right = total = 0
    with minicnn.no_grad():
        for images, labels in DataLoader(cifar10_test(tmp_path, monkeypatch), batch_size=500):
            right += int((model(images).argmax(1) == labels).sum())
            total += len(labels)
    assert total == 10_000
    assert 100 * right / total == pytest.approx(stated, abs=0.05), np.round(100 * right / total, 2)
