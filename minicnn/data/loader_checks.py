"""Mistakes in a DataLoader's arguments, each with its fix."""

from __future__ import annotations

from typing import Any

from .dataset import IterableDataset

MODES = ("thread", "process")


def check_arguments(
    dataset: Any,
    batch_size: Any,
    shuffle: Any,
    sampler: Any,
    batch_sampler: Any,
    num_workers: Any,
    drop_last: Any,
    timeout: Any,
    multiprocessing_context: Any,
    prefetch_factor: Any,
    persistent_workers: Any,
    worker_mode: Any,
) -> None:
    """Raise a ValueError for what cannot work."""
    _check_batching(batch_size, shuffle, sampler, batch_sampler, drop_last)
    _check_workers(num_workers, timeout, multiprocessing_context, prefetch_factor, persistent_workers, worker_mode)
    if isinstance(dataset, IterableDataset):
        for name, value in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
            if value is not None and value is not False:
                raise ValueError(
                    f"DataLoader: {name} needs a dataset with indices, and {type(dataset).__name__} is a stream "
                    f"(IterableDataset); leave {name} out and yield the samples in the order you want"
                )
        if num_workers:
            raise ValueError(
                f"DataLoader: {type(dataset).__name__} is a stream (IterableDataset), which cannot be shared among "
                f"{num_workers} workers; use num_workers=0, or a Dataset with __getitem__ and __len__"
            )


def _check_batching(batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: Any) -> None:
    if batch_size is not None and not _is_count(batch_size, 1):
        raise ValueError(
            f"DataLoader: batch_size must be a positive integer, or None for single samples; got {batch_size!r}"
        )
    if sampler is not None and shuffle:
        raise ValueError(
            "DataLoader: sampler and shuffle=True both say in which order; leave shuffle out, or shuffle in the sampler"
        )
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError(
            "DataLoader: batch_sampler makes the batches itself; leave out batch_size, shuffle, sampler and drop_last"
        )
    if batch_size is None and drop_last:
        raise ValueError(
            "DataLoader: batch_size=None gives single samples, there is no last batch; leave out drop_last"
        )


def _check_workers(
    num_workers: Any,
    timeout: Any,
    multiprocessing_context: Any,
    prefetch_factor: Any,
    persistent_workers: Any,
    worker_mode: Any,
) -> None:
    if not _is_count(num_workers, 0):
        raise ValueError(f"DataLoader: num_workers must be an integer, 0 or more (0: no workers); got {num_workers!r}")
    if worker_mode not in MODES:
        raise ValueError(f"DataLoader: worker_mode must be 'thread' or 'process'; got {worker_mode!r}")
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise ValueError(
            f"DataLoader: timeout must be a number of seconds, 0 or more (0: wait for ever); got {timeout!r}"
        )
    if prefetch_factor is not None and not _is_count(prefetch_factor, 1):
        raise ValueError(f"DataLoader: prefetch_factor must be a positive integer; got {prefetch_factor!r}")
    if multiprocessing_context not in (None, "spawn"):
        raise ValueError(
            f"DataLoader: multiprocessing_context={multiprocessing_context!r} is not offered; worker processes are "
            "spawned (multiprocessing_context='spawn'), for a forked process can inherit locked locks"
        )
    for name, value in (
        ("timeout", timeout),
        ("prefetch_factor", prefetch_factor),
        ("persistent_workers", persistent_workers),
    ):
        if value and not num_workers:
            raise ValueError(
                f"DataLoader: {name}={value!r} is about workers; set num_workers=1 or more, or leave it out"
            )


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
