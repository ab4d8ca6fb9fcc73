"""The networks of the papers from LeNet-5 to Xception."""

from __future__ import annotations

from .row import Row

NARROW = {"num_classes": 10, "hidden_features": 256}  # the fully connected layers are most of these networks

ROWS = [
    Row(
        "lenet5",
        parameters=61_706,
        entries=10,
        source="LeCun et al., 1998, section II.B: C1 156, C5 48,120, F6 10,164; C3 with all connections 2,416",
        image=(1, 32, 32),
        small=(1, 32, 32),
    ),
    Row(
        "alexnet",
        parameters=61_100_840,
        entries=16,
        source="torchvision 0.28",
    ),
    Row(
        "alexnet_2012",
        parameters=60_965_224,
        entries=16,
        source="Krizhevsky et al., 2012, figure 2, layer by layer: 34,944 + 307,456 + 885,120 + 663,936 + 442,624 "
        "+ 37,752,832 + 16,781,312 + 4,097,000 (the paper: 60 million)",
        image=(3, 227, 227),
        small=(3, 67, 67),
        config=NARROW,
    ),
    Row(
        "alexnet_one_tower",
        parameters=62_378_344,
        entries=16,
        source="Krizhevsky et al., 2012, figure 2 without groups: convolutions 2, 4, 5 614,656 + 1,327,488 + 884,992",
        image=(3, 227, 227),
        small=(3, 67, 67),
        config=NARROW,
    ),
    Row(
        "zfnet",
        parameters=62_357_608,
        entries=16,
        source="Zeiler & Fergus, 2013, figure 3, layer by layer: 14,208 + 614,656 + 885,120 + 1,327,488 + 884,992 "
        "+ 37,752,832 + 16,781,312 + 4,097,000",
        config=NARROW,
    ),
    Row(
        "nin",
        parameters=7_595_176,
        entries=24,
        source="the authors' network for Caffe, block by block: 53,568 + 746,240 + 1,180,800 + 5,614,568: a 29 MB file",
        small=(3, 80, 80),
    ),
    Row(
        "nin_cifar10",
        parameters=966_986,
        entries=18,
        source="the authors' network, layer by layer: 60,928 + 535,104 + 370,954",
        image=(3, 32, 32),
        small=(3, 16, 16),
    ),
    Row(
        "maxout_cifar10",
        parameters=16_247_830,
        entries=10,
        source="the authors' configuration, layer by layer: 37,056 + 2,359,680 + 1,843,584 + 12,002,500 + 5,010",
        image=(3, 32, 32),
        small=(3, 32, 32),
        config={"num_classes": 10, "width": 48, "hidden_features": 100},
    ),
    Row(
        "darknet19",
        parameters=20_842_376,
        entries=110,
        source="Redmon & Farhadi, 2016, table 6, layer by layer; the table's 5.58 billion operations agree",
    ),
    Row(
        "darknet53",
        parameters=41_609_928,
        entries=314,
        source="Redmon & Farhadi, 2018, table 1, layer by layer; the 18.7 billion operations of table 2 agree",
        image=(3, 256, 256),
        config={"num_classes": 10, "blocks": (1, 1, 2, 1, 1)},
    ),
    Row(
        "xception",
        parameters=22_855_952,
        entries=276,
        source="Keras 3: 22,910,480 in all, 22,855,952 of them trainable",
        image=(3, 299, 299),
        config={"num_classes": 10, "middle_blocks": 2},
        with_statistics=22_910_480,
    ),
]
