"""``minicnn predict``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .images import opened
from .parsing import Run
from .trained import Trained, add_weights, from_flags


def predict(parser: argparse.ArgumentParser) -> Run:
    """Say what is on pictures."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="files of pictures, or folders of them")
    add_weights(parser)
    parser.add_argument("--top", type=int, default=5, metavar="K", help="the K most probable classes (default: 5)")
    parser.add_argument("--json", action="store_true", help="as JSON, one list for all pictures")

    def run(args: argparse.Namespace) -> int | None:
        if args.top < 1:
            raise ValueError(f"--top is at least 1; got {args.top}")
        trained = from_flags(args)
        rows, failed = [], False
        for path in files_of(args.images):
            try:
                image = opened(path)
            except (OSError, ValueError) as error:  # the other pictures may be good
                print(f"error: {error}", file=sys.stderr)
                failed = True
                continue
            found = most_probable(trained, trained.transform(image), args.top, args.device)
            rows.append({"image": path, "predictions": found})
            if not args.json:
                print("\n".join([path, *(f"  {row['probability']:6.1%}  {row['class']}" for row in found)]))
        if args.json:
            print(json.dumps(rows, indent=2))
        return 1 if failed else None

    return run


def files_of(given: list[str]) -> list[str]:
    """The files themselves, and those in the folders, by name."""
    from ..data.datasets.image_files import IMG_EXTENSIONS

    found = []
    for path in given:
        if not Path(path).is_dir():
            found.append(path)
            continue
        inside = sorted(str(p) for p in Path(path).rglob("*") if p.suffix.lower() in IMG_EXTENSIONS)
        if not inside:
            raise ValueError(f"there is no picture in the folder {path} ({', '.join(IMG_EXTENSIONS)})")
        found += inside
    return found


def most_probable(trained: Trained, image: Any, count: int, device: Any = None) -> list[dict[str, Any]]:
    """The most probable classes of one image (C, H, W)."""
    from .. import train

    probabilities = train.predict(trained.model, image.unsqueeze(0), device=device).softmax(1)[0]
    names = trained.classes or [f"class {k}" for k in range(len(probabilities))]
    if len(names) != len(probabilities):
        raise ValueError(f"--classes: the model has {len(probabilities)} classes, but {len(names)} names were given")
    values, places = probabilities.topk(min(count, len(names)))
    return [
        {"class": names[k], "index": k, "probability": p}
        for k, p in zip(places.tolist(), values.tolist(), strict=True)
    ]  # fmt: skip
