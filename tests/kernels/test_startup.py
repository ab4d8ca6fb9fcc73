"""Compiling: one line tells of it, ``warmup`` does it ahead, and a place that cannot be written is no obstacle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from minicnn_kernels.numba_cpu import jit

ROOT = Path(__file__).parents[2]
NOTE = "minicnn: compiling kernels for this machine, which keeps them"
pytestmark = pytest.mark.skipif(not jit.JIT, reason="nothing is compiled")


def python(*command: str, cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    variables = {**os.environ, "PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(cache), **environment}
    return subprocess.run([sys.executable, *command], env=variables, capture_output=True, text=True, check=False)


RUN = """
import numpy as np
from minicnn_kernels import call, use_backend
use_backend("numba")
x = np.array([[-1.0, 2.0]])
y = call("leaky_relu.forward", x, 0.5)
call("prelu.forward", x, np.ones(1))
print(y.tolist())
"""


def test_one_line_tells_that_kernels_are_compiled_and_only_then(tmp_path: Path) -> None:
    quiet = python("-c", RUN, cache=tmp_path / "quiet", MINICNN_QUIET="1")
    first = python("-c", RUN, cache=tmp_path / "cache", MINICNN_QUIET="0")
    second = python("-c", RUN, cache=tmp_path / "cache")
    assert [done.stdout for done in (quiet, first, second)] == ["[[-0.5, 2.0]]\n"] * 3
    assert first.stderr.count(NOTE) == 1
    assert len(first.stderr.splitlines()) == 1
    assert quiet.stderr == second.stderr == ""


def test_the_line_breaks_nothing_where_stderr_is_closed(tmp_path: Path) -> None:
    for closing in ("sys.stderr.close()", "sys.stderr = None"):
        done = python("-c", f"import os, sys; {closing}\n{RUN}", cache=tmp_path / closing)
        assert (done.returncode, done.stdout) == (0, "[[-0.5, 2.0]]\n")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_only_warns(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    place.mkdir()
    place.chmod(0o500)
    done = python("-c", RUN, cache=place)
    assert (done.returncode, done.stdout) == (0, "[[-0.5, 2.0]]\n"), done.stderr
    place.chmod(0o700)


@pytest.mark.slow
def test_warmup_compiles_what_a_network_needs(tmp_path: Path) -> None:
    first = python("-m", "minicnn", "warmup", cache=tmp_path)
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert [line[:5] for line in lines[:-1]] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]
    assert str(tmp_path) in lines[-1]
    assert "MiB" in lines[-1]
    step = """
import minicnn as torch
from minicnn import nn
model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 3))
optimizer = torch.optim.Adam(model.parameters())
nn.CrossEntropyLoss()(model(torch.randn(4, 3, 8, 8)), torch.tensor([0, 1, 2, 0])).backward()
optimizer.step()
"""
    again = python("-m", "minicnn", "warmup", "--json", cache=tmp_path)
    assert again.stderr.splitlines() == lines[:-1]
    facts = json.loads(again.stdout)
    assert facts["dtype"] == "float32"
    assert str(tmp_path) in facts["folder"]
    assert facts["files"] > 10
    assert facts["size"] > 1e6
    second = python("-c", step, cache=tmp_path)
    assert (second.returncode, second.stderr) == (0, "")
    replay = """
import minicnn as torch
from minicnn import models
model = torch.compile(models.get_model("mobilenet_v2", num_classes=3).eval(), fullgraph=True)
with torch.no_grad():
    model(torch.randn(1, 3, 32, 32))
"""
    third = python("-c", replay, cache=tmp_path)
    assert (third.returncode, third.stderr) == (0, "")
