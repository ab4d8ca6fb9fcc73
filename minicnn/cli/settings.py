"""The settings of ``minicnn train``: one table, from which flags, the keys of a TOML file and their checks follow."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .images import AUGMENTATIONS

OPTIMIZERS = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001, "adagrad": 0.01, "adadelta": 1.0}  # and lr
SCHEDULES = ("constant", "cosine", "step", "multistep", "exponential", "onecycle", "plateau")


@dataclass(frozen=True)
class Setting:
    """One setting: a flag ``--its-name`` and a key ``its_name``.

    ``kind`` is str, int, float, bool or dict (``NAME=VALUE`` on the command line); ``many`` takes several. Numbers are
    at least ``least``, or more than it where ``open`` says so.
    """

    group: str
    name: str
    kind: type
    default: Any
    help: str
    many: bool = False
    choices: tuple[str, ...] = ()
    least: float | None = None
    open: bool = False

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"


S = Setting
SETTINGS = (
    S("data", "data_dir", str, None, "where a dataset given by name is (default: $MINICNN_DATA, the cache)"),
    S("data", "download", bool, False, "download a dataset given by name"),
    S("data", "val_share", float, 0.1, "share of the images for validation, where no folder has them", least=0),
    S("data", "size", int, None, "height and width of the images (default: the model's)", least=1),
    S("data", "mean", float, None, "of the images' channels, from 0 to 1 (default: the model's)", many=True),
    S("data", "std", float, None, "their standard deviations (default: the model's)", many=True),
    S("data", "augmentation", str, "none", "how training images change in every epoch: "
      + "; ".join(f"{name}, {text}" for name, text in AUGMENTATIONS.items()), choices=tuple(AUGMENTATIONS)),
    S("data", "mixup", float, 0.0, "alpha of MixUp; 0: not", least=0),
    S("data", "cutmix", float, 0.0, "alpha of CutMix; 0: not; with --mixup one of both by chance", least=0),
    S("data", "batch_size", int, 32, "images per batch", least=1),
    S("data", "workers", int, 1, "threads that read images ahead", least=0),
    S("data", "skip_unreadable", bool, False, "leave out files that cannot be read"),
    S("model", "model_args", dict, None, "arguments of the model, such as dropout=0.2"),
    S("model", "weights", str, None, "weights to start from; a last layer for other classes is replaced"),
    S("model", "features", bool, False, "train a new last layer alone; with --weights"),
    S("model", "freeze", str, None, "layers that do not learn, such as 'features.*'", many=True),
    S("training", "epochs", int, 10, "passes over the training images", least=1),
    S("training", "optimizer", str, "adam", "how the weights follow the gradients", choices=tuple(OPTIMIZERS)),
    S("training", "lr", float, None, "learning rate (default: "
      + ", ".join(f"{name} {rate:g}" for name, rate in OPTIMIZERS.items()) + ")", least=0, open=True),
    S("training", "momentum", float, None, "of sgd and rmsprop (default: sgd 0.9, rmsprop 0)", least=0),
    S("training", "nesterov", bool, False, "Nesterov's momentum, of sgd"),
    S("training", "weight_decay", float, None, "(default: the optimiser's)", least=0),
    S("training", "schedule", str, "constant", "the learning rate over the epochs", choices=SCHEDULES),
    S("training", "lr_step", int, 10, "epochs between the steps of the schedule 'step'", least=1),
    S("training", "lr_milestones", int, None, "epochs after which 'multistep' steps", many=True, least=1),
    S("training", "lr_gamma", float, None, "factor of a step (default: 0.1; exponential: 0.95)", least=0, open=True),
    S("training", "warmup", int, 0, "steps in which the learning rate grows at first", least=0),
    S("training", "label_smoothing", float, 0.0, "share of the label given to all classes alike", least=0),
    S("training", "accumulate", int, 1, "batches per step of the optimiser", least=1),
    S("training", "clip_norm", float, None, "largest norm of the gradients", least=0, open=True),
    S("training", "clip_value", float, None, "largest number in the gradients", least=0, open=True),
    S("training", "ema", float, None, "moving average of the weights, such as 0.999", least=0),
    S("training", "metrics", str, None, "such as accuracy top5 f1 (default: accuracy)", many=True),
    S("training", "monitor", str, None, "the number by which the best model is chosen (default: val_loss)"),
    S("training", "early_stopping", int, None, "epochs without improvement after which to stop", least=1),
    S("training", "time_limit", float, None, "minutes after which to stop, with a checkpoint", least=0, open=True),
    S("training", "terminate_on_nan", bool, False, "stop at the first NaN, and name the layer"),
    S("training", "checks", bool, True, "warn of the usual mistakes"),
    S("run", "seed", int, 0, "of the split, the weights, the order and the augmentation", least=0),
    S("run", "threads", int, None, "threads of the kernels (default: one per core)", least=1),
    S("run", "device", str, None, "where to compute"),
    S("run", "output", str, None, "folder of the results (default: runs/MODEL)"),
    S("run", "every_steps", int, None, "write last.mcnn also after so many steps", least=1),
    S("run", "keep", int, 0, "checkpoints of the last so many epochs to keep too", least=0),
    S("run", "tensorboard", bool, False, "write events for TensorBoard"),
)  # fmt: skip
PLACES = (
    S("places", "model", str, None, "a name that `minicnn models` lists"),
    S("places", "data", str, None, "a folder of photos, or a dataset"),
)
BY_NAME = {setting.name: setting for setting in (*PLACES, *SETTINGS)}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting; one that is not given does not appear among the parsed arguments."""
    groups: dict[str, Any] = {}
    for s in SETTINGS:
        group = groups.setdefault(s.group, parser.add_argument_group(s.group))
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "help": s.help}
        if s.kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = pair if s.kind is dict else s.kind
            options["metavar"] = {int: "N", float: "X", dict: "NAME=VALUE"}.get(s.kind, s.name.upper())
            if s.many or s.kind is dict:
                options["nargs"] = "+"
            if s.choices:
                options |= {"choices": s.choices, "metavar": None}
            if s.default is not None:
                options["help"] += f" (default: {s.default})"
        group.add_argument(s.flag, **options)


