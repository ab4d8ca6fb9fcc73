"""``minicnn models``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .images import image_of
from .parsing import Run


def models(parser: argparse.ArgumentParser) -> Run:
    """List the models by name."""
    parser.add_argument("pattern", nargs="?", help="only names that fit, such as 'resnet*' or '*_bn'")
    parser.add_argument("--parameters", action="store_true", help="build each model and count its parameters")
    parser.add_argument("--json", action="store_true", help="names and image sizes as JSON")

    def run(args: argparse.Namespace) -> None:
        from .. import models

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
