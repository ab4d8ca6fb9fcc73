"""What happens inside a convolution, forward and backward, on a small layer and a real picture.

    python examples/explain_a_convolution.py                   a minute; text and figures go to output/explain
    python examples/explain_a_convolution.py --image cat.jpg   with a picture of your own
    python examples/explain_a_convolution.py --quick           without the timings, in a few seconds

1. One output pixel: the patch, the filter, every product, and their sum; then the way back, what one input
   pixel and one weight receive.
2. im2col: the convolution as one matrix product.
3. The same convolution by plain loops, by NumPy, by each compiled algorithm, and by PyTorch if it is there.
4. What designs cost: one 7 x 7 or three 3 x 3, bottlenecks, depthwise separable.
5. What one output sees of the picture, computed and measured.
6. How signals flow through a network: gradients that vanish behind sigmoids, ReLUs that have died.

The picture is --image; or a photo of a folder imagenet_samples in --data-dir ($MINICNN_DATA); or, offline, the photo
of a temple that comes with scikit-learn.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image, UnidentifiedImageError

import minicnn
from minicnn import explain, models, nn, transforms
from minicnn.data import DatasetNotFoundError, find_data
from minicnn.nn import functional as F

SIDE = 96  # pixels of the picture, for its details to be visible
PHOTOS = "imagenet_samples"


# ---------------------------------------------------------------------- the picture


def find_picture(args):
    """The picture as PIL's image, and where it is from."""
    if args.image is not None:
        try:
            return Image.open(args.image).convert("RGB"), args.image.name
        except (OSError, UnidentifiedImageError) as error:
            sys.exit(f"--image: cannot read {args.image} ({error})")
    try:
        photos = sorted(find_data(PHOTOS, args.data_dir).glob("*.JPEG"))
    except DatasetNotFoundError:
        photos = []
    if photos:
        return Image.open(photos[0]).convert("RGB"), photos[0].name
    try:
        from sklearn.datasets import load_sample_image
    except ImportError:
        sys.exit(
            f"There is no picture: no folder {PHOTOS} in --data-dir or $MINICNN_DATA, and scikit-learn, which brings a "
            "photo, is not installed.\nFix: --image PICTURE, or pip install scikit-learn"
        )
    return Image.fromarray(load_sample_image("china.jpg")), "china.jpg of scikit-learn"


def as_tensor(picture):
    """The middle of the picture, (1, 3, SIDE, SIDE), from 0 to 1."""
    prepare = transforms.Compose([transforms.Resize(SIDE), transforms.CenterCrop(SIDE), transforms.ToTensor()])
    return prepare(picture).unsqueeze(0)


# ---------------------------------------------------------------------- the layers


def curve():
    """A patch with a line in it, and a 7 x 7 filter that looks for such a line."""
    w, x = minicnn.zeros(1, 1, 7, 7), minicnn.zeros(1, 1, 7, 7)
    for i, j in ((0, 5), (1, 4), (2, 3), (3, 3), (4, 3), (5, 3)):
        w[0, 0, i, j] = 30
    x[0, 0, 0, 6] = 30
    x[0, 0, 1, 4:7] = 50
    x[0, 0, 2:, 3:5] = 50
    x[0, 0, 2, 3] = 20
    return x, w


def edges():
    """Two filters for colour pictures: vertical and horizontal edges (Sobel)."""
    layer = nn.Conv2d(3, 2, 3, padding=1)
    sobel = minicnn.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 3
    with minicnn.no_grad():
        layer.bias.zero_()
        for channel in range(3):
            layer.weight[0, channel] = sobel
            layer.weight[1, channel] = sobel.t()
    return layer


