"""Modules that can be imported under a second name."""

from __future__ import annotations

import sys
from types import ModuleType


def alias(name: str, module: ModuleType) -> None:
    """Let ``import name`` give ``module``, and ``import name.part`` its loaded parts: the same objects, no copies."""
    for own, part in list(sys.modules.items()):
        if own == module.__name__ or own.startswith(f"{module.__name__}."):
            sys.modules[name + own.removeprefix(module.__name__)] = part
