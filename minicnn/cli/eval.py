"""``minicnn eval``."""

from __future__ import annotations

import argparse
from typing import Any

from .data import check_classes, evaluation_part, names_of
from .parsing import Run, as_json
from .trained import add_weights, from_flags


def eval_(parser: argparse.ArgumentParser) -> Run:
    """Measure a trained model on a folder of photos, or on the test images of a dataset."""
    parser.add_argument("data", help="a folder, with test/, validation/ or the classes in it; or a dataset's name")
    add_weights(parser)
    parser.add_argument("--part", help="train, validation or test (default: test, or else validation, or else all)")
    parser.add_argument("--metrics", nargs="+", metavar="NAME", help="such as accuracy top5 f1 confusion_matrix")
    parser.add_argument("--data-dir", metavar="DIR", help="where a dataset given by name is")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="images per batch (default: 32)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="threads that read ahead (default: 1)")
    parser.add_argument("--json", action="store_true", help="the numbers as JSON")

    def run(args: argparse.Namespace) -> None:
        from .. import train
        from ..data import DataLoader

        trained = from_flags(args)
        data, part = evaluation_part(args.data, args.part, args.data_dir, trained.transform)
        if trained.classes is not None:
            check_classes(names_of(data), trained.classes, "the images", "the model")
        batches = DataLoader(data, batch_size=args.batch_size, num_workers=args.workers)
        found = train.evaluate(trained.model, batches, args.metrics, device=args.device)
        if args.json:
            print(as_json({"model": trained.name, "data": args.data, "part": part, "images": len(data), **found}))
            return
        print(f"{trained.name} on {args.data}, {part}: {len(data)} images")
        for name, value in found.items():
            print(f"{name}: {_shown(value, names_of(data))}")

    return run


def _shown(value: Any, classes: list[str]) -> str:
    """A number, or a table with a row for each class."""
    if not isinstance(value, list):
        return f"{value:.4f}"
    rows = [" ".join(f"{n:>6.4g}" for n in row) if isinstance(row, list) else f"{row:.4f}" for row in value]
    names = classes if len(classes) == len(rows) else [str(k) for k in range(len(rows))]
    width = max(map(len, names))
    return "\n" + "\n".join(f"  {name:<{width}} {row}" for name, row in zip(names, rows, strict=True))
