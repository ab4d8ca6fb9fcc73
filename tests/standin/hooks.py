"""``cupy.cuda.MemoryHook``: told of what pools hand out and get back, in the thread that entered it."""

from __future__ import annotations

import threading
from typing import Any


class _Hooks(threading.local):
    def __init__(self) -> None:
        self.open: dict[str, MemoryHook] = {}


_hooks = _Hooks()


def reset() -> None:
    _hooks.open.clear()


def told(event: str, **facts: int) -> None:
    """Call the hooks of this thread."""
    for hook in list(_hooks.open.values()):
        getattr(hook, event)(**facts)


class MemoryHook:
    """The base class: does nothing."""

    name = "MemoryHook"

    def __enter__(self) -> MemoryHook:
        if self.name in _hooks.open:
            raise KeyError(f"memory hook {self.name} already exists")
        _hooks.open[self.name] = self
        return self

    def __exit__(self, *exception: object) -> None:
        del _hooks.open[self.name]

    def alloc_preprocess(self, **kwargs: Any) -> None: ...
    def alloc_postprocess(self, **kwargs: Any) -> None: ...
    def malloc_preprocess(self, **kwargs: Any) -> None: ...
    def malloc_postprocess(self, **kwargs: Any) -> None: ...
    def free_preprocess(self, **kwargs: Any) -> None: ...
    def free_postprocess(self, **kwargs: Any) -> None: ...
