"""NASNet-A: a network of two cells that a search found.

Zoph, Vasudevan, Shlens & Le, *Learning transferable architectures for scalable image recognition*, 2018: figure 4 for
the cells (:class:`NormalCell` and :class:`ReductionCell` below read like it), figure 2 (right) for the network, tables
2 and 3 for its sizes. In NASNet-A (N @ P), N normal cells follow each other and P is the number of channels at the end:

=======  ========================  ==============  ==============
part     cells                     (4 @ 1056)      (6 @ 4032)
=======  ========================  ==============  ==============
stem     3 x 3 convolution         32, 111 x 111   96, 165 x 165
stem1    reduction, F/4 filters    44, 56 x 56     168, 83 x 83
stem2    reduction, F/2 filters    88, 28 x 28     336, 42 x 42
cells1   N normal, F filters       264, 28 x 28    1008, 42 x 42
reduce1  reduction, 2F filters     352, 14 x 14    1344, 21 x 21
cells2   N normal, 2F filters      528, 14 x 14    2016, 21 x 21
reduce2  reduction, 4F filters     704, 7 x 7      2688, 11 x 11
cells3   N normal, 4F filters      1056, 7 x 7     4032, 11 x 11
fc       ReLU, mean, fully conn.   1000            1000
=======  ========================  ==============  ==============

with F = P/24. A cell takes the outputs of the two cells before it, h_i and h_(i-1). Of its five additions, written
below, it concatenates those that no other uses; the normal cell puts h_(i-1) in front of them. *sep* is ReLU, separable
convolution and normalisation, twice over.

What differs: the paper leaves open how h_(i-1) gets the size of h_i, how much is padded, and what the stem is. All that
is as in the authors' TensorFlow slim and in Keras, number for number:

- where an even size is halved, one more row and column is padded at the end than at the beginning, so that windows lie
  one pixel further right and below than PyTorch's; borders do not count in pooling (the Keras of today pads it with
  zeros, which its trained weights have not seen);
- in NASNet-A large, the cell behind a reduction takes as its h_(i-1) what the reduction had as its own.

Left out: the auxiliary output and the *ScheduledDropPath* of training. Keras counts running means and variances among
the parameters.
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core.tensor import Tensor
from ..nn import functional as F
from ..ops.joining import cat
from .base import ImageNetwork
from .registry import register_model

__all__ = ["NASNet", "NormalCell", "ReductionCell", "nasnet_a_large", "nasnet_a_mobile"]


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def pointwise(in_channels: int, out_channels: int) -> nn.Sequential:
    """ReLU, 1 x 1 convolution, normalisation: another number of channels."""
    return nn.Sequential(nn.ReLU(), nn.Conv2d(in_channels, out_channels, 1, bias=False), norm(out_channels))


class HalvingPad(nn.Module):
    """Zeros for a window of odd size and stride 2: (N, C, H, W) to ceil(H/2) x ceil(W/2), *same* in TensorFlow."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        behind = self.kernel_size // 2
        return F.pad(x, (behind - 1 + w % 2, behind, behind - 1 + h % 2, behind))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}"


