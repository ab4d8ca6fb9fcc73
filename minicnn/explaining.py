"""What the command ``minicnn explain`` needs besides the library: pictures and names from files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .explain import Page

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LARGE = 96  # pixels; smaller images are not cut, for they are all object


def picture(path: str, size: Sequence[int], mean: Any = None, std: Any = None) -> Any:
    """A picture from a file as the model takes it: resized, its middle cut out, normalised, (C, H, W)."""
    from PIL import Image, UnidentifiedImageError

    from .data import transforms

    channels, height, width = size
    if channels not in (1, 3):
        raise ValueError(f"{path}: a picture has 1 or 3 channels, but the model takes {channels}")
    means, stds = _statistics(channels, mean, std)
    try:
        with Image.open(path) as opened:
            image = opened.convert("L" if channels == 1 else "RGB")
    except UnidentifiedImageError:
        raise ValueError(f"{path} is no picture that Pillow can read") from None
    side = round(max(height, width) * 256 / 224) if min(height, width) >= LARGE else max(height, width)
    steps = [
        transforms.Resize(side),
        transforms.CenterCrop((height, width)),
        transforms.ToTensor(),
        transforms.Normalize(means, stds),
    ]
    return transforms.Compose(steps)(image)


def _statistics(channels: int, mean: Any, std: Any) -> tuple[Any, Any]:
    """Means and standard deviations of the channels: those given, or ImageNet's, or of grey images 0.5."""
    defaults = IMAGENET if channels == 3 else ((0.5,), (0.5,))
    found = []
    for name, given, default in zip(("--mean", "--std"), (mean, std), defaults, strict=True):
        values = default if given is None else tuple(given) * (channels if len(given) == 1 else 1)
        if len(values) != channels or (name == "--std" and min(values) <= 0):
            above = " above 0" if name == "--std" else ""
            raise ValueError(f"{name}: expected {channels} numbers{above}, one for each channel; got {given}")
        found.append(values)
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
