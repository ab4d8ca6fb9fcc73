"""The modules of Inception v3, which :mod:`minicnn.models.inception` puts together and explains."""

from __future__ import annotations

from .. import nn
from ..core.tensor import Tensor
from ..nn import functional as F
from ..ops.joining import cat
from .inception_common import BasicConv2d, Block


class InceptionA(nn.Module):
    """Branches 1 x 1, 5 x 5, twice 3 x 3, and average pooling: ``224 + pool_features`` channels of the same size.

    Parameters
    ----------
    in_channels : int
    pool_features : int
        1 x 1 filters behind the pooling.
    conv_block : callable, default BasicConv2d

    References
    ----------
    Szegedy et al., *Rethinking the Inception architecture*, 2015, figure 5.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.inception_modules import InceptionA
    >>> InceptionA(8, 32)(minicnn.zeros(1, 8, 5, 5)).shape
    minicnn.Size([1, 256, 5, 5])
    """

    def __init__(self, in_channels: int, pool_features: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        self.branch1x1 = conv(in_channels, 64, kernel_size=1)
        self.branch5x5_1 = conv(in_channels, 48, kernel_size=1)
        self.branch5x5_2 = conv(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = conv(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv(96, 96, kernel_size=3, padding=1)
        self.branch_pool = conv(in_channels, pool_features, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch1x1(x)
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pool = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        return cat([one, five, three, pool], 1)  # (N, 64 + 64 + 96 + pool_features, H, W)


class InceptionB(nn.Module):
    """Half the size: 3 x 3 and twice 3 x 3 with stride 2, and max pooling: ``480 + in_channels`` channels.

    Pooling beside the convolutions neither squeezes the information through few channels nor costs much (section 5).

    Parameters
    ----------
    in_channels : int
    conv_block : callable, default BasicConv2d

    References
    ----------
    Szegedy et al., *Rethinking the Inception architecture*, 2015, figure 10.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.inception_modules import InceptionB
    >>> InceptionB(8)(minicnn.zeros(1, 8, 5, 5)).shape
    minicnn.Size([1, 488, 2, 2])
    """

    def __init__(self, in_channels: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        self.branch3x3 = conv(in_channels, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = conv(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv(96, 96, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3(x)
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pool = F.max_pool2d(x, kernel_size=3, stride=2)
        return cat([three, double, pool], 1)  # (N, 384 + 96 + in_channels, H/2, W/2)


class InceptionC(nn.Module):
    """Branches 1 x 1, 7 x 7, twice 7 x 7, and average pooling: 768 channels of the same size.

    A 7 x 7 filter is 1 x 7 and then 7 x 1: 14 weights per channel in place of 49.

    Parameters
    ----------
    in_channels : int
    channels_7x7 : int
        Channels between the convolutions.
    conv_block : callable, default BasicConv2d

    References
    ----------
    Szegedy et al., *Rethinking the Inception architecture*, 2015, figure 6 with n = 7.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.inception_modules import InceptionC
    >>> InceptionC(8, 16)(minicnn.zeros(1, 8, 5, 5)).shape
    minicnn.Size([1, 768, 5, 5])
    """

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        c7 = channels_7x7
        self.branch1x1 = conv(in_channels, 192, kernel_size=1)
        self.branch7x7_1 = conv(in_channels, c7, kernel_size=1)
        self.branch7x7_2 = conv(c7, c7, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7_3 = conv(c7, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7dbl_1 = conv(in_channels, c7, kernel_size=1)
        self.branch7x7dbl_2 = conv(c7, c7, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7dbl_3 = conv(c7, c7, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7dbl_4 = conv(c7, c7, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7dbl_5 = conv(c7, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch_pool = conv(in_channels, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch1x1(x)
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        pool = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        return cat([one, seven, double, pool], 1)  # (N, 4*192, H, W)


class InceptionD(nn.Module):
    """Half the size: 3 x 3, and 7 x 7 then 3 x 3, with stride 2, and max pooling: ``512 + in_channels`` channels.

    Parameters
    ----------
    in_channels : int
    conv_block : callable, default BasicConv2d

    References
    ----------
    Szegedy et al., *Rethinking the Inception architecture*, 2015, section 5.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.inception_modules import InceptionD
    >>> InceptionD(8)(minicnn.zeros(1, 8, 5, 5)).shape
    minicnn.Size([1, 520, 2, 2])
    """

    def __init__(self, in_channels: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        self.branch3x3_1 = conv(in_channels, 192, kernel_size=1)
        self.branch3x3_2 = conv(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = conv(in_channels, 192, kernel_size=1)
        self.branch7x7x3_2 = conv(192, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = conv(192, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = conv(192, 192, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_2(self.branch7x7x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(seven))
        pool = F.max_pool2d(x, kernel_size=3, stride=2)
        return cat([three, seven, pool], 1)  # (N, 320 + 192 + in_channels, H/2, W/2)


class InceptionE(nn.Module):
    """Branches 1 x 1, 3 x 3, twice 3 x 3, and average pooling: 2048 channels of the same size.

    The last 3 x 3 filters of a branch are 1 x 3 and 3 x 1 side by side: more channels where the image is smallest.

    Parameters
    ----------
    in_channels : int
    conv_block : callable, default BasicConv2d

    References
    ----------
    Szegedy et al., *Rethinking the Inception architecture*, 2015, figure 7.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.models.inception_modules import InceptionE
    >>> InceptionE(8)(minicnn.zeros(1, 8, 2, 2)).shape
    minicnn.Size([1, 2048, 2, 2])
    """

    def __init__(self, in_channels: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        self.branch1x1 = conv(in_channels, 320, kernel_size=1)
        self.branch3x3_1 = conv(in_channels, 384, kernel_size=1)
        self.branch3x3_2a = conv(384, 384, kernel_size=(1, 3), padding=(0, 1))
        self.branch3x3_2b = conv(384, 384, kernel_size=(3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = conv(in_channels, 448, kernel_size=1)
        self.branch3x3dbl_2 = conv(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = conv(384, 384, kernel_size=(1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = conv(384, 384, kernel_size=(3, 1), padding=(1, 0))
        self.branch_pool = conv(in_channels, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch1x1(x)
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pool = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        branches = [
            one,
            self.branch3x3_2a(three),
            self.branch3x3_2b(three),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            pool,
        ]
        return cat(branches, 1)  # (N, 320 + 4*384 + 192, H, W)


class InceptionAux(nn.Module):
    """Auxiliary head of Inception v3: for 17 x 17 inputs, average pooling to 5 x 5, then 1 x 1, 5 x 5, and a layer.

    Parameters
    ----------
    in_channels : int
    num_classes : int
    conv_block : callable, default BasicConv2d

    References
    ----------
    Szegedy et al., *Rethinking the Inception architecture*, 2015, section 4 and figure 8.
    """

    def __init__(self, in_channels: int, num_classes: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv = BasicConv2d if conv_block is None else conv_block
        self.conv0 = conv(in_channels, 128, kernel_size=1)
        self.conv1 = conv(128, 768, kernel_size=5)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, kernel_size=5, stride=3)  # (N, in_channels, 5, 5)
        x = self.conv1(self.conv0(x))  # (N, 768, 1, 1)
        x = F.adaptive_avg_pool2d(x, (1, 1))  # larger images leave more than one value
        return self.fc(x.flatten(1))  # (N, num_classes)
