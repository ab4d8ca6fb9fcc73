"""Whole tables, compared with files. After a change that is meant: ``python -m tests.explain.test_golden``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import minicnn
from minicnn import models
from minicnn.explain import summary

from .nets import Branches

GOLDEN = Path(__file__).parent / "golden"


def table(model: minicnn.nn.Module, *size: int, verbose: int = 1, **options: object) -> str:
    found = summary(model, size, verbose=0, **options)  # type: ignore[arg-type]
    return found.text(verbose)


TABLES: dict[str, Callable[[], str]] = {
    "branches": lambda: table(Branches(), 3, 32, 32),
    "branches_verbose": lambda: table(Branches(), 2, 3, 32, 30, verbose=2),
    "lenet5": lambda: table(models.lenet5(), 1, 32, 32),
    "squeezenet1_1": lambda: table(models.squeezenet1_1(), 3, 224, 224),
}
LARGE: dict[str, Callable[[], str]] = {
    "alexnet_2012": lambda: table(models.alexnet_2012(), 3, 227, 227, verbose=2),
    "resnet18": lambda: table(models.resnet18(), 3, 224, 224),
    "vgg16": lambda: table(models.vgg16(), 3, 224, 224),
    "googlenet_train": lambda: table(models.googlenet(), 2, 3, 224, 224, mode="train", depth=1),
}
CASES = [*TABLES, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]


@pytest.mark.parametrize("name", CASES)
def test_the_table_is_the_one_in_the_file(name: str) -> None:
    expected = (GOLDEN / f"{name}.txt").read_text()
    assert (TABLES | LARGE)[name]() + "\n" == expected


if __name__ == "__main__":
    for name, make in (TABLES | LARGE).items():
        (GOLDEN / f"{name}.txt").write_text(make() + "\n")
