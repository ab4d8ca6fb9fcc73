"""Reading one image file as what it shows: every kind of image as RGB, upright."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..files import CorruptDataError

ORIENTATION = 0x0112  # of Exif: which way up the camera was held
UPRIGHT = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}  # fmt: skip
IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def default_loader(path: str | os.PathLike[str]) -> Any:
    """An image file as a PIL image of mode RGB, turned upright.

    Grey, palette and CMYK images are converted, transparency is left out, of 16 bits per channel the higher 8 are kept.
    Cameras that are held on their side write the pixels as they come and a note in the Exif data (``Orientation``); it
    is followed, so that the image is as a viewer shows it. (torchvision leaves such images lying on their side.)

    Parameters
    ----------
    path : path

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    CorruptDataError
        If the file is truncated, no image, or holds numbers that are no brightness; the message names it.
    """
    from PIL import Image

    with open(path, "rb") as file:
        try:
            image = Image.open(file)
            pixels = as_rgb(image)
            turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))  # after loading: PIL turns TIFF files itself
            return pixels if turn is None else pixels.transpose(Image.Transpose[turn])
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise CorruptDataError(
                f"{os.fspath(path)}: cannot be read as an image: {error}. Fix: replace the file, or leave such files "
                "out, ImageFolder(..., on_error='skip')"
            ) from error


def as_rgb(image: Any) -> Any:
    """A PIL image of any mode in RGB."""
    if image.mode == "RGB":
        image.load()
        return image
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # PIL warns about the direct way
    elif image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        from PIL import Image

        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(
            f"its pixels are numbers of 32 bits (mode {image.mode}), and what of them is white is not known; give a "
            "loader of your own that scales them to bytes"
        )
    return image.convert("RGB")
