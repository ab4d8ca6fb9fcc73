"""Start-up: from the launch of ``examples/mnist_convnet.py`` until its first step is done.

Once with an empty cache of compiled kernels (a fresh ``NUMBA_CACHE_DIR``), as at the very first launch, and then
with what that launch has left there. The images are random, as many as MNIST's and in its format, on the local disk.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .harness import wait_until_idle
from .settings import Settings

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "mnist_convnet.py"
IMAGES = {"train": 59_900, "t10k": 9_900}  # not quite MNIST's numbers: its files are known by their checksums
CACHED = 5  # launches

# Runs the example as it is, and ends after the first step, telling the time.
_LAUNCH = """
import os, runpy, sys, time
from minicnn.optim import Adam
step = Adam.step
def first(self):
    step(self)
    print(time.time(), flush=True)
    os._exit(0)
Adam.step = first
example, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = example
runpy.run_path(example, run_name="__main__")
"""


@dataclass(frozen=True)
class Startup:
    """Seconds from launch to the end of the first step: with an empty cache, and with a full one (median)."""

    first: float
    cached: float


def write_images(folder: Path) -> None:
    """Random images and labels in MNIST's format."""
    rng = np.random.default_rng(0)
    for part, count in IMAGES.items():
        for kind, shape, most in (("images-idx3", (count, 28, 28), 256), ("labels-idx1", (count,), 10)):
            header = np.array([0x0800 + len(shape), *shape], ">i4").tobytes()
            content = rng.integers(0, most, shape, np.uint8).tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + content)


def launch(data: Path, cache: Path, threads: int) -> float:
    """Seconds until the first step of one launch is done."""
    arguments = [str(EXAMPLE), "--data-dir", str(data), "--output", str(data / "output"), "--threads", str(threads)]
    paths = [str(ROOT), str(ROOT / "kernels"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join(paths)}
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-c", _LAUNCH, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout.split()[-1]) - start


def measure(folder: Path, settings: Settings) -> Startup:
    """Launch the example several times."""
    data, cache = folder / "mnist", folder / "kernels"
    data.mkdir()
    cache.mkdir()
    write_images(data)
    wait_until_idle(settings.patience)
    first = launch(data, cache, settings.threads)
    wait_until_idle(settings.patience)
    return Startup(first, statistics.median(launch(data, cache, settings.threads) for _ in range(CACHED)))
