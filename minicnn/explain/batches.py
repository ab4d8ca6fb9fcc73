"""Going through data of any kind in batches: tensors, datasets, loaders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.tensor import Tensor, from_numpy

Batch = tuple[Tensor, Any]  # images (N, C, H, W), and labels (N,) as an array, or None


def batches(data: Any, who: str, labelled: bool, size: int = 64) -> Iterator[Batch]:
    """Batches of at most ``size`` images of a tensor, a pair (images, labels), a dataset or a loader.

    Items that are single images are gathered; batches of a loader are taken as they are.
    """
    if isinstance(data, (tuple, list)) and [getattr(t, "ndim", None) for t in data] == [4, 1]:
        data = zip(*data, strict=True)
    singles: list[tuple[Any, Any]] = []
    for item in _items(data, who):
        image, label = (item[0], item[1]) if isinstance(item, (tuple, list)) and len(item) == 2 else (item, None)
        if label is None and labelled:
            raise ValueError(f"{who}: the data has no labels. Fix: pairs (image, label), as datasets and loaders give")
        if not isinstance(image, Tensor) or image.ndim not in (3, 4):
            got = f"{tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
            fix = "" if isinstance(image, Tensor) else ". Fix: transform=transforms.ToTensor()"
            raise ShapeError(f"{who}: expected images as tensors (C, H, W) or (N, C, H, W); got {got}{fix}")
        if image.ndim == 4:
            yield from _gathered(singles)
            yield image.detach(), None if label is None else _labels(label, len(image), who)
            continue
        singles.append((image, label))
        if len(singles) == size or singles[0][0].shape != image.shape:
            yield from _gathered(singles)
    yield from _gathered(singles)


def _items(data: Any, who: str) -> Iterable[Any]:
    if isinstance(data, Tensor) and data.ndim == 3:
        return [data]
    if not hasattr(data, "__iter__") and hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return (data[i] for i in range(len(data)))
    if isinstance(data, (str, bytes, dict)) or not hasattr(data, "__iter__"):
        raise TypeError(f"{who}: expected a dataset, a DataLoader or a batch of images; got {type(data).__name__}")
    return data


def _gathered(singles: list[tuple[Any, Any]]) -> Iterator[Batch]:
    """The single images as batches, one for each size; the list is empty afterwards."""
    while singles:
        shape = singles[0][0].shape
        group = [pair for pair in singles if pair[0].shape == shape]
        singles[:] = [pair for pair in singles if pair[0].shape != shape]
        images = np.stack([image.detach()._array for image, _ in group])
        labels = None if group[0][1] is None else np.array([int(label) for _, label in group])
        yield from_numpy(images), labels


def _labels(labels: Any, n: int, who: str) -> Any:
    array = np.asarray(labels.detach()._array if isinstance(labels, Tensor) else labels)
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise ShapeError(
            f"{who}: expected a whole number for each of {n} images; got labels {array.shape} {array.dtype}"
        )
    return array
