"""MNIST, Fashion-MNIST, CIFAR-10 and the digits: real files, small files of the official formats, and damaged ones."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minicnn.core import Tensor
from minicnn.data import DataLoader, DatasetNotFoundError, find_data
from minicnn.data.datasets import CIFAR10, MNIST, CorruptDataError, Digits, FashionMNIST
from minicnn.data.files import OfficialFile
from minicnn.data.locations import user_cache
from minicnn.data.transforms import Compose, Normalize, ToTensor
from tests.real_data import real_data, real_tool

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_other_places(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing is found but what a test puts there."""
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def idx(array: np.ndarray) -> bytes:
    """An IDX file of bytes."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.astype(np.uint8).tobytes()


def write_mnist(folder: Path, n: int = 6, end: str = ".gz") -> tuple[np.ndarray, np.ndarray]:
    """A small training and test set in MNIST's format; the training set's images and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = RNG.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n) % 10
    for name, array in (
        ("train-images-idx3-ubyte", images),
        ("train-labels-idx1-ubyte", labels),
        ("t10k-images-idx3-ubyte", images[:2]),
        ("t10k-labels-idx1-ubyte", labels[:2]),
    ):
        (folder / (name + end)).write_bytes(gzip.compress(idx(array)) if end else idx(array))
    return images, labels


# ------------------------------------------------------------------ where data lies


@pytest.mark.parametrize("folder", ["MNIST/raw", "mnist", "MNIST", "raw", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_mnist_is_found_in_the_usual_folders(tmp_path: Path, folder: str, end: str) -> None:
    images, labels = write_mnist(tmp_path / folder, end=end)
    assert find_data("mnist", tmp_path) == tmp_path / folder
    train, test = MNIST(tmp_path), MNIST(str(tmp_path), train=False)
    assert (len(train), len(test)) == (6, 2)
    np.testing.assert_array_equal(train.data.numpy(), images)
    np.testing.assert_array_equal(train.targets.numpy(), labels)


def test_places_are_tried_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DatasetNotFoundError,
        match=r"no mnist data \(one of the files train-images-idx3-ubyte,.*\) in .*download=True.*MINICNN_DATA",
    ):
        MNIST(tmp_path / "root")
    write_mnist(user_cache() / "MNIST" / "raw", 3)
    assert len(MNIST(tmp_path / "root")) == 3
    write_mnist(tmp_path / "env" / "mnist", 4)
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "env"))
    assert len(MNIST(tmp_path / "root")) == len(MNIST()) == 4
    write_mnist(tmp_path / "root", 5)
    assert len(MNIST(tmp_path / "root")) == 5
    (tmp_path / "env" / "camvid").mkdir()
    assert find_data("camvid") == tmp_path / "env" / "camvid"


def test_the_cache_follows_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "minicnn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for platform, expected in (
        ("linux", tmp_path / ".cache" / "minicnn"),
        ("darwin", tmp_path / "Library" / "Caches" / "minicnn"),
        ("win32", tmp_path / "AppData" / "Local" / "minicnn" / "Cache"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.delenv("LOCALAPPDATA", raising=False)
        assert user_cache() == expected


# ------------------------------------------------------------------ MNIST


def test_mnist_samples_go_through_the_transforms(tmp_path: Path) -> None:
    images, _ = write_mnist(tmp_path)
    plain = MNIST(tmp_path)
    image, label = plain[3]
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size, label, type(label)) == ("L", (28, 28), 3, int)
    changed = MNIST(tmp_path, transform=ToTensor(), target_transform=lambda label: label * 10)
    image, label = changed[3]
    np.testing.assert_array_equal(image.numpy()[0], images[3].astype(np.float32) / np.float32(255))
    assert label == 30
    assert isinstance(plain.data, Tensor)
    assert plain.class_to_idx["7 - seven"] == 7
    with pytest.raises(TypeError, match=r"add transforms\.ToTensor\(\)"):
        next(iter(DataLoader(plain)))
    with pytest.raises(IndexError):
        plain[6]


