"""Datasets: things with a length whose i-th element is one sample, and ways to cut and join them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

from ..core.errors import ShapeError

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Base of all datasets: ``dataset[i]`` is sample number i, ``len(dataset)`` how many there are.

    Subclasses write both methods. ``a + b`` is a :class:`ConcatDataset`.

    Examples
    --------
    >>> class Squares(Dataset):
    ...     def __getitem__(self, index):
    ...         return index, index**2
    ...     def __len__(self):
    ...         return 10
    >>> Squares()[3]
    (3, 9)
    """

    def __getitem__(self, index: Any) -> T_co:
        raise TypeError(f"{type(self).__name__} needs a method __getitem__(self, index) that returns sample `index`")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """A stream of samples: only ``__iter__``, no index. A loader reads it in order, without workers.

    Examples
    --------
    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3, 2, 1])
    >>> list(Countdown())
    [3, 2, 1]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise TypeError(f"{type(self).__name__} needs a method __iter__(self) that yields samples")


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Sample i is the tuple of the i-th rows of some tensors.

    Parameters
    ----------
    *tensors : Tensor (N, ...)
        All with the same first dimension N.

    Raises
    ------
    ShapeError
        If the first dimensions differ.

    Examples
    --------
    >>> import numpy as np
    >>> from minicnn import from_numpy
    >>> data = TensorDataset(from_numpy(np.zeros((5, 1, 28, 28))), from_numpy(np.arange(5)))
    >>> len(data), int(data[3][1])
    (5, 3)
    """

    def __init__(self, *tensors: Any) -> None:
        sizes = [len(tensor) for tensor in tensors]
        if not sizes:
            raise ValueError(
                "TensorDataset: expected at least one tensor, as in TensorDataset(images, labels); got none"
            )
        if len(set(sizes)) > 1:
            raise ShapeError(
                f"TensorDataset: all tensors must have one row per sample, but their first dimensions are {sizes}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset[T_co]):
    """Some samples of another dataset: sample i is ``dataset[indices[i]]``.

    Parameters
    ----------
    dataset : Dataset
        The whole.
    indices : sequence of int
        Which of its samples, in which order.

    Examples
    --------
    >>> list(Subset("abcdef", [5, 0, 2]))
    ['f', 'a', 'c']
    """

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T_co]):
    """Datasets one after the other.

    Parameters
    ----------
    datasets : iterable of Dataset
        At least one; none of them a stream.

    Examples
    --------
    >>> joined = ConcatDataset(["ab", "cde"])
    >>> len(joined), joined[3], joined[-1]
    (5, 'd', 'e')
    """

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one dataset; got an empty list")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise ValueError(f"ConcatDataset: {type(dataset).__name__} is an IterableDataset, which has no indices")
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> T_co:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {size} samples")
        index %= size
        which = bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - start]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]
