"""The run that plants faults (``python -m tests.mutate_cuda``) plants them, and finds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from minicnn_kernels.cuda import source

from tests.mutate_cuda import candidates, verdict

from .equivalent import EQUIVALENT

FILES = sorted({path.name for path in source.FOLDER.iterdir()} - {"tensor_cores.cuh"})


@pytest.mark.parametrize("file", FILES)
def test_a_mutant_differs_in_one_line(file: str) -> None:
    mutants = candidates(file)
    assert mutants
    original = source.read(mutants[0].host).splitlines()
    for mutant in mutants[:20]:
        lines = mutant.text.splitlines()
        assert len(lines) == len(original)
        (changed,) = [i for i, (a, b) in enumerate(zip(lines, original, strict=True)) if a != b]
        assert (original[changed].strip(), lines[changed].strip()) == (mutant.line, mutant.changed)


@pytest.mark.parametrize("key", EQUIVALENT, ids=lambda key: f"{key[0]}: {key[2]}")
def test_the_equivalent_ones_are_still_in_the_source(key: tuple[str, str, str]) -> None:
    assert key in {mutant.key for mutant in candidates(key[0])}


@pytest.mark.usefixtures("gxx")
def test_faults_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mutants = {(mutant.line, mutant.changed): mutant for mutant in candidates("channels.cu")}
    adds, walks = "if (residual) value += residual[e];", "for (long long e = FIRST; e < size; e += STRIDE) {"
    assert verdict(mutants[adds, adds.replace("+=", "-=")]) == "results"
    assert verdict(mutants[walks, walks.replace("e += STRIDE", "e -= STRIDE")]) == "results"
    beyond = verdict(mutants[walks, walks.replace("e < size", "e <= size")])
    assert beyond in ("checks", "results"), "writes behind the array, which may crash"
    again = "__syncthreads();                                  // an earlier sum has been read"
    mutants = {(mutant.line, mutant.changed): mutant for mutant in candidates("columns.cuh")}
    assert verdict(mutants[again, again.replace("__syncthreads", "int")]) == "checks"
    key = next(key for key in EQUIVALENT if key[0] == "tile_product.cuh")
    (same,) = [mutant for mutant in candidates(key[0]) if mutant.key == key]
    assert verdict(same) == "equivalent"
