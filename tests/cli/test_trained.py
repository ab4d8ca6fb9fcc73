"""``minicnn eval``, ``predict`` and ``bench``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import minicnn
from minicnn import models
from minicnn.cli import main
from tests.real_data import real_data

from .conftest import fill

Captured = pytest.CaptureFixture[str]


def test_predict_needs_the_checkpoint_alone(run_folder: Path, photos: Path, capsys: Captured) -> None:
    best = f"--weights={run_folder / 'best.mcnn'}"
    dog = str(photos / "test" / "dog" / "0.png")
    assert main(["predict", dog, best]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == dog
    assert [line.split()[1] for line in lines[1:]] == ["dog", "cat"]
    assert main(["predict", str(photos / "test"), best, "--top=1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [Path(row["image"]).parent.name for row in rows] == ["cat"] * 3 + ["dog"] * 3
    assert [row["predictions"][0]["class"] for row in rows] == ["cat"] * 3 + ["dog"] * 3
    assert all(0.5 < row["predictions"][0]["probability"] <= 1 for row in rows)


def test_predict_goes_on_after_a_bad_picture(run_folder: Path, photos: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    files = [str(tmp_path / "bad.png"), str(tmp_path / "absent.png"), str(photos / "test" / "cat" / "0.png")]
    assert main(["predict", *files, f"--weights={run_folder / 'best.mcnn'}"]) == 1
    printed = capsys.readouterr()
    assert "bad.png is no picture" in printed.err
    assert "absent.png" in printed.err
    assert "cat/0.png" in printed.out


def test_weights_alone_need_a_name(tmp_path: Path, photos: Path, capsys: Captured) -> None:
    weights = tmp_path / "w.safetensors"
    minicnn.save(models.lenet5(num_classes=2).state_dict(), weights)
    image = str(photos / "test" / "dog" / "0.png")
    assert main(["predict", image, f"--weights={weights}"]) == 1
    assert "Fix: --model NAME" in capsys.readouterr().err
    flags = [f"--weights={weights}", "--model=lenet5", "--model-args", "num_classes=2"]
    assert main(["predict", image, *flags]) == 0
    assert "class 0" in capsys.readouterr().out
    (tmp_path / "names.txt").write_text("cat\ndog\nfox\n")
    assert main(["predict", image, *flags, f"--classes={tmp_path / 'names.txt'}"]) == 1
    assert "the model has 2 classes, but 3 names were given" in capsys.readouterr().err
    assert main(["predict", image, f"--weights={tmp_path / 'absent.pth'}"]) == 1
    assert "there is no such file" in capsys.readouterr().err


def test_eval_measures(run_folder: Path, photos: Path, capsys: Captured) -> None:
    best = f"--weights={run_folder / 'best.mcnn'}"
    assert main(["eval", str(photos), best]) == 0
    assert f"lenet5 on {photos}, test: 6 images" in capsys.readouterr().out
    assert main(["eval", str(photos), best, "--part=validation", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    saved = minicnn.load(run_folder / "best.mcnn")["row"]
    assert found["loss"] == pytest.approx(saved["val_loss"], rel=1e-5)
    assert (found["part"], found["images"], found["accuracy"]) == ("validation", 4, 1.0)
    assert main(["eval", str(photos / "test"), best, "--metrics", "f1", "confusion_matrix"]) == 0
    out = capsys.readouterr().out
    assert ", all: 6 images" in out
    assert "f1: 1.0000" in out
    assert "  cat      3      0\n  dog      0      3" in out


def test_eval_tells_of_other_classes_and_parts(
    run_folder: Path, photos: Path, tmp_path: Path, capsys: Captured
) -> None:
    fill(tmp_path / "data", 2)
    (tmp_path / "data" / "dog").rename(tmp_path / "data" / "fox")
    best = f"--weights={run_folder / 'best.mcnn'}"
    assert main(["eval", str(tmp_path / "data"), best]) == 1
    assert "are not those of the model (2): 'fox' is only here, 'dog' is only there" in capsys.readouterr().err
    assert main(["eval", str(photos), best, "--part=tset"]) == 1
    assert "there is no part 'tset'. Did you mean 'test'?" in capsys.readouterr().err
    assert main(["eval", str(photos), best, "--model=resnet20"]) == 1
    assert "is a trained lenet5, not a resnet20" in capsys.readouterr().err


def test_bench(capsys: Captured) -> None:
    assert main(["bench", "lenet5", "--batch-size=2", "--repeats=1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["input"] == [2, 1, 32, 32]
    for work in ("training", "inference"):
        assert found[work]["images_per_second"] == pytest.approx(2000 / found[work]["ms"])
    assert main(["bench", "resnet20", "--batch-size=2", "--repeats=1", "--only=inference", "--size=40"]) == 0
    out = capsys.readouterr().out
    assert "resnet20, input (2, 3, 40, 40)" in out
    assert "training" not in out
    assert main(["bench", "lenet5", "--repeats=0"]) == 1
    assert "--repeats is at least 1" in capsys.readouterr().err


@pytest.mark.slow
def test_a_bee_eater_by_weights_of_imagenet(capsys: Captured) -> None:
    weights = real_data("weights") / "squeezenet1_1_torchvision_names_fp16.npz"
    samples = real_data("imagenet_samples")
    flags = [f"--weights={weights}", "--model=squeezenet1_1", f"--classes={samples / 'synset_words.txt'}", "--top=1"]
    assert main(["predict", str(samples / "n01828970_bee_eater.JPEG"), *flags]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("%  bee eater")


def test_a_device_that_is_none(run_folder: Path, photos: Path, capsys: Captured) -> None:
    weights = f"--weights={run_folder / 'best.mcnn'}"
    assert main(["eval", str(photos), weights, "--device=cpu"]) == 0
    for command in ("eval", "predict"):
        assert main([command, str(photos), weights, "--device=gpu"]) == 1
        assert "device: expected 'cpu', 'cuda' or 'cuda:N'; got 'gpu'" in capsys.readouterr().err
