"""The command line: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn
from minicnn import models
from minicnn.cli import main

ROOT = Path(__file__).resolve().parents[2]
Captured = pytest.CaptureFixture[str]


def test_summary_prints_the_table(capsys: Captured) -> None:
    assert main(["summary", "lenet5", "--input", "1", "32", "32"]) == 0
    assert capsys.readouterr().out == f"{minicnn.summary(models.lenet5(), (1, 32, 32), verbose=0)}\n"


def test_summary_takes_options(capsys: Captured) -> None:
    options = ["--num-classes=7", "--depth=1", "--batch=2", "--mode=train", "--columns", "jump", "mult_adds"]
    assert main(["summary", "lenet5", "--input", "1", "32", "32", *options]) == 0
    expected = minicnn.summary(
        models.lenet5(num_classes=7),
        (2, 1, 32, 32),
        depth=1,
        mode="train",
        col_names=["jump", "mult_adds"],
        verbose=0,
    )
    assert capsys.readouterr().out == f"{expected}\n"
    assert main(["summary", "lenet5", "--input", "1", "32", "32", "--verbose"]) == 0
    assert "multiply-adds: 5*5*1*6*28*28 = 117,600" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ([], (1, 32, 32)),
        (["--input", "1,32,32"], (1, 32, 32)),
        (["--input", "2,", "1,", "32,", "32"], (2, 1, 32, 32)),
        (["--in-channels", "3"], (3, 32, 32)),
        (["--in-channels=2", "--input=2,33,32"], (2, 33, 32)),
    ],
)
def test_the_image_is_the_models_own_unless_told_otherwise(
    options: list[str], size: tuple[int, ...], capsys: Captured
) -> None:
    assert main(["summary", "lenet5", *options, "--columns", "output_size"]) == 0
    net = models.lenet5(in_channels=size[-3])
    assert capsys.readouterr().out == f"{minicnn.summary(net, size, col_names='output_size', verbose=0)}\n"


def test_summary_as_json(capsys: Captured) -> None:
    assert main(["summary", "lenet5", "--input", "1", "32", "32", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total_params"] == 61706


def test_models_are_listed(capsys: Captured) -> None:
    assert main(["models"]) == 0
    assert capsys.readouterr().out.split() == models.list_models()
    assert main(["models", "lenet*", "--parameters"]) == 0
    assert capsys.readouterr().out.split() == ["lenet5", "61,706"]
    assert main(["models", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found] == models.list_models()
    assert {"name": "lenet5", "image": [1, 32, 32]} in found
    assert main(["models", "lenet5", "--json", "--parameters"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "lenet5", "image": [1, 32, 32], "parameters": 61706}]


def test_config_shows_the_versions(capsys: Captured) -> None:
    assert main(["config"]) == 0
    assert capsys.readouterr().out.startswith(f"minicnn {minicnn.__version__}, Python ")
    assert main(["config", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["minicnn"], found["threads"]) == (minicnn.__version__, minicnn.get_num_threads())
    assert (found["backend"], found["backends"][found["backend"]]["missing"]) == (minicnn.active_backend(), None)
    assert all(found["packages"].values())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["summary", "resnet5"], "error: there is no model named 'resnet5'. Did you mean 'resnet"),
        (
            ["summary", "lenet5", "--input", "3", "64", "64"],
            "error: --input 3 64 64 has 3 channels, but lenet5 takes 1. Fix: --input 1 32 32, or build it for other",
        ),
        (["summary", "lenet5", "--input", "32,32,1"], "has 32 channels, but lenet5 takes 1. Fix: --input 1 32 32"),
        (["summary", "lenet5", "--in-channels=2", "--input=1,32,32"], "but lenet5 takes 2. Fix: --input 2 32 32"),
        (["summary", "lenet5", "--input", "1", "8", "8"], "Conv2d (failed here)"),
        (["summary", "lenet5", "--in-channels", "0"], "error: lenet5: in_channels must be a whole number"),
        (["summary", "lenet5", "--input", "1", "2", "3", "4", "5"], "expected (C, H, W)"),
        (["summary", "lenet5", "--input", "1", "100000000", "100000000"], "error: Unable to allocate"),
        (["summary", "lenet5", "--num-classes", "0"], "error: lenet5: num_classes must be a whole number"),
        (["models", "no*such"], "no model's name fits 'no*such'"),
    ],
)
def test_an_error_is_told_and_the_exit_code_is_1(arguments: list[str], says: str, capsys: Captured) -> None:
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert says in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def missing_key(*_: object) -> list[str]:
    return {}["lenet5"]


def wrong_on_purpose(*_: object) -> list[str]:
    raise RuntimeError("this is no answer of minicnn")


@pytest.mark.parametrize(
    ("bug", "error"), [(missing_key, KeyError), (None, TypeError), (wrong_on_purpose, RuntimeError)]
)
def test_a_bug_keeps_its_traceback(bug: object, error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "list_models", bug)
    with pytest.raises(error):
        main(["models"])


def test_tracebacks_of_answers_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINICNN_TRACEBACK", "1")
    with pytest.raises(ValueError, match="there is no model named 'resnet5'"):
        main(["summary", "resnet5"])


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert main(["train", "lenet5", "digits", "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: Digits: these images come with scikit-learn")
    monkeypatch.setitem(sys.modules, "minicnn.io", None)  # nobody can install it: a bug
    with pytest.raises(ImportError):
        main(["train", "lenet5", "digits"])


@pytest.mark.parametrize("arguments", [[], ["summary"], ["sumary"], ["summary", "lenet5", "--input", "a"]])
def test_wrong_usage_is_told_and_the_exit_code_is_2(arguments: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: minicnn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["summary", "lenet5", "--inptu", "1"], "unrecognized arguments: --inptu 1. Did you mean --input?"),
        (["summary", "lenet5", "--num_classes=3"], "--num_classes=3. Did you mean --num-classes?"),
        (["summary", "lenet5", "--zzz"], "unrecognized arguments: --zzz\n"),
        (["summary", "--input", "1,32,32", "lenet5"], "'lenet5' is no size; expected whole numbers, as 3 224 224"),
        (["models", "--jsn"], "Did you mean --json?"),
    ],
)
def test_an_unknown_argument_gets_the_commands_usage_and_the_nearest_flag(
    arguments: list[str], says: str, capsys: Captured
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"usage: minicnn {arguments[0]} ")
    assert says in printed


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'kernels'}"}
    return subprocess.run(arguments, capture_output=True, text=True, env=environment, check=False)


def test_it_runs_as_a_module_and_imports_no_model_to_show_its_help() -> None:
    done = run(sys.executable, "-X", "importtime", "-m", "minicnn", "--help")
    assert done.returncode == 0
    assert "summary" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert "minicnn.cli" in imported
    assert not {"minicnn.models", "minicnn.nn", "minicnn.explain", "numba"} & imported


def test_the_version_and_a_reader_that_stops_early() -> None:
    code = (
        "import subprocess, sys; first = [sys.executable, '-m', 'minicnn', 'models'];"
        "p = subprocess.Popen(first, stdout=subprocess.PIPE, stderr=subprocess.PIPE);"
        "p.stdout.close(); p.wait(); print(p.returncode, p.stderr.read())"
    )
    assert run(sys.executable, "-c", code).stdout.strip() == "0 b''"
    assert run(sys.executable, "-m", "minicnn", "--version").stdout == f"minicnn {minicnn.__version__}\n"
