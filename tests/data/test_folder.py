"""ImageFolder and DatasetFolder: which files are samples, in which order, and images of every kind as RGB."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minicnn.data import DataLoader
from minicnn.data.datasets import CorruptDataError, DatasetFolder, DatasetNotFoundError, ImageFolder
from minicnn.data.datasets.image_files import IMG_EXTENSIONS, default_loader
from minicnn.data.transforms import Compose, RandomHorizontalFlip, RandomResizedCrop, Resize, ToTensor
from tests.real_data import real_data

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 5, 3), np.uint8)


def save(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.fromarray(PIXELS)).save(path, **options)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three classes, folders in folders, names that sort by text and not by number, files that are no images."""
    for name in ("dog/10.png", "dog/9.png", "cat/b/1.PNG", "cat/z.jpg", "cat/a/2.bmp", "Zebra/1.webp"):
        save(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "list.txt").write_text("no class")
    return tmp_path


def test_classes_and_samples_are_sorted(root: Path) -> None:
    data = ImageFolder(root)
    assert data.classes == ["Zebra", "cat", "dog"]
    assert data.class_to_idx == {"Zebra": 0, "cat": 1, "dog": 2}
    files = ["Zebra/1.webp", "cat/z.jpg", "cat/a/2.bmp", "cat/b/1.PNG", "dog/10.png", "dog/9.png"]
    assert data.samples == [(str(root / file), label) for file, label in zip(files, [0, 1, 1, 1, 2, 2], strict=True)]
    assert data.imgs is data.samples
    assert data.targets == [0, 1, 1, 1, 2, 2]
    assert len(data) == 6
    image, label = data[4]
    assert (image.mode, image.size, label) == ("RGB", (5, 6), 2)
    np.testing.assert_array_equal(np.asarray(image), PIXELS)
    assert ImageFolder(str(root)).samples == data.samples
    assert pickle.loads(pickle.dumps(data)).samples == data.samples
    assert repr(data).splitlines()[:3] == [
        "Dataset ImageFolder", "    Number of datapoints: 6", f"    Root location: {root}"
    ]  # fmt: skip


def test_transforms_and_batches(root: Path) -> None:
    data = ImageFolder(root, transform=ToTensor(), target_transform=lambda label: 10 * label)
    images, labels = next(iter(DataLoader(data, batch_size=6)))
    assert images.shape == (6, 3, 6, 5)
    assert labels.tolist() == [0, 10, 10, 10, 20, 20]


def test_random_transforms_do_not_depend_on_the_workers(root: Path) -> None:
    augment = Compose([RandomResizedCrop(8, scale=(0.2, 1.0)), RandomHorizontalFlip(), ToTensor()])
    data = ImageFolder(root, transform=augment)

    def batches(workers: int, size: int) -> list[Any]:
        import minicnn

        minicnn.manual_seed(3)
        loader = DataLoader(data, batch_size=size, num_workers=workers, shuffle=True)
        passes = [[images.numpy() for images, _ in loader] for _ in range(2)]
        return [np.concatenate(images) for images in passes]

    first = batches(0, 2)
    assert not np.array_equal(first[0], first[1])
    for workers, size in ((2, 2), (1, 3)):
        for a, b in zip(first, batches(workers, size), strict=True):
            np.testing.assert_array_equal(a, b)


def test_which_files_are_samples(root: Path) -> None:
    only = ImageFolder(root / "cat", is_valid_file=lambda path: path.endswith(("1.PNG", "2.bmp")))
    assert [os.path.basename(path) for path, _ in only.samples] == ["2.bmp", "1.PNG"]
    texts = DatasetFolder(root, lambda path: Path(path).read_text(), (".TXT",), allow_empty=True)
    assert list(texts) == [("no image", 1)]
    assert texts.classes == ["Zebra", "cat", "dog"]
    with pytest.raises(
        DatasetNotFoundError, match=r"no file that ends in \.txt in the folders of the classes Zebra, dog"
    ):
        DatasetFolder(root, Path, (".txt",))
    for both in ({}, {"extensions": (".a",), "is_valid_file": bool}):
        with pytest.raises(ValueError, match=r"either extensions, such as .* or is_valid_file, and not both"):
            DatasetFolder(root, Path, **both)  # type: ignore[arg-type]


