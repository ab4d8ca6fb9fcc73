"""The progress bar of an epoch, and the line of results that it leaves, on a terminal."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from typing import Any

from .history import is_number


class Progress:
    """Batches of an epoch as a bar with loss, metrics, images per second and the time that remains; then its results.

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
        if not self._bar.disable and (self._bar.ncols or 79) <= 0:  # a terminal that does not know its size
            self._bar.dynamic_ncols, self._bar.ncols, self._bar.nrows = False, 79, 24
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
        """The results in full take the place of the bar; without results the bar stays."""
        bar, self._bar = self._bar, None
        if bar is None:
            return
        if values and not bar.disable:
            state = bar.format_dict
            results = ", ".join(f"{name}={value}" for name, value in short(values).items())
            line = f"{state['prefix']}: {results}, {bar.format_interval(state['elapsed'])}"
            if state["ncols"] is not None:  # a terminal
                line = textwrap.fill(
                    line,
                    max(20, state["ncols"]),
                    subsequent_indent="  ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            bar.leave = False
            bar.close()
            bar.write(line, file=bar.fp)
        bar.close()


def short(values: dict[str, Any]) -> dict[str, str]:
    """Single numbers, four digits each."""
    return {name: f"{value:.4g}" for name, value in values.items() if is_number(value)}
