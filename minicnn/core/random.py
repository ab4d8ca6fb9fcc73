"""Random numbers: a generator for each device behind ``manual_seed``, and generators of one's own."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from .device import CPU, check_device, device, gpu_count


class Generator:
    """A source of random numbers with a seed that can be asked for.

    On the CPU they come from PCG64 (O'Neill 2014), ``generator.numpy``; on a GPU from a counter that is hashed, see
    :mod:`minicnn.core.device_random`. The two give different numbers.

    Parameters
    ----------
    device : device or str, default "cpu"
        Where the numbers are drawn.

    Examples
    --------
    >>> a, b = Generator().manual_seed(3), Generator().manual_seed(3)
    >>> bool(a.numpy.random() == b.numpy.random())
    True
    """

    numpy: Any  # draws: NumPy's generator, or what has the same methods on a GPU

    def __init__(self, device: Any = "cpu") -> None:
        self.device = check_device(device)
        self.manual_seed(67280421310721)  # the seed of PyTorch's new generators

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from ``seed``; returns the generator."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"manual_seed: expected an int; got {type(seed).__name__}: {seed!r}")
        self._seed = int(seed)
        if self.device == CPU:
            self.numpy = np.random.Generator(np.random.PCG64(self._seed % 2**64))
        else:
            from .device_random import Counter

            if not hasattr(self, "numpy"):
                self.numpy = Counter(self._seed, self.device)
            self.numpy.restart(self._seed)
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
        if self.device == CPU:
            return {"seed": self._seed, "pcg64": self.numpy.bit_generator.state}
        return {"seed": self._seed, "count": self.numpy.count}

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Continue from a state that :meth:`get_state` returned."""
        try:
            seed = state["seed"]
            if self.device == CPU:
                self.numpy.bit_generator.state = state["pcg64"]
            else:
                count = int(state["count"])
                self.manual_seed(seed).numpy.count = count
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(
                f"set_state: expected a state from Generator.get_state() on {self.device}; {error!r}"
            ) from None
        self._seed = seed
        return self


default_generator = Generator()
default_generator.seed()  # programs that set no seed differ from run to run, as in PyTorch
_on_gpus: dict[int, Generator] = {}  # the default generators of the GPUs that have drawn
_seed_of_gpus = default_generator.initial_seed()


def generator_of(where: device) -> Generator:
    """The default generator of a device that can be used.

    Examples
    --------
    >>> import minicnn
    >>> generator_of(minicnn.device("cpu")) is default_generator
    True
    """
    if where.index is None:
        return default_generator
    if where.index not in _on_gpus:
        _on_gpus[where.index] = Generator(where).manual_seed(_seed_of_gpus)
    return _on_gpus[where.index]


def seed_gpus(seed: int) -> None:
    """Let the default generators of all GPUs start anew from ``seed``."""
    global _seed_of_gpus
    _seed_of_gpus = int(seed)
    for generator in _on_gpus.values():
        generator.manual_seed(seed)


def states_of_gpus() -> dict[int, dict[str, Any]]:
    """The states of the GPUs' default generators that have drawn, by the number of the GPU."""
    return {index: generator.get_state() for index, generator in _on_gpus.items()}


def set_states_of_gpus(states: dict[int, dict[str, Any]]) -> None:
    """Continue from :func:`states_of_gpus`; a GPU that is not here is left out."""
    for index, state in states.items():
        if index in _on_gpus or gpu_count() > index:
            generator_of(device("cuda", index)).set_state(state)


def manual_seed(seed: int) -> Generator:
    """Seed the generators that ``rand``, dropout, initialisation and shuffling draw from, of all devices.

    Examples
    --------
    >>> import minicnn
    >>> _ = minicnn.manual_seed(0)
    >>> a = minicnn.rand(3)
    >>> _ = minicnn.manual_seed(0)
    >>> minicnn.equal(a, minicnn.rand(3))
    True
    """
    default_generator.manual_seed(seed)
    seed_gpus(seed)
    return default_generator


def seed() -> int:
    """Seed the default generators with a number the operating system draws; returns it.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.seed() == minicnn.initial_seed()
    True
    """
    drawn = default_generator.seed()
    seed_gpus(drawn)
    return drawn


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
