"""``minicnn bench``."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from .parsing import Run
from .settings import pair
from .trained import image_size


def bench(parser: argparse.ArgumentParser) -> Run:
    """Time a model's training step and its inference on this machine."""
    parser.add_argument("model", help="a name that `minicnn models` lists")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="images at a time (default: 32)")
    parser.add_argument("--size", type=int, metavar="S", help="height and width of the images (default: the model's)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="times each is measured (default: 5)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the kernels (default: one per core)")
    parser.add_argument("--model-args", type=pair, nargs="+", default=[], metavar="NAME=VALUE", help="of the model")
    parser.add_argument("--only", choices=["training", "inference"], help="one of both (default: both)")
    parser.add_argument("--json", action="store_true", help="the numbers as JSON")

    def run(args: argparse.Namespace) -> None:
        import minicnn

        for name in ("batch_size", "repeats"):
            if getattr(args, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} is at least 1; got {getattr(args, name)}")
        if args.threads:
            minicnn.set_num_threads(args.threads)
        config = dict(args.model_args)
        size = (args.batch_size, *image_size(args.model, config, args.size))
        works = {name: make for name, make in WORKS.items() if args.only in (None, name)}
        found: dict[str, Any] = {"model": args.model, "input": list(size), "threads": minicnn.get_num_threads()}
        for name, make in works.items():
            found[name] = measured(make(args.model, config, size), args.repeats, args.batch_size)
        found["peak_memory_mb"] = peak_memory()
        print(json.dumps(found) if args.json else shown(found))

    return run


def training_step(name: str, config: dict[str, Any], size: tuple[int, ...]) -> Callable[[], Any]:
    """Forward, backward and the step of SGD with momentum, on noise."""
    import minicnn

    from .. import models, nn, optim
    from ..train.losses import total_loss

    model = models.get_model(name, **config)
    x = minicnn.randn(*size)
    labels = minicnn.zeros(size[0], dtype=minicnn.int64)
    optimizer, loss = optim.SGD(model.parameters(), lr=1e-4, momentum=0.9), nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        total_loss(loss, model(x), labels).backward()
        optimizer.step()

    return step


def inference(name: str, config: dict[str, Any], size: tuple[int, ...]) -> Callable[[], Any]:
    """Forward in evaluation mode, without gradients, on noise."""
    import minicnn

    from .. import models

    model = models.get_model(name, **config).eval()
    x = minicnn.randn(*size)

    def forward() -> None:
        with minicnn.no_grad():
            model(x)

    return forward


WORKS = {"training": training_step, "inference": inference}


def measured(work: Callable[[], Any], repeats: int, images: int) -> dict[str, float]:
    """The median time of ``repeats`` runs, after two that compile the kernels and fill the memory."""
    times = []
    for run in range(-2, repeats):
        began = time.perf_counter()
        work()
        if run >= 0:
            times.append(time.perf_counter() - began)
    median = statistics.median(times)
    return {"ms": median * 1e3, "fastest_ms": min(times) * 1e3, "images_per_second": images / median}


def peak_memory() -> float | None:
    """Most memory that this process has held so far, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6  # bytes there, kibibytes elsewhere


def shown(found: dict[str, Any]) -> str:
    """The result as a table."""
    lines = [f"{found['model']}, input {tuple(found['input'])}, {found['threads']} threads"]
    for name in WORKS:
        if name in found:
            row = found[name]
            speed = f"{row['images_per_second']:>9.1f} images/s"
            lines.append(f"{name:<10} {row['ms']:>9.1f} ms (fastest {row['fastest_ms']:.1f}) {speed}")
    if found["peak_memory_mb"] is not None:
        lines.append(f"peak memory of the process: {found['peak_memory_mb']:,.0f} MB")
    return "\n".join(lines)
