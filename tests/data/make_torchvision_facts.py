"""Write torchvision_facts.json.gz anew, from torchvision itself: what its transforms do to two small images.

    python -m tests.data.make_torchvision_facts

Not part of the tests: they read the file. Needs torchvision 0.28.
"""

from __future__ import annotations

import gzip
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .torchvision_cases import CASES, CLASSES, CONVERSIONS, KINDS, floats, picture


def listed(out: Any) -> Any:
    """A result as something that JSON holds: kind, shape and values."""
    if isinstance(out, tuple):
        return [listed(part) for part in out]
    values = np.asarray(out)
    kind = {"mode": out.mode} if isinstance(out, Image.Image) else {"dtype": str(values.dtype)}
    return {**kind, "shape": values.shape, "values": [round(v, 6) for v in values.ravel().tolist()]}


def signature(function: Any) -> list[tuple[str, str]]:
    """Names and defaults of the parameters."""
    return [(p.name, str(p.default)) for p in inspect.signature(function).parameters.values() if p.name != "self"]


if __name__ == "__main__":
    import torch
    import torchvision.transforms as T
    import torchvision.transforms.functional as F
    from torchvision.transforms._presets import ImageClassification

    facts: dict[str, Any] = {"results": {}, "classes": {}, "functions": {}, "texts": {}}
    for key, (name, arguments, kinds) in CASES.items():
        for kind in kinds or KINDS:
            image = picture(kind)
            image = image if kind in ("RGB", "L") else torch.from_numpy(image)
            options = {k: getattr(T.InterpolationMode, v) if k == "interpolation" else v for k, v in arguments.items()}
            facts["results"][f"{key} {kind}"] = listed(getattr(F, name)(image, **options))
        facts["functions"][name] = signature(getattr(F, name))
    for name, arguments in CLASSES:
        facts["classes"][name] = signature(getattr(T, name).__init__)
        if arguments is not None:
            facts["texts"][f"{name} {json.dumps(arguments)}"] = str(getattr(T, name)(**arguments))
    for old, new in CONVERSIONS:
        out = F.convert_image_dtype(torch.from_numpy(floats(old)), getattr(torch, new))
        facts["results"][f"convert {old} {new}"] = listed(out)
    for kind in ("RGB", "bytes"):
        image = picture(kind)
        preset = ImageClassification(crop_size=6, resize_size=8)
        facts["results"][f"preset {kind}"] = listed(preset(image if kind == "RGB" else torch.from_numpy(image)))
    path = Path(__file__).with_name("torchvision_facts.json.gz")
    path.write_bytes(gzip.compress(json.dumps(facts, separators=(",", ":"), default=str).encode(), mtime=0))
    print(f"{path}: {path.stat().st_size} bytes, {len(facts['results'])} results")
