"""``python -m benchmarks``: measure, print tables, write them to RESULTS.md.

python -m benchmarks --write                      everything, into RESULTS.md
python -m benchmarks networks                     training and inference of whole networks
python -m benchmarks training --only resnet       one part, and of it what is named so
python -m benchmarks loading                      photos for AlexNet ($MINICNN_DATA holds them, or generated ones)
python -m benchmarks layers --only resnet50       every kernel of a training step; --inference 1 of inference
python -m benchmarks gpu --help                   the same on a GPU, beside PyTorch with cuDNN
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

PARTS = ("training", "inference", "layers", "scaling", "startup", "loading", "operations")
GROUPS = {"networks": ("training", "inference")}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join((*PARTS, *GROUPS))} (default: all)")
    parser.add_argument("--only", nargs="+", default=[], metavar="TEXT", help="cases whose name contains one of these")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every side (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="per side and case (default: %(default)s)")
    parser.add_argument(
        "--patience",
        type=float,
        default=20.0,
        help="seconds per case to wait for an idle machine (default: %(default)s)",
    )
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out: compiling takes minutes")
    parser.add_argument(
        "--inference", type=int, metavar="BATCH", help="layers of inference with this batch, not of a training step"
    )
    parser.add_argument("--backend", help="minicnn's backend (default: the fastest)")
    parser.add_argument("--write", action="store_true", help="write the measured parts to benchmarks/RESULTS.md")
    args = parser.parse_args(given)
    unknown = set(args.parts) - {*PARTS, *GROUPS}
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose from {', '.join((*PARTS, *GROUPS))}")
    wanted = {part for name in args.parts or PARTS for part in GROUPS.get(name, (name,))}
    args.parts = [part for part in PARTS if part in wanted]
    return args


def main() -> None:
    if sys.argv[1:2] == ["gpu"]:
        from .gpu.command import main as on_gpu

        on_gpu(sys.argv[2:])
        return
    args = arguments()
    for package in ("torch", "numba"):
        if importlib.util.find_spec(package) is None:
            sys.exit(f'The benchmarks need {package}, which is not installed. Fix: pip install -e ".[test]"')
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(args.threads)  # before any library is loaded, here and in the processes to come
    if args.backend:
        os.environ["MINICNN_BACKEND"] = args.backend

    from .run import Run
    from .settings import Settings

    settings = Settings(args.threads, args.rounds, args.seconds, args.patience, not args.no_compile, args.inference)
    with tempfile.TemporaryDirectory(prefix="minicnn-benchmarks-") as folder:
        run = Run(settings, args.only, Path(folder), args.write)
        run.section("Machine", run.machine())
        for part in args.parts:
            getattr(run, part)()


if __name__ == "__main__":
    main()
