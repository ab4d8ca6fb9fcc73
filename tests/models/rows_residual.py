"""Networks with residuals: for CIFAR, with pre-activation, with Inception modules; and NASNet."""

from __future__ import annotations

from typing import Any

from .row import Row

KERAS = "keras.applications, trainable"
SUM = "97,216 n - 21,926 for depth 6n + 2, summed layer by layer"
TABLE_6 = f"{SUM}; He et al., 2015, table 6"


def cifar(name: str, parameters: int, entries: int, source: str) -> Row:
    return Row(name, parameters, entries, source, image=(3, 32, 32), small=(3, 8, 8))


def keras(name: str, parameters: int, entries: int, with_statistics: int, side: int, **row: Any) -> Row:
    return Row(name, parameters, entries, KERAS, (3, side, side), with_statistics=with_statistics, **row)


ROWS = [
    cifar("plain20", 269_722, 116, SUM),
    cifar("plain56", 853_018, 332, SUM),
    cifar("resnet20", 269_722, 116, f"{TABLE_6}: 0.27 M"),
    cifar("resnet32", 464_154, 188, f"{TABLE_6}: 0.46 M"),
    cifar("resnet44", 658_586, 260, f"{TABLE_6}: 0.66 M"),
    cifar("resnet56", 853_018, 332, f"{TABLE_6}: 0.85 M"),
    cifar("resnet110", 1_727_962, 656, f"{TABLE_6}: 1.7 M"),
    cifar("resnet1202", 19_421_274, 7208, f"{TABLE_6}: 19.4 M"),
    cifar("resnet110_stochastic_depth", 1_727_962, 656, "as resnet110: what is left out at random has no parameters"),
    cifar("wide_resnet28_10", 36_479_194, 155, "summed layer by layer; Zagoruyko & Komodakis, 2016, table 4: 36.5 M"),
    keras("resnet50_v2", 25_568_360, 321, 25_613_800, 224),
    keras("resnet101_v2", 44_577_896, 644, 44_675_560, 224),
    keras("resnet152_v2", 60_236_904, 967, 60_380_648, 224),
    keras(
        "inception_resnet_v2",
        55_813_192,
        1102,
        55_873_736,
        299,
        small=(3, 75, 75),
        config={"num_classes": 10, "blocks": (1, 1, 2)},
    ),
    keras("nasnet_a_mobile", 5_289_978, 1318, 5_326_716, 224, config={"num_classes": 10, "num_blocks": 2}),
    keras("nasnet_a_large", 88_753_150, 1810, 88_949_818, 331, config={"num_classes": 10, "num_blocks": 1}),
]
