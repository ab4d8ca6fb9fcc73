"""A worker that makes its batches in a process of its own (spawned, never forked)."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from .batch_maker import BatchPlan, Stopped
from .workers import WorkerLostError, WorkerSetup

ENDING_SECONDS = 2.0  # how long an idle process may take to end before it is made to


def pickle_setup(setup: WorkerSetup) -> bytes:
    """The setup as bytes, once for all processes; says what to do when that fails."""
    try:
        return bytes(ForkingPickler.dumps(setup))
    except Exception as error:
        error.add_note(
            "DataLoader: worker_mode='process' sends the dataset, its transforms, collate_fn and worker_init_fn to the "
            "worker processes as a pickle. Replace a lambda or a nested function by a function of a module, or use "
            "worker_mode='thread', which needs no pickle"
        )
        raise


class ProcessWorker:
    """The parent's side: sends a plan, waits for the batch.

    The process holds the only other end of the pipe, so its death ends the
    waiting at once.
    """

    def __init__(self, setup: bytes, worker_id: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._id = worker_id
        self._setup: bytes | None = setup  # until it is sent, with the first plan
        self._busy = False
        self._process = context.Process(
            target=_serve, args=(theirs, worker_id), name=f"minicnn-loader-{worker_id}", daemon=True
        )
        self._process.start()
        theirs.close()

    def __call__(self, plan: BatchPlan, stopped: Callable[[], bool]) -> Any:
        self._busy = True
        try:
            if stopped():
                raise Stopped
            good, value = self._ask(plan)
        finally:
            self._busy = False
        if not good:
            raise value
        return value

    def _ask(self, plan: BatchPlan) -> tuple[bool, Any]:
        """Send the plan, wait for (True, batch) or (False, error)."""
        try:
            if self._setup is not None:
                self._connection.send_bytes(self._setup)
                self._setup = None
            self._connection.send(plan)
            answer = self._connection.recv_bytes()
        except (EOFError, OSError):
            self._process.join(ENDING_SECONDS)
            raise WorkerLostError(
                f"DataLoader worker {self._id} (process {self._process.pid}) died before batch {plan.number} was made, "
                f"exit code {self._process.exitcode}. Its own message, if any, is printed above. Usual reasons: killed "
                'for lack of memory; os._exit or a crash in the dataset; a script without `if __name__ == "__main__":` '
                "around what it runs. num_workers=0 shows an error in place; worker_mode='thread' needs no processes"
            ) from None
        return pickle.loads(answer)

    def interrupt(self) -> None:
        """End the process now if it is making a batch; an idle one ends by itself when the pipe closes."""
        if self._busy:
            self._process.terminate()

    def close(self) -> None:
        """End the process and wait for it."""
        self._connection.close()
        self._process.join(ENDING_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(connection: Connection, worker_id: int) -> None:
    """The process: read the setup, then answer every plan."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it ends this process
    make, failure = None, None
    try:
        make = pickle.loads(connection.recv_bytes()).begin(worker_id)
    except EOFError:  # left before the first batch
        return
    except Exception as error:
        error.add_note("while the worker process read the dataset or ran worker_init_fn; a class or function that is "
                       "defined in a notebook or in an interactive session must move to a module, or use "
                       "worker_mode='thread'")  # fmt: skip
        failure = _portable(error, worker_id)
    try:
        while True:
            plan = connection.recv()
            connection.send_bytes(_answer(make, failure, plan, worker_id))
    except (EOFError, BrokenPipeError):  # nobody waits any more
        return


def _answer(make: Any, failure: Exception | None, plan: BatchPlan, worker_id: int) -> Any:
    """The pickled (True, batch) or (False, error)."""
    try:
        if failure is None:
            return ForkingPickler.dumps((True, make(plan)))
    except Exception as error:
        failure = _portable(error, worker_id)
    return ForkingPickler.dumps((False, failure))


def _portable(error: Exception, worker_id: int) -> Exception:
    """The error as it can be pickled, of its own type wherever that can be imported, with the traceback as a note."""
    error.add_note(f"in DataLoader worker {worker_id}, a process with this traceback:\n{_traceback(error)}")
    for candidate in (error, _Rebuilt(error)):
        try:
            if type(pickle.loads(ForkingPickler.dumps(candidate))) is type(error):
                return candidate
        except Exception:
            continue  # the next one is plainer
    plain = RuntimeError(f"{type(error).__qualname__}: {error}")
    plain.__notes__ = error.__notes__
    return plain


class _Rebuilt(Exception):  # noqa: N818 - stands for another error
    """Unpickles to an error whose ``__init__`` takes other arguments than ``args``."""

    def __reduce__(self) -> Any:
        (error,) = self.args
        return _rebuild, (type(error), error.args, vars(error))


def _rebuild(kind: type[Exception], args: tuple[Any, ...], attributes: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(attributes)
    return error


def _traceback(error: Exception) -> str:
    """The traceback's text, without the notes: those travel with the error."""
    described = traceback.TracebackException.from_exception(error)
    described.__notes__ = None  # type: ignore[assignment]
    return "".join(described.format()).rstrip()
