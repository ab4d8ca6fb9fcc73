"""Write torchvision_facts.json.gz anew, from torchvision itself.

    python -m tests.models.make_torchvision_facts [MODEL ...]

Not part of the tests: they read the file. Needs torchvision 0.28.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch

from . import golden

NAMES = """
alexnet vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn googlenet inception_v3 resnet18 resnet34 resnet50
resnet101 resnet152 resnext50_32x4d resnext101_32x8d wide_resnet50_2 wide_resnet101_2 squeezenet1_0 squeezenet1_1
densenet121 densenet161 densenet169 densenet201 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large shufflenet_v2_x0_5
shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3
"""


def hardsigmoid(self: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Its formula: PyTorch's own gradient multiplies by a 1/6 rounded to float32, also in float64."""
    return torch.nn.functional.relu6(x + 3) / 6


def facts(name: str, models: Any) -> dict[str, Any]:
    """What the tests compare with."""
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = models.get_model(name, weights=None, **options)
    state = model.state_dict()
    found = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "state_dict": {key: list(value.shape) for key, value in state.items()},
        "repr": hashlib.sha256(repr(model).encode()).hexdigest(),
    }
    model = models.get_model(name, weights=None, num_classes=golden.CLASSES, **options)
    model.double()
    for key, value in model.state_dict().items():
        value.copy_(torch.from_numpy(golden.values(key, tuple(value.shape))))
    found["numbers"] = golden.measure(name, model, torch.from_numpy)
    if name in ("googlenet", "inception_v3"):
        found["training"] = golden.measure_training(name, model, torch.from_numpy)
    return found


if __name__ == "__main__":
    import torchvision.models

    torch.nn.Hardsigmoid.forward = hardsigmoid  # type: ignore[method-assign]
    path = Path(__file__).with_name("torchvision_facts.json.gz")
    wanted = sys.argv[1:]
    everything = json.loads(gzip.decompress(path.read_bytes())) if wanted else {}
    for name in wanted or NAMES.split():
        everything[name] = facts(name, torchvision.models)
        print(name, everything[name]["numbers"]["logits"][:2], everything[name]["numbers"]["grad_norm"], flush=True)
    path.write_bytes(gzip.compress(json.dumps(everything).encode(), mtime=0))
    print(path.stat().st_size, "bytes")
