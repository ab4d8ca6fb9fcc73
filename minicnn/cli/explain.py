"""``minicnn explain``, and the lines that it prints."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from .images import class_names, image_of, picture
from .parsing import Run

if TYPE_CHECKING:
    from ..explain import Page


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
        from .. import explain, models

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


def about(page: Page) -> list[str]:
    """The lines that the command prints."""
    found = page.summary
    fields = [row for row in found.rows if row.receptive_field and not row.sees_all and row.kind == "layer"]
    lines = [f"{page.title}: {found.total_params:,} parameters, {found.total_mult_adds:,} multiply-adds"]
    if fields:
        largest = max(fields, key=lambda row: max(row.receptive_field or (0, 0)))
        rows, columns = largest.receptive_field or (0, 0)
        lines.append(f"receptive field of {largest.path or 'the model'}: {rows} x {columns} pixels")
    lines += [f"{name}: {share:.1%}" for name, share in page.prediction]
    return [*lines, f"on the page: {', '.join(page.sections)}"]
