"""Which layer is computing: the modules on the way down, per thread.

``nn.Module`` pushes itself while its ``forward`` runs. Names are worked out
only when a message needs one.
"""

from __future__ import annotations

import threading
from typing import Any


class _Stack(threading.local):
    def __init__(self) -> None:
        self.modules: list[Any] = []
        self.waiting: dict[int, Any] = {}  # tensors that wait, or did: weak references by address


stack = _Stack()


def layer_path() -> str | None:
    """Path and description of the innermost running layer, as ``'features.3' Conv2d(...)``, or None."""
    if not stack.modules:
        return None
    root, layer = stack.modules[0], stack.modules[-1]
    name = next((name for name, module in root.named_modules() if module is layer), "")
    lines = repr(layer).splitlines()
    description = lines[0] if len(lines) == 1 else type(layer).__name__
    return f"{name!r}: {description}" if name else description
