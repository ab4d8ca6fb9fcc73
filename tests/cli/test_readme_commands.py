"""The README's commands about a folder of photos run as they stand, with weights of ImageNet."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import minicnn
from minicnn.cli import main
from tests.real_data import real_data

PAGE = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
PHOTOS = 40  # of each class


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    photos, weights = real_data("dogs_vs_cats_small"), real_data("weights")
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        Path("photos", name).mkdir(parents=True)
        for path in sorted((photos / "train" / name).iterdir())[:PHOTOS]:
            shutil.copy(path, Path("photos", name))
    shutil.copy(sorted((photos / "test" / "cat").iterdir())[0], "cat.jpg")
    with np.load(weights / "squeezenet1_1_torchvision_names_fp16.npz") as arrays:
        state = {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in arrays.files}
    torch.save(state, "squeezenet1_1-b8a52dc0.pth")

    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.M | re.S) for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("minicnn ")]
    assert len(commands) == 3
    printed = []
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, command
        printed.append(capsys.readouterr().out)
    assert printed[0].startswith("squeezenet1_1 on photos: 72 images, 8 for validation, 2 classes\n")
    first, second = printed[1].splitlines()[1:]  # of cat.jpg
    assert [first.split()[1], second.split()[1]] == ["cat", "dog"]
    assert "epoch 10/10: " in printed[2]
    rows = minicnn.load("runs/pets/last.mcnn")["history"]["rows"]
    assert [row["epoch"] for row in rows] == list(range(1, 11))
    assert rows[-1]["loss"] < rows[0]["loss"] / 2
    assert rows[-1]["accuracy"] > 0.8