def test_one_ending_is_not_its_letters(root: Path) -> None:
    for folder in ("cat", "dog", "Zebra"):
        (root / folder / "1.tag").write_bytes(b"")
        (root / folder / "1.PNG").write_bytes(b"")
    one, tuple_of_one = DatasetFolder(root, Path, ".png"), DatasetFolder(root, Path, (".png",))
    assert one.samples == tuple_of_one.samples
    assert all(path.lower().endswith(".png") for path, _ in one.samples)


def test_classes_of_ones_own(root: Path) -> None:
    class Pets(ImageFolder):
        def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
            return ["dog", "cat"], {"dog": 0, "cat": 1}

    pets = Pets(root)
    assert pets.class_to_idx == {"dog": 0, "cat": 1}
    assert pets.targets == [1, 1, 1, 0, 0]


@pytest.mark.filterwarnings("ignore:ImageFolder. .* holds one class only")
def test_links_are_followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "cats").symlink_to(root / "cat", target_is_directory=True)
    assert len(ImageFolder(other)) == 3
    (other / "pets").mkdir()
    (other / "pets" / "dogs").symlink_to(root / "dog", target_is_directory=True)  # below a class, too
    assert ImageFolder(other).targets == [0, 0, 0, 1, 1]


def test_folders_that_are_not_as_they_should_be(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"ImageFolder: the folder .*nowhere does not exist"):
        ImageFolder(tmp_path / "nowhere")
    file = save(tmp_path / "1.png")
    with pytest.raises(FileNotFoundError, match=r"1\.png is a file"):
        ImageFolder(file)
    with pytest.raises(
        FileNotFoundError, match=r"holds 1 files and no folders\. Every class needs a folder of its own"
    ):
        ImageFolder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no file that ends in \.jpg, .*classes cat\. Fix: .*allow_empty=True"):
        ImageFolder(tmp_path)
    (tmp_path / "dog").mkdir()
    assert len(ImageFolder(tmp_path, allow_empty=True)) == 0


def test_damaged_files_are_named(root: Path) -> None:
    half = (root / "dog/10.png").read_bytes()[:60]
    for index, name, content in ((4, "dog/10.png", half), (5, "dog/9.png", b""), (1, "cat/z.jpg", b"<html>")):
        (root / name).write_bytes(content)
        with pytest.raises(CorruptDataError, match=f"{os.path.basename(name)}: cannot be read as an image"):
            ImageFolder(root)[index]
    data = ImageFolder(root)
    with pytest.raises(CorruptDataError) as caught:
        list(DataLoader(data, batch_size=2, collate_fn=list))
    assert any("while making sample 1: ImageFolder[1]" in note for note in caught.value.__notes__)
    (root / "Zebra/1.webp").unlink()
    with pytest.raises(FileNotFoundError):
        data[0]


def test_an_image_that_is_far_too_large_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(CorruptDataError, match=r"1\.PNG: cannot be read as an image: Image size \(30 pixels\)"):
        default_loader(root / "cat/b/1.PNG")


def test_one_class_or_the_parts_of_a_dataset_are_pointed_out(tmp_path: Path) -> None:
    save(tmp_path / "train" / "cat" / "1.png")
    save(tmp_path / "train" / "dog" / "1.png")
    with pytest.warns(
        UserWarning, match=r"holds one class only, 'train', and there is nothing to tell apart"
    ) as caught:
        assert ImageFolder(tmp_path).classes == ["train"]
    assert caught[0].filename == __file__
    save(tmp_path / "test" / "cat" / "1.png")
    with pytest.warns(
        UserWarning, match=r"are test, train, which look like parts of a dataset.*give that one: .*test$"
    ):
        ImageFolder(tmp_path)


