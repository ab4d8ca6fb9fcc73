"""Workers: errors, endings, timeouts and prefetching; threads first, then a few tests with spawned processes."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minicnn.core import Generator
from minicnn.data import DataLoader, Dataset, get_worker_info

from .toys import Faulty, Noisy, TwoPartError, WhoAmI, init_that_fails, mixup, values

ROOT = Path(__file__).resolve().parents[2]


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("minicnn-loader")]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert worker_threads() == []
    assert multiprocessing.active_children() == []


class Counting(Dataset):
    """Counts the samples made so far."""

    def __init__(self, n: int, seconds: float = 0.0) -> None:
        self.n = n
        self.seconds = seconds
        self.made = 0
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> int:
        time.sleep(self.seconds)
        with self.lock:
            self.made += 1
        return index


def test_an_error_keeps_its_type_and_names_the_sample() -> None:
    loader = DataLoader(Faulty(12, 7, "key"), batch_size=2, num_workers=3)
    batches = iter(loader)
    assert [next(batches)[1].tolist() for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]  # those before it come
    with pytest.raises(KeyError, match="no such picture") as caught:
        next(batches)
    assert caught.value.__notes__ == ["while making sample 7: Faulty[7]"]
    assert "toys.py" in str(caught.traceback[-1].path)
    assert worker_threads() == []


def test_an_early_break_ends_the_threads() -> None:
    for _ in DataLoader(Counting(1000, 0.002), batch_size=50, num_workers=4):
        break
    assert worker_threads() == []
    with pytest.raises(ZeroDivisionError):
        sum(1 / batch.item() for batch in DataLoader(range(100), num_workers=2))
    assert worker_threads() == []
    batches = iter(DataLoader(range(100), num_workers=2))
    next(batches)
    assert len(worker_threads()) == 2
    del batches
    assert worker_threads() == []
    iter(DataLoader(range(100), num_workers=2))  # never asked for a batch


def test_prefetching_is_bounded() -> None:
    data = Counting(100)
    batches = iter(DataLoader(data, batch_size=1, num_workers=2, prefetch_factor=3))
    for used in (1, 2):
        next(batches)
        end = time.monotonic() + 10
        while data.made < used + 2 * 3 and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)  # time to make more, if they would
        assert data.made == used + 2 * 3
    batches.close()


def test_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=20)

    class Meeting(Noisy):
        def __getitem__(self, index: int) -> int:
            together.wait()  # breaks unless four samples are being made at once
            return index

    assert len(list(DataLoader(Meeting(8), num_workers=4))) == 8


def test_a_timeout_is_an_error() -> None:
    release = threading.Event()

    class Stuck(Dataset):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> int:
            release.wait(20)
            return index

    start = time.perf_counter()
    with pytest.raises(RuntimeError, match=r"no batch came within timeout=0\.2 s"):
        list(DataLoader(Stuck(), num_workers=2, timeout=0.2))
    assert time.perf_counter() - start < 5
    release.set()
    while worker_threads():
        time.sleep(0.01)


def test_the_datasets_own_timeout_error_is_its_own() -> None:
    with pytest.raises(TimeoutError, match="the dataset's own"):
        list(DataLoader(Faulty(4, 2, "timeout"), num_workers=2, timeout=30))


def test_persistent_threads_stay_until_the_loader_goes() -> None:
    loader = DataLoader(WhoAmI(), num_workers=2, persistent_workers=True)
    for _ in loader:
        break
    first = set(threading.enumerate())
    assert len(worker_threads()) == 2
    values(loader)
    assert set(threading.enumerate()) == first
    with pytest.raises(KeyError):
        list(DataLoader(Faulty(4, 2, "key"), num_workers=2, persistent_workers=True))
    del loader
    gc.collect()
    assert worker_threads() == []


def test_a_sampler_that_fails_ends_the_workers() -> None:
    def indices() -> Iterator[int]:
        yield 0
        raise OverflowError("the sampler's own")

    with pytest.raises(OverflowError, match="the sampler's own"):
        list(DataLoader(range(4), sampler=indices(), num_workers=2))


def test_a_worker_knows_who_it_is() -> None:
    assert get_worker_info() is None
    assert values(DataLoader(WhoAmI(), batch_size=8)) == [[-1] * 8]
    assert set(values(DataLoader(WhoAmI(), batch_size=8, num_workers=1))[0]) == {0}
    started: list[int] = []
    list(DataLoader(WhoAmI(), num_workers=3, worker_init_fn=started.append))
    assert sorted(started) == [0, 1, 2]


def test_an_error_in_worker_init_fn_reaches_the_loop() -> None:
    with pytest.raises(LookupError, match="finds nothing"):
        list(DataLoader(range(4), num_workers=2, worker_init_fn=init_that_fails))


def test_a_thread_that_exits_does_not_leave_the_loop_waiting() -> None:
    class Quits(Noisy):
        def __getitem__(self, index: int) -> Any:
            sys.exit(3)

    with pytest.raises(SystemExit):
        list(DataLoader(Quits(), num_workers=2))


# ------------------------------------------------------------------ processes


def test_processes_change_neither_order_nor_augmentation() -> None:
    def two_passes(**options: Any) -> list[Any]:
        loader = DataLoader(Noisy(9), 2, shuffle=True, generator=Generator().manual_seed(3), **options)
        return values(loader) + values(loader)

    processes = {"num_workers": 2, "worker_mode": "process", "persistent_workers": True, "worker_init_fn": os.nice}
    assert two_passes(**processes) == two_passes()


def test_an_error_in_a_process_keeps_type_traceback_and_sample() -> None:
    with pytest.raises(KeyError, match="no such picture") as caught:
        list(DataLoader(Faulty(4, 1, "key"), num_workers=1, worker_mode="process"))
    sample, process = caught.value.__notes__
    assert sample == "while making sample 1: Faulty[1]"
    assert process.startswith("in DataLoader worker 0, a process with this traceback:\nTraceback (most recent")
    assert "toys.py" in process
    assert 'raise KeyError("no such picture")' in process
    assert "while making" not in process


def test_errors_that_do_not_pickle_as_they_are() -> None:
    with pytest.raises(TwoPartError, match=r"labels\.csv:12") as caught:
        list(DataLoader(Faulty(4, 1, "two"), num_workers=1, worker_mode="process"))
    assert caught.value.line == 12
    with pytest.raises(RuntimeError, match="LocalError: of a class that cannot be pickled") as plain:
        list(DataLoader(Faulty(4, 1, "local"), num_workers=1, worker_mode="process"))
    assert "while making sample 1" in plain.value.__notes__[0]


def test_a_process_that_dies_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"worker 0 \(process \d+\) died before batch 1 was made, exit code 7"):
        list(DataLoader(Faulty(4, 1, "exit"), num_workers=1, worker_mode="process", persistent_workers=True))


def test_leaving_early_ends_busy_processes_at_once() -> None:
    batches = iter(DataLoader(Faulty(8, 1, "sleep"), num_workers=2, worker_mode="process"))
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    start = time.perf_counter()
    batches.close()
    assert time.perf_counter() - start < 3
    assert multiprocessing.active_children() == []


def test_a_timeout_ends_the_process() -> None:
    with pytest.raises(RuntimeError, match=r"timeout=0\.1 s"):
        list(DataLoader(Faulty(2, 0, "sleep"), num_workers=1, worker_mode="process", timeout=0.1))


def test_what_does_not_pickle_says_so() -> None:
    with pytest.raises(Exception, match="pickle") as caught:
        list(DataLoader(Noisy(), collate_fn=lambda samples: samples, num_workers=1, worker_mode="process"))
    assert "use worker_mode='thread'" in caught.value.__notes__[0]
    with pytest.raises(LookupError, match="worker 0 finds nothing") as late:
        list(DataLoader(Noisy(), num_workers=1, worker_mode="process", worker_init_fn=init_that_fails))
    assert "must move to a module" in late.value.__notes__[0]
    assert len(list(DataLoader(range(2), collate_fn=mixup, num_workers=1, worker_mode="process"))) == 2


# ------------------------------------------------------------------ whole programs

PROGRAM = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with Ctrl-C ignored
from minicnn.data import DataLoader
from tests.data.toys import Faulty, Noisy

if __name__ == "__main__":
    loader = DataLoader(Faulty(50, 10, "sleep"), num_workers=2, worker_mode=sys.argv[1])
    for i, batch in enumerate(loader):
        print(i, flush=True)
        if sys.argv[2] == "end":  # the script ends while an iteration is open
            batches = iter(DataLoader(Noisy(50), num_workers=2, worker_mode=sys.argv[1]))
            next(batches)
            os.write(1, b"open\\n")
            sys.exit(0)
"""


def _program(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    paths = [str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.Popen(
        [sys.executable, str(script), *arguments], env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="signals to a process group are POSIX")
@pytest.mark.parametrize("mode", ["thread", "process"])
def test_ctrl_c_ends_everything(tmp_path: Path, mode: str) -> None:
    program = _program(tmp_path, mode, "interrupt")
    assert program.stdout is not None
    assert [program.stdout.readline().strip() for _ in range(10)] == [str(i) for i in range(10)]
    time.sleep(0.1)  # now it waits for sample 10, which sleeps
    start = time.perf_counter()
    os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=30)  # returns when the last process that holds the pipes is gone
    assert time.perf_counter() - start < 10
    assert errors.count("Traceback") == 1  # the workers print none
    assert errors.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_a_script_can_end_while_a_pass_is_open(tmp_path: Path, mode: str) -> None:
    program = _program(tmp_path, mode, "end")
    out, errors = program.communicate(timeout=30)
    assert (program.returncode, errors) == (0, "")
    assert out.split() == ["0", "open"]
