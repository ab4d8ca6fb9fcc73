"""``minicnn train``: what it writes, where its settings come from, stopping and resuming, and its mistakes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import minicnn
from minicnn import models, train
from minicnn.cli import main
from minicnn.cli.settings import BY_NAME, SETTINGS
from minicnn.data import DataLoader
from minicnn.datasets import ImageFolder
from minicnn.transforms import presets

from .conftest import fill

ROOT = Path(__file__).resolve().parents[2]
Captured = pytest.CaptureFixture[str]
SMALL = ["--epochs", "2", "--batch-size", "4", "--workers", "0"]


def result_of(arguments: list[str], capsys: Captured) -> dict[str, Any]:
    """What the command says with --json."""
    assert main(["train", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_it_writes(run_folder: Path, photos: Path) -> None:
    assert {"best.mcnn", "last.mcnn", "history.csv", "curves.png"} <= {p.name for p in run_folder.iterdir()}
    rows = list(csv.DictReader((run_folder / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    saved = minicnn.load(run_folder / "best.mcnn")
    assert saved["info"]["model"] == "lenet5"
    assert saved["info"]["classes"] == ["cat", "dog"]
    model = models.lenet5(num_classes=2, weights=run_folder / "best.mcnn")
    data = ImageFolder(photos / "validation", presets.for_model("lenet5"))
    measured = train.evaluate(model, DataLoader(data, batch_size=4))
    assert measured["accuracy"] == 1.0
    assert measured["loss"] == pytest.approx(saved["row"]["val_loss"], rel=1e-5)


def test_a_line_for_every_epoch_and_the_best(photos: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["train", "lenet5", str(photos), *SMALL, "--lr=0.01", f"--output={tmp_path}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"lenet5 on {photos}: 12 images, 4 for validation, 2 classes"
    assert lines[1].startswith("epoch 1/2: lr 0.01, loss ")
    assert lines[-1].startswith("best val_loss ")
    assert lines[-1].endswith(f"after epoch 2: {tmp_path}/best.mcnn")


def test_it_is_what_fit_does(photos: Path, tmp_path: Path, capsys: Captured) -> None:
    flags = ["--seed", "3", "--optimizer", "sgd", "--lr", "0.05", "--momentum", "0.5", "--augmentation", "paper"]
    found = result_of(["lenet5", str(photos), *SMALL, *flags, f"--output={tmp_path}"], capsys)
    minicnn.manual_seed(3)
    transform = presets.for_model("lenet5", train=True)
    data, held_out = (ImageFolder(photos / part, transform) for part in ("train", "validation"))
    model = models.lenet5(num_classes=2)
    history = train.fit(
        model,
        DataLoader(data, batch_size=4, shuffle=True),
        DataLoader(held_out, batch_size=4),
        optimizer=minicnn.optim.SGD(model.parameters(), lr=0.05, momentum=0.5),
        epochs=2,
    )
    assert found["epochs"] == history.rows


def test_flags_win_over_the_file_and_the_file_over_defaults(photos: Path, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        f'model = "lenet5"\ndata = "{photos}"\nepochs = 3\nbatch-size = 4\nlr = 0.02\nworkers = 0\nchecks = false\n'
        'schedule = "multistep"\nlr_milestones = [1]\nmetrics = ["accuracy", "f1"]\n'
    )
    found = result_of(["--config", str(file), "--epochs", "2", f"--output={tmp_path / 'out'}"], capsys)
    assert [row["lr"] for row in found["epochs"]] == [0.02, pytest.approx(0.002)]
    assert "val_f1" in found["epochs"][0]
    settings = minicnn.load(tmp_path / "out" / "last.mcnn")["info"]["settings"]
    assert (settings["epochs"], settings["checks"], settings["optimizer"]) == (2, False, "adam")


def test_resuming_needs_only_the_folder_and_ends_the_same(photos: Path, tmp_path: Path, capsys: Captured) -> None:
    flags = ["--batch-size=4", "--workers=0", "--augmentation=affine", "--ema=0.9", "--lr=0.01"]
    whole = result_of(["lenet5", str(photos), *flags, "--epochs=3", f"--output={tmp_path / 'a'}"], capsys)
    result_of(["lenet5", str(photos), *flags, "--epochs=1", f"--output={tmp_path / 'b'}"], capsys)
    parts = result_of(["--resume", f"--output={tmp_path / 'b'}", "--epochs=3"], capsys)
    assert parts["epochs"] == whole["epochs"]
    first, second = (minicnn.load(tmp_path / name / "last.mcnn")["model"] for name in "ab")
    assert all(minicnn.equal(first[key], second[key]) for key in first)


def test_all_that_can_be_switched_on_at_once(photos: Path, tmp_path: Path, capsys: Captured) -> None:
    flags = (
        "--optimizer adamw --schedule cosine --warmup 2 --augmentation shift --mixup 0.2 --cutmix 1 --accumulate 2 "
        "--label-smoothing 0.1 --clip-norm 1 --clip-value 0.5 --early-stopping 2 --time-limit 5 --terminate-on-nan "
        "--keep 1 --every-steps 1 --monitor val_accuracy --size 32 --mean 0.5 --std 0.5 --freeze c1"
    )
    found = result_of(["lenet5", str(photos), *SMALL, *flags.split(), f"--output={tmp_path}"], capsys)
    assert (tmp_path / "epoch-0002.mcnn").exists()
    assert found["monitor"] == "val_accuracy"
    assert found["epochs"][-1]["lr"] < 0.001


@pytest.mark.parametrize("schedule", ["constant", "step", "exponential", "onecycle", "plateau"])
def test_every_schedule(schedule: str, photos: Path, tmp_path: Path, capsys: Captured) -> None:
    flags = ["--schedule", schedule, "--lr-step", "1", f"--output={tmp_path}"]
    rates = [row["lr"] for row in result_of(["lenet5", str(photos), *SMALL, *flags], capsys)["epochs"]]
    expected = {"step": 0.1, "exponential": 0.95, "onecycle": None}.get(schedule, 1.0)
    assert expected is None or rates[1] == pytest.approx(expected * rates[0])


@pytest.mark.parametrize("optimizer", ["rmsprop", "adagrad", "adadelta"])
def test_every_optimiser(optimizer: str, photos: Path, tmp_path: Path, capsys: Captured) -> None:
    found = result_of(["lenet5", str(photos), *SMALL, f"--optimizer={optimizer}", f"--output={tmp_path}"], capsys)
    assert len(found["epochs"]) == 2


def test_a_folder_of_classes_is_split_and_the_split_is_the_seeds(tmp_path: Path, capsys: Captured) -> None:
    fill(tmp_path / "data", 10)
    flags = ["lenet5", str(tmp_path / "data"), *SMALL, "--val-share", "0.2"]
    assert main(["train", *flags, f"--output={tmp_path / 'a'}"]) == 0
    assert "16 images, 4 for validation" in capsys.readouterr().out
    assert main(["train", *flags[:-1], "0", f"--output={tmp_path / 'b'}"]) == 0
    said = capsys.readouterr().out
    assert "20 images, none for validation" in said
    assert "best loss" in said


def test_weights_of_other_classes_and_features(run_folder: Path, tmp_path: Path, capsys: Captured) -> None:
    fill(tmp_path / "three", 4)
    shutil.copytree(tmp_path / "three" / "cat", tmp_path / "three" / "fox")
    start = minicnn.load(run_folder / "best.mcnn")["model"]
    flags = [f"--weights={run_folder / 'best.mcnn'}", "--features", f"--output={tmp_path / 'out'}", "--no-checks"]
    result_of(["lenet5", str(tmp_path / "three"), *SMALL, *flags], capsys)
    saved = minicnn.load(tmp_path / "out" / "last.mcnn")
    assert saved["model"]["output.weight"].shape == (3, 84)
    changed = [name for name in start if start[name].shape == saved["model"][name].shape
               and not minicnn.equal(start[name], saved["model"][name])]  # fmt: skip
    assert changed == []
    assert saved["info"]["classes"] == ["cat", "dog", "fox"]


def test_digits_by_name(tmp_path: Path, capsys: Captured) -> None:
    flags = ["--epochs=1", "--batch-size=64", "--lr=0.002", "--workers=0", f"--output={tmp_path}"]
    found = result_of(["lenet5", "digits", *flags], capsys)
    assert found["epochs"][0]["val_accuracy"] > 0.3
    assert main(["eval", "digits", f"--weights={tmp_path / 'best.mcnn'}"]) == 0
    assert "lenet5 on digits, test: 359 images" in capsys.readouterr().out


def test_colour_networks_see_grey_images(tmp_path: Path, capsys: Captured) -> None:
    from minicnn.cli.images import transform_for
    from minicnn.data.datasets import Digits

    image, _ = Digits(train=False, transform=transform_for("resnet20", augmentation="flip"))[0]
    assert image.shape == (3, 32, 32)
    assert transform_for("resnet18", (1, 64, 48), [0.5], [0.5])(Digits(train=False)[0][0]).shape == (1, 64, 48)


@pytest.mark.slow
def test_ctrl_c_stops_with_a_checkpoint_and_130(photos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "minicnn", "train", "lenet5", str(photos), "--epochs=100000", "--batch-size=4"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'kernels'}", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*command, "--workers=0", f"--output={tmp_path / 'out'}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    while "epoch 2/" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "stopped: Ctrl-C. Go on with: minicnn train --resume --output" in out
    assert "Traceback" not in error
    assert (tmp_path / "out" / "last.mcnn").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("epohcs = 3", "there is no setting 'epohcs'. Did you mean 'epochs'?"),
        ("epochs = 'three'", "epochs is a whole number; got 'three'"),
        ("epochs = true", "epochs is a whole number; got True"),
        ("epochs = 0", "epochs is at least 1; got 0"),
        ("lr = 0", "lr is above 0; got 0"),
        ("optimizer = 'addam'", "there is no choice 'addam'. Did you mean 'adam'?"),
        ("metrics = 'f1'", "metrics is a list, such as ['1']; got 'f1'"),
        ("[training]\nepochs = 3", "there is no setting 'training'"),
        ("epochs: 3", "not a TOML file"),
    ],
)
def test_mistakes_in_a_file(content: str, says: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a.toml").write_text(content)
    assert main(["train", "lenet5", "x", "--config", str(tmp_path / "a.toml")]) == 1
    error = capsys.readouterr().err
    assert "a.toml: " in error
    assert says in error


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "there is no model to train: give a name that `minicnn models` lists"),
        (["lenet5"], "there is no data to train"),
        (["lenet5", "mnits"], "there is no dataset 'mnits'. Did you mean 'mnist'?"),
        (["lenet6", "PHOTOS"], "there is no model named 'lenet6'"),
        (["lenet5", "PHOTOS", "--features"], "--features trains the last layer alone"),
        (["lenet5", "PHOTOS", "--momentum", "0.9"], "--optimizer adam has no --momentum"),
        (["lenet5", "PHOTOS", "--schedule", "multistep"], "needs --lr-milestones"),
        (["lenet5", "PHOTOS", "--freeze", "*"], "--freeze leaves nothing to learn"),
        (["lenet5", "PHOTOS", "--freeze", "nothing"], "nothing"),
        (["lenet5", "PHOTOS", "--weights", "absent.pth"], "there is no such file"),
        (["lenet5", "PHOTOS", "--monitor", "val_acuracy"], "Did you mean 'val_accuracy'?"),
        (["lenet5", "PHOTOS", "--model-args", "droput=1"], "there is no argument 'droput'"),
        (["lenet5", "PHOTOS", "--epochs", "0"], "--epochs is at least 1; got 0"),
        (["lenet5", "PHOTOS", "--augmentation", "paper", "--size", "40"], "the augmentation 'paper' of lenet5"),
        (["resnet20", "PHOTOS", "--weights", "BEST"], "is a trained lenet5, not a resnet20"),
        (["--config", "absent.toml"], "No such file"),
    ],
)
def test_mistakes_on_the_command_line(
    arguments: list[str], says: str, photos: Path, run_folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    names = {"PHOTOS": str(photos), "BEST": str(run_folder / "best.mcnn")}
    assert main(["train", *(names.get(a, a) for a in arguments), "--output", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert says in printed.err
    assert "Traceback" not in printed.err
    assert not (tmp_path / "out" / "last.mcnn").exists()


def test_an_earlier_training_is_not_replaced(run_folder: Path, photos: Path, tmp_path: Path, capsys: Captured) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    flags = ["lenet5", str(photos), *SMALL, f"--output={tmp_path / 'run'}"]
    assert main(["train", *flags]) == 1
    assert "is the checkpoint of an earlier training" in capsys.readouterr().err
    assert main(["train", *flags, "--overwrite"]) == 0
    capsys.readouterr()
    for flag, before in {"seed=7": "seed is 0", "optimizer=sgd": "optimizer is 'adam'", "lr=0.3": "lr is None"}.items():
        assert main(["train", "--resume", f"--{flag}", f"--output={tmp_path / 'run'}"]) == 1
        assert f"--resume: {before} in the training of " in capsys.readouterr().err
    assert main(["train", "--resume", f"--output={tmp_path / 'run'}"]) == 0
    assert "nothing to do: 2 epochs were done before; --epochs asks for more" in capsys.readouterr().out
    assert main(["train", "--resume", f"--output={tmp_path / 'none'}"]) == 1
    assert f"--resume: there is no {tmp_path / 'none' / 'last.mcnn'} of an earlier training" in capsys.readouterr().err


def test_folders_that_disagree(tmp_path: Path, capsys: Captured) -> None:
    fill(tmp_path / "data" / "train", 2)
    fill(tmp_path / "data" / "val", 2)
    (tmp_path / "data" / "val" / "dog").rename(tmp_path / "data" / "val" / "dogs")
    assert main(["train", "lenet5", str(tmp_path / "data"), f"--output={tmp_path / 'out'}"]) == 1
    assert "of the training images (2): 'dogs' is only here, 'dog' is only there" in capsys.readouterr().err


def test_another_model_is_not_resumed(run_folder: Path, photos: Path, capsys: Captured) -> None:
    before = (run_folder / "last.mcnn").read_bytes()
    assert main(["train", "resnet20", str(photos), "--resume", f"--output={run_folder}"]) == 1
    assert "--resume: model is 'lenet5' in the training of " in capsys.readouterr().err
    assert (run_folder / "last.mcnn").read_bytes() == before


@pytest.mark.filterwarnings("always::UserWarning")
def test_empty_folders_and_a_single_class(tmp_path: Path, capsys: Captured) -> None:
    fill(tmp_path / "data", 4)
    for path in (tmp_path / "data" / "dog").iterdir():
        path.unlink()
    flags = ["train", "lenet5", str(tmp_path / "data"), *SMALL, f"--output={tmp_path / 'out'}"]
    assert main(flags) == 1
    assert "in the folders of the classes dog. Fix: take these folders away" in capsys.readouterr().err
    (tmp_path / "data" / "dog").rmdir()
    assert main([*flags, "--val-share=0.25"]) == 0
    assert "warning: ImageFolder: " in (told := capsys.readouterr().err)
    assert "holds one class only, 'cat', and there is nothing to tell apart" in told
    for path in (tmp_path / "data").iterdir():
        shutil.rmtree(path)
    assert main([*flags, "--overwrite"]) == 1
    assert "holds 0 files and no folders. Every class needs a folder of its own" in capsys.readouterr().err


@pytest.mark.filterwarnings("always::UserWarning")
def test_a_damaged_file_is_named_or_left_out(tmp_path: Path, capsys: Captured) -> None:
    fill(tmp_path / "data", 4)
    (tmp_path / "data" / "cat" / "1.png").write_bytes(b"no picture")
    flags = ["lenet5", str(tmp_path / "data"), *SMALL, "--val-share=0"]
    assert main(["train", *flags, f"--output={tmp_path / 'a'}"]) == 1
    assert "1.png: cannot be read as an image" in capsys.readouterr().err
    assert main(["train", *flags, "--skip-unreadable", f"--output={tmp_path / 'b'}"]) == 0
    printed = capsys.readouterr()
    assert "7 images, none for validation" in printed.out
    assert "warning: ImageFolder: left out 1 of 8 files that cannot be read" in printed.err


def test_settings_have_names_that_are_theirs_alone() -> None:
    assert len(BY_NAME) == len(SETTINGS) + 2
    assert all(setting.help for setting in SETTINGS)
