"""Training repeats itself bit for bit, whatever the number of threads, and does not grow."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

import minicnn
from minicnn import nn, optim


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = minicnn.get_num_threads()
    yield
    minicnn.set_num_threads(before)


def _model() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, groups=2), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(16 * 9, 10),
    )  # fmt: skip


class Training:
    """A small network on random images, with everything seeded."""

    def __init__(self, seed: int = 0) -> None:
        minicnn.manual_seed(seed)
        self.rng = np.random.default_rng(0)
        self.model = _model()
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.001)
        self.criterion = nn.CrossEntropyLoss()

    def run(self, steps: int) -> list[np.ndarray]:
        """Train on; returns the state's arrays."""
        for _ in range(steps):
            x = minicnn.from_numpy(self.rng.standard_normal((16, 1, 12, 12)).astype(np.float32))
            y = minicnn.from_numpy(self.rng.integers(0, 10, 16))
            self.optimizer.zero_grad()
            self.criterion(self.model(x), y).backward()
            self.optimizer.step()
        return [p.detach().numpy().copy() for p in self.model.state_dict().values()]


def _equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_same_seed_gives_the_same_weights(backend: str) -> None:
    with minicnn.use_backend(backend):
        first = Training().run(10)
        assert _equal(first, Training().run(10))
        assert not _equal(first, Training(seed=1).run(10))


def test_the_number_of_threads_does_not_change_the_weights() -> None:
    most = minicnn.get_num_threads()
    if most < 2:
        pytest.skip("needs two cores")
    with minicnn.use_backend("numba"):
        minicnn.set_num_threads(1)
        alone = Training().run(10)
        minicnn.set_num_threads(most)
        assert _equal(alone, Training().run(10))


def test_the_backends_train_alike() -> None:
    results = []
    for backend in ("numpy", "numba"):
        with minicnn.use_backend(backend):
            results.append(Training().run(3))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_200_steps_do_not_grow_memory(backend: str) -> None:
    """Without the garbage collector: what one step leaves behind would show 200 times."""
    with minicnn.use_backend(backend):
        training = Training()
        training.run(20)
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            training.run(20)
            gc.collect()  # also empties the interpreter's lists of spare objects
            before = tracemalloc.get_traced_memory()[0]
            training.run(200)
            in_cycles = gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
            gc.enable()
    assert in_cycles == 0, "steps leave reference cycles behind"
    # NumPy keeps spare small blocks, up to about 40 kB after any number of steps
    assert grown < 50_000, f"{grown} bytes more after 200 steps"
