"""The program: a parser with all commands, and how their errors and warnings are told."""

from __future__ import annotations

import argparse
import linecache
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

from .bench import bench
from .config import config
from .eval import eval_
from .explain import explain
from .models import models
from .parsing import Command, Parser
from .predict import predict
from .summary import summary
from .train import train
from .warmup import warmup

COMMANDS: tuple[Command, ...] = (
    train, eval_, predict, summary, explain, models, bench, warmup, config
)  # fmt: skip
OURS = ("minicnn", "minicnn_kernels")


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from .. import __version__

    parser = Parser(prog="minicnn", description="Convolutional networks from scratch.")
    parser.add_argument("--version", action="version", version=f"minicnn {__version__}")
    found = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        text = (command.__doc__ or "").strip().splitlines()[0]
        sub = found.add_parser(command.__name__.rstrip("_"), help=text, description=text)
        sub.set_defaults(run=command(sub))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the program.

    Examples
    --------
    >>> main(["models", "resnet18"])
    resnet18
    0
    """
    args = make_parser().parse_args(arguments)
    code: int | None = 0
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
            code = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("MINICNN_TRACEBACK") or not is_an_answer(error):
            raise
        print("\n".join([f"error: {error}", *getattr(error, "__notes__", [])]), file=sys.stderr)
        return 1
    return code or 0


def is_an_answer(error: Exception) -> bool:
    """Whether an error tells its reader what to do, and is no bug, of which the traceback must be seen.

    It does if a ``raise`` of this project says it, and if the operating system refuses: no such file, a full disk, no
    memory. What Python or a library raises in the middle of our lines is a bug.
    """
    if isinstance(error, (OSError, MemoryError)):
        return True
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    said = linecache.getline(frame.f_code.co_filename, line).lstrip().startswith("raise ")
    return said and frame.f_globals["__name__"].partition(".")[0] in OURS