class Separable(nn.Module):
    """*sep k x k* of figure 4: ReLU, k x k convolution of each channel, 1 x 1 convolution, normalisation; all twice.

    The first k x k convolution has the stride.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        half, c = kernel_size // 2, out_channels
        padding = 0 if stride == 2 else half
        self.pad = HalvingPad(kernel_size) if stride == 2 else nn.Identity()
        self.depthwise1 = nn.Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, groups=in_channels, bias=False
        )
        self.pointwise1 = nn.Conv2d(in_channels, c, 1, bias=False)
        self.norm1 = norm(c)
        self.depthwise2 = nn.Conv2d(c, c, kernel_size, padding=half, groups=c, bias=False)
        self.pointwise2 = nn.Conv2d(c, c, 1, bias=False)
        self.norm2 = norm(c)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(
            self.pointwise1(self.depthwise1(self.pad(self.relu(x))))
        )  # (N, out_channels, H/stride, W/stride)
        return self.norm2(self.pointwise2(self.depthwise2(self.relu(x))))


class HalvingMaxPool(nn.Module):
    """*max 3 x 3* of stride 2, to ceil(H/2) x ceil(W/2); the border does not count."""

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        return F.max_pool2d(x, 3, stride=2, padding=(h % 2, w % 2), ceil_mode=True)


class HalvingAvgPool(nn.Module):
    """*avg 3 x 3* of stride 2, to ceil(H/2) x ceil(W/2); the border does not count."""

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        return F.avg_pool2d(x, 3, stride=2, padding=(h % 2, w % 2), ceil_mode=True, count_include_pad=False)


class Halve(nn.Module):
    """h_(i-1) at half its size: 1 x 1 convolutions of the pixels at even positions and of those at odd ones."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(in_channels, out_channels // 2, 1, bias=False)
        self.odd = nn.Conv2d(in_channels, out_channels // 2, 1, bias=False)
        self.norm = norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        shifted = F.pad(x, (-1, 1, -1, 1))  # without the first row and column, with zeros behind the last
        even, odd = (pixels[:, :, ::2, ::2] for pixels in (x, shifted))  # (N, in_channels, H/2, W/2)
        return self.norm(cat([self.even(even), self.odd(odd)], 1))


class Cell(nn.Module):
    """The beginning of both cells: h_i and h_(i-1) get ``filters`` channels and one size.

    Parameters
    ----------
    channels, earlier_channels : int
        Of h_i, and of h_(i-1); None if there is no h_(i-1), and h_i takes its place.
    filters : int
    halve : bool, default False
        h_(i-1) has twice the size of h_i.
    """

    concatenated = 0

    def __init__(self, channels: int, earlier_channels: int | None, filters: int, halve: bool = False) -> None:
        super().__init__()
        self.squeeze = pointwise(channels, filters)
        self.adjust: nn.Module
        if earlier_channels is None:
            self.adjust = nn.Identity()
        else:
            self.adjust = Halve(earlier_channels, filters) if halve else pointwise(earlier_channels, filters)
        self.adjusted = channels if earlier_channels is None else filters
        self.out_channels = self.concatenated * filters


class NormalCell(Cell):
    """The normal cell of figure 4: ``filters`` to ``6 * filters`` channels, height and width stay.

    Parameters
    ----------
    channels, earlier_channels : int
        Of h_i and of h_(i-1).
    filters : int
    halve : bool, default False
        h_(i-1) has twice the size of h_i.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> cell = models.NormalCell(4, 6, filters=2, halve=True)
    >>> cell(minicnn.zeros(1, 4, 8, 8), minicnn.zeros(1, 6, 16, 16)).shape
    minicnn.Size([1, 12, 8, 8])
    """

    concatenated = 6

    def __init__(self, channels: int, earlier_channels: int | None, filters: int, halve: bool = False) -> None:
        super().__init__(channels, earlier_channels, filters, halve)
        f, p = filters, self.adjusted
        self.sep1h, self.sep1p = Separable(f, f, 5), Separable(p, f, 3)
        self.sep2a, self.sep2b = Separable(p, f, 5), Separable(p, f, 3)
        self.sep5 = Separable(f, f, 3)
        self.avg = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor, earlier: Tensor) -> Tensor:
        h, p = self.squeeze(x), self.adjust(earlier)  # h_i and h_(i-1): (N, filters, H, W)
        y1 = self.sep1h(h) + self.sep1p(p)  # sep 5 x 5, sep 3 x 3
        y2 = self.sep2a(p) + self.sep2b(p)  # sep 5 x 5, sep 3 x 3
        y3 = self.avg(h) + p  # avg 3 x 3, identity
        y4 = 2 * self.avg(p)  # avg 3 x 3, avg 3 x 3
        y5 = self.sep5(h) + h  # sep 3 x 3, identity
        return cat([p, y1, y2, y3, y4, y5], 1)  # (N, 6 filters, H, W)


class ReductionCell(Cell):
    """The reduction cell of figure 4: ``filters`` to ``4 * filters`` channels, half of height and width.

    Parameters
    ----------
    channels, earlier_channels : int
        Of h_i and of h_(i-1); None if there is no h_(i-1), and h_i takes its place.
    filters : int
    halve : bool, default False
        h_(i-1) has twice the size of h_i.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> cell, x = models.ReductionCell(4, None, filters=2), minicnn.zeros(1, 4, 9, 9)
    >>> cell(x, x).shape
    minicnn.Size([1, 8, 5, 5])
    """

    concatenated = 4

    def __init__(self, channels: int, earlier_channels: int | None, filters: int, halve: bool = False) -> None:
        super().__init__(channels, earlier_channels, filters, halve)
        f, p = filters, self.adjusted
        self.sep1h, self.sep1p = Separable(f, f, 5, stride=2), Separable(p, f, 7, stride=2)
        self.sep2 = Separable(p, f, 7, stride=2)
        self.sep3 = Separable(p, f, 5, stride=2)
        self.sep5 = Separable(f, f, 3)
        self.max2, self.avg2 = HalvingMaxPool(), HalvingAvgPool()
        self.avg = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor, earlier: Tensor) -> Tensor:
        h, p = self.squeeze(x), self.adjust(earlier)  # h_i and h_(i-1): (N, filters, H, W)
        largest = self.max2(h)  # (N, filters, H/2, W/2)
        y1 = self.sep1h(h) + self.sep1p(p)  # sep 5 x 5, sep 7 x 7
        y2 = largest + self.sep2(p)  # max 3 x 3, sep 7 x 7
        y3 = self.avg2(h) + self.sep3(p)  # avg 3 x 3, sep 5 x 5
        y4 = self.avg(y1) + y2  # avg 3 x 3, identity
        y5 = self.sep5(y1) + largest  # sep 3 x 3, max 3 x 3
        return cat([y2, y3, y4, y5], 1)  # (N, 4 filters, H/2, W/2)