def test_mnist_prints_as_torchvisions(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    data = MNIST(tmp_path, transform=Compose([ToTensor(), Normalize((0.5,), (0.5,))]), target_transform=ToTensor())
    assert repr(data) == (
        "Dataset MNIST\n"
        "    Number of datapoints: 6\n"
        f"    Root location: {tmp_path}\n"
        "    Split: Train\n"
        "    StandardTransform\n"
        "Transform: Compose(\n"
        "               ToTensor()\n"
        "               Normalize(mean=(0.5,), std=(0.5,))\n"
        "           )\n"
        "Target transform: ToTensor()"
    )
    assert repr(MNIST(tmp_path, train=False)).endswith("Split: Test")


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("train-images-idx3-ubyte.gz", lambda b: b[:-40], r"cannot be unpacked.*bytes, MD5 [0-9a-f]{32}; the official "
         r"train-images-idx3-ubyte.gz has 9912422 bytes, MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-images-idx3-ubyte.gz", lambda b: b[:-8] + bytes(8), "CRC check failed"),
        ("train-images-idx3-ubyte.gz", lambda b: b[:30] + b"\x00\xff" + b[32:], "cannot be unpacked"),
        ("train-labels-idx1-ubyte.gz", lambda b: gzip.compress(gzip.decompress(b)[:-1]), "13 bytes of data where its "
         r"header \(6,\) asks for 8 \+ 6"),
        ("train-images-idx3-ubyte.gz", lambda b: idx(np.arange(6)), "not a file of images: the magic number is 2049, "
         "expected 2051"),
        ("train-labels-idx1-ubyte.gz", lambda b: b"<html>404</html>", "not a file of labels: the magic number is"),
        ("train-labels-idx1-ubyte.gz", lambda b: b"", "not a file of labels"),
        ("train-labels-idx1-ubyte.gz", lambda b: idx(np.arange(5)), "6 images in train-images.*but 5 labels"),
        ("train-labels-idx1-ubyte.gz", lambda b: idx(np.arange(6) + 5), "holds the label 10; expected 0 to 9"),
    ],
    ids=["truncated", "crc", "damaged", "short", "other-kind", "html", "empty", "count", "range"],
)  # fmt: skip
def test_damaged_files_are_named(tmp_path: Path, name: str, damage: Any, message: str) -> None:
    write_mnist(tmp_path)
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CorruptDataError, match=message) as caught:
        MNIST(tmp_path)
    assert name in str(caught.value)
    assert MNIST(tmp_path, train=False).data.shape == (2, 28, 28)


def test_a_file_of_the_official_size_must_be_the_official_one(tmp_path: Path) -> None:
    write_mnist(tmp_path, end="")
    content = (tmp_path / "train-images-idx3-ubyte").read_bytes()

    class Official(MNIST):
        unpacked = (OfficialFile("train-images-idx3-ubyte", "0" * 32, len(content)),)

    with pytest.raises(CorruptDataError, match=r"the checksum is wrong .*MD5 00000000"):
        Official(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DatasetNotFoundError, match=r"lacks t10k-labels-idx1-ubyte\.gz .*download=True"):
        MNIST(tmp_path, train=False)


@pytest.mark.slow
def test_the_real_mnist() -> None:
    folder = real_data("mnist")
    train, test = MNIST(folder), MNIST(folder, train=False)
    assert (tuple(train.data.shape), tuple(test.data.shape)) == ((60000, 28, 28), (10000, 28, 28))
    assert np.bincount(train.targets.numpy()).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test.targets.numpy()).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    pixels = train.data.numpy() / 255
    assert (round(pixels.mean(), 4), round(pixels.std(), 4)) == (0.1307, 0.3081)  # the figures of every tutorial
    assert [train[i][1] for i in range(5)] == [5, 0, 4, 1, 9]


