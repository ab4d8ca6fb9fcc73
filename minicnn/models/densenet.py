"""DenseNet: every layer sees the features of all layers before it.

Huang, Liu, van der Maaten & Weinberger, *Densely connected convolutional networks*, 2017: the block is figure 2 and
equation 2, the networks for ImageNet are table 1 (all DenseNet-BC: bottlenecks, and transitions that halve the number
of channels).

As torchvision's, which follow the authors' code: growth rate 32, and 48 in densenet161, which is not in the published
table 1 (it was in earlier versions). ``densenet264`` is in table 1 and not in torchvision. Dropout comes after the
3 x 3 convolutions only, where the paper has one after every convolution. The networks for CIFAR are in
:mod:`minicnn.models.densenet_cifar`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .. import nn
from ..core.custom import Function
from ..core.errors import AutogradError
from ..core.grad_mode import enable_grad, is_grad_enabled
from ..core.graph import grad
from ..core.tensor import Tensor
from ..ops.joining import cat
from .base import ImageNetwork
from .registry import register_model

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201", "densenet264"]


class _DenseLayer(nn.Module):
    """``growth_rate`` new channels from all before: BN-ReLU-Conv(1x1)-BN-ReLU-Conv(3x3).

    The 1 x 1 convolution is the bottleneck, of ``bn_size * growth_rate`` channels.
    """

    def __init__(
        self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float, memory_efficient: bool = False
    ) -> None:
        super().__init__()
        width = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, width, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, kernel_size=3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def bottleneck(self, features: Sequence[Tensor]) -> Tensor:
        """``(N, C1, H, W), (N, C2, H, W) ... -> (N, bn_size * growth_rate, H, W)``."""
        x = features[0] if len(features) == 1 else cat(features, 1)
        return self.conv1(self.relu1(self.norm1(x)))

    def forward(self, features: Tensor | Sequence[Tensor]) -> Tensor:
        if isinstance(features, Tensor):  # joined already
            features = [features]
        if self.memory_efficient and self.norm1.training and any(f.requires_grad for f in features):
            x = _Recomputed.apply(self, len(features), *features, *_parameters(self))
        else:
            x = self.bottleneck(features)
        x = self.conv2(self.relu2(self.norm2(x)))  # (N, growth_rate, H, W)
        return nn.functional.dropout(x, self.drop_rate, self.training)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """The files of torchvision's weights have old names: ``norm.1.weight`` for ``norm1.weight``."""
        for key in self.state_dict():  # norm1.weight
            old = prefix + re.sub(r"(\d)\.", r".\1.", key)
            if old in state_dict:
                state_dict[prefix + key] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _parameters(layer: _DenseLayer) -> list[nn.Parameter]:
    """Those of the bottleneck."""
    return [*layer.norm1.parameters(), *layer.conv1.parameters()]


class _Recomputed(Function):
    """The bottleneck of a dense layer, nothing of it kept: backward computes it a second time.

    What it would keep is the concatenation and its normalisation, as large as all features before it, in every layer:
    memory quadratic in the number of layers. Pleiss et al., *Memory-efficient implementation of DenseNets*, 2017.
    """

    @staticmethod
    def forward(ctx: Any, layer: _DenseLayer, count: int, *tensors: Tensor) -> Tensor:
        ctx.layer, ctx.count = layer, count
        ctx.save_for_backward(*tensors)  # all are kept by others anyway
        return layer.bottleneck(tensors[:count])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        if is_grad_enabled():
            raise AutogradError(
                "create_graph=True: a DenseNet that computes twice to save memory has no gradients of gradients. "
                "Fix: memory_efficient=False"
            )
        layer, needed = ctx.layer, ctx.needs_input_grad[2:]
        kept = zip(ctx.saved_tensors[: ctx.count], needed, strict=False)
        features = [t.detach().requires_grad_(need) for t, need in kept]
        norm = layer.norm1
        with enable_grad():
            x = cat(features, 1)  # without running statistics: forward has counted this batch
            x = nn.functional.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
            x = layer.conv1(layer.relu1(x))
        leaves = [*features, *_parameters(layer)]
        found = iter(grad(x, [t for t, need in zip(leaves, needed, strict=True) if need], grads[0]))
        return (None, None, *(next(found) if need else None for need in needed))


