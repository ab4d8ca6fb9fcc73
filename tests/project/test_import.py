"""What `import minicnn` costs and what it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _python(code: str, **env: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]), **env}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_takes_less_than_0_4_seconds() -> None:
    code = "import time; t = time.process_time(); import minicnn; print(time.process_time() - t)"  # however busy it is
    assert min(float(_python(code)) for _ in range(5)) < 0.4


def test_import_loads_no_heavy_package() -> None:
    code = "import json, sys, minicnn; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    loaded = set(json.loads(_python(code)))
    assert not loaded & {
        "numba",
        "llvmlite",
        "cupy",
        "torch",
        "matplotlib",
        "PIL",
        "tqdm",
        "safetensors",
        "scipy",
        "sklearn",
        "onnx",
    }


def test_import_changes_no_global_state() -> None:
    code = """
import os, random, sys, threading, warnings
import numpy as np
def state():
    return (dict(os.environ), np.get_printoptions(), np.geterr(), np.random.get_state()[1].tolist(), random.getstate(),
            list(warnings.filters), threading.active_count(), sys.getrecursionlimit(), os.getcwd(), list(sys.path))
before = state()
import minicnn, minicnn.nn, minicnn.optim, minicnn.data
assert state() == before
"""
    _python(code)


def test_every_public_name_exists_and_is_documented() -> None:
    import minicnn
    from minicnn import datasets, explain, models, nn, onnx, optim, train, transforms
    from minicnn.nn import functional, init

    parts = (nn, functional, init, optim, optim.lr_scheduler, transforms, datasets, models, onnx, explain, train)
    for module in (minicnn, minicnn.data, *parts):
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value):
                assert value.__doc__, f"{module.__name__}.{name} has no docstring"


def test_backend_from_the_environment() -> None:
    code = "import minicnn; print(minicnn.active_backend())"
    assert _python(code, MINICNN_BACKEND="reference").strip() == "reference"
    code = "import minicnn\ntry: minicnn.active_backend()\nexcept ValueError as e: print(e)"
    assert "there is no backend 'fast'" in _python(code, MINICNN_BACKEND="fast")
