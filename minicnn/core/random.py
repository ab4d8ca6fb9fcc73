"""Random numbers: one generator behind ``manual_seed``, and generators of one's own."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np


class Generator:
    """A source of random numbers (PCG64, O'Neill 2014) with a seed that can be asked for.

    Parameters
    ----------
    device : str, default "cpu"
        Accepted for PyTorch's signature.

    Examples
    --------
    >>> a, b = Generator().manual_seed(3), Generator().manual_seed(3)
    >>> bool(a.numpy.random() == b.numpy.random())
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        from .device import check_device

        self.device = check_device(device)
        self.manual_seed(67280421310721)  # the seed of PyTorch's new generators

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from ``seed``; returns the generator."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"manual_seed: expected an int; got {type(seed).__name__}: {seed!r}")
        self._seed = int(seed)
        self.numpy = np.random.Generator(np.random.PCG64(self._seed % 2**64))
        return self

    def seed(self) -> int:
        """Start anew from a seed that the operating system draws; returns it."""
        self.manual_seed(secrets.randbits(63))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the generator last started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """The whole state, as a dictionary of plain numbers that a checkpoint can hold."""
        return {"seed": self._seed, "pcg64": self.numpy.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Continue from a state that :meth:`get_state` returned."""
        try:
            seed, inner = state["seed"], state["pcg64"]
            self.numpy.bit_generator.state = inner
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"set_state: expected a state from Generator.get_state(); {error!r}") from None
        self._seed = seed
        return self


default_generator = Generator()
default_generator.seed()  # programs that set no seed differ from run to run, as in PyTorch


def manual_seed(seed: int) -> Generator:
    """Seed the generator that ``rand``, dropout, initialisation and shuffling draw from.

    Examples
    --------
    >>> import minicnn
    >>> _ = minicnn.manual_seed(0)
    >>> a = minicnn.rand(3)
    >>> _ = minicnn.manual_seed(0)
    >>> minicnn.equal(a, minicnn.rand(3))
    True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator with a number the operating system draws; returns it.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.seed() == minicnn.initial_seed()
    True
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator.

    Examples
    --------
    >>> import minicnn
    >>> _ = minicnn.manual_seed(5)
    >>> minicnn.initial_seed()
    5
    """
    return default_generator.initial_seed()


def get_rng_state() -> dict[str, Any]:
    """State of the default generator (a dictionary of numbers, where PyTorch returns a byte tensor).

    Examples
    --------
    >>> import minicnn
    >>> state = minicnn.get_rng_state()
    >>> a = minicnn.rand(2)
    >>> minicnn.set_rng_state(state)
    >>> minicnn.equal(a, minicnn.rand(2))
    True
    """
    return default_generator.get_state()


def set_rng_state(new_state: dict[str, Any]) -> None:
    """Continue the default generator from a state that :func:`get_rng_state` returned.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.set_rng_state(minicnn.get_rng_state())
    """
    default_generator.set_state(new_state)
