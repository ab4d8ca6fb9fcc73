"""``python -m benchmarks``: measure, print the table, write RESULTS.md and JSON."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="only cases whose name contains one of these (default: all)")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="threads on both sides (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="measured time per side and case (default: %(default)s)"
    )
    parser.add_argument("--backend", help="minicnn's backend (default: the fastest)")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--write", action="store_true", help=f"write the table to {RESULTS.name}")
    args = parser.parse_args()

    try:
        import torch
    except ImportError:
        sys.exit('The benchmarks compare with PyTorch, which is not installed. Fix: pip install -e ".[test]"')

    import minicnn

    from . import networks, operations
    from .harness import as_json, machine, measure, table

    torch.set_num_threads(args.threads)
    minicnn.set_num_threads(args.threads)
    if args.backend:
        minicnn.use_backend(args.backend)
    measurements = []
    for source in (operations, networks):
        for case in source.cases():
            if args.names and not any(name in case.name for name in args.names):
                continue
            measurements.append(measure(case, args.rounds, args.seconds))
            m = measurements[-1]
            print(f"{m.name:<70} {m.ours * 1e3:9.3f} ms {m.theirs * 1e3:9.3f} ms   x {m.ratio:.2f}", flush=True)
    if not measurements:
        sys.exit(f"no case's name contains any of {args.names}")
    description = machine(args.threads)
    if args.json:
        args.json.write_text(as_json(measurements, description))
    if args.write:
        lines = "\n".join(f"- {key}: {value}" for key, value in description.items())
        RESULTS.write_text(
            f"# Speed against PyTorch\n\n`python -m benchmarks --write`, {date.today()}. Both sides run in the same "
            f"process, in turns ({args.rounds} of each); the figures are medians of single calls in float32. "
            "A ratio above 1 means that minicnn is faster. Single operations start from arrays and gradients in "
            "PyTorch's layout (NCHW); minicnn computes channels-last, and its figures include the conversion.\n\n"
            f"{lines}\n\n{table(measurements)}\n"
        )


if __name__ == "__main__":
    main()
