"""What is compared with torchvision: functions with arguments, on small images; classes, by text and arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

H, W = 9, 12
KINDS = ("RGB", "L", "bytes", "floats")  # PIL images, and tensors


def pixels() -> np.ndarray:
    """(H, W, 3): smooth, with some noise, black and white in it, and a grey region."""
    y, x = np.mgrid[:H, :W]
    noise = np.random.RandomState(0).randint(0, 60, (H, W, 3))
    image = np.stack([20 * x, 24 * y, 255 - 14 * x - 5 * y], 2) % 200 + noise
    image[0, 0], image[1, 1] = 0, 255
    image[5:7, 3:6] = 120
    return image.clip(0, 255).astype(np.uint8)


def picture(kind: str) -> Any:
    """The image as a PIL image of a mode, or as an array (3, H, W)."""
    if kind in ("RGB", "L"):
        return Image.fromarray(pixels()).convert(kind)
    planes = pixels().transpose(2, 0, 1).copy()
    return planes if kind == "bytes" else planes.astype(np.float32) / np.float32(255)


def floats(kind: str) -> np.ndarray:
    """Values of an element type over its whole range, 0 to the largest."""
    steps = np.linspace(0, 1, 40).reshape(1, 5, 8)
    return steps.astype(kind) if kind.startswith("f") else (steps * np.iinfo(kind).max).astype(kind)


def _cases() -> dict[str, tuple[str, dict[str, Any], tuple[str, ...] | None]]:
    found: dict[str, tuple[str, dict[str, Any], tuple[str, ...] | None]] = {}

    def add(name: str, *kinds: str, **arguments: Any) -> None:
        text = ", ".join(f"{k}={v}" for k, v in arguments.items())
        found[f"{name}({text})"] = (name, arguments, kinds or None)

    for factor in (0.0, 0.4, 1.0, 1.7):
        add("adjust_brightness", brightness_factor=factor)
        add("adjust_contrast", contrast_factor=factor)
        add("adjust_saturation", saturation_factor=factor)
        add("adjust_sharpness", sharpness_factor=factor)
    for hue in (-0.5, -0.21, 0.0, 0.1, 0.5):
        add("adjust_hue", hue_factor=hue)
    for gamma, gain in ((0.5, 1), (2.2, 1), (1.0, 1.5)):
        add("adjust_gamma", gamma=gamma, gain=gain)
    for channels in (1, 3):
        add("rgb_to_grayscale", num_output_channels=channels)
        add("to_grayscale", "RGB", "L", num_output_channels=channels)
    add("invert")
    add("autocontrast")
    add("equalize", "RGB", "L", "bytes")
    for bits in (0, 1, 3, 8):
        add("posterize", *(("bytes",) if bits == 0 else ("RGB", "L", "bytes")), bits=bits)
    add("solarize", "RGB", "L", "bytes", threshold=100)
    add("solarize", "floats", threshold=0.4)
    add("gaussian_blur", kernel_size=3)
    add("gaussian_blur", kernel_size=[5, 3], sigma=[1.5, 0.7])
    add("gaussian_blur", kernel_size=[7, 7], sigma=2.0)
    for mode in ("NEAREST", "BILINEAR"):
        # Left out for tensors: places in the middle between two pixels, which torchvision rounds either way; a quarter
        # turn with expand, for which it adds an empty row; the border of a bilinear result, where it mixes in `fill`
        # twice. There, tensors and arrays are compared with Pillow.
        ties = ("RGB", "L") if mode == "NEAREST" else ()
        filled = ("RGB", "bytes", "floats") if mode == "NEAREST" else ("RGB",)
        for expand in (False, True):
            add("rotate", angle=33.0, interpolation=mode, expand=expand)
            add("rotate", angle=160.0, interpolation=mode, expand=expand)
            add("rotate", *(("RGB", "L") if expand else ties), angle=-90.0, interpolation=mode, expand=expand)
        add("rotate", *filled, angle=20.0, interpolation=mode, center=[2, 3], fill=[100.0, 7.0, 200.0])
        add("affine", angle=25.0, translate=[0, 0], scale=1.0, shear=[0.0, 0.0], interpolation=mode)
        add("affine", angle=0.0, translate=[3, -2], scale=1.0, shear=[0.0, 0.0], interpolation=mode)
        add("affine", *ties, angle=0.0, translate=[0, 0], scale=1.6, shear=[0.0, 0.0], interpolation=mode)
        add("affine", angle=0.0, translate=[0, 0], scale=1.0, shear=[20.0, 0.0], interpolation=mode)
        add("affine", angle=-40.0, translate=[1, 2], scale=0.7, shear=[15.0, -10.0], interpolation=mode, center=[3, 4])
        add("affine", *filled, angle=70.0, translate=[0, 0], scale=0.8, shear=[5.0, 5.0],
            interpolation=mode, fill=[9.0, 80.0, 250.0])  # fmt: skip
    add("five_crop", size=[4, 5])
    add("ten_crop", size=[4, 5])
    add("ten_crop", size=3, vertical_flip=True)
    return found


CASES = _cases()
# Arguments for the text; None: only the signature is compared.
CLASSES: list[tuple[str, dict[str, Any] | None]] = [
    ("FiveCrop", {"size": 3}),
    ("TenCrop", {"size": (3, 4)}),
    ("ColorJitter", {}),
    ("ColorJitter", {"brightness": 0.4, "contrast": [0.5, 2], "saturation": 3, "hue": 0.1}),
    ("RandomRotation", {"degrees": 10}),
    ("RandomRotation", {"degrees": [5, 6], "center": [1, 2], "expand": True, "fill": [1, 2, 3]}),
    ("RandomAffine", {"degrees": 10}),
    ("RandomAffine", {"degrees": 0, "translate": [0.1, 0.2], "scale": [0.5, 2], "shear": 4, "fill": 3}),
    ("RandomAffine", {"degrees": 0, "center": [1, 2]}),
    ("RandomAffine", {"degrees": 0, "shear": [1, 2, 3, 4]}),
    ("Grayscale", {}),
    ("RandomGrayscale", {}),
    ("GaussianBlur", {"kernel_size": 3}),
    ("GaussianBlur", {"kernel_size": (3, 5), "sigma": 0.5}),
    ("RandomErasing", {}),
    ("RandomInvert", {}),
    ("RandomPosterize", {"bits": 3}),
    ("RandomSolarize", {"threshold": 3}),
    ("RandomAdjustSharpness", {"sharpness_factor": 3}),
    ("RandomAutocontrast", {}),
    ("RandomEqualize", {}),
    ("RandomCrop", {"size": 3}),
    ("RandomResizedCrop", {"size": 3}),
    ("RandomHorizontalFlip", {}),
    ("RandomVerticalFlip", {}),
    ("Resize", {"size": 3}),
    ("CenterCrop", {"size": 3}),
    ("Pad", {"padding": 3}),
    ("ToTensor", {}),
    ("PILToTensor", {}),
    ("ToPILImage", {}),
    ("Normalize", {"mean": [1], "std": [2]}),
    ("Compose", {"transforms": []}),
    ("RandomApply", {"transforms": []}),
    ("RandomOrder", {"transforms": []}),
    ("RandomChoice", None),
    ("Lambda", None),
    ("ConvertImageDtype", None),
]

CONVERSIONS = (
    ("uint8", "float32"),
    ("uint8", "float64"),
    ("uint8", "int16"),
    ("int16", "uint8"),
    ("int32", "int16"),
    ("float32", "uint8"),
    ("float32", "int16"),
    ("float64", "int32"),
    ("float64", "float32"),
)
