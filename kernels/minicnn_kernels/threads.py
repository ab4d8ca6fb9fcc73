"""How many threads the compiled kernels use.

A kernel gives each thread its own part of the output, so the number of threads
changes how long an operation takes and never what it computes.
"""

from __future__ import annotations

import os
from functools import cache
from operator import index as as_index

_chosen: int | None = None


@cache
def available_threads() -> int:
    """The most threads the kernels can use: the cores this process may run on, capped by ``NUMBA_NUM_THREADS``.

    Both are read once.

    Raises
    ------
    ValueError
        If ``NUMBA_NUM_THREADS`` is below 1.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("NUMBA_NUM_THREADS", "")
    try:
        most = int(asked)
    except ValueError:
        return cores
    if most < 1:
        raise ValueError(
            f"NUMBA_NUM_THREADS={asked}: expected the most threads that the kernels may use, 1 or more. "
            "Fix: set it to such a number, or unset it to use all cores"
        )
    return min(cores, most)


def get_num_threads() -> int:
    """Return the number of threads the compiled kernels use.

    Examples
    --------
    >>> 1 <= get_num_threads() <= available_threads()
    True
    """
    return _chosen if _chosen is not None else available_threads()


def set_num_threads(threads: int) -> None:
    """Set the number of threads the compiled kernels use, for all Python threads.

    Parameters
    ----------
    threads : int
        From 1 to :func:`available_threads`. Fewer leave cores to other programs.

    Raises
    ------
    TypeError, ValueError
        If ``threads`` is no integer, or out of that range.

    Examples
    --------
    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    global _chosen
    try:
        count = as_index(threads)
    except TypeError:
        raise TypeError(f"set_num_threads: expected an int, as in set_num_threads(1); got {threads!r}") from None
    most = available_threads()
    if not 1 <= count <= most:
        raise ValueError(
            f"set_num_threads: expected 1 to {most} threads; got {count}. This process may use {most} cores, or "
            "NUMBA_NUM_THREADS limits it to so many; more threads than cores would wait for each other"
        )
    _chosen = count
