"""Draw a page with every augmentation and every other transform of images, each with its name.

    python examples/augmentation_gallery.py                        a photo that comes with scikit-learn
    python examples/augmentation_gallery.py --data-dir PHOTOS      the first photos below a folder
    python examples/augmentation_gallery.py --output page.pdf      as PDF

Every tile is one transform of minicnn.transforms, applied to the same photo with the arguments in its title; what is
random is drawn anew with another --seed. MixUp and CutMix mix it with a second photo. The page needs no network:
photos are looked for in --data-dir (or $MINICNN_DATA), then scikit-learn's are taken, and without scikit-learn a
picture is generated.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import minicnn
from minicnn import transforms as T
from minicnn.data.datasets.image_files import IMG_EXTENSIONS, default_loader

SIDE = 180  # pixels of a tile
COLUMNS = 8
BILINEAR = T.InterpolationMode.BILINEAR

SIZE_AND_PLACE = {
    "Resize((90, 180))": T.Resize((90, 180)),
    "CenterCrop(120)": T.CenterCrop(120),
    "Pad(20, reflect)": T.Pad(20, padding_mode="reflect"),
    "RandomCrop(120)": T.RandomCrop(120),
    "RandomResizedCrop(180)": T.RandomResizedCrop(SIDE),
    "FiveCrop(100)": T.FiveCrop(100),
    "TenCrop(100)": T.TenCrop(100),
    "RandomHorizontalFlip(1)": T.RandomHorizontalFlip(1.0),
    "RandomVerticalFlip(1)": T.RandomVerticalFlip(1.0),
    "RandomRotation(40)": T.RandomRotation(40, BILINEAR),
    "RandomRotation(40, expand)": T.RandomRotation(40, BILINEAR, expand=True),
    "RandomAffine: shift": T.RandomAffine(0, translate=(0.3, 0.3)),
    "RandomAffine: zoom": T.RandomAffine(0, scale=(0.5, 1.6), interpolation=BILINEAR),
    "RandomAffine: shear": T.RandomAffine(0, shear=(-30, 30, -30, 30), interpolation=BILINEAR),
    "RandomAffine, nearest": T.RandomAffine((30, 30), scale=(0.6, 0.6), fill_mode="nearest"),
    "RandomAffine, reflect": T.RandomAffine((30, 30), scale=(0.6, 0.6), fill_mode="reflect"),
    "RandomAffine, wrap": T.RandomAffine((30, 30), scale=(0.6, 0.6), fill_mode="wrap"),
    "RandomAffine, constant": T.RandomAffine((30, 30), scale=(0.6, 0.6), fill=(250, 170, 60)),
}
COLOURS = {
    "ColorJitter: brightness": T.ColorJitter(brightness=(1.6, 1.6)),
    "ColorJitter: contrast": T.ColorJitter(contrast=(2.0, 2.0)),
    "ColorJitter: saturation": T.ColorJitter(saturation=(2.5, 2.5)),
    "ColorJitter: hue": T.ColorJitter(hue=(0.3, 0.3)),
    "ColorJitter(.5, .5, .5, .2)": T.ColorJitter(0.5, 0.5, 0.5, 0.2),
    "PCAColorNoise(std=1)": T.PCAColorNoise(std=1.0),
    "Grayscale(3)": T.Grayscale(3),
    "RandomGrayscale(1)": T.RandomGrayscale(1.0),
    "AutoContrast()": T.AutoContrast(),
    "RandomAutocontrast(1)": T.RandomAutocontrast(1.0),
    "RandomEqualize(1)": T.RandomEqualize(1.0),
    "RandomInvert(1)": T.RandomInvert(1.0),
    "RandomPosterize(2)": T.RandomPosterize(2, 1.0),
    "RandomSolarize(128)": T.RandomSolarize(128, 1.0),
}
BLUR_NOISE_HOLES = {
    "GaussianBlur(9, 3)": T.GaussianBlur(9, sigma=3.0),
    "RandomAdjustSharpness(6)": T.RandomAdjustSharpness(6.0, 1.0),
    "GaussianNoise(sigma=0.15)": T.GaussianNoise(sigma=0.15),
    "SaltAndPepper(0.1)": T.SaltAndPepper(0.1),
    "RandomErasing(1)": T.RandomErasing(1.0),
    "RandomErasing(random)": T.RandomErasing(1.0, value="random"),
    "Cutout(60)": T.Cutout(60),
    "Cutout(30, n_holes=6)": T.Cutout(30, n_holes=6),
}
CHOICES = {
    "RandomApply": T.RandomApply([T.RandomInvert(1.0)], p=1.0),
    "RandomChoice": T.RandomChoice([T.RandomInvert(1.0), T.Grayscale(3), T.GaussianBlur(9, 3.0)]),
    "RandomOrder": T.RandomOrder([T.Pad(20), T.RandomRotation((30, 30), BILINEAR)]),
    "Lambda: the red channel": T.Lambda(lambda image: image.getchannel("R")),
    "Compose: AlexNet, 2012": T.Compose([T.RandomCrop(160), T.RandomHorizontalFlip(), T.PCAColorNoise(std=0.5)]),
}
TENSORS = {  # seen as they come out: to a tensor, and back to a picture
    "ToTensor, ToPILImage": T.Compose([T.ToTensor(), T.ToPILImage()]),
    "PILToTensor": T.PILToTensor(),
    "ConvertImageDtype": T.Compose([T.PILToTensor(), T.ConvertImageDtype(minicnn.float32)]),
    "Normalize (cut off)": T.Compose([T.ToTensor(), T.Normalize((0.5,) * 3, (0.25,) * 3)]),
    "Denormalize": T.Compose(
        [T.ToTensor(), T.Normalize((0.5,) * 3, (0.25,) * 3), T.Denormalize((0.5,) * 3, (0.25,) * 3)]
    ),
}
SECTIONS = {
    "Size and place": SIZE_AND_PLACE,
    "Colours": COLOURS,
    "Blur, noise, holes": BLUR_NOISE_HOLES,
    "Several together": CHOICES,
    "Tensors": TENSORS,
}
MIXTURES = {"MixUp": T.MixUp(num_classes=2), "CutMix": T.CutMix(num_classes=2)}


# ------------------------------------------------------------------------ photos


def find_photos(place):
    """Two photos of SIDE x SIDE pixels, and where they come from."""
    place = place or (Path(os.environ["MINICNN_DATA"]) if os.environ.get("MINICNN_DATA") else None)
    if place is not None:
        if not place.exists():
            sys.exit(f"--data-dir: there is no folder and no file {place}")
        found = (
            [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.suffix.lower() in IMG_EXTENSIONS)
        )
        if found:
            paths = [found[0], found[len(found) // 2]]  # the second one probably of another class
            return [square(default_loader(path)) for path in paths], str(paths[0])
        print(f"There are no images below {place}; the page shows another photo.")
    try:
        from sklearn.datasets import load_sample_images
    except ImportError:
        return generated(), "a generated picture"
    flower, temple = (square(Image.fromarray(image)) for image in reversed(load_sample_images().images))
    return [flower, temple], "flower.jpg and china.jpg of scikit-learn"


def square(image):
    """The middle of the photo, SIDE x SIDE."""
    return T.Compose([T.Resize(SIDE), T.CenterCrop(SIDE)])(image)


def generated():
    """Two pictures with edges, colours and an up and a down."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    sun = ((x - 0.7) ** 2 + (y - 0.25) ** 2 < 0.02)[:, :, None] * np.array([255, 230, 80])
    sky = np.stack([90 + 80 * y, 140 + 60 * y, 240 - 40 * y], 2)
    hills = (y > 0.65 + 0.1 * np.sin(7 * x))[:, :, None]
    land = np.stack([60 + 40 * np.sin(60 * x), 120 + 60 * y, 50 + 0 * x], 2)
    first = np.where(hills, land, np.where(sun > 0, sun, sky))
    stripes = np.stack([255 * ((x + y) * 8 % 1), 255 * (x * 5 % 1), 255 * (y * 3 % 1)], 2)
    return [Image.fromarray(picture.clip(0, 255).astype(np.uint8)) for picture in (first, stripes)]


