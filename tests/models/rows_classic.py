"""VGG, ResNet and its kin, SqueezeNet, GoogLeNet, Inception v3."""

from __future__ import annotations

from .row import Row

TORCHVISION = "torchvision 0.28"
NO_SCALES = "Keras's 23,817,352 has no scales in batch normalisation: + 17,216, and + 3,326,696 for the auxiliary head"


def vgg(name: str, parameters: int, entries: int, source: str) -> Row:
    return Row(name, parameters, entries, source, small=(3, 32, 32))


def bn(filters: int) -> str:
    return f"{TORCHVISION}; without _bn + 2 for each of the {filters:,} filters"


ROWS = [
    vgg("vgg11", 132_863_336, 22, f"{TORCHVISION}; Simonyan & Zisserman, 2014, table 2: 133 million"),
    vgg("vgg11_bn", 132_868_840, 62, bn(2_752)),
    vgg("vgg13", 133_047_848, 26, f"{TORCHVISION}; Simonyan & Zisserman, 2014, table 2: 133 million"),
    vgg("vgg13_bn", 133_053_736, 76, bn(2_944)),
    vgg("vgg16", 138_357_544, 32, "torchvision 0.28 and Keras; Simonyan & Zisserman, 2014, table 2: 138 million"),
    vgg("vgg16_bn", 138_365_992, 97, bn(4_224)),
    vgg("vgg19", 143_667_240, 38, "torchvision 0.28 and Keras; Simonyan & Zisserman, 2014, table 2: 144 million"),
    vgg("vgg19_bn", 143_678_248, 118, bn(5_504)),
    Row("resnet18", 11_689_512, 122, TORCHVISION),
    Row("resnet34", 21_797_672, 218, TORCHVISION),
    Row("resnet50", 25_557_032, 320, "torchvision 0.28; Keras's 25,583,592 has 26,560 biases before normalisation"),
    Row("resnet101", 44_549_160, 626, "torchvision 0.28; Keras's 44,601,832 has 52,672 biases before normalisation"),
    Row("resnet152", 60_192_808, 932, "torchvision 0.28; Keras's 60,268,520 has 75,712 biases before normalisation"),
    Row("resnext50_32x4d", 25_028_904, 320, f"{TORCHVISION}; Xie et al., 2016, table 1: 25.0 million"),
    Row("resnext101_32x8d", 88_791_336, 626, TORCHVISION),
    Row("wide_resnet50_2", 68_883_240, 320, f"{TORCHVISION}; Zagoruyko & Komodakis, 2016, table 8: 68.9 million"),
    Row("wide_resnet101_2", 126_886_696, 626, TORCHVISION),
    Row("squeezenet1_0", 1_248_424, 52, "Iandola et al., 2016, table 1"),
    Row("squeezenet1_1", 1_235_496, 52, TORCHVISION),
    Row("googlenet", 13_004_888, 364, TORCHVISION),
    Row("googlenet_2014", 13_378_280, 128, "Caffe's bvlc_googlenet; 6,998,552 without the heads", small=(3, 224, 224)),
    Row("inception_v3", 27_161_264, 580, NO_SCALES, image=(3, 299, 299), small=(3, 299, 299)),
]
