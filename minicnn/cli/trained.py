"""A trained model from a file: a checkpoint of ``minicnn train`` knows all about it, other weights need the name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .images import class_names, image_of, transform_for


class Trained(NamedTuple):
    """A model, the transform of its images, and the names of its classes, if they are known."""

    name: str
    model: Any
    transform: Any
    classes: list[str] | None


def describe(settings: Any, classes: list[str]) -> dict[str, Any]:
    """What a checkpoint notes, so that :func:`load_trained` needs nothing else."""
    return {
        "model": settings.model,
        "model_args": {**(settings.model_args or {}), "num_classes": len(classes)},
        "classes": classes,
        "size": settings.size,
        "mean": settings.mean,
        "std": settings.std,
        "settings": vars(settings),
    }


def noted(state: Any) -> Mapping[str, Any]:
    """The note of :func:`describe` in a file; empty for other files."""
    info = state.get("info") if isinstance(state, Mapping) else None
    return info if isinstance(info, Mapping) and {"model", "model_args", "classes"} <= set(info) else {}


def load_trained(weights: str, model: str | None, model_args: Mapping[str, Any], classes: str | None) -> Trained:
    """The model of a file of weights.

    Parameters
    ----------
    weights : path
    model : str or None
        The model's name; a checkpoint of ``minicnn train`` has it.
    model_args : mapping
        Arguments of the model, for other weights.
    classes : path or None
        A file with names of the classes.
    """
    from .. import models
    from ..io import load
    from ..models.weights import check_weights

    check_weights(weights)
    state = load(weights)
    info = noted(state)
    if info:
        if model not in (None, info["model"]):
            raise ValueError(f"{weights} is a trained {info['model']}, not a {model}. Fix: leave out --model")
        name, config = info["model"], {**info["model_args"], **model_args}
    elif model is None:
        raise ValueError(
            f"{weights} has weights alone; only a checkpoint of `minicnn train` says of which model. "
            "Fix: --model NAME, such as --model squeezenet1_1"
        )
    else:
        name, config = model, dict(model_args)
    net = models.get_model(name, **config)
    models.load_weights(net, state)
    net.eval()
    names = class_names(classes) if classes else info.get("classes")
    transform = transform_for(name, image_size(name, config, info.get("size")), info.get("mean"), info.get("std"))
    return Trained(name, net, transform, names)


def image_size(name: str, config: Mapping[str, Any], size: int | None) -> tuple[int, int, int]:
    """(C, H, W) of the images of a model that is built with these arguments."""
    channels, height, width = image_of(name)
    return config.get("in_channels", channels), size or height, size or width


def add_weights(parser: Any) -> None:
    """The flags of commands that use a trained model."""
    from .settings import pair

    parser.add_argument(
        "--weights", metavar="FILE", required=True, help="best.mcnn of `minicnn train`, or .pth, .safetensors, .npz"
    )
    parser.add_argument("--model", metavar="NAME", help="for weights that are no checkpoint of `minicnn train`")
    parser.add_argument(
        "--model-args", type=pair, nargs="+", default=[], metavar="NAME=VALUE", help="such as num_classes=2"
    )
    parser.add_argument("--device", metavar="DEVICE", help="where to compute: cpu, cuda (default: cpu)")
    parser.add_argument("--classes", metavar="FILE", help="names of the classes, one in a line")


def from_flags(args: Any) -> Trained:
    """The model that the flags of :func:`add_weights` mean."""
    return load_trained(args.weights, args.model, dict(args.model_args), args.classes)
