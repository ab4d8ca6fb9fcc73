"""What torchvision's GoogLeNet and Inception v3 share: their convolutions, and weights that came from TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .. import nn
from ..core.errors import ShapeError
from ..core.tensor import Tensor
from ..nn import functional as F
from .base import ImageNetwork
from .weights import Weights, load_weights

Block = Callable[..., nn.Module]
Network = TypeVar("Network", bound=ImageNetwork)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue


class BasicConv2d(nn.Module):
    """Convolution without bias, batch normalisation (eps 0.001), ReLU.

    Parameters
    ----------
    in_channels : int
    out_channels : int
    **kwargs
        Further arguments of :class:`minicnn.nn.Conv2d`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.inception_common import BasicConv2d
    >>> BasicConv2d(3, 8, kernel_size=3, padding=1)(minicnn.zeros(2, 3, 5, 5)).shape
    minicnn.Size([2, 8, 5, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


def check_transform(transform_input: bool, in_channels: int) -> None:
    """Refuse to normalise anew what are not colour images."""
    if transform_input and in_channels != 3:
        raise ValueError(f"transform_input=True is for colour images, in_channels=3; got in_channels={in_channels}")


def normalise_anew(x: Tensor) -> Tensor:
    """Images (N, 3, H, W) normalised as ``(x - mean) / std``, ImageNet's, to ``(x - 0.5) / 0.5``."""
    if x.shape[-3:-2] != (3,):  # one channel would be repeated
        raise ShapeError(f"transform_input=True is for colour images (N, 3, H, W); got {tuple(x.shape)}")
    scale = x.new_tensor([std / 0.5 for std in STD]).view(3, 1, 1)
    shift = x.new_tensor([(mean - 0.5) / 0.5 for mean in MEAN]).view(3, 1, 1)
    return x * scale + shift


def with_trained_weights(
    network: Callable[..., Network], weights: Weights, heads: tuple[str, ...], keep: bool, config: dict[str, Any]
) -> Network:
    """The network with trained weights, torchvision's or one's own.

    What is not said in ``config`` depends on the state. One with the auxiliary heads and 1000 classes, for colour
    images, is taken for torchvision's, trained on ImageNet: the network normalises its images anew
    (``transform_input``), and has its heads if ``keep``. Any other state is one's own: nothing is normalised anew, and
    the network has its heads if the state has them.

    Parameters
    ----------
    network : class
    weights : str, path-like or mapping
    heads : tuple of str
        Names of the auxiliary heads.
    keep : bool
        Whether torchvision keeps the heads.
    config : dict
        The network's arguments.
    """
    config = {**config, "init_weights": False}
    wanted = config.pop("aux_logits", None)
    model = network(aux_logits=True, **config)
    of_heads = {key for key, _ in model.named_parameters() if key.startswith(heads)}
    missing, unexpected = load_weights(model, weights, strict=False)
    headless = bool(of_heads) and of_heads <= set(missing)
    if headless and not wanted:
        model = network(aux_logits=False, **config)
        load_weights(model, weights)
        return model
    if missing or unexpected:
        load_weights(model, weights)  # says what does not fit
    imagenet = config.get("num_classes", 1000) == 1000 and config.get("in_channels", 3) == 3
    if "transform_input" not in config:
        model.transform_input = imagenet
    if wanted is None:
        wanted = keep or not imagenet
    if not wanted:
        model.aux_logits = False
        for head in heads:
            setattr(model, head, None)
    return model
