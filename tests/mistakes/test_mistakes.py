"""Mistakes that users make: each raises early, and the message says what was wrong and what to do.

Every file beside this one that has `ROWS` is a table, one for each subject. A row is a snippet, the error's class, and
what its message must contain.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minicnn_kernels.cuda import on_cpu
from PIL import Image

import minicnn
from minicnn import datasets, models, nn, optim, train
from minicnn import transforms as T
from minicnn.data import CachedDataset, DataLoader, TensorDataset, stratified_split
from minicnn.nn import functional as F
from tests.mistakes.mistake import Mistake

FILES = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
MISTAKES: list[Mistake] = [
    row for name in FILES for row in getattr(importlib.import_module(f"tests.mistakes.{name}"), "ROWS", [])
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_the_message_teaches(mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {
        "torch": minicnn, "nn": nn, "F": F, "optim": optim, "T": T, "np": np, "Path": Path,
        "DataLoader": DataLoader, "TensorDataset": TensorDataset, "models": models, "datasets": datasets,
        "CachedDataset": CachedDataset, "stratified_split": stratified_split, "Image": Image, "train": train, "on_cpu": on_cpu,
    }  # fmt: skip
    with pytest.raises(mistake.error) as caught:
        exec(textwrap.dedent(mistake.code), scope)
    message = str(caught.value)
    for fragment in mistake.says:
        assert re.search(re.escape(fragment), message), f"{fragment!r} is not in: {message}"
    assert not (tmp_path / "broken.txt").exists()


def test_there_are_enough() -> None:
    assert len(MISTAKES) >= 200