def pair(text: str) -> tuple[str, Any]:
    """``dropout=0.2`` as (name, value): a number, true or false, a list, or else a text, as in TOML."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as dropout=0.2")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value


def gather(given: Mapping[str, Any], *before: Mapping[str, Any]) -> argparse.Namespace:
    """All settings: the flags, or else those of ``before`` (the last wins), or else the defaults; checked."""
    found = {s.name: s.default for s in BY_NAME.values()}
    for source in before:
        found |= {name: value for name, value in source.items() if name in BY_NAME}
    for name, value in given.items():
        if name in BY_NAME and value is not None:
            found[name] = dict(value) if BY_NAME[name].kind is dict else value
    for name, value in found.items():
        check(BY_NAME[name], value, BY_NAME[name].flag)
    return argparse.Namespace(**found)


def read_file(path: str) -> dict[str, Any]:
    """The settings of a TOML file, checked."""
    from ..train.naming import unknown

    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}. Lines look like: epochs = 20") from None
    found = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in BY_NAME:
            raise ValueError(f"{path}: {unknown('setting', key, BY_NAME)}")
        check(BY_NAME[name], value, f"{path}: {key}")
        found[name] = value
    return found


def check(s: Setting, value: Any, where: str) -> None:
    """Raise unless this is a value of the setting."""
    from ..train.naming import unknown

    if value is None:
        return
    if s.many and not (isinstance(value, list) and value):
        raise ValueError(f"{where} is a list, such as [{s.kind(1)!r}]; got {value!r}")
    for item in value if s.many else [value]:
        kinds: Any = (int, float) if s.kind is float else (s.kind,)
        if not isinstance(item, kinds) or (isinstance(item, bool) and s.kind is not bool):
            what = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}
            raise ValueError(f"{where} is {what[s.kind]}; got {item!r}")
        if s.choices and item not in s.choices:
            raise ValueError(f"{where}: {unknown('choice', item, s.choices)}")
        if s.least is not None and not (item > s.least if s.open else item >= s.least):
            raise ValueError(f"{where} is {'above' if s.open else 'at least'} {s.least:g}; got {item}")
