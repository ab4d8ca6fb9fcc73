"""``minicnn train``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from .data import training_parts
from .images import transform_for
from .parsing import Run, as_json
from .settings import PLACES, add_flags, gather, read_file
from .trained import describe, image_size, noted
from .training import build_callbacks, build_model, build_optimizer, build_schedule

INTERRUPTED = 130
SAME = (  # or else it is another training
    *("model", "model_args", "seed", "val_share", "batch_size", "size", "optimizer", "lr", "momentum", "nesterov"),
    *("weight_decay", "schedule", "lr_step", "lr_milestones", "lr_gamma", "warmup", "accumulate", "label_smoothing"),
)


def train(parser: argparse.ArgumentParser) -> Run:
    """Train a model on a folder of photos (one folder per class) or on a dataset; it can be stopped and resumed."""
    parser.add_argument("model", nargs="?", help=PLACES[0].help)
    parser.add_argument(
        "data",
        nargs="?",
        help="a folder with train/CLASS/IMAGE (and validation/, test/) or CLASS/IMAGE; or mnist, fashionmnist, "
        "cifar10, cifar100, stl10, digits",
    )
    parser.add_argument("--config", metavar="FILE", help="a TOML file with the same settings; flags win")
    parser.add_argument("--resume", action="store_true", help="go on with the training in --output, with its settings")
    parser.add_argument("--overwrite", action="store_true", help="start anew in a folder with an earlier training")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    add_flags(parser)

    def run(args: argparse.Namespace) -> int | None:
        settings = read_settings(args)
        result = train_with(settings, args.resume, args.overwrite, quiet=args.json)
        if args.json:
            print(as_json(result, indent=2))
        return INTERRUPTED if result["stopped"] == "Ctrl-C" else None

    return run


def read_settings(args: argparse.Namespace) -> argparse.Namespace:
    """The settings: flags, or else those of the file, or else those of the training that is resumed."""
    from ..io import load

    given = vars(args)
    sources = [read_file(args.config)] if args.config else []
    settings = gather(given, *sources)
    last = Path(settings.output or f"runs/{settings.model}") / "last.mcnn"
    if args.resume and last.exists():
        earlier = noted(load(last)).get("settings")
        if not earlier:
            raise ValueError(f"{last} is a checkpoint of train.fit, not of `minicnn train`, and has no settings")
        settings = gather(given, earlier, *sources, {"output": str(last.parent)})
        for name in SAME:
            if getattr(settings, name) != earlier[name]:
                raise ValueError(
                    f"--resume: {name} is {earlier[name]!r} in the training of {last}, and {getattr(settings, name)!r} "
                    "here. Fix: leave it out, or train anew in another folder"
                )
    for setting in PLACES:
        if getattr(settings, setting.name) is None:
            if args.resume and settings.output:
                raise ValueError(f"--resume: there is no {last} of an earlier training to go on with")
            raise ValueError(
                f"there is no {setting.name} to train: give {setting.help}, as `minicnn train resnet18 photos`, or "
                f'{setting.name} = "..." in the file of --config, or --resume --output with an earlier training'
            )
    settings.output = settings.output or f"runs/{settings.model}"
    return settings


def train_with(settings: argparse.Namespace, resume: bool, overwrite: bool, quiet: bool) -> dict[str, Any]:
    """Train; what came of it."""
    import minicnn

    from .. import train
    from ..data import DataLoader

    if settings.threads:
        minicnn.set_num_threads(settings.threads)
    minicnn.manual_seed(settings.seed)
    size = image_size(settings.model, settings.model_args or {}, settings.size)
    plain = transform_for(settings.model, size, settings.mean, settings.std)
    augmented = transform_for(settings.model, size, settings.mean, settings.std, settings.augmentation)
    training, validation, classes = training_parts(settings, augmented, plain)
    model = build_model(settings, len(classes))
    optimizer = build_optimizer(settings, model)
    batches = DataLoader(training, batch_size=settings.batch_size, shuffle=True, num_workers=settings.workers)
    held_out = validation and DataLoader(validation, batch_size=settings.batch_size, num_workers=settings.workers)
    callbacks = build_callbacks(settings, len(classes), overwrite, describe(settings, classes))
    if not quiet:
        held = f"{len(validation)} for validation" if validation else "none for validation"
        print(
            f"{settings.model} on {settings.data}: {len(training)} images, {held}, {len(classes)} classes", flush=True
        )
        if not sys.stderr.isatty():  # where there is no progress bar
            callbacks.append(_report())
    trained = epochs_of(settings.output) if resume else 0
    history = train.fit(
        model,
        batches,
        held_out,
        optimizer=optimizer,
        epochs=settings.epochs,
        metrics=settings.metrics,
        callbacks=callbacks,
        scheduler=build_schedule(settings, optimizer, len(batches)),
        label_smoothing=settings.label_smoothing,
        accumulate=settings.accumulate,
        device=settings.device,
        resume=resume,
        progress=False if quiet else None,
        checks=settings.checks,
    )
    checkpoint = callbacks[0]
    result = {
        "output": str(checkpoint.folder),
        "stopped": history.stopped,
        "best_epoch": checkpoint.monitor.best_epoch,
        "monitor": checkpoint.monitor.name,
        "best": checkpoint.monitor.best,
        "epochs": history.rows,
        "added": len(history.rows) - trained,
        "seconds": history.seconds,
    }
    if history.rows:
        draw(history, checkpoint.folder)
    if not quiet:
        print("\n".join(told(result)))
    return result


def _report() -> Any:
    """A callback that prints one line for every epoch."""
    from ..train import Callback
    from ..train.progress import short

    class Report(Callback):
        only_writes = True

        def on_epoch_end(self, run: Any, row: dict[str, Any]) -> None:
            shown = {name: value for name, value in row.items() if name not in ("epoch", "step")}
            numbers = ", ".join(f"{name} {value}" for name, value in short(shown).items())
            print(f"epoch {row['epoch']}/{run.epochs}: {numbers} ({run.history.seconds[-1]:.0f} s)", flush=True)

    return Report()


def epochs_of(folder: str) -> int:
    """How many epochs of the training in a folder are done."""
    from ..io import load

    last = Path(folder) / "last.mcnn"
    return len(load(last)["history"]["rows"]) if last.exists() else 0


def draw(history: Any, folder: Path) -> None:
    """The curves as a picture, if matplotlib is there."""
    try:
        figure = history.plot()
    except ImportError:
        return
    figure.savefig(folder / "curves.png", dpi=110)


def told(result: dict[str, Any]) -> list[str]:
    """The last lines of the command."""
    lines = []
    if not result["added"] and not result["stopped"]:
        lines.append(f"nothing to do: {len(result['epochs'])} epochs were done before; --epochs asks for more")
    if result["stopped"]:
        lines.append(f"stopped: {result['stopped']}. Go on with: minicnn train --resume --output {result['output']}")
    if result["best_epoch"]:
        lines.append(
            f"best {result['monitor']} {result['best']:.4g}, after epoch {result['best_epoch']}: "
            f"{result['output']}/best.mcnn"
        )
    return lines