def test_the_real_mnist_unpacked_is_checked_too(tmp_path: Path) -> None:
    folder = real_data("mnist")
    for path in folder.glob("t10k*.gz"):
        (tmp_path / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    assert len(MNIST(tmp_path, train=False)) == 10000
    images = tmp_path / "t10k-images-idx3-ubyte"
    content = bytearray(images.read_bytes())
    content[100000] ^= 1
    images.write_bytes(content)
    with pytest.raises(CorruptDataError, match="the checksum is wrong"):
        MNIST(tmp_path, train=False)


def test_fashion_mnist_reads_its_own_folder(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", 3)
    with pytest.raises(DatasetNotFoundError):
        FashionMNIST(tmp_path)
    write_mnist(tmp_path / "FashionMNIST" / "raw", 5)
    data = FashionMNIST(tmp_path)
    assert len(data) == 5
    assert data.class_to_idx["Ankle boot"] == 9


# ------------------------------------------------------------------ CIFAR-10


class SmallCIFAR10(CIFAR10):
    """The official formats with four images per file."""

    images_per_batch = 4


def write_cifar(folder: Path, binary: bool) -> tuple[np.ndarray, np.ndarray]:
    """Six small files; all images (24, 3, 32, 32) and labels (24,), the test file's last."""
    folder.mkdir(parents=True)
    images, labels = RNG.integers(0, 256, (24, 3, 32, 32), np.uint8), RNG.integers(0, 10, 24)
    for i, name in enumerate((*CIFAR10.train_batches, *CIFAR10.test_batches)):
        rows, some = images[4 * i : 4 * i + 4].reshape(4, -1), labels[4 * i : 4 * i + 4]
        if binary:
            np.concatenate([some[:, None].astype(np.uint8), rows], axis=1).tofile(folder / f"{name}.bin")
        else:
            content = {"batch_label": name, "labels": some.tolist(), "data": rows, "filenames": ["x.png"] * 4}
            (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return images, labels


@pytest.mark.parametrize("below", ["", "cifar10"])
@pytest.mark.parametrize("binary", [True, False])
def test_cifar10_reads_both_formats(tmp_path: Path, binary: bool, below: str) -> None:
    images, labels = write_cifar(tmp_path / below / f"cifar-10-batches-{'bin' if binary else 'py'}", binary)
    train, test = SmallCIFAR10(tmp_path), SmallCIFAR10(tmp_path, train=False, transform=ToTensor())
    np.testing.assert_array_equal(train.data, images[:20].transpose(0, 2, 3, 1))
    assert train.targets + test.targets == labels.tolist()
    image, label = train[7]
    assert (image.mode, image.size, label, type(label)) == ("RGB", (32, 32), labels[7], int)
    np.testing.assert_array_equal(test[2][0].numpy(), images[22].astype(np.float32) / np.float32(255))
    assert train.classes[3] == "cat"
    assert train.class_to_idx["truck"] == 9
    assert len(SmallCIFAR10(find_data("cifar10", tmp_path))) == 20


def test_damaged_cifar_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    write_cifar(folder, binary=True)
    path = folder / "data_batch_3.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-3073])
    with pytest.raises(
        CorruptDataError, match=r"data_batch_3\.bin: expected 4 records .* 12292 bytes .*\(9219 bytes\)"
    ):
        SmallCIFAR10(tmp_path)
    path.write_bytes(b"\x0b" + content[1:])
    with pytest.raises(CorruptDataError, match=r"data_batch_3\.bin: holds labels .* to 11; expected 0 to 9"):
        SmallCIFAR10(tmp_path)
    path.unlink()
    with pytest.raises(DatasetNotFoundError, match=r"lacks data_batch_3\.bin"):
        SmallCIFAR10(tmp_path)
    assert len(SmallCIFAR10(tmp_path, train=False)) == 4


class _Evil:
    def __reduce__(self) -> Any:
        return print, ("this must not run",)


def test_a_pickle_runs_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar(folder, binary=False)
    path = folder / "test_batch"
    path.write_bytes(pickle.dumps({"data": _Evil(), "labels": []}))
    with pytest.raises(CorruptDataError, match=r"test_batch: .*asks for builtins\.print"):
        SmallCIFAR10(tmp_path, train=False)
    assert capsys.readouterr().out == ""
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(CorruptDataError, match="not a CIFAR batch"):
        SmallCIFAR10(tmp_path, train=False)
    path.write_bytes(bytes(31035526))
    with pytest.raises(CorruptDataError, match=r"the checksum is wrong .*40351d587109b95175f43aff81a1287e"):
        SmallCIFAR10(tmp_path, train=False)
    path.write_bytes(pickle.dumps({"data": np.zeros((3, 3072), np.uint8), "labels": [1, 2, 3]}, protocol=2))
    with pytest.raises(CorruptDataError, match=r"data \(3, 3072\) of uint8 .*expected \(4, 3072\)"):
        SmallCIFAR10(tmp_path, train=False)


@pytest.mark.slow
def test_the_real_cifar10(tmp_path: Path) -> None:
    real_data("cifar10")
    tool = real_tool("unpack_cifar10.py")
    subprocess.run([sys.executable, str(tool), str(tmp_path)], check=True, capture_output=True)
    train, test = CIFAR10(tmp_path), CIFAR10(tmp_path, train=False)
    assert (train.data.shape, test.data.shape) == ((50000, 32, 32, 3), (10000, 32, 32, 3))
    assert np.bincount(train.targets).tolist() == [5000] * 10
    assert np.bincount(test.targets).tolist() == [1000] * 10
    mean, std = train.data.mean((0, 1, 2)) / 255, train.data.std((0, 1, 2)) / 255
    np.testing.assert_allclose(mean, (0.4914, 0.4822, 0.4465), atol=5e-5)  # the figures of every tutorial
    np.testing.assert_allclose(std, (0.2470, 0.2435, 0.2616), atol=5e-5)


# ------------------------------------------------------------------ digits


FIRST_OF_THE_TEST_SET = [3, 7, 3, 9, 0, 8, 7, 0, 8, 0, 3, 3, 6, 6, 9, 1, 0, 1, 3, 6]  # the same in every version


def test_digits_are_split_by_class() -> None:
    train, test = Digits(), Digits(train=False, transform=ToTensor())
    assert (len(train), len(test)) == (1438, 359)
    assert tuple(train.data.shape) == (1438, 28, 28)
    assert (train.data.numpy().dtype, train.data.numpy().min(), train.data.numpy().max()) == (np.uint8, 0, 255)
    for label, count in enumerate(np.bincount(np.concatenate([train.targets.numpy(), test.targets.numpy()]))):
        assert (test.targets.numpy() == label).sum() == round(0.2 * count)
    assert tuple(test[0][0].shape) == (1, 28, 28)
    assert train[0][0].mode == "L"
    again = Digits()
    np.testing.assert_array_equal(again.data.numpy(), train.data.numpy())
    assert [test[i][1] for i in range(20)] == FIRST_OF_THE_TEST_SET


def test_digits_are_enlarged_as_pil_does() -> None:
    from sklearn.datasets import load_digits

    from minicnn.data.datasets.digits import enlarge

    images = load_digits().images[:20] * (255 / 16)
    theirs = [
        np.asarray(Image.fromarray(x.astype(np.float32)).resize((28, 28), Image.Resampling.BILINEAR)) for x in images
    ]
    assert np.abs(enlarge(images, 28) - np.stack(theirs)).max() < 0.51


def test_digits_without_scikit_learn_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r'pip install "minicnn\[examples\]"'):
        Digits()