class NASNet(ImageNetwork):
    """NASNet-A (num_blocks @ penultimate_filters).

    Parameters
    ----------
    num_classes : int, default 1000
    penultimate_filters : int, default 1056
        P, channels at the end: a multiple of 96, as the narrowest cell has P/96 filters.
    num_blocks : int, default 4
        N, normal cells in each of the three stages.
    stem_filters : int, default 32
        Channels of the first convolution.
    skip_reduction : bool, default False
        The cell behind a reduction takes as its h_(i-1) what the reduction had as its own, not the reduction's h_i.
    dropout : float, default 0.5
        Share of features dropped before the fully connected layer, as in slim.
    in_channels : int, default 3

    Raises
    ------
    ValueError
        If ``penultimate_filters`` is not a multiple of 96, or there is no normal cell.

    References
    ----------
    Zoph et al., *Learning transferable architectures for scalable image recognition*, 2018.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> model = models.NASNet(num_classes=10, penultimate_filters=96, num_blocks=1, stem_filters=4)
    >>> model(minicnn.zeros(2, 3, 32, 32)).shape
    minicnn.Size([2, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        penultimate_filters: int = 1056,
        num_blocks: int = 4,
        stem_filters: int = 32,
        skip_reduction: bool = False,
        dropout: float = 0.5,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if penultimate_filters < 1 or penultimate_filters % 96:
            raise ValueError(
                f"{name}: penultimate_filters must be a multiple of 96, such as 1056; got {penultimate_filters}"
            )
        if num_blocks < 1:
            raise ValueError(f"{name}: num_blocks must be at least 1; got {num_blocks}")
        self.skip_reduction = skip_reduction
        filters = penultimate_filters // 24
        last, earlier = stem_filters, stem_filters  # channels of h_i and h_(i-1)

        def normal(filters: int) -> nn.ModuleList:
            nonlocal last, earlier
            cells = nn.ModuleList()
            for number in range(num_blocks):
                cells.append(NormalCell(last, earlier, filters, halve=number == 0))
                last, earlier = cells[-1].out_channels, last
            return cells

        def reduction(filters: int) -> ReductionCell:
            nonlocal last, earlier
            cell = ReductionCell(last, earlier, filters)
            last, earlier = cell.out_channels, earlier if skip_reduction else last
            return cell

        self.stem = nn.Sequential(nn.Conv2d(in_channels, stem_filters, 3, stride=2, bias=False), norm(stem_filters))
        self.stem1 = ReductionCell(stem_filters, None, filters // 4)
        self.stem2 = ReductionCell(self.stem1.out_channels, stem_filters, filters // 2, halve=True)
        last, earlier = self.stem2.out_channels, self.stem1.out_channels
        self.cells1 = normal(filters)
        self.reduce1 = reduction(2 * filters)
        self.cells2 = normal(2 * filters)
        self.reduce2 = reduction(4 * filters)
        self.cells3 = normal(4 * filters)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(penultimate_filters, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (N, stem_filters, H/2, W/2)
        x, earlier = self.stem1(x, x), x  # (N, F, H/4, W/4)
        x, earlier = self.stem2(x, earlier), x  # (N, 2F, H/8, W/8)
        for cell in self.cells1:
            x, earlier = cell(x, earlier), x  # (N, 6F, H/8, W/8)
        x, earlier = self.reduce1(x, earlier), earlier if self.skip_reduction else x
        for cell in self.cells2:
            x, earlier = cell(x, earlier), x  # (N, 12F, H/16, W/16)
        x, earlier = self.reduce2(x, earlier), earlier if self.skip_reduction else x
        for cell in self.cells3:
            x, earlier = cell(x, earlier), x  # (N, 24F, H/32, W/32)
        x = self.avgpool(self.relu(x)).flatten(1)
        return self.fc(self.dropout(x))


@register_model
def nasnet_a_mobile(num_blocks: int = 4, **config: Any) -> NASNet:
    """NASNet-A (4 @ 1056): 5,289,978 parameters, 224 x 224 images; table 3.

    Parameters
    ----------
    num_blocks : int, default 4
    **config
        Other arguments of :class:`NASNet`.
    """
    return NASNet(penultimate_filters=1056, num_blocks=num_blocks, stem_filters=32, skip_reduction=False, **config)


@register_model(image=(3, 331, 331))
def nasnet_a_large(num_blocks: int = 6, **config: Any) -> NASNet:
    """NASNet-A (6 @ 4032): 88,753,150 parameters, 331 x 331 images; table 2.

    Parameters
    ----------
    num_blocks : int, default 6
    **config
        Other arguments of :class:`NASNet`.
    """
    return NASNet(penultimate_filters=4032, num_blocks=num_blocks, stem_filters=96, skip_reduction=True, **config)
