"""A network beside the same network written with torch.nn: outputs, all gradients and running statistics must agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import minicnn

TOLERANCE = 1e-9


def randomise(twin: Any, seed: int = 0) -> None:
    """Values that would show a layer left out or exchanged: no weight is 1, no shift 0."""
    random = np.random.default_rng(seed)
    for key, value in twin.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        if value.ndim > 1:  # activations keep their size
            new = random.normal(0, (2 / np.prod(value.shape[1:])) ** 0.5, value.shape)
        elif key.endswith(("running_var", "weight")):
            new = random.uniform(0.5, 1.5, value.shape)
        else:
            new = random.normal(0, 0.1, value.shape)
        value.copy_(torch.from_numpy(new))


def close(name: str, ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> None:
    scale = max(np.abs(theirs).max(), 1e-30) if theirs.size else 1.0
    difference = np.abs(ours - theirs).max() / scale if theirs.size else 0.0
    assert ours.shape == theirs.shape, name
    assert difference < tolerance, f"{name}: relative difference {difference:.1e}"


def compare(ours: Any, twin: Any, shape: tuple[int, ...], train: bool, tolerance: float = TOLERANCE) -> None:
    """Both with the same weights and input, in float64; both have the same names."""
    ours, twin = ours.double().train(train), twin.double().train(train)
    randomise(twin)
    result = ours.load_state_dict({key: minicnn.tensor(value.numpy()) for key, value in twin.state_dict().items()})
    assert not result.missing_keys
    random = np.random.default_rng(1)
    image = random.standard_normal(shape)
    x, x_twin = minicnn.tensor(image, requires_grad=True), torch.tensor(image, requires_grad=True)
    y, y_twin = ours(x), twin(x_twin)
    close("output", y.detach().numpy(), y_twin.detach().numpy(), tolerance)
    weights = random.standard_normal(tuple(y_twin.shape))
    (y * minicnn.tensor(weights)).sum().backward()
    (y_twin * torch.tensor(weights)).sum().backward()
    close("gradient of the input", x.grad.numpy(), x_twin.grad.numpy(), tolerance)
    gradients = {key: p.grad.numpy() for key, p in twin.named_parameters()}
    largest = max(np.abs(gradient).max() for gradient in gradients.values())
    for key, parameter in ours.named_parameters():
        # a bias in front of a batch norm has a gradient of rounding errors alone: compare with the largest of all
        if np.abs(gradients[key]).max() < 1e-12 * largest:
            assert np.abs(parameter.grad.numpy()).max() < 1e-10 * largest, key
        else:
            close(f"gradient of {key}", parameter.grad.numpy(), gradients[key], tolerance)
    statistics = dict(twin.named_buffers())
    for key, value in ours.named_buffers():
        close(key, value.numpy(), statistics[key].numpy(), tolerance)
