"""The page of a model: what is on it, and that it needs nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import models, nn
from minicnn.cli import main
from minicnn.explain import Page, page

from ..real_data import real_data
from .twins import twins

WITH_IMAGE = ["facts", "prediction", "architecture", "layers", "fields", "filters", "maps", "reasons"]
WITHOUT = ["facts", "architecture", "layers", "fields", "filters", "maps"]
EMPTY = {"meta", "img", "br", "rect", "path", "link", "input"}


class Checked(HTMLParser):
    """Every tag is closed, and every address is inside the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures = 0
        self.anchors: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = dict(attrs)
        if tag not in EMPTY:
            self.open.append(tag)
        self.anchors |= {found["id"]} if "id" in found else set()
        for name in ("src", "href", "data", "poster", "xlink:href"):
            address = found.get(name)
            if address is not None:
                assert address.startswith(("data:", "#")), address
                self.pictures += address.startswith("data:image/png;base64,")
                self.links |= {address[1:]} if address.startswith("#") else set()
        assert tag not in ("script", "link", "iframe")

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag


def checked(html: str) -> Checked:
    found = Checked()
    found.feed(html)
    found.close()
    assert not found.open
    assert found.links <= found.anchors
    outside = re.sub(r"http://www\.w3\.org/\d+/svg", "", html)
    assert "http" not in re.sub(r"base64,[^\"]*", "", outside)
    assert "url(" not in outside.replace("url(#tip)", "")
    return found


def test_a_page_with_an_image(tmp_path: Path) -> None:
    ours, theirs, x = twins()
    image = minicnn.tensor(x[0])
    ours.train()
    before = {k: v.numpy().copy() for k, v in ours.state_dict().items()}
    found = page(ours, image, tmp_path / "net.html", title="A <net>", classes=list("abcde"), note="mine", hide=True)
    assert isinstance(found, Page)
    assert found.sections == WITH_IMAGE
    assert (tmp_path / "net.html").read_text(encoding="utf-8") == found.html
    parsed = checked(found.html)
    assert set(WITH_IMAGE) <= parsed.anchors
    assert parsed.pictures == 9  # the image, fields computed and measured, filters, maps, and four reasons
    for text in (
        "A &lt;net&gt;",
        "mine",
        f"{found.summary.total_params:,}",
        "3 × 17 × 15",
        "Occlusion",
        "Conv2d 3 × 3, 8, /2",
    ):
        assert text in found.html
    import torch

    shares = theirs(torch.from_numpy(x[:1])).softmax(1)[0]
    assert [name for name, _ in found.prediction] == ["abcde"[i] for i in shares.argsort(descending=True)]
    assert found.prediction[0][1] == pytest.approx(shares.max().item())
    assert str(found).startswith("Page of A <net>: facts, prediction, architecture")
    assert "&lt;!DOCTYPE" in found._repr_html_()
    assert ours.training
    assert all((v.numpy() == before[k]).all() for k, v in ours.state_dict().items())
    assert all(p.grad is None for p in ours.parameters())


def test_a_page_without_an_image() -> None:
    ours, _, _ = twins()
    found = page(ours, (3, 17, 15))
    assert found.sections == WITHOUT
    assert found.prediction == []
    assert "a test picture" in found.html
    checked(found.html)


def test_models_without_relus_convolutions_or_classes() -> None:
    lenet = page(models.lenet5(), minicnn.rand(1, 32, 32))
    assert "Not for this model: guided_backprop: no ReLU runs in LeNet5" in lenet.html
    checked(lenet.html)
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    assert page(perceptron, minicnn.rand(1, 4, 4)).sections == ["facts", "prediction", "architecture", "layers"]
    maps = page(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), minicnn.rand(3, 8, 8))
    assert maps.sections == WITHOUT
    assert "What the layers make of this image" in maps.html


def test_blocks_that_are_closed_are_shown_open_below() -> None:
    block = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3))
    html = page(nn.Sequential(block, nn.MaxPool2d(2)), (1, 12, 12), depth=1).html
    assert html.count("<details>") == 1
    assert "Inside Sequential: 0" in html
    assert html.count("<svg") == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v1_g3"])
