"""Switches that programs written for GPUs set. Here they have nothing to switch."""

from __future__ import annotations

from . import cuda, cudnn, mps

__all__ = ["are_deterministic_algorithms_enabled", "cuda", "cudnn", "mps", "use_deterministic_algorithms"]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for results that are the same in every run: here they are anyway, so there is nothing to switch.

    But on a GPU where an index occurs more than once: the gradient of ``x[index]``, ``index_add``, ``scatter_add``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.use_deterministic_algorithms(True)
    """


def are_deterministic_algorithms_enabled() -> bool:
    """Whether every operation gives the same result in every run: yes, but see :func:`use_deterministic_algorithms`.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.are_deterministic_algorithms_enabled()
    True
    """
    return True
