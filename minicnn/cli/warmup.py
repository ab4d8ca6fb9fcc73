"""``minicnn warmup``."""

from __future__ import annotations

import argparse
import sys

from .parsing import Run, as_json


def warmup(parser: argparse.ArgumentParser) -> Run:
    """Compile the kernels that networks usually need, so that the first program that needs them starts at once."""
    parser.add_argument(
        "--dtype", choices=["float32", "float64"], default="float32", help="element type (default: float32)"
    )
    parser.add_argument("--json", action="store_true", help="what it took and left as JSON")

    def run(args: argparse.Namespace) -> None:
        from ..warmup import warmup

        def say(line: object) -> None:
            print(line, file=sys.stderr if args.json else sys.stdout, flush=True)

        done = warmup(args.dtype, say)
        if args.json:
            print(as_json({"dtype": args.dtype, **done._asdict()}, indent=2))
        else:
            say(done)

    return run
