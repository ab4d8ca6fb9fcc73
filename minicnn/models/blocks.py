"""Building blocks that several mobile networks share.

torchvision has the two classes as ``torchvision.ops.Conv2dNormActivation`` and ``torchvision.ops.SqueezeExcitation``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import nn
from ..core.tensor import Tensor

__all__ = ["Conv2dNormActivation", "SqueezeExcitation"]

Layer = Callable[..., nn.Module]


def make_divisible(value: float, divisor: int, minimum: int | None = None) -> int:
    """The multiple of ``divisor`` nearest to ``value``, but not less than 90 % of it.

    Widths that are multiples of 8 suit the hardware; a network of scaled width rounds its
    channels so. From TensorFlow's ``slim/nets/mobilenet/mobilenet.py``.

    Parameters
    ----------
    value : float
    divisor : int
    minimum : int, optional
        Of the result; default ``divisor``.

    Examples
    --------
    >>> make_divisible(32 * 0.75, 8), make_divisible(16 * 0.35, 8), make_divisible(90, 8)
    (24, 8, 88)
    """
    nearest = max(divisor if minimum is None else minimum, int(value + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * value else nearest + divisor


def check_width(name: str, width: float) -> None:
    """A width multiplier must be a positive number."""
    if isinstance(width, bool) or not isinstance(width, (int, float)) or not 0 < width < float("inf"):
        raise ValueError(
            f"{name} multiplies the number of channels of every layer and must be a positive number, "
            f"such as 1.0 or 0.5; got {width!r}"
        )


def initialise(network: nn.Module) -> None:
    """Start as torchvision's mobile networks do.

    Convolutions from ``N(0, 2 / fan_out)`` (He et al., 2015), fully connected layers from ``N(0, 0.01^2)``, biases 0.

    Parameters
    ----------
    network : Module
        Changed in place, with all below it.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class Conv2dNormActivation(nn.Sequential):
    """A convolution, a normalisation and an activation.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or (int, int), default 3
    stride : int or (int, int), default 1
    padding : int, (int, int) or str, optional
        Default: ``(kernel_size - 1) // 2 * dilation``, which keeps the image's size at stride 1.
    groups : int, default 1
    norm_layer : callable or None, default BatchNorm2d
        Makes the normalisation of a number of channels; None: there is none.
    activation_layer : callable or None, default ReLU
        Makes the activation; None: there is none.
    dilation : int or (int, int), default 1
    inplace : bool or None, default True
        Given to ``activation_layer``, unless None.
    bias : bool, optional
        Of the convolution; default: only if there is no normalisation, whose shift makes a bias redundant.

    Examples
    --------
    >>> from minicnn import models
    >>> models.blocks.Conv2dNormActivation(3, 8, stride=2)
    Conv2dNormActivation(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
      (1): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
      (2): ReLU(inplace=True)
    )
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = nn.BatchNorm2d,
        activation_layer: Layer | None = nn.ReLU,
        dilation: int | tuple[int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            _keeping_size(kernel_size, dilation) if padding is None else padding,
            dilation=dilation,
            groups=groups,
            bias=norm_layer is None if bias is None else bias,
        )
        layers: list[nn.Module] = [conv]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer() if inplace is None else activation_layer(inplace=inplace))
        super().__init__(*layers)
        self.out_channels = out_channels


def _keeping_size(kernel_size: Any, dilation: Any) -> Any:
    """The padding with which a convolution of an odd window keeps the image's size."""
    if isinstance(kernel_size, int) and isinstance(dilation, int):
        return (kernel_size - 1) // 2 * dilation
    windows = (kernel_size,) * 2 if isinstance(kernel_size, int) else kernel_size
    spacings = (dilation,) * 2 if isinstance(dilation, int) else dilation
    return tuple((k - 1) // 2 * d for k, d in zip(windows, spacings, strict=True))


class SqueezeExcitation(nn.Module):
    """Channels weighted by what the whole image holds: ``y[c] = s[c] * x[c]``.

    ``s = sigma(W2 delta(W1 mean(x)))``: the mean of each channel over the image (*squeeze*) goes through two fully
    connected layers (*excitation*), written as 1 x 1 convolutions.

    Parameters
    ----------
    input_channels : int
    squeeze_channels : int
        Between the two layers.
    activation : callable, default ReLU
        Makes delta.
    scale_activation : callable, default Sigmoid
        Makes sigma.

    References
    ----------
    Hu, Shen & Sun, *Squeeze-and-excitation networks*, 2018, equations 2 to 4 and figure 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.blocks.SqueezeExcitation(16, 4)(minicnn.zeros(1, 16, 5, 5)).shape
    minicnn.Size([1, 16, 5, 5])
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Layer = nn.ReLU,
        scale_activation: Layer = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        scale = self.activation(self.fc1(self.avgpool(input)))  # (N, squeeze_channels, 1, 1)
        return self.scale_activation(self.fc2(scale)) * input
