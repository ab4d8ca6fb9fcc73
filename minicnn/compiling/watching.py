"""Whether tensors of a model have changed.

Some of them no operation reads: their numbers may have been used where no recording sees it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..nn.parameter import Parameter


def may_be_read_unseen(name: str, tensor: Tensor) -> bool:
    """Whether to watch a tensor that no operation reads.

    Not parameters, which are large and made for operations; and not the counters of batch norms, which count in
    training and are read there only.
    """
    return not isinstance(tensor, Parameter) and name.rpartition(".")[2] != "num_batches_tracked"


def remember(tensors: Iterable[Tensor]) -> list[Any]:
    """What :func:`changed` compares with later."""
    return [(t, t._array, memory, memory.writes) for t in tensors for memory in (t._versions.memory,)]


def changed(known: Sequence[Any]) -> bool:
    """Whether a tensor is not what it was; or may not be, because somebody has it as a NumPy array."""
    for t, array, memory, writes in known:
        now = t._versions
        if now.shares is not None:
            now = now.memory
        if t._array is not array or now is not memory or now.writes != writes or now.exposed:
            return True
    return False


class Watch:
    """Whether something may have changed since: what :func:`changed` tells, in one look.

    A memory tells its readers before it changes. To look at all tensors in each call took 0.13 ms of the 2.0 that one
    image takes through MobileNetV2: by then its 262 tensors have long left the processor's cache.

    Parameters
    ----------
    tensors : sequence of Tensor

    Attributes
    ----------
    over : bool
        A memory has changed, or somebody has it as a NumPy array and may change it unseen.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.over = False
        memories = {id(memory): memory for t in tensors for memory in (t._versions.memory,)}.values()
        for memory in memories:
            memory.add_reader(weakref.ref(self))
        if any(memory.exposed for memory in memories):  # after the readers are there: both may happen meanwhile
            self.over = True

    def array(self) -> None:
        """One of the memories is about to change."""
        self.over = True


class Watched:
    """A buffer or an attribute whose numbers went into settings (an index, ``item()``, a comparison), or nowhere.

    Parameters
    ----------
    tensor : Tensor
        Its numbers now are those that the recording has seen.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.numbers = tensor._array.copy()
        self._remember()

    def _remember(self) -> None:
        self.array, self.memory = self.tensor._array, self.tensor._versions.memory
        self.writes = self.memory.writes

    def changed(self) -> bool:
        """Whether the numbers are other ones; they are compared only if somebody may have written them."""
        array, memory = self.tensor._array, self.tensor._versions.memory
        if array is self.array and memory is self.memory and memory.writes == self.writes and not memory.exposed:
            return False
        if array.dtype != self.numbers.dtype or not np.array_equal(array, self.numbers):
            return True
        self._remember()
        return False
