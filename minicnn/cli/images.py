"""Images as a model takes them: what brings any picture to its size, its channels and its numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..core.tensor import Tensor
    from ..data.transforms import Compose

LARGE = 96  # pixels; smaller images are not cut, for they are all object
AUGMENTATIONS = {
    "none": "the images as they are",
    "flip": "mirrored half the time",
    "shift": "a random cut of the image with an eighth around it, mirrored (CIFAR's)",
    "crop": "a random part of random size and shape, mirrored (ImageNet's)",
    "affine": "turned, shifted, zoomed, sheared and mirrored",
    "paper": "the preset of the model",
}


def image_of(name: str) -> tuple[int, ...]:
    """The images (C, H, W) that a model is made for."""
    from .. import models

    return tuple(getattr(models.get_model_builder(name), "image", (3, 224, 224)))


def transform_for(
    model: str,
    size: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    augmentation: str = "none",
) -> Compose:
    """From a PIL image of any size and mode to a tensor (C, H, W) as a model takes it.

    The transforms are those of the model's preset. For another ``size`` (C, H, W), other statistics, and models whose
    preset expects images of the right size, the picture is resized and cut by the proportions of ImageNet's, 256/224.
    """
    from ..data import transforms as T

    own = image_of(model)
    channels, height, width = size or own
    if channels not in (1, 3):
        raise ValueError(f"{model}: a picture has 1 or 3 channels, but the model takes {channels}")
    preset = T.presets.for_model(model)
    as_made = mean is std is None and own == (channels, height, width)
    coloured = T.Grayscale() if channels == 1 else T.Lambda(to_rgb)
    if augmentation == "paper":
        if not as_made:
            raise ValueError(
                f"the augmentation 'paper' of {model} is for images of {' x '.join(map(str, own))} with its own mean "
                "and std. Fix: leave out --size, --mean and --std, or choose another augmentation"
            )
        return T.Compose([coloured, *T.presets.for_model(model, train=True).transforms])
    if augmentation == "none" and as_made and any(isinstance(step, T.Resize) for step in preset.transforms):
        return T.Compose([coloured, *preset.transforms])
    normal = next(step for step in preset.transforms if isinstance(step, T.Normalize))
    means, stds = _statistics(channels, (normal.mean, normal.std), (mean, std))
    steps = _geometry(augmentation, height, width)
    return T.Compose([coloured, *steps, T.ToTensor(), T.Normalize(means, stds)])


def to_rgb(image: Any) -> Any:
    """A PIL image with three channels."""
    return image.convert("RGB")


def _geometry(augmentation: str, height: int, width: int) -> list[Any]:
    """What brings an image to height x width, with chance or without."""
    from ..data import transforms as T

    exact, mirrored = T.Resize((height, width)), T.RandomHorizontalFlip()
    side = round(max(height, width) * 256 / 224) if min(height, width) >= LARGE else max(height, width)
    middle = [T.Resize(side), T.CenterCrop((height, width))]
    steps: dict[str, list[Any]] = {
        "none": middle,
        "flip": [*middle, mirrored],
        "shift": [exact, T.RandomCrop((height, width), padding=max(1, min(height, width) // 8)), mirrored],
        "crop": [T.RandomResizedCrop((height, width)), mirrored],
        "affine": [
            exact,
            T.RandomAffine(15, translate=(0.1, 0.1), scale=(0.8, 1.2), shear=10, fill_mode="nearest"),
            mirrored,
        ],
    }
    return steps[augmentation]


def picture(path: str, model: str, size: Sequence[int] | None = None, mean: Any = None, std: Any = None) -> Tensor:
    """A picture from a file as a model takes it, (C, H, W): see :func:`transform_for`."""
    return transform_for(model, size, mean, std)(opened(path))


def opened(path: str) -> Any:
    """A PIL image from a file, RGB and upright."""
    from ..data.datasets.image_files import default_loader
    from ..data.files import CorruptDataError

    try:
        return default_loader(path)
    except CorruptDataError:
        raise ValueError(f"{path} is no picture that Pillow can read, or a damaged one") from None


def _statistics(channels: int, usual: tuple[Any, Any], given: tuple[Any, Any]) -> tuple[list[float], list[float]]:
    """Means and standard deviations of the channels: those given, the usual ones, or 0.5 if these are of others."""
    found = []
    for name, default, values in zip(("--mean", "--std"), usual, given, strict=True):
        default = list(default) if len(default) == channels else [0.5] * channels
        chosen = default if values is None else list(values) * (channels if len(values) == 1 else 1)
        if len(chosen) != channels or (name == "--std" and min(chosen) <= 0):
            above = " above 0" if name == "--std" else ""
            raise ValueError(f"{name}: expected {channels} numbers{above}, one for each channel; got {values}")
        found.append(chosen)
    return found[0], found[1]


def class_names(path: str) -> list[str]:
    r"""Names from a file, one in a line; of ``n01440764 tench, Tinca tinca`` the first name.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "names.txt"
    >>> _ = file.write_text("n01440764 tench, Tinca tinca\ncat\n")
    >>> class_names(str(file))
    ['tench', 'cat']
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a text in UTF-8, with the name of a class in every line; {error}") from None
    lines = [line.strip() for line in text.splitlines()]
    return [re.sub(r"^n\d{8}\s+", "", line).partition(",")[0] for line in lines if line]
