"""``minicnn summary``."""

from __future__ import annotations

import argparse
import json

from .images import image_of
from .parsing import Run, numbers, spaced


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
        from .. import explain, models
        from ..core.errors import ShapeError

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
