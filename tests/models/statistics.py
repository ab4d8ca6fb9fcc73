"""How large activations are before training: python -m tests.models.statistics writes docs/initial-statistics.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minicnn
from minicnn import nn
from minicnn.core import record


class Statistics(NamedTuple):
    """Standard deviations of the results of convolutions and fully connected layers."""

    layers: int
    first: float
    smallest: float
    largest: float
    logits: float


def initial_statistics(model: nn.Module, size: tuple[int, int, int]) -> Statistics:
    """Measure them on images (C, H, W) of noise, mean 0 and standard deviation 1, in training mode."""
    with minicnn.no_grad(), record() as steps:
        model(minicnn.randn(4, *size))
    results: dict[int, Any] = {  # the last step of a layer makes its result
        id(step): step.outputs[0]
        for step in steps
        if step.modules and isinstance(step.modules[-1], nn.Conv2d | nn.Linear)
    }
    stds = [float(np.std(t.numpy())) for t in results.values()]
    return Statistics(len(stds), stds[0], min(stds), max(stds), stds[-1])


def main() -> None:
    """Write the table of all models."""
    from .table import ROWS

    lines = [
        "# Activations before training",
        "",
        "Standard deviation of the results of all convolutions and fully connected layers of every model with its",
        "initial weights, in training mode, on images of noise (mean 0, standard deviation 1, batch 4, size as given).",
        "Large models are measured with the arguments given, which leave out some of their equal blocks or make them",
        "narrower.",
        "Written by `python -m tests.models.statistics`; the test suite keeps all of them between 0.001 and 100.",
        "",
        "| model | arguments | image | layers | first | smallest | largest | logits |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in sorted(ROWS.items()):
        minicnn.manual_seed(0)
        s = initial_statistics(row.build(**row.config), row.small)
        size = " x ".join(map(str, row.small))
        arguments = ", ".join(f"{key}={value}" for key, value in row.config.items())
        stds = " | ".join(f"{std:.3g}" for std in (s.first, s.smallest, s.largest, s.logits))
        lines.append(f"| {name} | {arguments} | {size} | {s.layers} | {stds} |")
        print(lines[-1], flush=True)
    Path(__file__).resolve().parents[2].joinpath("docs/initial-statistics.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