def damage(root: Path) -> list[str]:
    """A truncated file, an empty one and a web page; their paths in the order of the samples."""
    contents = {"cat/z.jpg": b"<html>", "dog/10.png": (root / "dog/10.png").read_bytes()[:60], "dog/9.png": b""}
    for name, content in contents.items():
        (root / name).write_bytes(content)
    return [str(root / name) for name in contents]


def test_files_that_cannot_be_read_are_left_out_on_demand(root: Path) -> None:
    save(root / "dog" / "11.png")
    bad = damage(root)
    with pytest.warns(
        UserWarning, match=r"left out 3 of 7 files that cannot be read: .*z\.jpg, .*10\.png, .*9\.png"
    ) as w:
        data = ImageFolder(root, on_error="skip", transform=ToTensor())
    assert w[0].filename == __file__
    assert [path for path, _ in data.skipped] == bad
    assert all("cannot be read as an image" in why for _, why in data.skipped)
    assert [Path(path).name for path, _ in data.samples] == ["1.webp", "2.bmp", "1.PNG", "11.png"]
    assert data.targets == [0, 1, 1, 2]
    assert data.imgs is data.samples
    assert len(next(iter(DataLoader(data, batch_size=4)))[1]) == 4
    assert [path for path, _ in ImageFolder(root).find_unreadable()] == bad
    (root / "dog" / "11.png").unlink()
    with (
        pytest.raises(
            DatasetNotFoundError, match=r"no file of the classes dog can be read\. The first reason: .*z\.jpg"
        ),
        pytest.warns(UserWarning, match="left out"),
    ):
        ImageFolder(root, on_error="skip")
    with pytest.raises(ValueError, match="on_error is 'raise' or 'skip'; got 'ignore'"):
        ImageFolder(root, on_error="ignore")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_is_damaged_in_the_third_epoch_is_named(root: Path, workers: int) -> None:
    loader = DataLoader(ImageFolder(root, ToTensor()), batch_size=2, shuffle=True, num_workers=workers)
    for _ in range(2):
        assert sum(len(labels) for _, labels in loader) == 6
    damage(root)
    with pytest.raises(
        CorruptDataError, match=r"(z\.jpg|10\.png|9\.png): cannot be read as an image: .*on_error='skip'"
    ) as e:
        for _ in loader:
            pass
    assert any(note.startswith("while making sample") for note in e.value.__notes__)


def test_images_of_different_sizes_are_explained_by_the_batch(root: Path) -> None:
    save(root / "dog" / "10.png", Image.new("RGB", (7, 9)))
    with pytest.raises(ValueError, match=r"sample 4 has shape \(3, 9, 7\).*Resize\(\(h, w\)\)"):
        next(iter(DataLoader(ImageFolder(root, ToTensor()), batch_size=6)))
    resized = ImageFolder(root, Compose([Resize((6, 5)), ToTensor()]))
    assert next(iter(DataLoader(resized, batch_size=6)))[0].shape == (6, 3, 6, 5)


def test_the_known_endings() -> None:
    assert set(IMG_EXTENSIONS) == {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}


def test_real_dogs_and_cats() -> None:
    folder = real_data("dogs_vs_cats_small")
    sizes = {split: len(ImageFolder(folder / split)) for split in ("train", "validation", "test")}
    assert sizes == {"train": 1999, "validation": 1000, "test": 1000}
    data = ImageFolder(folder / "train", transform=ToTensor())
    assert data.classes == ["cat", "dog"]
    images, labels = next(iter(DataLoader(data, batch_size=8, shuffle=True)))
    assert images.shape == (8, 3, 180, 180)
    assert 0.2 < images.mean().item() < 0.8
    assert set(labels.tolist()) <= {0, 1}