def conv(inputs, outputs, k, groups=1):
    """A convolution that keeps the size, without bias."""
    return nn.Conv2d(inputs, outputs, k, padding=k // 2, groups=groups, bias=False)


# --------------------------------------------------------------------- the chapters


def one_pixel(picture, args):
    """1. One output pixel, and the way back"""
    layer = edges()
    response = layer(picture)[0, 0, 1:-1, 1:-1].abs()  # at the border, the padding looks like an edge
    row, column = divmod(int(response.argmax()), SIDE - 2)
    i, j = row + 1, column + 1
    yield "curve", explain.pixel(F.conv2d, *curve(), at=(0, 0, 0, 0))
    yield "edge", explain.pixel(layer, picture, at=(0, 0, i, j))
    grad = layer(picture).detach()  # of the loss (y**2).sum() / 2
    yield "edge_grad_input", explain.pixel(layer, picture, at=(0, 0, i, j), of="grad_input", grad_output=grad)
    yield "edge_grad_weight", explain.pixel(layer, picture, at=(0, 0, 1, 2), of="grad_weight", grad_output=grad)


def matrix_product(picture, args):
    """2. The convolution as a matrix product"""
    middle = SIDE // 2
    grey = picture.mean(1, keepdim=True)[:, :, middle : middle + 5, middle : middle + 5]
    yield "im2col", explain.im2col(F.conv2d, grey, edges().weight[:, :1].detach(), padding=1)


def implementations(picture, args):
    """3. The same convolution in every implementation"""
    yield "compare_small", explain.compare(edges(), picture[:, :, :32, :32], backward=True)
    yield "compare", explain.compare(conv(64, 64, 3), minicnn.randn(4, 64, 56, 56))


def costs(picture, args):
    """4. What designs cost"""
    three = nn.Sequential(conv(64, 64, 3), conv(64, 64, 3), conv(64, 64, 3))
    yield "cost_windows", explain.compare_cost({"one 7x7": conv(64, 64, 7), "three 3x3": three}, (64, 56, 56))
    bottleneck = nn.Sequential(conv(256, 64, 1), conv(64, 192, 3))
    yield "cost_bottleneck", explain.compare_cost({"3x3": conv(256, 192, 3), "1x1, 3x3": bottleneck}, (256, 28, 28))
    separable = nn.Sequential(conv(32, 32, 3, groups=32), conv(32, 64, 1))
    yield "cost_separable", explain.compare_cost({"3x3": conv(32, 64, 3), "separable": separable}, (32, 112, 112))


def fields(picture, args):
    """5. What one output sees"""
    stack = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    yield "field_three_3x3", explain.receptive_field(stack, None, picture)
    yield "field_squeezenet", explain.receptive_field(models.squeezenet1_1(), "features.6", picture)


def signals(picture, args):
    """6. How signals flow, forward and backward"""
    for name, activation in (("sigmoid", nn.Sigmoid), ("relu", nn.ReLU)):
        inner = [layer for _ in range(7) for layer in (conv(8, 8, 3), activation())]
        head = nn.MaxPool2d(8), nn.Flatten(), nn.Linear(8 * (SIDE // 8) ** 2, 2)
        net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), activation(), *inner, *head)
        for layer in (net[0], *inner[::2]):
            nn.init.kaiming_normal_(layer.weight, nonlinearity=name)
        yield f"flow_{name}", explain.gradient_flow(net, (picture, minicnn.tensor([0])), lr=0.01)
    with minicnn.no_grad():
        net[0].bias[:4] = -99  # a step that was too large
    yield "activations_dead", explain.activation_stats(net, picture)


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, help="a picture (default: one of the data folder, or scikit-learn's)")
    parser.add_argument("--data-dir", type=Path, help=f"folder that has {PHOTOS} (default: $MINICNN_DATA, the cache)")
    parser.add_argument(
        "--output", type=Path, default=Path("output/explain"), help="folder of text and figures (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="without the timings of chapter 3")
    args = parser.parse_args(argv)
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--output: cannot write into {args.output} ({error.strerror})")
    return args


def main(argv=None):
    args = parse_arguments(argv)
    picture, name = find_picture(args)
    minicnn.manual_seed(0)
    print(f"The picture is {name}; text and figures go to {args.output}")
    x = as_tensor(picture)
    texts = []
    for chapter in (one_pixel, matrix_product, implementations, costs, fields, signals):
        if args.quick and chapter is implementations:
            continue
        print(f"\n{chapter.__doc__}")
        texts.append(f"{chapter.__doc__}\n{'=' * len(chapter.__doc__)}")
        for file, found in chapter(x, args):
            found.figure().savefig(args.output / f"{file}.png", dpi=120)
            texts.append(f"{file}.png\n\n{found}")
            print(f"  {file}.png: {found!r}")
    (args.output / "explanation.txt").write_text("\n\n\n".join(texts) + "\n", encoding="utf-8")
    print(f"\nThe text is in {args.output / 'explanation.txt'}")


if __name__ == "__main__":
    main()