# ------------------------------------------------------------------------ the page


def as_picture(out):
    """A result as an array that matplotlib draws: several crops side by side, tensors cut off at 0 and 1."""
    if isinstance(out, tuple):
        tiles = [np.asarray(part) for part in out]
        rows = [np.hstack(tiles[i : i + 5]) for i in range(0, len(tiles), 5)]
        return np.vstack(rows)
    if isinstance(out, minicnn.Tensor):
        planes = out.numpy().transpose(1, 2, 0)
        return planes if planes.dtype == np.uint8 else planes.clip(0, 1)
    return np.asarray(out)


def make_tiles(photo, other):
    """(section, title, picture) of every transform."""
    tiles = [("Size and place", "the photo", np.asarray(photo))]
    for section, members in SECTIONS.items():
        tiles += [(section, title, as_picture(transform(photo))) for title, transform in members.items()]
    batch = minicnn.stack([T.ToTensor()(image) for image in (photo, other)])
    for title, mix in MIXTURES.items():
        images, labels = mix(batch, minicnn.tensor([0, 1]))
        tiles.append(("Several together", f"{title}: {labels[0, 0].item():.0%} of this photo", as_picture(images[0])))
    return tiles


def draw(tiles, path):
    """All tiles on one page, section by section."""
    from matplotlib.figure import Figure

    names = dict.fromkeys(section for section, _, _ in tiles)
    sections = [(name, [tile[1:] for tile in tiles if tile[0] == name]) for name in names]
    lines = [(name, part[i : i + COLUMNS], i == 0) for name, part in sections for i in range(0, len(part), COLUMNS)]
    figure = Figure(figsize=(2 * COLUMNS, 2.4 * len(lines)))
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.97, wspace=0.05, hspace=0.35)
    for row, (name, members, first) in enumerate(lines):
        for column, (title, picture) in enumerate(members):
            axis = figure.add_subplot(len(lines), COLUMNS, row * COLUMNS + column + 1)
            axis.imshow(picture, cmap="gray", vmin=0, vmax=255 if picture.dtype == np.uint8 else 1)
            axis.set_title(title, fontsize=8)
            axis.set_axis_off()
            if first and column == 0:
                axis.text(0, 1.22, name, transform=axis.transAxes, fontsize=11, fontweight="bold")
    figure.savefig(path, dpi=100)


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="a folder with photos, or a photo (default: $MINICNN_DATA)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output/augmentation_gallery.png"),
        help="the page, .png, .pdf or .svg (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is random (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.output.suffix.lower() not in (".png", ".pdf", ".svg"):
        parser.error(f"--output ends in .png, .pdf or .svg; got {args.output}")
    try:
        args.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--output: cannot write into {args.output.parent} ({error.strerror})")
    return args


def main(argv=None):
    args = parse_arguments(argv)
    (photo, other), source = find_photos(args.data_dir)
    minicnn.manual_seed(args.seed)
    tiles = make_tiles(photo, other)
    try:
        draw(tiles, args.output)
    except ImportError:
        sys.exit('The page is drawn by matplotlib, which is not installed. Fix: pip install "minicnn[examples]"')
    print(f"{len(tiles)} tiles of {source}: {args.output}")
    return tiles


if __name__ == "__main__":
    main()
