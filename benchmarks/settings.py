"""What the user of the command chooses."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Of one run; see ``python -m benchmarks --help``."""

    threads: int = os.cpu_count() or 1
    rounds: int = 5
    seconds: float = 2.0
    patience: float = 20.0
    compile: bool = True
    inference: int | None = None  # batch of the layers that are shown; None: a training step's
