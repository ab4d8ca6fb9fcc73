"""The transforms that networks are trained and judged with, ready made.

A network knows images only as it saw them in training: of one size, with one range of numbers. With trained weights,
use the preset of that network, ``presets.for_model("inception_v3")``; everything else lowers the accuracy silently.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .composition import Compose, Transform
from .conversions import Normalize, ToTensor
from .erasing import RandomErasing
from .random_colours import Grayscale, PCAColorNoise
from .random_geometry import RandomCrop, RandomHorizontalFlip, RandomResizedCrop
from .resampling import InterpolationMode
from .resizing import CenterCrop, Pad, Resize

__all__ = [
    "CIFAR_MEAN",
    "CIFAR_STD",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "alexnet_train",
    "cifar_eval",
    "cifar_train",
    "for_model",
    "imagenet_eval",
    "imagenet_train",
    "lenet",
]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's training images
CENTRED_MEAN, CENTRED_STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)  # values from -1 to 1
PLAIN_MEAN, PLAIN_STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)  # values from 0 to 1


def imagenet_eval(
    crop_size: int = 224,
    resize_size: int = 256,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Compose:
    """How ImageNet's networks are tested: the shorter edge to 256, the middle 224 x 224, normalised.

    The same as ``weights.transforms()`` of torchvision's weights, of the first version (``IMAGENET1K_V1``) with these
    sizes.

    Parameters
    ----------
    crop_size : int, default 224
        Height and width of the result.
    resize_size : int, default 256
        The shorter edge before the crop.
    mean, std : 3 numbers, default ImageNet's
    interpolation : InterpolationMode, default bilinear
    antialias : bool, default True
        As in :class:`~minicnn.data.transforms.Resize`.

    Returns
    -------
    Compose
        From a PIL image of mode RGB, or an array (H, W, 3), to a tensor (3, crop_size, crop_size).

    Examples
    --------
    >>> from PIL import Image
    >>> imagenet_eval()(Image.new("RGB", (500, 375))).shape
    minicnn.Size([3, 224, 224])
    """
    return Compose(
        [
            Resize(resize_size, interpolation, antialias=antialias),
            CenterCrop(crop_size),
            ToTensor(),
            Normalize(mean, std),
        ]
    )


def imagenet_train(
    crop_size: int = 224,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    hflip_prob: float = 0.5,
    random_erase_prob: float = 0.0,
    antialias: bool | None = True,
) -> Compose:
    """How ImageNet's networks are trained: a random part of random size and shape, mirrored half the time.

    Parameters
    ----------
    crop_size : int, default 224
        Height and width of the result.
    mean, std : 3 numbers, default ImageNet's
    interpolation : InterpolationMode, default bilinear
    hflip_prob : float, default 0.5
        Probability of the mirror image.
    random_erase_prob : float, default 0
        Probability of :class:`~minicnn.data.transforms.RandomErasing`, at the end.
    antialias : bool, default True

    Returns
    -------
    Compose
        From a PIL image of mode RGB, or an array (H, W, 3), to a tensor (3, crop_size, crop_size).

    Examples
    --------
    >>> from PIL import Image
    >>> imagenet_train(64)(Image.new("RGB", (500, 375))).shape
    minicnn.Size([3, 64, 64])
    """
    steps: list[Transform] = [RandomResizedCrop(crop_size, interpolation=interpolation, antialias=antialias)]
    if hflip_prob > 0:
        steps.append(RandomHorizontalFlip(hflip_prob))
    steps += [ToTensor(), Normalize(mean, std)]
    if random_erase_prob > 0:
        steps.append(RandomErasing(random_erase_prob))
    return Compose(steps)


def alexnet_train(crop_size: int = 227) -> Compose:
    """How AlexNet was trained in 2012: the middle 256 x 256, a random part of it, mirrored, with PCA colour noise.

    References
    ----------
    Krizhevsky, Sutskever, Hinton, *ImageNet Classification with Deep Convolutional Neural Networks*, 2012, sections 2
    and 4.1. (The paper says 224; its network's numbers need 227.)

    Examples
    --------
    >>> from PIL import Image
    >>> alexnet_train()(Image.new("RGB", (500, 375))).shape
    minicnn.Size([3, 227, 227])
    """
    return Compose(
        [
            Resize(256),
            CenterCrop(256),
            RandomCrop(crop_size),
            RandomHorizontalFlip(),
            ToTensor(),
            PCAColorNoise(),
            Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )


def cifar_eval(mean: Sequence[float] = CIFAR_MEAN, std: Sequence[float] = CIFAR_STD) -> Compose:
    """32 x 32 images, normalised.

    Parameters
    ----------
    mean, std : 3 numbers, default CIFAR-10's

    Examples
    --------
    >>> from PIL import Image
    >>> cifar_eval()(Image.new("RGB", (32, 32))).shape
    minicnn.Size([3, 32, 32])
    """
    return Compose([Resize((32, 32)), ToTensor(), Normalize(mean, std)])


def cifar_train(mean: Sequence[float] = CIFAR_MEAN, std: Sequence[float] = CIFAR_STD) -> Compose:
    """How ResNets are trained on CIFAR-10: a random 32 x 32 of the image with 4 pixels around it, mirrored.

    Parameters
    ----------
    mean, std : 3 numbers, default CIFAR-10's

    References
    ----------
    He et al., *Deep Residual Learning for Image Recognition*, 2015, section 4.2.

    Examples
    --------
    >>> from PIL import Image
    >>> cifar_train()(Image.new("RGB", (32, 32))).shape
    minicnn.Size([3, 32, 32])
    """
    return Compose(
        [Resize((32, 32)), RandomCrop(32, padding=4), RandomHorizontalFlip(), ToTensor(), Normalize(mean, std)]
    )


def lenet() -> Compose:
    """LeNet-5's input: a grey 28 x 28 image in the middle of 32 x 32, from -0.1 (black) to 1.175 (white).

    References
    ----------
    LeCun, Bottou, Bengio, Haffner, *Gradient-Based Learning Applied to Document Recognition*, 1998, section II B.

    Examples
    --------
    >>> from PIL import Image
    >>> image = lenet()(Image.new("L", (28, 28), 255))
    >>> image.shape, round(image.min().item(), 3), round(image.max().item(), 3)
    (minicnn.Size([1, 32, 32]), -0.1, 1.175)
    """
    scale = 1.175 + 0.1
    return Compose([Grayscale(), Resize((28, 28)), Pad(2), ToTensor(), Normalize((0.1 / scale,), (1 / scale,))])


@dataclass(frozen=True)
class _Recipe:
    """What a family of networks expects, by patterns of their names."""

    names: str
    crop_size: int = 224
    resize_size: int = 256
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    evaluate: Callable[[], Compose] | None = None
    train: Callable[[], Compose] | None = None


# The first that fits counts. Sizes and numbers are those of torchvision's weights, or else of the authors'
# (TensorFlow's networks: values from -1 to 1; Darknet's: from 0 to 1).
_RECIPES = (
    _Recipe("lenet5", evaluate=lenet, train=lenet),
    _Recipe(
        "resnet20 resnet32 resnet44 resnet56 resnet110* resnet1202 plain* *_cifar10 wide_resnet28* densenet40* "
        "densenet_bc100*",
        evaluate=cifar_eval,
        train=cifar_train,
    ),
    _Recipe("alexnet_2012 alexnet_one_tower", 227, train=alexnet_train),
    _Recipe("inception_v3", 299, 342),
    _Recipe("inception_resnet_v2 xception", 299, 342, CENTRED_MEAN, CENTRED_STD),
    _Recipe("nasnet_a_large", 331, 378, CENTRED_MEAN, CENTRED_STD),
    _Recipe("nasnet_a_mobile mobilenet_v1*", mean=CENTRED_MEAN, std=CENTRED_STD),
    _Recipe("darknet53", 256, 256, PLAIN_MEAN, PLAIN_STD),
    _Recipe("darknet19", mean=PLAIN_MEAN, std=PLAIN_STD),
    _Recipe("alexnet vgg* zfnet nin googlenet* resnet* resnext* wide_resnet* squeezenet* densenet* mobilenet_v2"),
    _Recipe("mobilenet_v3* shufflenet* mnasnet*"),
)


def for_model(name: str, train: bool = False) -> Compose:
    """The transforms of a network of :mod:`minicnn.models`, by its name.

    Parameters
    ----------
    name : str
        Such as "resnet18"; capital letters make no difference.
    train : bool, default False
        With the augmentation of its training, or without.

    Returns
    -------
    Compose
        From a PIL image to a tensor of the size that the network is made for.

    Raises
    ------
    ValueError
        If there is no network of this name.

    Examples
    --------
    >>> for_model("inception_v3")
    Compose(
        Resize(size=342, interpolation=bilinear, max_size=None, antialias=True)
        CenterCrop(size=(299, 299))
        ToTensor()
        Normalize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    )
    """
    if not isinstance(name, str):
        raise TypeError(f"presets.for_model: expected a network's name, such as 'resnet18'; got {type(name).__name__}")
    for recipe in _RECIPES:
        if any(fnmatchcase(name.lower(), pattern) for pattern in recipe.names.split()):
            own = recipe.train if train else recipe.evaluate
            if own is not None:
                return own()
            if train:
                return imagenet_train(recipe.crop_size, recipe.mean, recipe.std)
            return imagenet_eval(recipe.crop_size, recipe.resize_size, recipe.mean, recipe.std)
    families = [pattern.rstrip("*_") for recipe in _RECIPES for pattern in recipe.names.split()]
    near = difflib.get_close_matches(name.lower(), families, n=3, cutoff=0.5)
    hint = f"Did you mean {', '.join(map(repr, near))}? " if near else ""
    raise ValueError(
        f"presets.for_model: there is no preset for a network named {name!r}. {hint}For a network of your own: "
        "presets.imagenet_eval(crop_size, resize_size, mean, std), or imagenet_train"
    )
