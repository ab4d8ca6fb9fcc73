"""What a wheel of this project contains."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_package_list_names_every_package() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    present = {
        ".".join(init.parent.relative_to(base).parts)
        for base, package in ((ROOT, "minicnn"), (ROOT / "kernels", "minicnn_kernels"))
        for init in (base / package).rglob("__init__.py")
    }
    assert listed == present


@pytest.mark.slow
def test_the_wheel_holds_exactly_two_packages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"minicnn", "minicnn_kernels"}
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "minicnn").rglob("*.py")}
    sources |= {str(p.relative_to(ROOT / "kernels")) for p in (ROOT / "kernels" / "minicnn_kernels").rglob("*.py")}
    cuda = ROOT / "kernels" / "minicnn_kernels" / "cuda"
    sources |= {
        str(p.relative_to(ROOT / "kernels")) for p in cuda.rglob("*") if p.suffix in (".cu", ".cuh", ".h", ".cpp")
    }
    assert {"minicnn_kernels/cuda/kernels/im2col.cu", "minicnn_kernels/cuda/on_cpu/shim/cuda_cpu.h"} <= sources
    assert sources <= set(names)
    assert {"minicnn/py.typed", "minicnn_kernels/py.typed"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
