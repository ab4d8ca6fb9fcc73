"""A training on a folder of photos, one of which is damaged while it runs: the error, the checkpoint, going on."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import nn, optim, train, transforms
from minicnn.data import DataLoader
from minicnn.data.datasets import CorruptDataError, ImageFolder
from minicnn.train import Callback, ResumeError

from .toys import weights

EPOCHS = 4
DAMAGED = "cat/3.png"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Dark cats and bright dogs, ten of each."""
    rng = np.random.default_rng(0)
    for name, brightness in (("cat", 60), ("dog", 190)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(10):
            pixels = rng.integers(brightness - 50, brightness + 50, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{k}.png")
    return tmp_path / "photos"


class Damage(Callback):
    """Cut a file in half when epoch 2 is over, so that it turns up in some batch of epoch 3."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_epoch_end(self, run: Any, row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            content = self.path.read_bytes()
            self.path.write_bytes(content[: len(content) // 2])


def training(photos: Path, folder: Path, workers: int, on_error: str = "raise", extra: Any = ()) -> Any:
    """Returns (history, weights)."""
    minicnn.manual_seed(4)
    prepare = transforms.Compose(
        [transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)]
    )
    data = ImageFolder(photos, prepare, on_error=on_error)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    history = train.fit(
        model, DataLoader(data, batch_size=4, shuffle=True, num_workers=workers),
        optimizer=optim.SGD(model.parameters(), lr=0.01, momentum=0.9), epochs=EPOCHS, resume=True,
        callbacks=[train.ModelCheckpoint(folder), *extra],
    )  # fmt: skip
    return history, weights(model)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_error_names_the_file_and_the_training_goes_on_when_it_is_mended(
    photos: Path, tmp_path: Path, workers: int
) -> None:
    expected, values = training(photos, tmp_path / "whole", workers)
    path = photos / DAMAGED
    content = path.read_bytes()
    with pytest.raises(
        CorruptDataError, match=r"3\.png: cannot be read as an image: .*Fix: replace the file"
    ) as caught:
        training(photos, tmp_path / "parts", workers, extra=[Damage(path)])
    assert str(path) in str(caught.value)
    assert any(note.startswith("in epoch 3, after ") for note in caught.value.__notes__)

    last = tmp_path / "parts" / "last.mcnn"
    state = minicnn.load(last)  # of the last epoch that was finished
    assert [row["epoch"] for row in state["history"]["rows"]] == [1, 2]
    before = last.read_bytes()
    with pytest.raises(CorruptDataError, match=r"3\.png"):  # not mended: the same error, and nothing is lost
        training(photos, tmp_path / "parts", workers)
    assert last.read_bytes() == before

    path.write_bytes(content)
    history, again = training(photos, tmp_path / "parts", workers)
    assert history.rows == expected.rows
    assert again == values


def test_a_damaged_validation_image(photos: Path) -> None:
    to_tensor = transforms.ToTensor()
    (photos / DAMAGED).write_bytes(b"")
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    with pytest.raises(CorruptDataError, match=r"3\.png") as caught:
        train.fit(
            model, [(minicnn.rand(4, 3, 8, 8), minicnn.tensor([0, 1, 1, 0]))],
            DataLoader(ImageFolder(photos, to_tensor), batch_size=4), optimizer=optim.SGD(model.parameters()), epochs=1,
        )  # fmt: skip
    assert "in the validation of epoch 1" in caught.value.__notes__


@pytest.mark.parametrize("workers", [0, 2])
def test_skipping_goes_on_and_names_the_file(photos: Path, tmp_path: Path, workers: int) -> None:
    expected, _ = training(photos, tmp_path / "whole", workers, "skip")
    with pytest.warns(UserWarning, match=r"ImageFolder: .*4\.png takes the place of .*: .*3\.png: cannot be read") as w:
        history, _ = training(photos, tmp_path / "skip", workers, "skip", [Damage(photos / DAMAGED)])
    assert len(w) == 2  # in each of the two epochs that are left
    assert len(history) == EPOCHS
    assert history["step"] == expected["step"]
    assert history.rows[:2] == expected.rows[:2]
    assert history.rows[2]["loss"] != expected.rows[2]["loss"]

    with (
        pytest.warns(UserWarning, match=r"left out 1 of 20 files that cannot be read: .*3\.png"),
        pytest.raises(ResumeError, match="samples of the training data: 20 there, 19 here"),
    ):
        training(photos, tmp_path / "skip", workers, "skip")


def test_when_a_class_has_no_other_file_the_error_comes(photos: Path) -> None:
    data = ImageFolder(photos, on_error="skip")
    for k in range(10):
        (photos / "cat" / f"{k}.png").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CorruptDataError, match=r"7\.png"):
            data[7]
        assert data[10][1] == 1
    (photos / "dog" / "9.png").unlink()
    with pytest.warns(UserWarning, match=r"0\.png takes the place of .*9\.png"):
        image, label = data[-1]
    assert (image.size, label) == ((8, 8), 1)
