"""Workers that make batches ahead of the loop that uses them.

A worker is a thread. With ``worker_mode="process"`` each thread only passes its
plans on to a process of its own and waits for the answer, so that order,
bounded prefetching, errors and closing are written once for both kinds.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from .batch_maker import BatchMaker, BatchPlan

CLOSING_SECONDS = 5.0  # how long leaving a loop waits for the sample that a thread is just making


class WorkerLostError(RuntimeError):
    """A worker died, or did not answer in time."""


@dataclass(frozen=True)
class WorkerInfo:
    """What code inside a worker can know of it: see :func:`get_worker_info`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker_info: ContextVar[WorkerInfo | None] = ContextVar("minicnn_worker_info", default=None)


def get_worker_info() -> WorkerInfo | None:
    """The worker that calls this (``id``, ``num_workers``, ``seed``, ``dataset``), or None outside of one.

    Examples
    --------
    >>> get_worker_info() is None
    True
    """
    return _worker_info.get()


@dataclass(frozen=True)
class WorkerSetup:
    """All that a worker needs to begin; a process gets it as a pickle."""

    make: BatchMaker
    num_workers: int
    seed: int
    init: Callable[[int], None] | None

    def begin(self, worker_id: int) -> BatchMaker:
        """Introduce the worker and run the user's ``worker_init_fn`` in it."""
        _worker_info.set(WorkerInfo(worker_id, self.num_workers, self.seed + worker_id, self.make.dataset))
        if self.init is not None:
            self.init(worker_id)
        return self.make


class ThreadWorker:
    """Makes batches in the thread that owns it."""

    def __init__(self, setup: WorkerSetup, worker_id: int) -> None:
        self._make = setup.begin(worker_id)

    def __call__(self, plan: BatchPlan, stopped: Callable[[], bool]) -> Any:
        return self._make(plan, stopped)

    def interrupt(self) -> None:
        """Nothing to do: the thread looks at ``stopped`` before every sample."""

    def close(self) -> None:
        """Nothing to do: a thread ends by itself."""


class WorkerPool:
    """Threads that take plans from one queue; every plan's batch, or error, arrives in its future.

    Parameters
    ----------
    start : callable
        ``start(worker_id)`` gives the worker; called in the worker's own thread.
    num_workers : int
        How many threads.
    """

    def __init__(self, start: Callable[[int], Any], num_workers: int) -> None:
        self.closed = False
        self._plans: queue.SimpleQueue[tuple[Future[Any], BatchPlan] | None] = queue.SimpleQueue()
        self._workers: dict[int, Any] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(start, i), name=f"minicnn-loader-{i}", daemon=True)
            for i in range(num_workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, plan: BatchPlan) -> Future[Any]:
        """Queue a plan; the future holds its batch one day."""
        future: Future[Any] = Future()
        self._plans.put((future, plan))
        return future

    def _run(self, start: Callable[[int], Any], worker_id: int) -> None:
        worker, failure = None, None
        try:
            worker = self._workers[worker_id] = start(worker_id)
        except BaseException as error:  # told to whoever waits for a batch
            failure = error
        while (task := self._plans.get()) is not None:
            future, plan = task
            if future.set_running_or_notify_cancel():
                self._answer(worker, failure, plan, future)
            del task, future, plan  # an idle worker holds no batch
        if worker is not None:
            worker.close()

    def _answer(self, worker: Any, failure: BaseException | None, plan: BatchPlan, future: Future[Any]) -> None:
        if failure is not None:
            future.set_exception(failure)
            return
        try:
            future.set_result(worker(plan, lambda: self.closed))
        except BaseException as error:  # SystemExit too: the loop must not wait for ever
            future.set_exception(error)

    def close(self, patience: float = CLOSING_SECONDS) -> None:
        """End the workers: drop what is queued, interrupt what runs, wait at most ``patience`` seconds."""
        if self.closed:
            return
        self.closed = True
        while True:
            try:
                task = self._plans.get_nowait()
            except queue.Empty:
                break
            if task is not None:
                task[0].cancel()
        for _ in self._threads:
            self._plans.put(None)
        for worker in list(self._workers.values()):
            worker.interrupt()
        end = time.monotonic() + patience
        for thread in self._threads:
            if not sys.is_finalizing() and thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))
