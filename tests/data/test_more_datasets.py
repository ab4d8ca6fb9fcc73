"""CIFAR-100, STL-10 and noise: small files of the official formats, damaged ones, and files that disagree."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicnn.data import DataLoader, DatasetNotFoundError
from minicnn.data.datasets import CIFAR100, STL10, CorruptDataError, FakeData
from minicnn.data.transforms import ToTensor

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_other_places(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


# ------------------------------------------------------------------------ CIFAR-100


class SmallCIFAR100(CIFAR100):
    """The official formats with ten training and two test images."""

    images_per_batch = 2


def write_cifar100(folder: Path, binary: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    folder.mkdir(parents=True)
    images = RNG.integers(0, 256, (12, 3, 32, 32), np.uint8)
    coarse, fine = RNG.integers(0, 20, 12), RNG.integers(0, 100, 12)
    for name, part in (("train", slice(0, 10)), ("test", slice(10, 12))):
        rows = images[part].reshape(-1, 3072)
        if binary:
            labels = np.stack([coarse[part], fine[part]], 1).astype(np.uint8)
            np.concatenate([labels, rows], 1).tofile(folder / f"{name}.bin")
        else:
            content = {"fine_labels": fine[part].tolist(), "coarse_labels": coarse[part].tolist(), "data": rows}
            (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return images, coarse, fine


@pytest.mark.parametrize("binary", [True, False])
def test_cifar100_reads_both_formats(tmp_path: Path, binary: bool) -> None:
    images, coarse, fine = write_cifar100(tmp_path / f"cifar-100-{'binary' if binary else 'python'}", binary)
    train, test = SmallCIFAR100(tmp_path), SmallCIFAR100(tmp_path, train=False, transform=ToTensor())
    np.testing.assert_array_equal(train.data, images[:10].transpose(0, 2, 3, 1))
    assert train.targets + test.targets == fine.tolist()
    assert train.coarse_targets + test.coarse_targets == coarse.tolist()
    assert test[1][1] == fine[11]
    np.testing.assert_array_equal(test[1][0].numpy(), images[11].astype(np.float32) / np.float32(255))
    assert len(set(train.classes)) == 100
    assert len(set(train.coarse_classes)) == 20
    assert train.class_to_idx["worm"] == 99


def test_damaged_cifar100_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    write_cifar100(folder, binary=True)
    path = folder / "test.bin"
    content = path.read_bytes()
    for at, label, says in ((0, 20, "labels from .* to 20; expected 0 to 19"), (1, 100, "to 100; expected 0 to 99")):
        path.write_bytes(content[:at] + bytes([label]) + content[at + 1 :])
        with pytest.raises(CorruptDataError, match=rf"test\.bin: holds .*{says}"):
            SmallCIFAR100(tmp_path, train=False)
    path.write_bytes(content[:-1])
    with pytest.raises(CorruptDataError, match=r"test\.bin: expected 2 records of 3074 bytes"):
        SmallCIFAR100(tmp_path, train=False)
    path.unlink()
    with pytest.raises(DatasetNotFoundError, match=r"lacks test\.bin"):
        SmallCIFAR100(tmp_path, train=False)
    with pytest.raises(
        DatasetNotFoundError, match=r"no cifar100 data \(one of the files train.bin, test.bin, train, test\) in"
    ):
        CIFAR100(tmp_path / "elsewhere")


# ------------------------------------------------------------------------ STL-10


def write_stl10(folder: Path) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True)
    found = {}
    for name, n in (("train", 6), ("test", 4), ("unlabeled", 3)):
        found[name] = RNG.integers(0, 256, (n, 96, 96, 3), np.uint8)
        found[name].transpose(0, 3, 2, 1).tofile(folder / f"{name}_X.bin")  # columns after columns
        if name != "unlabeled":
            (np.arange(n) % 10 + 1).astype(np.uint8).tofile(folder / f"{name}_y.bin")
    (folder / "fold_indices.txt").write_text("\n".join(f"{i % 6} {(i + 1) % 6}" for i in range(10)) + "\n")
    return found


def test_stl10_reads_all_parts(tmp_path: Path) -> None:
    images = write_stl10(tmp_path / "stl10_binary")
    for split, names in (("train", ["train"]), ("test", ["test"]), ("unlabeled", ["unlabeled"]),
                         ("train+unlabeled", ["train", "unlabeled"])):  # fmt: skip
        data = STL10(tmp_path, split)
        expected = np.concatenate([images[name] for name in names])
        np.testing.assert_array_equal(data.data, expected)
        labels = [i if name != "unlabeled" else -1 for name in names for i in range(len(images[name]))]
        assert data.labels.tolist() == labels
        np.testing.assert_array_equal(np.asarray(data[2][0]), expected[2])
        assert f"Split: {split}" in repr(data)
    fold = STL10(tmp_path, folds=3, transform=ToTensor())
    assert fold.targets.tolist() == [3, 4]
    np.testing.assert_array_equal(np.asarray(STL10(tmp_path, folds=3)[1][0]), images["train"][4])
    batch, labels = next(iter(DataLoader(fold, batch_size=2)))
    assert batch.shape == (2, 3, 96, 96)
    assert labels.tolist() == [3, 4]
    assert pickle.loads(pickle.dumps(fold)).targets.tolist() == [3, 4]


def test_stl10_files_that_disagree_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "stl10_binary"
    write_stl10(folder)
    labels = (folder / "train_y.bin").read_bytes()
    (folder / "train_y.bin").write_bytes(labels[:-1])
    with pytest.raises(CorruptDataError, match=r"6 images in train_X\.bin, but 5 labels in train_y\.bin"):
        STL10(tmp_path)
    (folder / "train_y.bin").write_bytes(labels[:-1] + b"\x0b")
    with pytest.raises(CorruptDataError, match=r"train_y\.bin: holds labels from 1 to 11; expected 1 to 10"):
        STL10(tmp_path)
    (folder / "train_y.bin").write_bytes(labels)
    for text in ("", "0 1\nx", "0 6", "0 -1"):
        (folder / "fold_indices.txt").write_text(text)
        with pytest.raises(CorruptDataError, match=r"fold_indices\.txt: expected ten lines of numbers from 0 to 5"):
            STL10(tmp_path, folds=int("\n" in text))
    content = (folder / "test_X.bin").read_bytes()
    for damaged in (content[:-1], b""):
        (folder / "test_X.bin").write_bytes(damaged)
        with pytest.raises(CorruptDataError, match=r"test_X\.bin: expected images of 27648 bytes each"):
            STL10(tmp_path, "test")
    (folder / "test_X.bin").unlink()
    with pytest.raises(DatasetNotFoundError, match=r"lacks test_X\.bin; load the dataset with download=True"):
        STL10(tmp_path, "test")
    with pytest.raises(ValueError, match=r"split is one of 'train', .*; got 'val'"):
        STL10(tmp_path, "val")
    for wrong in ({"folds": 10}, {"folds": 0, "split": "test"}):
        with pytest.raises(ValueError, match="folds is a number from 0 to 9, for the training images"):
            STL10(tmp_path, **wrong)  # type: ignore[arg-type]


# ------------------------------------------------------------------------ noise


def test_fake_data_is_the_same_every_time() -> None:
    data = FakeData(20, (3, 8, 10), num_classes=4, transform=ToTensor())
    images, labels = next(iter(DataLoader(data, batch_size=20)))
    assert images.shape == (20, 3, 8, 10)
    assert set(labels.tolist()) == {0, 1, 2, 3}
    again = FakeData(20, (3, 8, 10), num_classes=4)
    np.testing.assert_array_equal(np.asarray(again[7][0]).transpose(2, 0, 1), (images[7].numpy() * 255).round())
    other = FakeData(20, (3, 8, 10), random_offset=7)
    np.testing.assert_array_equal(np.asarray(other[0][0]), np.asarray(again[7][0]))
    grey = FakeData(2, (1, 4, 5), target_transform=lambda label: -1)[0]
    assert (grey[0].mode, grey[0].size, grey[1]) == ("L", (5, 4), -1)
    assert len(list(data)) == 20
    with pytest.raises(IndexError, match="index 20 is out of range for 20 samples"):
        data[20]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"image_size": (2, 8, 8)}, r"image_size is \(C, H, W\) with 1 or 3 channels; got \(2, 8, 8\)"),
        ({"image_size": (8, 8)}, "image_size"),
        ({"num_classes": 0}, "counts"),
        ({"size": -1}, "counts"),
    ],
)
def test_fake_data_checks_its_arguments(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        FakeData(**arguments)
