"""The command line: ``minicnn summary resnet50``, ``minicnn explain resnet50 cat.jpg``, ``minicnn models`` ...

Every command is one function: it adds its arguments to a parser and returns what runs on the parsed arguments.
Models are imported when a command needs them, so that ``--help`` answers at once.

Exit codes: 0, 1 for an error, 2 for wrong usage, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

Run = Callable[[argparse.Namespace], None]
Command = Callable[[argparse.ArgumentParser], Run]
COMMANDS: dict[str, Command] = {}


def command(function: Command) -> Command:
    """Enter a function as the command of its name; the first line of its docstring is the help."""
    COMMANDS[function.__name__.rstrip("_")] = function
    return function


@command
def summary(parser: argparse.ArgumentParser) -> Run:
    """Show a model's layers: sizes with their formulas, parameters, multiply-adds, memory, receptive fields."""
    parser.add_argument("model", help="a name that `minicnn models` lists")
    parser.add_argument(
        "--input",
        type=numbers,
        nargs="+",
        metavar="SIZE",
        help="size of the input, C H W or N C H W, as 3 224 224 or 3,224,224 (default: the images of the model)",
    )
    parser.add_argument("--in-channels", type=int, metavar="C", help="channels of the image (default: the model's)")
    parser.add_argument("--batch", type=int, metavar="N", help="number of images (default: 1)")
    parser.add_argument("--num-classes", type=int, metavar="K", help="number of classes (default: the model's)")
    parser.add_argument("--depth", type=int, metavar="D", help="show layers down to this depth (default: all)")
    parser.add_argument("--columns", nargs="+", metavar="NAME", help="columns to show (a wrong name lists them)")
    parser.add_argument("--mode", choices=["eval", "train"], default="eval", help="how the model runs (default: eval)")
    parser.add_argument("--verbose", action="store_true", help="also every parameter, and the formulas of all numbers")
    parser.add_argument("--json", action="store_true", help="everything as JSON")

    def run(args: argparse.Namespace) -> None:
        from . import explain, models
        from .core.errors import ShapeError

        config = {"num_classes": args.num_classes, "in_channels": args.in_channels}
        config = {name: value for name, value in config.items() if value is not None}
        net = models.get_model(args.model, **config)
        image = image_of(args.model)
        image = (config.get("in_channels", image[0]), *image[1:])
        size = tuple(n for part in args.input for n in part) if args.input else image
        try:
            found = explain.summary(
                net,
                size,
                batch_size=args.batch,
                depth=args.depth,
                col_names=args.columns,
                mode=args.mode,
                verbose=0 if args.json else 2 if args.verbose else 1,
            )
        except ShapeError:
            if len(size) not in (3, 4) or size[-3] == image[0]:
                raise
            raise ValueError(
                f"--input {spaced(size)} has {size[-3]} channels, but {args.model} takes {image[0]}. "
                f"Fix: --input {spaced(image)}, or build it for other images with --in-channels"
            ) from None
        if args.json:
            print(json.dumps(found.to_dict(), indent=2))

    return run


@command
def explain(parser: argparse.ArgumentParser) -> Run:
    """Write a page about a model: architecture, layers, receptive fields, filters, and what decides on an image."""
    parser.add_argument("model", help="a name that `minicnn models` lists")
    parser.add_argument("image", nargs="?", help="a picture; it is resized and cut as the model's images are")
    parser.add_argument("--weights", metavar="FILE", help="trained weights: .pth, .safetensors, .npz (default: random)")
    parser.add_argument("--output", metavar="FILE", help="the page to write (default: MODEL.html)")
    parser.add_argument("--classes", metavar="FILE", help="names of the classes, one in a line, as synset_words.txt")
    parser.add_argument("--target", type=int, metavar="K", help="class to explain (default: the most probable)")
    parser.add_argument("--num-classes", type=int, metavar="K", help="number of classes (default: the model's)")
    parser.add_argument("--in-channels", type=int, metavar="C", help="channels of the image (default: the model's)")
    parser.add_argument("--size", type=int, metavar="S", help="height and width of the image (default: the model's)")
    parser.add_argument(
        "--mean", type=float, nargs="+", metavar="M", help="of the images' channels (default: the model's)"
    )
    parser.add_argument("--std", type=float, nargs="+", metavar="S", help="their standard deviations")
    parser.add_argument(
        "--depth", type=int, metavar="D", help="open blocks down to this depth (default: what is legible)"
    )
    parser.add_argument(
        "--occlusion", action="store_true", help="also hide one part of the image after the other (slow)"
    )

    def run(args: argparse.Namespace) -> None:
        from . import explain, models
        from .explaining import about, class_names, picture

        config = {"num_classes": args.num_classes, "in_channels": args.in_channels, "weights": args.weights}
        net = models.get_model(args.model, **{name: value for name, value in config.items() if value is not None})
        channels, height, width = image_of(args.model)
        size = (args.in_channels or channels, args.size or height, args.size or width)
        x = picture(args.image, args.model, size, args.mean, args.std) if args.image else size
        output = args.output or f"{args.model}.html"
        found = explain.page(
            net,
            x,
            output,
            title=args.model,
            target=args.target,
            classes=class_names(args.classes) if args.classes else None,
            depth=args.depth,
            hide=args.occlusion,
            note=f"weights of {os.path.basename(args.weights)}" if args.weights else "random weights",
        )
        print("\n".join([*about(found), f"written to {output}"]))

    return run


