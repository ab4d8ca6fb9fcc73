"""The progress bar: one line per epoch, on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .history import is_number


class Progress:
    """Batches of an epoch as a bar with loss, metrics, images per second and the time that remains.

    Parameters
    ----------
    show : bool or None
        None shows it if stderr is a terminal.
    """

    def __init__(self, show: bool | None) -> None:
        self.disable = None if show is None else not show
        self._bar: Any = None

    def begin(self, title: str, total: int | None, done: int) -> None:
        """A new line."""
        from tqdm import tqdm

        self._bar = tqdm(total=total, initial=done, desc=title, unit="batch", disable=self.disable, dynamic_ncols=True)
        self._images = 0

    def advance(self, images: int, values: Callable[[], dict[str, Any]]) -> None:
        """One batch more; ``values`` is asked only when something is drawn."""
        if self._bar.disable:
            return
        self._images += images
        if time.time() - self._bar.last_print_t >= self._bar.mininterval:
            seconds = self._bar.format_dict["elapsed"]
            speed = {"images/s": f"{self._images / seconds:.0f}"} if seconds else {}
            self._bar.set_postfix({**short(values()), **speed}, refresh=False)
        self._bar.update()

    def validating(self) -> None:
        """Say that validation has begun."""
        if not self._bar.disable:
            self._bar.set_postfix_str("validating ...")

    def end(self, values: dict[str, Any]) -> None:
        """The line stays, with the results."""
        if self._bar is not None:
            if not self._bar.disable and values:
                self._bar.set_postfix(short(values), refresh=False)
            self._bar.close()
            self._bar = None


def short(values: dict[str, Any]) -> dict[str, str]:
    """Single numbers, four digits each."""
    return {name: f"{value:.4g}" for name, value in values.items() if is_number(value)}
