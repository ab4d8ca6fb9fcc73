"""The command line of ``python -m benchmarks gpu``."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

from . import __doc__ as DESCRIPTION

PARTS = ("tests", "sanitizer", "training", "inference", "layers", "cifar")
LONG = ("cifar",)  # only where they are named


def arguments(given: list[str]) -> argparse.Namespace:
    """Read the command line behind ``gpu``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks gpu", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = [part for part in PARTS if part not in LONG]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: {', '.join(usual)})")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="TEXT", help="networks whose name contains one of these"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="per side and case (default: %(default)s)")
    parser.add_argument("--data-dir", help="where CIFAR-10 is (default: $MINICNN_DATA and the cache)")
    parser.add_argument("--write", action="store_true", help="write the measured parts to benchmarks/RESULTS-gpu.md")
    args = parser.parse_args(given)
    if unknown := sorted(set(args.parts) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    args.parts = [part for part in PARTS if part in (args.parts or usual)]
    return args


def missing(parts: list[str]) -> str | None:
    """What these parts need and is not there, or None."""
    from minicnn_kernels.cuda.runtime import why_unavailable

    if (reason := why_unavailable()) is not None:
        return (
            f"There is no GPU to measure: {reason}.\nWithout one, `pytest tests/cuda tests/device` runs the CUDA "
            "kernels and what launches them on the CPU, and `python -m benchmarks` measures the CPU."
        )
    if {"training", "inference", "layers"} & set(parts):
        if importlib.util.find_spec("torch") is None:
            return 'The comparison needs PyTorch, which is not installed. Fix: pip install -e ".[test]"'
        import torch

        if not torch.cuda.is_available():
            return (
                f"PyTorch {torch.__version__} does not see this GPU (a build for CPUs?). Fix: install its CUDA build, "
                "or name only the parts that need none: python -m benchmarks gpu tests sanitizer"
            )
    return None


def main(given: list[str]) -> None:
    args = arguments(given)
    if (reason := missing(args.parts)) is not None:
        sys.exit(reason)

    from .run import Run

    with tempfile.TemporaryDirectory(prefix="minicnn-benchmarks-") as folder:
        run = Run(args, Path(folder))
        run.machine()
        for part in args.parts:
            getattr(run, part)()
    if run.failed:
        sys.exit(f"failed: {', '.join(run.failed)}")
