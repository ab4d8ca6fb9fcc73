"""Seeds of random masks that are drawn on a GPU again and again by one captured graph."""

from __future__ import annotations

from typing import NamedTuple

from .arrays import Array


class ReplayedSeed(NamedTuple):
    """A seed that differs from replay to replay of a captured graph, in place of the integer that a kernel takes.

    A captured launch keeps its arguments, a seed among them, but not what an address points to. So the graph counts
    its replays in memory of the device, and each kernel mixes that number with its own seed. With a count of 0 the
    mask is that of the number alone.

    Attributes
    ----------
    number : int
        The seed, drawn when the graph was captured.
    replays : array (1,) of uint64
        On the device: how often the graph was run before.
    """

    number: int
    replays: Array
