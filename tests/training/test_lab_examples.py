"""The lab: dogs and cats with AlexNet, ResNets on CIFAR-10, depth and gradients; on tiny data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import datasets, models

from .lab import load_example

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data folder, and an empty cache."""
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


# ------------------------------------------------------------------------ dogs and cats


@pytest.fixture
def dogs_vs_cats(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example, with a narrow AlexNet in the place of the large one."""
    module = load_example("dogs_vs_cats", monkeypatch)

    def narrow(name: str, **config: Any) -> Any:
        return models.AlexNet2012(hidden_features=16, groups=1, **config)

    monkeypatch.setattr(module.models, "get_model", narrow)
    return module


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Dark cats and bright dogs."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "dogs_vs_cats_small"
    for part in ("train", "validation", "test"):
        for name, low in (("cat", 0), ("dog", 160)):
            (folder / part / name).mkdir(parents=True)
            for i in range(6):
                pixels = rng.integers(low, low + 90, (72, 70, 3), np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{i}.png")
    return folder


def test_alexnet_from_scratch(dogs_vs_cats: Any, photos: Path, tmp_path: Path, capsys: Captured) -> None:
    flags = ["--data-dir", str(photos), "--size=67", "--batch-size=4", "--workers=0", "--output", str(tmp_path / "out")]
    results = dogs_vs_cats.main([*flags, "--epochs=2"])
    assert [row["epoch"] for row in results["history"]] == [1, 2]
    assert results["held out"]["of"] == 10
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"best.mcnn", "last.mcnn", "history.csv", "curves.png", "predictions.png", "results.json"}
    assert json.loads((tmp_path / "out" / "results.json").read_text())["history"] == results["history"]
    said = capsys.readouterr().out
    assert "12 training and 12 validation photos at 67 x 67" in said
    assert "best validation accuracy" in said
    again = dogs_vs_cats.main([*flags, "--epochs=3", "--resume"])
    assert again["history"][:2] == results["history"]
    assert len(again["history"]) == 3


def test_augmentation_and_dropout_are_options(dogs_vs_cats: Any, photos: Path, tmp_path: Path) -> None:
    parsed = dogs_vs_cats.parse_arguments(["--output", str(tmp_path)])
    assert (parsed.epochs, parsed.size, parsed.batch_size, parsed.dropout) == (10, 227, 32, 0.5)
    parsed.size = 67
    changed, held, _, _ = dogs_vs_cats.load_data(photos, parsed)
    minicnn.manual_seed(0)
    assert not minicnn.equal(changed[0][0], changed[0][0])
    assert minicnn.equal(held[0][0], held[0][0])
    parsed.no_augmentation = True
    plain, _, shown, classes = dogs_vs_cats.load_data(photos, parsed)
    assert minicnn.equal(plain[0][0], plain[0][0])
    assert plain[0][0].shape == (3, 67, 67)
    assert classes == ["cat", "dog"]
    assert [label for _, label in shown] == [0] * 5 + [1] * 5


def test_features_of_squeezenet(dogs_vs_cats: Any, photos: Path, tmp_path: Path, capsys: Captured) -> None:
    minicnn.manual_seed(1)
    weights = tmp_path / "weights.safetensors"
    minicnn.save(models.squeezenet1_1().state_dict(), weights)
    flags = ["--features", "--weights", str(weights), "--size=67", "--epochs=3", "--output", str(tmp_path / "out")]
    results = dogs_vs_cats.main(["--data-dir", str(photos), *flags, "--batch-size=4"])
    assert len(results["history"]) == 3
    assert "of 10 held-out photos are right" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "0"], "--epochs must be at least 1; got 0"),
        (["--size", "66"], "--size must be at least 67; got 66"),
        (["--dropout", "1"], "--dropout must be at least 0 and less than 1; got 1.0"),
        (["--lr", "0"], "--lr must be above 0"),
        (["--model", "vgg16"], "invalid choice: 'vgg16'"),
        (["--output", __file__], "--output: cannot write into"),
    ],
)
def test_wrong_flags_of_the_lab(
    dogs_vs_cats: Any, flags: list[str], message: str, tmp_path: Path, capsys: Captured
) -> None:
    with pytest.raises(SystemExit, match="2"):
        dogs_vs_cats.main(["--output", str(tmp_path), *flags])
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_missing_photos_are_told(dogs_vs_cats: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="There are no photos of dogs and cats"):
        dogs_vs_cats.main(["--data-dir", str(tmp_path), "--output", str(tmp_path / "out")])


# ------------------------------------------------------------------------ CIFAR-10


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10 with 16 images in a file."""
    monkeypatch.setattr(datasets.CIFAR10, "images_per_batch", 16)
    rng = np.random.default_rng(0)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        records = rng.integers(0, 256, (16, 3073), np.uint8)
        records[:, 0] %= 10
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    return tmp_path


@pytest.mark.filterwarnings("ignore::minicnn.train.TrainingWarning")  # noise, at the paper's learning rate
def test_residual_and_plain_networks(
    cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    example = load_example("cifar10_resnet", monkeypatch)
    flags = ["--quick", "--data-dir", str(cifar), "--workers=0", "--output", str(tmp_path / "out")]
    results = example.main([*flags, "--images=32", "--test-images=16"])
    assert list(results) == ["resnet20", "plain20"]
    rates = [[round(row["lr"], 6) for row in way["history"]] for way in results.values()]
    assert rates == [[0.1, 0.001]] * 2  # 4 steps, a tenth after 2 and after 3
    assert (tmp_path / "out" / "errors.png").exists()
    assert "32 training and 16 test images" in capsys.readouterr().out


def test_the_recipe_is_the_papers(cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = load_example("cifar10_resnet", monkeypatch)
    args = example.parse_arguments(["--full", "--data-dir", str(cifar), "--output", str(tmp_path / "out")])
    assert (args.batch_size, args.lr, args.images, args.epochs) == (128, 0.1, None, None)
    training, test = example.load_data(args)
    assert (len(training), len(test)) == (80, 16)
    training.transform = test.transform  # without chance
    mean = minicnn.stack([image for image, _ in training]).mean(0)
    assert mean.abs().max().item() < 1e-6  # every pixel of the mean image is 0
    given: dict[str, Any] = {}

    def fit(model: Any, batches: Any, val: Any, **options: Any) -> None:
        given.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(example.train, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        example.train_one("plain56", training, test, args)
    schedule = given["scheduler"].scheduler
    assert sorted(schedule.milestones) == [32_000, 48_000]
    assert given["scheduler"].every == "step"
    (group,) = given["optimizer"].param_groups
    assert (group["momentum"], group["weight_decay"]) == (0.9, 1e-4)
    assert given["epochs"] * 1 >= 64_000  # 80 images are one batch


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--full", "--epochs", "3"], "--full is the paper's training of all images"),
        (["--models", "resnet18"], "invalid choice: 'resnet18'"),
        (["--images", "0"], "--images must be at least 1; got 0"),
        (["--lr", "-1"], "--lr must be above 0"),
    ],
)
def test_wrong_flags_of_the_resnets(
    flags: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    example = load_example("cifar10_resnet", monkeypatch)
    with pytest.raises(SystemExit, match="2"):
        example.main(["--output", str(tmp_path), *flags])
    assert message in capsys.readouterr().err.splitlines()[-1]


# ------------------------------------------------------------------------ depth


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example, with noise and brightness in the place of MNIST."""
    example = load_example("depth_and_gradients", monkeypatch)
    minicnn.manual_seed(0)
    labels = minicnn.arange(64) % 10
    images = minicnn.randn(64, 1, 28, 28) + labels.reshape(-1, 1, 1, 1) / 5
    data = minicnn.data.TensorDataset(images, labels)
    monkeypatch.setattr(example, "load_data", lambda args: (data, data))
    return example


def test_the_gradient_vanishes_and_what_mends_it(digits: Any, tmp_path: Path, capsys: Captured) -> None:
    results = digits.main(["--depth=16", "--steps=3", "--batch-size=16", "--output", str(tmp_path)])
    ratio = {name: result["gradients"][0] / result["gradients"][-1] for name, result in results.items()}
    assert ratio["sigmoid"] < 1e-8
    assert ratio["ReLU"] < 0.05
    assert all(0.05 < ratio[name] < 100 for name in ("ReLU, He's weights", "ReLU, batch norm", "residual"))
    assert all(len(result["losses"]) == 3 for result in results.values())
    assert {path.name for path in tmp_path.iterdir()} == {"flow.png", "learning.png", "results.json"}
    assert capsys.readouterr().out.count("%\n") == 5


def test_all_five_have_the_same_layers(digits: Any) -> None:
    for config in digits.NETWORKS.values():
        model = digits.deep(10, **config)
        kinds = [module for module in model.modules() if isinstance(module, (minicnn.nn.Conv2d, minicnn.nn.Linear))]
        assert len(kinds) == 10
        assert model(minicnn.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(("flag", "message"), [("--depth=7", "even number"), ("--lr=0", "above 0"), ("--steps=0", "1")])
def test_wrong_flags_of_depth(digits: Any, flag: str, message: str, tmp_path: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit, match="2"):
        digits.main(["--output", str(tmp_path), flag])
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_each_says_when_data_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, what in (("depth_and_gradients", "MNIST"), ("cifar10_resnet", "CIFAR-10")):
        example = load_example(name, monkeypatch)

        def refuse(*args: Any, **options: Any) -> None:
            raise minicnn.data.DownloadError("no mirror could be reached")

        monkeypatch.setattr(example.datasets, what.replace("-", ""), refuse)
        with pytest.raises(SystemExit, match=rf"{what} is not in --data-dir.*no mirror"):
            example.main(["--quick", "--output", str(tmp_path)])
