"""The loader: goes through a dataset batch by batch, with or without workers."""

from __future__ import annotations

import warnings
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import islice
from typing import Any

from ..core.device import gpu_available
from ..core.random import Generator, default_generator
from .batch_maker import BatchMaker, BatchPlan
from .collate import default_collate, default_convert, pinned
from .dataset import IterableDataset
from .loader_checks import check_arguments
from .randomness import SAMPLE, draw_seed, randomness_of
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, batches
from .workers import ThreadWorker, WorkerLostError, WorkerPool, WorkerSetup

FIXED = ("dataset", "batch_size", "sampler", "batch_sampler", "drop_last", "persistent_workers")


class DataLoader:
    """Goes through a dataset in batches.

    Batches come in the sampler's order, and a sample's augmentation (what its
    transforms draw from :func:`~minicnn.data.sample_rng`) follows from the seed
    of the pass and the sample's index: neither changes with the number or the
    kind of workers. Every pass draws one seed, and the sampler its order, from
    ``generator``.

    Parameters
    ----------
    dataset : Dataset
        Anything with ``dataset[i]`` and ``len(dataset)``, or an IterableDataset.
    batch_size : int or None, default 1
        Samples per batch; None gives single samples, without a batch dimension.
    shuffle : bool, optional
        Visit the samples in a new random order each pass.
    sampler : Sampler or iterable of indices, optional
        The order, instead of ``shuffle``.
    batch_sampler : Sampler or iterable of lists of indices, optional
        The batches themselves, instead of batch_size, shuffle, sampler and drop_last.
    num_workers : int, default 0
        How many workers make batches ahead; 0 makes each when it is asked for.
    collate_fn : callable, optional
        From a list of samples to a batch; :func:`default_collate` unless given.
    pin_memory : bool, default False
        Put the tensors of each batch into pinned memory, from which ``x.to("cuda", non_blocking=True)`` copies beside
        the program. Without a GPU there is nothing to pin for, and it warns.
    drop_last : bool, default False
        Leave out a last batch that is smaller than the others.
    timeout : float, default 0
        Most seconds to wait for a worker's batch; 0 waits for ever.
    worker_init_fn : callable, optional
        ``worker_init_fn(worker_id)`` is called in every worker before it begins.
    multiprocessing_context : str, optional
        "spawn" or None; processes are never forked.
    generator : Generator, optional
        What order and seeds are drawn from; the generator of
        ``minicnn.manual_seed`` unless given.
    prefetch_factor : int, optional
        Batches made ahead per worker; 2 unless given.
    persistent_workers : bool, default False
        Keep the workers from one pass to the next.
    worker_mode : {"thread", "process"}, default "thread"
        Threads share the dataset and start at once; processes do not share
        Python's lock, but need a dataset that can be pickled.

    Raises
    ------
    ValueError
        For arguments that are out of range or exclude each other.
    RuntimeError
        While iterating: a worker process died, or ``timeout`` passed. An error in
        the dataset reaches the loop with its own type, and a note that names the sample.

    Examples
    --------
    >>> loader = DataLoader(range(5), batch_size=2)
    >>> [batch.tolist() for batch in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: str | None = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        worker_mode: str = "thread",
    ) -> None:
        check_arguments(
            dataset, batch_size, shuffle, sampler, batch_sampler, num_workers, drop_last, timeout,
            multiprocessing_context, prefetch_factor, persistent_workers, worker_mode,
        )  # fmt: skip
        if pin_memory and not gpu_available():
            warnings.warn("DataLoader: pin_memory has no effect; there is no GPU to copy to", stacklevel=2)
            pin_memory = False
        self._streams = isinstance(dataset, IterableDataset)
        if not self._streams and sampler is None and batch_sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None and sampler is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self._batched = batch_size is not None or batch_sampler is not None
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.generator = generator
        self.prefetch_factor = (prefetch_factor or 2) if num_workers else None
        self.persistent_workers = persistent_workers
        self.worker_mode = worker_mode
        self._pool: WorkerPool | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and name in vars(self):
            raise ValueError(f"DataLoader: {name} cannot be changed in an existing loader; make a new DataLoader")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        """Number of batches in one pass."""
        if not self._streams:
            return len(self.batch_sampler if self._batched else self.sampler)  # type: ignore[arg-type]
        n, size = len(self.dataset), self.batch_size or 1
        return n // size if self.drop_last else -(-n // size)

    def __iter__(self) -> Iterator[Any]:
        return self.batches_from(0)

    def batches_from(self, start: int) -> Iterator[Any]:
        """A pass that begins with batch number ``start``: to go on where a checkpoint was made.

        It draws what a whole pass draws, so that its batches are those that a whole pass gives from there on.
        The samples before are not made (a stream, which has no indices, must read them).

        Examples
        --------
        >>> loader = DataLoader(range(8), batch_size=2, shuffle=True)
        >>> state = loader.state_dict()
        >>> whole = [batch.tolist() for batch in loader]
        >>> loader.load_state_dict(state)
        >>> [batch.tolist() for batch in loader.batches_from(2)] == whole[2:]
        True
        """
        if isinstance(start, bool) or not isinstance(start, int) or start < 0:
            raise ValueError(f"DataLoader.batches_from: start is the number of a batch, from 0 on; got {start!r}")
        found = self._batches_from(start, draw_seed(self.generator))
        return map(pinned, found) if self.pin_memory else found

    def _batches_from(self, start: int, seed: int) -> Iterator[Any]:
        if self._streams:
            stream = self._stream(seed)
            for _ in islice(stream, start):
                pass
            return stream
        make = BatchMaker(self.dataset, self.collate_fn, self._batched)
        plans = self._plans(seed)
        for _ in islice(plans, start):
            pass
        if self.num_workers == 0:
            return (make(plan) for plan in plans)
        return self._with_workers(make, plans, seed)

    def _plans(self, seed: int) -> Iterator[BatchPlan]:
        """The pass, batch by batch: which samples, and how often each came before."""
        order: Iterator[Any] = iter(self.batch_sampler if self._batched else self.sampler)  # type: ignore[arg-type]

        def plans() -> Iterator[BatchPlan]:
            seen: Counter[Any] = Counter()
            for number, indices in enumerate(order):
                indices = list(indices) if self._batched else [indices]
                repeats = []
                for index in indices:
                    key = index if isinstance(index, int) else repr(index)  # an index may be a list
                    repeats.append(seen[key])
                    seen[key] += 1
                yield BatchPlan(number, seed, indices, repeats)

        return plans()

    def _stream(self, seed: int) -> Iterator[Any]:
        """An IterableDataset in its own order."""
        samples = iter(self.dataset)

        def seeded() -> Iterator[Any]:
            position = 0
            while True:
                try:
                    with randomness_of(seed, SAMPLE, position, 0):
                        sample = next(samples)
                except StopIteration:
                    return
                yield sample
                position += 1

        if not self._batched:
            return (self.collate_fn(sample) for sample in seeded())
        groups = batches(seeded(), self.batch_size or 1, self.drop_last)
        return (self.collate_fn(group) for group in groups)

    def _with_workers(self, make: BatchMaker, plans: Iterator[BatchPlan], seed: int) -> Iterator[Any]:
        """Batches in order, at most num_workers * prefetch_factor of them made ahead."""
        ahead = self.num_workers * (self.prefetch_factor or 1)
        pool = self._open_pool(make, seed)
        pending: deque[Future[Any]] = deque()
        try:
            pending.extend(pool.submit(plan) for plan in islice(plans, ahead))
            while pending:
                batch = self._wait(pending[0])
                pending.popleft()
                pending.extend(pool.submit(plan) for plan in islice(plans, 1))
                yield batch
        except (WorkerLostError, KeyboardInterrupt):
            pool.close(patience=1.0)  # persistent or not: it no longer works as it should
            raise
        finally:
            for future in pending:
                future.cancel()
            if not self.persistent_workers:
                pool.close()

    def _wait(self, future: Future[Any]) -> Any:
        try:
            return future.result(self.timeout or None)
        except TimeoutError:
            if future.done():  # the dataset's own TimeoutError, or a batch of the last moment
                return future.result()
            raise WorkerLostError(
                f"DataLoader: no batch came within timeout={self.timeout:g} s. A larger timeout waits longer, more "
                "workers make more batches ahead; num_workers=0 shows what is slow"
            ) from None

    def _open_pool(self, make: BatchMaker, seed: int) -> WorkerPool:
        """New workers, or the persistent ones."""
        if self._pool is not None and not self._pool.closed:
            return self._pool
        setup = WorkerSetup(make, self.num_workers, seed, self.worker_init_fn)
        start: Callable[[int], Any] = partial(ThreadWorker, setup)
        if self.worker_mode == "process":
            from .process_worker import ProcessWorker, pickle_setup

            start = partial(ProcessWorker, pickle_setup(setup))
        pool = WorkerPool(start, self.num_workers)
        if self.persistent_workers:
            self._pool = pool
            weakref.finalize(self, pool.close)
        return pool

    def state_dict(self) -> dict[str, Any]:
        """State of the generators that order and augmentation are drawn from, for a checkpoint between passes.

        Examples
        --------
        >>> loader = DataLoader(range(8), batch_size=4, shuffle=True)
        >>> state = loader.state_dict()
        >>> first = [batch.tolist() for batch in loader]
        >>> loader.load_state_dict(state)
        >>> first == [batch.tolist() for batch in loader]
        True
        """
        return {name: generator.get_state() for name, generator in self._generators().items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue as the loader would have whose :meth:`state_dict` this is.

        A loader without a ``generator`` of its own draws from the global one, and this sets that one's state.
        """
        generators = self._generators()
        if set(state_dict) != set(generators):
            raise ValueError(
                f"DataLoader.load_state_dict: expected the states {sorted(generators)}; got {sorted(state_dict)}. "
                "Make the loader as it was made when the state was saved"
            )
        for name, generator in generators.items():
            generator.set_state(state_dict[name])

    def _generators(self) -> dict[str, Generator]:
        found = {"loader": self.generator or default_generator}
        samplers = {"sampler": self.sampler, "batch_sampler": self.batch_sampler}
        samplers["batch_sampler.sampler"] = getattr(self.batch_sampler, "sampler", None)
        for name, sampler in samplers.items():
            own = getattr(sampler, "generator", None)
            if own is not None and all(own is not other for other in found.values()):
                found[name] = own
        return found