@command
def models(parser: argparse.ArgumentParser) -> Run:
    """List the models by name."""
    parser.add_argument("pattern", nargs="?", help="only names that fit, such as 'resnet*' or '*_bn'")
    parser.add_argument("--parameters", action="store_true", help="build each model and count its parameters")
    parser.add_argument("--json", action="store_true", help="names and image sizes as JSON")

    def run(args: argparse.Namespace) -> None:
        from . import models

        names = models.list_models(args.pattern)
        if not names:
            raise ValueError(f"no model's name fits {args.pattern!r}. `minicnn models` lists them all")
        rows = []
        for name in names:
            row: dict[str, Any] = {"name": name, "image": image_of(name)}
            if args.parameters:
                row["parameters"] = sum(p.numel() for p in models.get_model(name).parameters())
            rows.append(row)
            if not args.json:
                counted = f"{name:<{max(map(len, names))}}  {row['parameters']:>13,}" if args.parameters else name
                print(counted, flush=True)
        if args.json:
            print("[", ",\n ".join(map(json.dumps, rows)), "]", sep="")

    return run


@command
def config(parser: argparse.ArgumentParser) -> Run:
    """Show versions, backends, threads, and what is missing and why."""

    def run(args: argparse.Namespace) -> None:
        from .config import show_config

        show_config()

    return run


@command
def warmup(parser: argparse.ArgumentParser) -> Run:
    """Compile the kernels that networks usually need, so that the first program that needs them starts at once."""
    parser.add_argument(
        "--dtype", choices=["float32", "float64"], default="float32", help="element type (default: float32)"
    )

    def run(args: argparse.Namespace) -> None:
        from .warmup import warmup

        warmup(args.dtype)

    return run


def image_of(name: str) -> tuple[int, ...]:
    """The images (C, H, W) that a model is made for."""
    from . import models

    return tuple(getattr(models.get_model_builder(name), "image", (3, 224, 224)))


def numbers(text: str) -> list[int]:
    """``3,224,224`` as a list."""
    try:
        return [int(n) for n in text.strip(",").split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size; expected whole numbers, as 3 224 224 or 3,224,224, after the model's name"
        ) from None


def spaced(size: Sequence[int]) -> str:
    """A size as one types it."""
    return " ".join(map(str, size))


class Parser(argparse.ArgumentParser):
    """A parser that answers an argument it does not know with its own usage and the nearest flag."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, others = super().parse_known_args(args, namespace)
        for action in self._get_positional_actions():  # argparse takes an optional one only right after the others
            if action.nargs == "?" and getattr(known, action.dest) is None and others and others[0][:1] != "-":
                setattr(known, action.dest, others.pop(0))
        if others:
            flags = re.findall(r"--[a-z-]+", self.format_usage())
            near = difflib.get_close_matches(others[0].partition("=")[0], flags, n=1)
            self.error(" ".join(["unrecognized arguments:", *others]) + (f". Did you mean {near[0]}?" if near else ""))
        return known, others


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from . import __version__

    parser = Parser(prog="minicnn", description="Convolutional networks from scratch.")
    parser.add_argument("--version", action="version", version=f"minicnn {__version__}")
    found = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, function in COMMANDS.items():
        text = (function.__doc__ or "").strip().splitlines()[0]
        sub = found.add_parser(name, help=text, description=text)
        sub.set_defaults(run=function(sub))
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
    try:
        args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    except (ValueError, TypeError, OSError, MemoryError) as error:
        print("\n".join([f"error: {error}", *getattr(error, "__notes__", [])]), file=sys.stderr)
        return 1
    return 0
