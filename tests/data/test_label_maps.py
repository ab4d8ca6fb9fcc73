"""CamVid and Pascal VOC: images with maps of labels or boxes, and files that do not belong together."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minicnn import from_numpy, nn
from minicnn.data import DataLoader, DatasetNotFoundError
from minicnn.data.datasets import CamVid, CorruptDataError, VisionDataset, VOCDetection, VOCSegmentation
from minicnn.data.transforms import ToTensor
from minicnn.data.transforms import functional as F
from tests.real_data import real_data

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_other_places(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def class_numbers(mask: Any) -> Any:
    return from_numpy(np.asarray(mask).astype(np.int64))


def write_camvid(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Three samples of 6 x 8 pixels in "val", of which the list names two; images and maps."""
    images = RNG.integers(0, 256, (3, 6, 8, 3), np.uint8)
    masks = RNG.integers(0, 12, (3, 6, 8), np.uint8)
    for name in ("val", "valannot"):
        (folder / name).mkdir(parents=True)
    for i in range(3):
        Image.fromarray(images[i]).save(folder / "val" / f"000{i}.png")
        Image.fromarray(masks[i]).save(folder / "valannot" / f"000{i}.png")
    (folder / "val.txt").write_text("".join(f"/SegNet/CamVid/val/000{i}.png /SegNet/x/000{i}.png\n" for i in (2, 0)))
    return images, masks


# ------------------------------------------------------------------------ CamVid


def test_camvid_pairs_images_and_maps(tmp_path: Path) -> None:
    images, masks = write_camvid(tmp_path / "camvid")
    for root in (tmp_path, tmp_path / "camvid", str(tmp_path)):
        data = CamVid(root, "val", ToTensor(), class_numbers)
        assert [Path(path).name for path in data.images] == ["0002.png", "0000.png"]
    batch, labels = next(iter(DataLoader(data, batch_size=2)))
    np.testing.assert_array_equal(labels.numpy(), masks[[2, 0]])
    np.testing.assert_array_equal((batch.numpy() * 255).round().astype(np.uint8), images[[2, 0]].transpose(0, 3, 1, 2))
    loss = nn.CrossEntropyLoss(ignore_index=CamVid.ignore_index)(nn.Conv2d(3, 11, 1)(batch), labels)
    assert np.isfinite(loss.item())
    (tmp_path / "camvid" / "val.txt").unlink()
    assert len(CamVid(tmp_path, "val")) == 3
    assert "Split: val" in repr(data)
    assert len(CamVid.palette) == len(CamVid.classes) + 1


def test_image_and_map_can_be_changed_together(tmp_path: Path) -> None:
    assert issubclass(CamVid, VisionDataset)
    images, masks = write_camvid(tmp_path)
    data = CamVid(tmp_path, "val", transforms=lambda image, mask: (F.hflip(image), F.hflip(mask)))
    image, mask = data[1]
    np.testing.assert_array_equal(np.asarray(image), images[0][:, ::-1])
    np.testing.assert_array_equal(np.asarray(mask), masks[0][:, ::-1])
    assert "Transforms: " in repr(data)
    with pytest.raises(ValueError, match="give transforms, a function of image and target, or transform"):
        CamVid(tmp_path, "val", ToTensor(), transforms=lambda image, mask: (image, mask))


def test_camvid_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    write_camvid(tmp_path)
    mask = tmp_path / "valannot" / "0000.png"
    for content, says in (
        (
            np.zeros((8, 6), np.uint8),
            r"0000\.png: a map of 8 x 6 pixels for an image of 6 x 8, .*do not belong together",
        ),
        (np.full((6, 8), 12, np.uint8), r"0000\.png: holds the class number 12; expected 0 to 10, or 11"),
        (np.zeros((6, 8, 3), np.uint8), r"one class number per pixel .* mode RGB"),
    ):
        Image.fromarray(content).save(mask)
        with pytest.raises(CorruptDataError, match=says):
            CamVid(tmp_path, "val")[1]
    mask.write_bytes(mask.read_bytes()[:40])
    with pytest.raises(CorruptDataError, match=r"valannot.0000\.png: cannot be read as an image"):
        CamVid(tmp_path, "val")[1]
    mask.unlink()
    with pytest.raises(
        DatasetNotFoundError, match=r"lacks the map of labels of 1 samples of 'val', the first is 0000\."
    ):
        CamVid(tmp_path, "val")
    (tmp_path / "val.txt").write_text("x/0007.png x/0007.png\n")
    with pytest.raises(DatasetNotFoundError, match=r"lacks the image of 1 samples .* 0007\."):
        CamVid(tmp_path, "val")
    shutil.rmtree(tmp_path / "valannot")
    with pytest.raises(DatasetNotFoundError, match=r"no folder with val/ and valannot/ in it"):
        CamVid(tmp_path, "val")
    with pytest.raises(ValueError, match="split is one of 'train', 'val', 'test'; got 'validation'"):
        CamVid(tmp_path, "validation")


