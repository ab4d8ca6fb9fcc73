"""The commands of docs/command-line.md run as they stand, one after the other."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

import minicnn
from minicnn import models
from minicnn.cli import main
from minicnn.cli.settings import SETTINGS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.M | re.S)


@pytest.mark.filterwarnings("ignore::minicnn.train.TrainingWarning")  # twelve pictures of noise
def test_the_commands_run(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(photos, "photos")
    shutil.copy(photos / "test" / "cat" / "0.png", "cat.jpg")  # the content decides
    minicnn.save(models.squeezenet1_1().state_dict(), "squeezenet1_1.npz")
    Path("synset_words.txt").write_text("\n".join(f"n{k:08} class{k}" for k in range(1000)))
    (recipe,) = blocks("toml")
    Path("recipe.toml").write_text(recipe)
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) >= 8
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "minicnn"
        assert main(arguments) == 0, command
    assert Path("runs/resnet20/best.mcnn").exists()


def test_the_flags_that_are_named_exist() -> None:
    known = {s.flag for s in SETTINGS} | {"--help", "--json", "--config", "--resume", "--part", "--top", "--repeats"}
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert named <= known | {"--model", "--classes"}
    assert set(tomllib.loads(blocks("toml")[0])) <= {s.name for s in SETTINGS} | {"model", "data"}
