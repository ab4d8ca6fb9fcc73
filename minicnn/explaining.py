"""What the command ``minicnn explain`` needs besides the library: pictures and names from files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.tensor import Tensor
    from .explain import Page

LARGE = 96  # pixels; smaller images are not cut, for they are all object


def picture(path: str, model: str, size: Sequence[int] | None = None, mean: Any = None, std: Any = None) -> Tensor:
    """A picture from a file as a model takes it: resized, its middle cut out, normalised, (C, H, W).

    The transforms are those of the model's preset. For another ``size`` (C, H, W), other statistics, and models whose
    preset expects images of the right size, the picture is resized and cut by the proportions of ImageNet's, 256/224.
    """
    from PIL import Image, UnidentifiedImageError

    from .data.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor, presets
    from .models import get_model_builder

    own = tuple(getattr(get_model_builder(model), "image", (3, 224, 224)))
    channels, height, width = size or own
    if channels not in (1, 3):
        raise ValueError(f"{path}: a picture has 1 or 3 channels, but the model takes {channels}")
    preset = presets.for_model(model)
    normal = next(step for step in preset.transforms if isinstance(step, Normalize))
    means, stds = _statistics(channels, (normal.mean, normal.std), (mean, std))
    try:
        with Image.open(path) as opened:
            image = opened.convert("L" if channels == 1 else "RGB")
    except UnidentifiedImageError:
        raise ValueError(f"{path} is no picture that Pillow can read") from None
    resizes = any(isinstance(step, Resize) for step in preset.transforms)
    if resizes and mean is std is None and own == (channels, height, width):
        return preset(image)
    side = round(max(height, width) * 256 / 224) if min(height, width) >= LARGE else max(height, width)
    cut = CenterCrop((height, width))(Resize(side)(image))
    return Compose([ToTensor(), Normalize(means, stds)])(cut)


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
    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [re.sub(r"^n\d{8}\s+", "", line).partition(",")[0] for line in lines if line]


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
