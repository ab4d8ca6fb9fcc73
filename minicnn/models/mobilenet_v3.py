"""MobileNetV3: found by search, with squeeze-and-excitation and the hard swish.

Howard et al., *Searching for MobileNetV3*, 2019: the block is figure 4, the networks are table 1 (large) and table 2
(small), their end is figure 5; ``h-swish(x) = x * ReLU6(x + 3) / 6`` is in section 5.2.

As torchvision's, which differ from the paper only in details: the squeeze has a quarter of the block's width, rounded
to a multiple of 8; the last two 1 x 1 convolutions, which follow the global average, are written as fully connected
layers; in the small network the 1 x 1 convolution before them has no squeeze-and-excitation, where table 2 marks one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from .. import nn
from ..core.tensor import Tensor
from .base import ImageNetwork
from .blocks import Conv2dNormActivation, Layer, SqueezeExcitation, check_width, initialise, make_divisible
from .registry import register_model

__all__ = ["InvertedResidualConfig", "MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]

HARD_SQUEEZE_EXCITATION = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidualConfig:
    """One line of table 1 or 2 of the paper: a block of MobileNetV3.

    Parameters
    ----------
    input_channels : int
    kernel : int
        Window of the convolution of single channels.
    expanded_channels : int
        Width of the block's middle ("exp size").
    out_channels : int
    use_se : bool
        With squeeze-and-excitation ("SE").
    activation : {"RE", "HS"}
        ReLU or hard swish ("NL").
    stride : {1, 2}
    dilation : int
        If larger than 1, it takes the place of the stride.
    width_mult : float
        Multiplies all numbers of channels, which are rounded to multiples of 8.

    Examples
    --------
    >>> from minicnn import models
    >>> models.InvertedResidualConfig(16, 3, 64, 24, False, "RE", 2, 1, width_mult=0.5).out_channels
    16
    """

    def __init__(
        self,
        input_channels: int,
        kernel: int,
        expanded_channels: int,
        out_channels: int,
        use_se: bool,
        activation: str,
        stride: int,
        dilation: int,
        width_mult: float,
    ) -> None:
        if activation not in ("RE", "HS"):
            raise ValueError(f"activation must be 'RE' (ReLU) or 'HS' (hard swish); got {activation!r}")
        if stride not in (1, 2):
            raise ValueError(f"stride must be 1 or 2; got {stride!r}")
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """``channels * width_mult``, rounded to a multiple of 8."""
        check_width("width_mult", width_mult)
        return make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, weigh the channels, project; add the input if it fits.

    Parameters
    ----------
    cnf : InvertedResidualConfig
    norm_layer : callable
        Makes a normalisation.
    se_layer : callable, optional
        Makes the weighing of channels; default :class:`~minicnn.models.blocks.SqueezeExcitation` with a hard sigmoid.

    References
    ----------
    Howard et al., 2019, figure 4.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models, nn
    >>> from minicnn.models.mobilenet_v3 import InvertedResidual
    >>> line = models.InvertedResidualConfig(8, 3, 32, 16, True, "HS", 2, 1, width_mult=1.0)
    >>> InvertedResidual(line, nn.BatchNorm2d)(minicnn.zeros(1, 8, 6, 6)).shape
    minicnn.Size([1, 16, 3, 3])
    """

    def __init__(
        self,
        cnf: InvertedResidualConfig,
        norm_layer: Layer,
        se_layer: Layer = HARD_SQUEEZE_EXCITATION,
    ) -> None:
        super().__init__()
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer)
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        width = cnf.expanded_channels
        layers: list[nn.Module] = []
        if width != cnf.input_channels:
            layers.append(conv(cnf.input_channels, width, kernel_size=1, activation_layer=activation))
        layers.append(
            conv(
                width,
                width,
                kernel_size=cnf.kernel,
                stride=1 if cnf.dilation > 1 else cnf.stride,
                dilation=cnf.dilation,
                groups=width,
                activation_layer=activation,
            )
        )
        if cnf.use_se:
            layers.append(se_layer(width, make_divisible(width // 4, 8)))
        layers.append(conv(width, cnf.out_channels, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*layers)

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        return result + input if self.use_res_connect else result


class MobileNetV3(ImageNetwork):
    """torchvision's MobileNetV3: blocks from a table, between two convolutions.

    Parameters
    ----------
    inverted_residual_setting : list of InvertedResidualConfig
    last_channel : int
        Features of the hidden fully connected layer.
    num_classes : int, default 1000
    block : callable, optional
        Makes a block; default :class:`~minicnn.models.mobilenet_v3.InvertedResidual`.
    norm_layer : callable, optional
        Makes a normalisation; default BatchNorm2d with ``eps=0.001, momentum=0.01``.
    dropout : float, default 0.2
        Share of features dropped before the last layer.
    in_channels : int, default 3

    Raises
    ------
    TypeError
        If the setting is not a list of InvertedResidualConfig.
    ValueError
        If it is empty.

    References
    ----------
    Howard et al., *Searching for MobileNetV3*, 2019, tables 1 and 2.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> table = [models.InvertedResidualConfig(16, 3, 16, 16, True, "RE", 2, 1, width_mult=1.0)]
    >>> model = models.MobileNetV3(table, last_channel=32, num_classes=10)
    >>> model(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        setting = inverted_residual_setting
        if not isinstance(setting, Sequence) or not all(isinstance(line, InvertedResidualConfig) for line in setting):
            raise TypeError(
                "MobileNetV3: inverted_residual_setting must be a list of models.InvertedResidualConfig; "
                f"got {inverted_residual_setting!r}"
            )
        if not setting:
            raise ValueError("MobileNetV3: inverted_residual_setting must have at least one line; got an empty list")
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        make_block = block or InvertedResidual
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        width = setting[-1].out_channels
        self.features = nn.Sequential(
            conv(in_channels, setting[0].input_channels, kernel_size=3, stride=2),
            *(make_block(line, norm) for line in setting),
            conv(width, 6 * width, kernel_size=1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * width, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, C, H/32, W/32)
        x = self.avgpool(x)  # (N, C, 1, 1)
        return self.classifier(x.flatten(1))


def _large(width_mult: float, tail: int, dilation: int) -> list[InvertedResidualConfig]:
    """Table 1 of the paper; ``tail`` divides the width of the last stage."""
    line = partial(InvertedResidualConfig, width_mult=width_mult)
    return [
        line(16, 3, 16, 16, False, "RE", 1, 1),
        line(16, 3, 64, 24, False, "RE", 2, 1),
        line(24, 3, 72, 24, False, "RE", 1, 1),
        line(24, 5, 72, 40, True, "RE", 2, 1),
        line(40, 5, 120, 40, True, "RE", 1, 1),
        line(40, 5, 120, 40, True, "RE", 1, 1),
        line(40, 3, 240, 80, False, "HS", 2, 1),
        line(80, 3, 200, 80, False, "HS", 1, 1),
        line(80, 3, 184, 80, False, "HS", 1, 1),
        line(80, 3, 184, 80, False, "HS", 1, 1),
        line(80, 3, 480, 112, True, "HS", 1, 1),
        line(112, 3, 672, 112, True, "HS", 1, 1),
        line(112, 5, 672, 160 // tail, True, "HS", 2, dilation),
        line(160 // tail, 5, 960 // tail, 160 // tail, True, "HS", 1, dilation),
        line(160 // tail, 5, 960 // tail, 160 // tail, True, "HS", 1, dilation),
    ]


def _small(width_mult: float, tail: int, dilation: int) -> list[InvertedResidualConfig]:
    """Table 2 of the paper; ``tail`` divides the width of the last stage."""
    line = partial(InvertedResidualConfig, width_mult=width_mult)
    return [
        line(16, 3, 16, 16, True, "RE", 2, 1),
        line(16, 3, 72, 24, False, "RE", 2, 1),
        line(24, 3, 88, 24, False, "RE", 1, 1),
        line(24, 5, 96, 40, True, "HS", 2, 1),
        line(40, 5, 240, 40, True, "HS", 1, 1),
        line(40, 5, 240, 40, True, "HS", 1, 1),
        line(40, 5, 120, 48, True, "HS", 1, 1),
        line(48, 5, 144, 48, True, "HS", 1, 1),
        line(48, 5, 288, 96 // tail, True, "HS", 2, dilation),
        line(96 // tail, 5, 576 // tail, 96 // tail, True, "HS", 1, dilation),
        line(96 // tail, 5, 576 // tail, 96 // tail, True, "HS", 1, dilation),
    ]


def _mobilenet_v3(
    table: Any, hidden: int, width_mult: float, reduced_tail: bool, dilated: bool, config: dict[str, Any]
) -> MobileNetV3:
    tail = 2 if reduced_tail else 1
    lines = table(width_mult, tail, 2 if dilated else 1)
    return MobileNetV3(lines, InvertedResidualConfig.adjust_channels(hidden // tail, width_mult), **config)


@register_model
def mobilenet_v3_large(
    width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False, **config: Any
) -> MobileNetV3:
    """MobileNetV3-Large as in torchvision: 5,483,032 parameters, 224 x 224 images; table 1 of the paper.

    Parameters
    ----------
    width_mult : float, default 1.0
        Multiplies the number of channels of every layer.
    reduced_tail : bool, default False
        Half the width in the last stage, as the paper has it for detection and segmentation (sections 6.3 and 6.4).
    dilated : bool, default False
        Dilation 2 instead of stride 2 in the last stage, for segmentation.
    **config
        Arguments of :class:`MobileNetV3` but the first two.
    """
    return _mobilenet_v3(_large, 1280, width_mult, reduced_tail, dilated, config)


@register_model
def mobilenet_v3_small(
    width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False, **config: Any
) -> MobileNetV3:
    """MobileNetV3-Small as in torchvision: 2,542,856 parameters, 224 x 224 images; table 2 of the paper.

    Parameters
    ----------
    width_mult : float, default 1.0
        Multiplies the number of channels of every layer.
    reduced_tail : bool, default False
        Half the width in the last stage, as the paper has it for detection and segmentation (sections 6.3 and 6.4).
    dilated : bool, default False
        Dilation 2 instead of stride 2 in the last stage, for segmentation.
    **config
        Arguments of :class:`MobileNetV3` but the first two.
    """
    return _mobilenet_v3(_small, 1024, width_mult, reduced_tail, dilated, config)
