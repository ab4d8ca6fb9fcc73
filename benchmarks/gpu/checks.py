"""Whether everything is right on this GPU: the tests on the real device, and compute-sanitizer over them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]
TESTS = ("tests/device", "tests/cuda/test_launchers.py")
SANITIZED = ("tests/cuda/test_launchers.py",)
FAULT = 86  # exit status of the sanitizer when it found something


@dataclass(frozen=True)
class Outcome:
    """How a run of the tests ended: its last line, whether it was clean, and the end of its output if not."""

    summary: str
    clean: bool
    output: str = ""


def pytest(*paths: str, before: tuple[str, ...] = ()) -> Outcome:
    """Run tests on the GPU (``MINICNN_TEST_GPU=1``), under another program if ``before`` names one."""
    command = [*before, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths]
    environment = {**os.environ, "MINICNN_TEST_GPU": "1"}
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    summaries = re.findall(r"^=*\s*((?:\d+ \w+(?:, )?)+ in .*?)\s*=*$", output, re.M)
    clean = done.returncode == 0
    return Outcome(summaries[-1] if summaries else "no summary", clean, "" if clean else output[-4000:])


def sanitizer() -> Path | None:
    """NVIDIA's compute-sanitizer: on the path, or in the wheel nvidia-cuda-sanitizer-api; None if it is not there."""
    if found := shutil.which("compute-sanitizer"):
        return Path(found)
    wheels = Path(sysconfig.get_path("purelib")) / "nvidia"
    return next(wheels.glob("*/bin/compute-sanitizer"), None) or next(
        wheels.glob("*/compute-sanitizer/compute-sanitizer"), None
    )


def sanitized(program: Path, tool: str) -> Outcome:
    """Run the kernels' tests under one of its tools: ``memcheck``, ``racecheck``, ``initcheck`` or ``synccheck``."""
    return pytest(*SANITIZED, before=(str(program), "--tool", tool, "--error-exitcode", str(FAULT)))
