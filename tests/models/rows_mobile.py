"""DenseNets, and the networks for telephones: MobileNet, ShuffleNet, MnasNet."""

from __future__ import annotations

from .row import Row

TORCHVISION = "torchvision 0.28"
KERAS = "keras.applications, trainable"
TABLE_1 = "sum over the lines of the paper's table 1, with the weights of its groups and batch normalisations"


def densenet(name: str, parameters: int, entries: int, statistics: int | None = None, source: str = TORCHVISION) -> Row:
    return Row(name, parameters, entries, source, with_statistics=statistics)


def cifar(name: str, parameters: int, entries: int, source: str) -> Row:
    return Row(name, parameters, entries, source, image=(3, 32, 32), small=(3, 16, 16))


ROWS = [
    densenet("densenet121", 7_978_856, 727, 8_062_504),
    densenet("densenet161", 28_681_000, 967),
    densenet("densenet169", 14_149_480, 1015, 14_307_880),
    densenet("densenet201", 20_013_928, 1207, 20_242_984),
    densenet("densenet264", 33_337_704, 1591, source="Huang et al., 2017, table 1, summed layer by layer"),
    cifar("densenet40_k12", 1_019_722, 236, "Huang et al., 2017, section 3, summed layer by layer; table 2: 1.0 M"),
    cifar("densenet_bc100_k12", 769_162, 596, "Huang et al., 2017, section 3, summed layer by layer; table 2: 0.8 M"),
    Row("mobilenet_v1", 4_231_976, 164, f"{KERAS}; table 6 of the paper: 4.2 M", with_statistics=4_253_864),
    Row("mobilenet_v1_0_75", 2_585_560, 164, f"{TABLE_1}; table 6: 2.6 M"),
    Row("mobilenet_v1_0_5", 1_331_592, 164, f"{TABLE_1}; table 6: 1.3 M"),
    Row("mobilenet_v1_0_25", 470_072, 164, f"{TABLE_1}; table 6: 0.5 M"),
    Row("mobilenet_v2", 3_504_872, 314, f"{TORCHVISION}; {KERAS}", with_statistics=3_538_984),
    Row("mobilenet_v3_large", 5_483_032, 312, TORCHVISION),
    Row("mobilenet_v3_small", 2_542_856, 244, TORCHVISION),
    Row("shufflenet_v1_g1", 1_531_936, 296, TABLE_1),
    Row("shufflenet_v1_g2", 1_733_848, 296, TABLE_1),
    Row("shufflenet_v1_g3", 1_865_728, 296, TABLE_1),
    Row("shufflenet_v1_g4", 1_968_344, 296, TABLE_1),
    Row("shufflenet_v1_g8", 2_434_768, 296, TABLE_1),
    Row("shufflenet_v2_x0_5", 1_366_792, 338, TORCHVISION),
    Row("shufflenet_v2_x1_0", 2_278_604, 338, TORCHVISION),
    Row("shufflenet_v2_x1_5", 3_503_624, 338, TORCHVISION),
    Row("shufflenet_v2_x2_0", 7_393_996, 338, TORCHVISION),
    Row("mnasnet0_5", 2_218_512, 314, TORCHVISION),
    Row("mnasnet0_75", 3_170_208, 314, TORCHVISION),
    Row("mnasnet1_0", 4_383_312, 314, TORCHVISION),
    Row("mnasnet1_3", 6_282_256, 314, TORCHVISION),
]
