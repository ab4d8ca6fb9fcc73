"""``minicnn warmup``."""

from __future__ import annotations

import argparse

from .parsing import Run


def warmup(parser: argparse.ArgumentParser) -> Run:
    """Compile the kernels that networks usually need, so that the first program that needs them starts at once."""
    parser.add_argument(
        "--dtype", choices=["float32", "float64"], default="float32", help="element type (default: float32)"
    )

    def run(args: argparse.Namespace) -> None:
        from ..warmup import warmup

        warmup(args.dtype)

    return run