class _DenseBlock(nn.ModuleDict):
    """Dense layers, each of which is given the features of all before it, joined.

    Those that compute twice get them one by one, for a joined array that is given is one that is kept.
    """

    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int,
        growth_rate: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        self.memory_efficient = memory_efficient
        for i in range(num_layers):
            width = num_input_features + i * growth_rate
            self.add_module(f"denselayer{i + 1}", _DenseLayer(width, growth_rate, bn_size, drop_rate, memory_efficient))

    def forward(self, x: Tensor) -> Tensor:
        if not self.memory_efficient:
            for layer in self.values():
                x = cat([x, layer(x)], 1)  # (N, num_input_features + layers so far * growth_rate, H, W)
            return x
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """Fewer channels by a 1 x 1 convolution, half the size by average pooling."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, kernel_size=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(ImageNetwork):
    """torchvision's DenseNet-BC: dense blocks with transitions in between.

    Parameters
    ----------
    growth_rate : int, default 32
        Channels that each layer adds (k in the paper).
    block_config : tuple of int, default (6, 12, 24, 16)
        Layers of each block.
    num_init_features : int, default 64
        Channels of the first convolution.
    bn_size : int, default 4
        The bottleneck has ``bn_size * growth_rate`` channels.
    drop_rate : float, default 0
        Share of a layer's new features that is dropped.
    num_classes : int, default 1000
    memory_efficient : bool, default False
        In training, compute the bottlenecks a second time in backward instead of keeping what they hold: the same
        numbers with less memory, but slower. (In torchvision the batch then enters the running statistics twice; here
        it does not.) With the compiled kernels it gains nothing: the bottlenecks hold as little without it.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If ``block_config`` is not a list of positive ints, or ``drop_rate`` not a probability.

    References
    ----------
    Huang et al., *Densely connected convolutional networks*, 2017, table 1.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=10)
    >>> model(minicnn.zeros(1, 3, 32, 32)).shape
    minicnn.Size([1, 10])
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not block_config or min(block_config) < 1:
            raise ValueError(
                "DenseNet: block_config must hold the number of layers of each dense block, such as (6, 12, 24, 16); "
                f"got {block_config!r}"
            )
        if not 0 <= drop_rate <= 1:
            raise ValueError(f"DenseNet: drop_rate must be a probability from 0 to 1; got {drop_rate!r}")
        width = num_init_features
        self.features = nn.Sequential(
            {
                "conv0": nn.Conv2d(in_channels, width, kernel_size=7, stride=2, padding=3, bias=False),
                "norm0": nn.BatchNorm2d(width),
                "relu0": nn.ReLU(inplace=True),
                "pool0": nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            }
        )
        for number, layers in enumerate(block_config, start=1):
            block = _DenseBlock(layers, width, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{number}", block)
            width += layers * growth_rate
            if number < len(block_config):
                self.features.add_module(f"transition{number}", _Transition(width, width // 2))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
        initialise_densenet(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, C, H/32, W/32)
        x = nn.functional.relu(x, inplace=True)
        x = nn.functional.adaptive_avg_pool2d(x, (1, 1))  # (N, C, 1, 1)
        return self.classifier(x.flatten(1))


def initialise_densenet(network: nn.Module) -> None:
    """Convolutions from ``N(0, 2 / fan_in)`` (He et al., 2015), biases of fully connected layers 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


@register_model
def densenet121(**config: Any) -> DenseNet:
    """DenseNet-121 as in torchvision: 7,978,856 parameters, 224 x 224 images; table 1 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`DenseNet` but the first three.
    """
    return DenseNet(32, (6, 12, 24, 16), 64, **config)


@register_model
def densenet161(**config: Any) -> DenseNet:
    """DenseNet-161 as in torchvision: 28,681,000 parameters, 224 x 224 images; growth rate 48.

    Parameters
    ----------
    **config
        Arguments of :class:`DenseNet` but the first three.
    """
    return DenseNet(48, (6, 12, 36, 24), 96, **config)


@register_model
def densenet169(**config: Any) -> DenseNet:
    """DenseNet-169 as in torchvision: 14,149,480 parameters, 224 x 224 images; table 1 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`DenseNet` but the first three.
    """
    return DenseNet(32, (6, 12, 32, 32), 64, **config)


@register_model
def densenet201(**config: Any) -> DenseNet:
    """DenseNet-201 as in torchvision: 20,013,928 parameters, 224 x 224 images; table 1 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`DenseNet` but the first three.
    """
    return DenseNet(32, (6, 12, 48, 32), 64, **config)


@register_model
def densenet264(**config: Any) -> DenseNet:
    """DenseNet-264: 33,337,704 parameters, 224 x 224 images; table 1 of the paper.

    Parameters
    ----------
    **config
        Arguments of :class:`DenseNet` but the first three.
    """
    return DenseNet(32, (6, 12, 64, 48), 64, **config)
