"""Images for a training or an evaluation: a folder of photos, or a dataset by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test",)}
Opener = Callable[[str, Any], Any]  # (part, transform) -> dataset


def opener(data: str, data_dir: str | None, download: bool, skip_unreadable: bool) -> tuple[Opener, list[str]]:
    """What opens a part of the data, and the names of its parts; ``["all"]`` where there is only one."""
    from ..train.naming import unknown

    root = Path(data).expanduser()
    if root.is_dir():
        return _folder(root, skip_unreadable)
    named = _named(data_dir, download)
    name = data.lower().replace("-", "").replace("_", "")
    if name not in named:
        raise ValueError(f"{data}: there is no such folder, and {unknown('dataset', data, named)}")
    return named[name], ["train", "test"]


def _folder(root: Path, skip_unreadable: bool) -> tuple[Opener, list[str]]:
    """A folder with train/ (and validation/, test/), or with one folder per class."""
    from ..data.datasets import ImageFolder

    folders = {
        part: next((root / name for name in names if (root / name).is_dir()), None) for part, names in PARTS.items()
    }
    places = {part: place for part, place in folders.items() if place}
    if "train" not in places and len(places) < 2:
        places = {"all": root}

    def open_part(part: str, transform: Any) -> Any:
        return ImageFolder(places[part], transform, on_error="skip" if skip_unreadable else "raise")

    return open_part, list(places)


def _named(data_dir: str | None, download: bool) -> dict[str, Opener]:
    """The datasets with one label per image."""
    from ..data import datasets

    def usual(kind: Any) -> Opener:
        return lambda part, transform: kind(data_dir, part == "train", transform, download=download)

    return {
        "cifar10": usual(datasets.CIFAR10),
        "cifar100": usual(datasets.CIFAR100),
        "mnist": usual(datasets.MNIST),
        "fashionmnist": usual(datasets.FashionMNIST),
        "stl10": lambda part, transform: datasets.STL10(data_dir, part, transform=transform, download=download),
        "digits": lambda part, transform: datasets.Digits(part == "train", transform),
    }


def training_parts(settings: Any, augmented: Any, plain: Any) -> tuple[Any, Any, list[str]]:
    """(training data with the augmentation, validation data or None, names of the classes)."""
    from ..core.random import Generator
    from ..data import Subset, stratified_split

    open_part, parts = opener(settings.data, settings.data_dir, settings.download, settings.skip_unreadable)
    if "train" not in parts and "all" not in parts:
        raise ValueError(f"{settings.data} has the folders {', '.join(parts)}, but none for training. Fix: train/")
    first = "all" if "all" in parts else "train"
    training = open_part(first, augmented)
    if "validation" in parts:
        validation = open_part("validation", plain)
        check_classes(names_of(validation), names_of(training), "the validation images", "the training images")
        return training, validation, names_of(training)
    if settings.val_share == 0:
        return training, None, names_of(training)
    if not settings.val_share < 1:
        raise ValueError(f"--val-share is a share of the training images, from 0 to below 1; got {settings.val_share}")
    generator = Generator().manual_seed(settings.seed)
    kept, held_out = stratified_split(training, [1 - settings.val_share, settings.val_share], generator)
    if not len(held_out):
        raise ValueError(
            f"--val-share {settings.val_share:g} of {len(training)} images leaves none for validation. "
            "Fix: a larger share, or 0 for no validation"
        )
    return kept, Subset(open_part(first, plain), held_out.indices), names_of(training)


def evaluation_part(data: str, part: str | None, data_dir: str | None, transform: Any) -> tuple[Any, str]:
    """The images to evaluate on, and the name of their part: test, or else validation, or else all there are."""
    from ..train.naming import unknown

    open_part, parts = opener(data, data_dir, False, False)
    chosen = part or next(name for name in ("test", "validation", "all", "train") if name in parts)
    if chosen not in parts:
        raise ValueError(f"{data}: {unknown('part', chosen, parts)}")
    return open_part(chosen, transform), chosen


def names_of(dataset: Any) -> list[str]:
    """The classes of a dataset."""
    return [str(name) for name in dataset.classes]


def check_classes(found: list[str], expected: list[str], here: str, there: str) -> None:
    """Raise unless both have the same classes in the same order."""
    if found == expected:
        return
    more, less = [n for n in found if n not in expected], [n for n in expected if n not in found]
    told = [f"{names[0]!r}{' ...' if len(names) > 1 else ''} is only {where}"
            for names, where in ((more, "here"), (less, "there")) if names]  # fmt: skip
    raise ValueError(
        f"the classes of {here} ({len(found)}) are not those of {there} ({len(expected)}): "
        f"{', '.join(told) or 'their order is another one'}. Fix: one folder per class, with the same names"
    )
