"""Numbers that any two implementations of one network must share: the same weights, the same image, the same output.

The weights come from a formula, so that they need not be stored.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

CLASSES = 7


def values(key: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The entry ``key`` of the state, in float64: sizes that neither vanish nor explode through many layers."""
    if key.endswith("num_batches_tracked"):
        return np.array(3)
    random = np.random.RandomState(zlib.crc32(key.encode()))  # a stream that never changes between NumPy's versions
    count = int(np.prod(shape))
    if key.endswith("running_var") or (len(shape) == 1 and key.endswith("weight")):
        return random.uniform(0.5, 1.0, shape)
    if len(shape) == 1:
        return 0.1 * random.standard_normal(shape)
    block = random.standard_normal(min(count, 65537))
    return np.resize(block, shape) * np.sqrt(2 / np.prod(shape[1:]))


def image(side: int, batch: int = 2) -> np.ndarray[Any, Any]:
    """A batch of images (N, 3, side, side)."""
    return np.random.RandomState(0).standard_normal((batch, 3, side, side))


def parts(output: Any) -> Iterable[Any]:
    """The tensors of an output: of one tensor, or of a named tuple with auxiliary outputs."""
    return output if isinstance(output, tuple) else (output,)


def side(name: str) -> int:
    """A cheap size that this network takes."""
    return 80 if name == "inception_v3" else 64


def measure(name: str, model: Any, tensor: Any) -> dict[str, Any]:
    """Logits, and gradients of their weighted sum, in evaluation; ``tensor`` makes one from an array."""
    model.double().eval()
    x = tensor(image(side(name))).requires_grad_()
    y = model(x)
    weights = np.linspace(-1, 1, y.shape[0] * y.shape[1]).reshape(tuple(y.shape))
    (y * tensor(weights)).sum().backward()
    gradients = {key: p.grad for key, p in model.named_parameters() if p.grad is not None}
    norm = float(np.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients.values())))
    return {
        "logits": y.detach().numpy().ravel()[:8].tolist(),
        "grad_norm": norm,
        "with_grad": len(gradients),
        "grad_input": x.grad.numpy()[1, :, 5, 7].tolist(),
        "grad_first": next(iter(gradients.values())).numpy().ravel()[:4].tolist(),
    }


def measure_training(name: str, model: Any, tensor: Any) -> list[list[float]]:
    """All outputs in training mode without dropout: those of auxiliary heads too."""
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    model.double().train()
    outputs = model(tensor(image({"inception_v3": 299, "googlenet": 64}[name])))
    return [part.detach().numpy().ravel()[:4].tolist() for part in parts(outputs)]
