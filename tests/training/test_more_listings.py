"""Programs of lectures and tutorials: with only the import lines changed they print what PyTorch prints.

The programs are the files of ``listings/``, written for PyTorch. Both runs draw the same random numbers.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import minicnn
from minicnn.data.randomness import draw_seed, permutation

LISTINGS = sorted((Path(__file__).parent / "listings").glob("*.txt"))


def with_other_imports(source: str) -> str:
    """The program for minicnn: only lines that import torch are changed."""
    source = re.sub(r"^import torch$", "import minicnn as torch", source, flags=re.M)
    return re.sub(r"^(import|from) torch\b", r"\1 minicnn", source, flags=re.M)


def _theirs(t: minicnn.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.array(t.numpy()))


def _draw(name: str) -> Any:
    """PyTorch's function of this name, with the numbers of minicnn's."""

    def function(*args: Any, requires_grad: bool = False, dtype: Any = None, **options: Any) -> torch.Tensor:
        kind = None if dtype is None else getattr(minicnn, str(dtype).removeprefix("torch."))
        drawn = _theirs(getattr(minicnn, name)(*args, dtype=kind))
        return drawn.requires_grad_(requires_grad)

    return function


def _draw_like(name: str) -> Any:
    return lambda x, dtype=None: getattr(torch, name)(x.shape, dtype=dtype or x.dtype)


def _draw_in_place(name: str) -> Any:
    def method(self: torch.Tensor, *args: Any, generator: Any = None, **options: Any) -> torch.Tensor:
        values = getattr(minicnn.nn.init, name)(minicnn.empty(tuple(self.shape)), *args, **options)
        with torch.no_grad():
            return self.copy_(_theirs(values))

    return method


@pytest.fixture
def _same_random_numbers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch draws from minicnn's generator."""
    for name in ("rand", "randn", "randint", "randperm"):
        monkeypatch.setattr(torch, name, _draw(name))
    for name in ("rand", "randn"):
        monkeypatch.setattr(torch, f"{name}_like", _draw_like(name))
    for name in ("uniform_", "normal_"):
        monkeypatch.setattr(torch.Tensor, name, _draw_in_place(name))
    monkeypatch.setattr(torch.Tensor, "random_", lambda self, generator=None: self.fill_(draw_seed(None)))
    monkeypatch.setattr(
        torch.utils.data.RandomSampler, "__iter__", lambda self: iter(permutation(self.num_samples, None))
    )
    monkeypatch.setattr(torch, "manual_seed", minicnn.manual_seed)
    yield
    minicnn.set_printoptions(profile="default")
    torch.set_printoptions(profile="default")


def _printed(source: str, name: str) -> str:
    minicnn.manual_seed(0)
    text = io.StringIO()
    with contextlib.redirect_stdout(text), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        exec(compile(source, name, "exec"), {"__name__": "__main__"})
    return text.getvalue()


def _words(text: str) -> list[str]:
    """Numbers and the text between them; the name of the library and of what made a tensor are left out."""
    text = re.sub(r"grad_fn=<\w+>", "grad_fn", text.replace("minicnn.", "torch."))
    return re.findall(r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|\bnan\b|\binf\b)|[^\s\d]+?(?=[-+]?\d|\s|$)|\S", text)


def _agree(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    try:
        return math.isclose(float(ours), float(theirs), rel_tol=1e-3, abs_tol=1e-3)  # printed with 3 digits or more
    except ValueError:
        return False


SLOW = {"blitz_cifar", "training_and_projects"}


@pytest.mark.usefixtures("_same_random_numbers")
@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] if p.stem in SLOW else []) for p in LISTINGS]
)
def test_it_prints_what_pytorch_prints(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = path.read_text()
    theirs = _words(_printed(source, path.name))
    ours = _words(_printed(with_other_imports(source), path.name))
    for i, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        near = slice(max(0, i - 10), i + 5)
        assert _agree(a, b), f"printed {' '.join(ours[near])!r}, PyTorch {' '.join(theirs[near])!r}"
    assert len(ours) == len(theirs)
    assert len(ours) > 40


def test_only_import_lines_are_changed() -> None:
    assert len(LISTINGS) >= 14
    for path in LISTINGS:
        source = path.read_text()
        before, after = source.splitlines(), with_other_imports(source).splitlines()
        changed = [old for old, new in zip(before, after, strict=True) if old != new]
        assert changed
        assert all(line.startswith(("import torch", "from torch")) for line in changed), path.name
