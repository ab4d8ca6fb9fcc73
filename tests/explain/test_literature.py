"""Parameters, multiply-adds and receptive fields of networks that others have counted.

Multiply-adds: torchvision's published table (GFLOPS, to two places), of MobileNet v1 the paper's table 8. Receptive
fields, of the last layer before all positions are mixed: Araujo, Norris & Sim, *Computing receptive fields of
convolutional neural networks*, Distill 2019, table 1, where they have the network.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minicnn import models
from minicnn.explain import summary

ROOT = Path(__file__).resolve().parents[2]

# name, side of the image, parameters, multiply-adds in 10^9, receptive field
COUNTED = [
    ("alexnet", 224, 61_100_840, 0.71, 195),
    ("vgg16", 224, 138_357_544, 15.47, 212),
    ("googlenet", 224, 13_004_888, 1.50, None),
    ("inception_v3", 299, 27_161_264, 5.71, 1311),
    ("resnet18", 224, 11_689_512, 1.81, None),
    ("resnet50", 224, 25_557_032, 4.09, None),
    ("resnet50_v2", 224, None, None, 483),
    ("resnext50_32x4d", 224, 25_028_904, 4.23, None),
    ("squeezenet1_0", 224, 1_248_424, 0.82, None),
    ("squeezenet1_1", 224, 1_235_496, 0.35, None),
    ("densenet121", 224, 7_978_856, 2.83, None),
    ("mobilenet_v1", 224, None, 0.57, 315),
    ("mobilenet_v2", 224, 3_504_872, 0.30, None),
    ("mobilenet_v3_small", 224, 2_542_856, 0.06, None),
    ("shufflenet_v2_x1_0", 224, 2_278_604, 0.14, None),
    ("mnasnet1_0", 224, 4_383_312, 0.31, None),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side", "params", "billions", "field"), COUNTED, ids=[row[0] for row in COUNTED])
def test_counts_are_those_of_the_literature(
    name: str, side: int, params: int | None, billions: float | None, field: int | None
) -> None:
    found = summary(models.get_model(name), (3, side, side), verbose=0)
    if params is not None:
        assert found.total_params == params
    if billions is not None:
        assert abs(found.total_mult_adds / 1e9 - billions) <= 0.0051
    if field is not None:
        assert [row.receptive_field for row in found.rows if row.fields and not row.sees_all][-1] == (field, field)
    assert found.rows[0].sees_all
    assert found.total_params == found.rows[0].params
    assert not [row for row in found.rows if row.note]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_network_of_138_million_parameters_takes_little_memory() -> None:
    """The weights alone are 553 MB."""
    code = (
        "from minicnn import models, summary;"
        "found = summary(models.vgg16(), (3, 224, 224), verbose=0);"  # ru_maxrss would be the test run's own
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'));"
        "print(found.total_param_bytes, int(peak.split()[1]) * 1024)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'kernels'}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    parameters, most = map(int, done.stdout.split())
    assert parameters == 4 * 138_357_544
    assert most < 1.5e9
