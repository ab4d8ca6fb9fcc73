"""Tensors of a model that no operation reads: their numbers may have been used where no recording sees it."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor
from ..nn.parameter import Parameter


def may_be_read_unseen(name: str, tensor: Tensor) -> bool:
    """Whether to watch a tensor that no operation reads.

    Not parameters, which are large and made for operations; and not the counters of batch norms, which count in
    training and are read there only.
    """
    return not isinstance(tensor, Parameter) and name.rpartition(".")[2] != "num_batches_tracked"


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