def test_the_real_camvid() -> None:
    folder = real_data("camvid")
    data = {split: CamVid(folder, split, target_transform=class_numbers) for split in ("train", "val", "test")}
    assert {split: len(part) for split, part in data.items()} == {"train": 367, "val": 101, "test": 233}
    seen = np.zeros(12, np.int64)
    for i in range(0, 100, 20):
        image, labels = data["val"][i]
        assert (image.size, tuple(labels.shape)) == ((480, 360), (360, 480))
        seen += np.bincount(labels.numpy().ravel(), minlength=12)
    assert seen[[0, 1, 3]].min() > 0.05 * seen.sum()  # sky, buildings, road


# ------------------------------------------------------------------------ Pascal VOC

XML = """<annotation><folder>VOC2012</folder><filename>a.jpg</filename>
  <size><width>8</width><height>6</height><depth>3</depth></size>{objects}</annotation>"""
OBJECT = """<object><name>{}</name><part><name>head</name></part><part><name>foot</name></part>
  <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5.5</xmax><ymax>6</ymax></bndbox></object>"""


def write_voc(root: Path) -> np.ndarray:
    """Samples a, b and c with none, one and two objects; the map of a."""
    folder = root / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main", "ImageSets/Segmentation"):
        (folder / name).mkdir(parents=True)
    mask = RNG.choice([0, 3, 20, 255], (6, 8)).astype(np.uint8)
    for i, name in enumerate("abc"):
        Image.fromarray(RNG.integers(0, 256, (6, 8, 3), np.uint8)).save(folder / "JPEGImages" / f"{name}.jpg")
        objects = "".join(OBJECT.format(kind) for kind in ("dog", "cat")[:i])
        (folder / "Annotations" / f"{name}.xml").write_text(XML.format(objects=objects))
    image = Image.fromarray(mask)
    image.putpalette(RNG.integers(0, 256, 768).tolist())
    image.save(folder / "SegmentationClass" / "a.png")
    (folder / "ImageSets" / "Main" / "train.txt").write_text("a\nb\nc\n")
    (folder / "ImageSets" / "Main" / "dog_train.txt").write_text("a -1\nb 1\n")
    (folder / "ImageSets" / "Segmentation" / "val.txt").write_text("a\n\n")
    return mask


def test_voc_detection_reads_boxes(tmp_path: Path) -> None:
    write_voc(tmp_path)
    for root in (tmp_path, tmp_path / "VOCdevkit", tmp_path / "VOCdevkit" / "VOC2012"):
        data = VOCDetection(root, image_set="train")
        assert len(data) == 3
    box = (1.0, 2.0, 5.5, 6.0)
    assert [data.boxes(target) for _, target in data] == [[], [("dog", box)], [("dog", box), ("cat", box)]]
    target = data[1][1]["annotation"]
    assert target["size"] == {"width": "8", "height": "6", "depth": "3"}
    assert target["object"][0]["part"] == [{"name": "head"}, {"name": "foot"}]
    assert "Split: train of 2012" in repr(data)
    assert Path(data.annotations[0]).name == "a.xml"
    counted = VOCDetection(tmp_path, transform=ToTensor(), target_transform=lambda t: len(data.boxes(t)))
    images, counts = next(iter(DataLoader(counted, batch_size=3)))
    assert images.shape == (3, 3, 6, 8)
    assert counts.tolist() == [0, 1, 2]


def test_voc_segmentation_reads_maps(tmp_path: Path) -> None:
    mask = write_voc(tmp_path)
    data = VOCSegmentation(tmp_path, image_set="val")
    image, labels = data[0]
    assert (image.mode, labels.mode, len(data), len(data.classes)) == ("RGB", "P", 1, 21)
    np.testing.assert_array_equal(np.asarray(labels), mask)
    assert data.masks == data.targets


def test_voc_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    write_voc(tmp_path)
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    path = folder / "Annotations" / "a.xml"
    for text, says in (
        (
            XML.format(objects="").replace(">8<", ">9<"),
            r"a\.xml: says that the image has 6 x 9 pixels, but .*has 6 x 8",
        ),
        ("<annotation>", r"a\.xml: cannot be read as XML"),
        ("<html><p>404</p></html>", r"a\.xml: expected an element <annotation>; got <html>"),
    ):
        path.write_text(text)
        with pytest.raises(CorruptDataError, match=says):
            VOCDetection(tmp_path)[0]
    Image.fromarray(np.full((6, 8), 21, np.uint8)).save(folder / "SegmentationClass" / "a.png")
    with pytest.raises(CorruptDataError, match="holds the class number 21; expected 0 to 20, or 255"):
        VOCSegmentation(tmp_path, image_set="val")[0]
    path.unlink()
    with pytest.raises(DatasetNotFoundError, match=r"names 3 samples, but 1 files of them are not there; .*a\.xml"):
        VOCDetection(tmp_path)
    with pytest.raises(DatasetNotFoundError, match=r"no list .*test\.txt; image_set is one of train$"):
        VOCDetection(tmp_path, image_set="test")
    with pytest.raises(DatasetNotFoundError, match=r"no folder VOCdevkit/VOC2007 .*pascal/VOC/voc2007"):
        VOCDetection(tmp_path / "VOCdevkit" / "VOC2012" / "ImageSets", year="2007")
