"""Switches that programs written for GPUs set. Here they have nothing to switch."""

from __future__ import annotations


class _Library:
    """A library for GPUs, which is not here; its switches may be set."""

    enabled = False
    benchmark = False
    deterministic = False
    allow_tf32 = False

    def is_available(self) -> bool:
        """Whether the library can be used: no."""
        return False

    is_built = is_available


cudnn = _Library()
cuda = _Library()
mps = _Library()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for results that are the same in every run: here they always are, so there is nothing to switch.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.use_deterministic_algorithms(True)
    """


def are_deterministic_algorithms_enabled() -> bool:
    """Whether every operation gives the same result in every run: yes.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.are_deterministic_algorithms_enabled()
    True
    """
    return True