def test_models_of_the_zoo(name: str) -> None:
    size = getattr(models.get_model_builder(name), "image", (3, 224, 224))
    with minicnn.use_backend("numba"):
        found = page(models.get_model(name, num_classes=10), minicnn.rand(*size), title=name)
    assert found.sections == WITH_IMAGE
    checked(found.html)


# -------------------------------------------------------------------- command


def photo(path: Path, mode: str = "RGB") -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def test_the_command(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = tmp_path / "names.txt"
    names.write_text("n01440764 tench, Tinca tinca\n" + "".join(f"class{i}\n" for i in range(1, 10)))
    assert main(["explain", "lenet5", str(photo(tmp_path / "a.png")), "--classes", str(names), "--target=0"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "lenet5: 61,706 parameters, 416,520 multiply-adds"
    assert out[1] == "receptive field of c5: 32 x 32 pixels"
    assert out[-2:] == [f"on the page: {', '.join(WITH_IMAGE)}", "written to lenet5.html"]
    html = (tmp_path / "lenet5.html").read_text(encoding="utf-8")
    checked(html)
    assert "random weights" in html
    state = tmp_path / "w.npz"
    minicnn.save(models.lenet5(num_classes=3).state_dict(), state)
    options = ["--num-classes=3", f"--weights={state}", f"--output={tmp_path / 'b.html'}", "--depth=1"]
    assert main(["explain", "lenet5", *options]) == 0
    assert "weights of w.npz" in (tmp_path / "b.html").read_text(encoding="utf-8")


def test_the_picture_is_prepared_as_torchvision_would(tmp_path: Path) -> None:
    from minicnn.cli.images import picture

    path = str(photo(tmp_path / "a.png"))
    small = picture(path, "resnet20", None, [0.0], [1.0])
    resized = Image.open(path).resize((32, 40), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(small.numpy(), np.asarray(resized)[4:36].transpose(2, 0, 1) / 255, atol=1e-6)
    assert picture(path, "lenet5").shape == (1, 32, 32)
    assert picture(path, "resnet18", (1, 100, 100)).shape == (1, 100, 100)
    large = picture(path, "resnet18")
    whole = np.asarray(Image.open(path).resize((256, 320), Image.Resampling.BILINEAR), dtype=np.float32) / 255
    cut = (whole[48:272, 16:240] - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(large.numpy(), cut.transpose(2, 0, 1), atol=1e-5)


def test_mistakes_on_the_command_line(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "no.png").write_text("no picture")
    (tmp_path / "two.txt").write_text("cat\ndog\n")
    image = str(photo(tmp_path / "a.png"))
    output = f"--output={tmp_path / 'x.html'}"
    for arguments, says in [
        (["lenet6"], "there is no model named 'lenet6'"),
        (["lenet5", str(tmp_path / "no.png")], "is no picture that Pillow can read"),
        (["lenet5", str(tmp_path / "none.png")], "No such file"),
        (["lenet5", image, "--mean", "1", "2"], "--mean: expected 1 numbers"),
        (["lenet5", image, "--std", "0"], "--std: expected 1 numbers above 0"),
        (["lenet5", image, f"--classes={tmp_path / 'two.txt'}"], "the model has 10 classes, but 2 names were given"),
        (["lenet5", image, "--target=10"], "there is no class 10"),
        (["lenet5", "--in-channels=2", image], "has 1 or 3 channels, but the model takes 2"),
        (["lenet5", "--size=8"], "lenet5"),
    ]:
        assert main(["explain", *arguments, output]) == 1, arguments
        assert says.lower() in capsys.readouterr().err.lower()
    assert not (tmp_path / "x.html").exists()


@pytest.mark.slow
def test_the_command_knows_a_bee_eater(tmp_path: Path, capsys: Any) -> None:
    weights = real_data("weights") / "squeezenet1_1_torchvision_names_fp16.npz"
    samples = real_data("imagenet_samples")
    arguments = [str(samples / "n01828970_bee_eater.JPEG"), f"--weights={weights}", f"--output={tmp_path / 'a.html'}"]
    with minicnn.use_backend("numba"):
        assert main(["explain", "squeezenet1_1", *arguments, f"--classes={samples / 'synset_words.txt'}"]) == 0
    assert "\nbee eater: 99." in capsys.readouterr().out
    checked((tmp_path / "a.html").read_text(encoding="utf-8"))
