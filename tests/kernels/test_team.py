"""The threads of the compiled kernels: who does what, who waits for whom, and their beginning and end."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from minicnn_kernels import threads
from minicnn_kernels.numba_cpu import jit
from minicnn_kernels.numba_cpu.atomics import APART
from minicnn_kernels.numba_cpu.semaphore import semaphore

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not jit.JIT, reason="nothing is compiled, and there are no threads")


def run_python(code: str) -> str:
    """Run it in a process of its own, in which two threads or more compute."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "kernels"), "MINICNN_QUIET": "1"}
    command = [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", "-c", BEGINNING + code]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


BEGINNING = """
import atexit, os, time
import numpy as np
from minicnn_kernels import call, threads, use_backend
threads.available_threads = lambda: 3
threads.set_num_threads(3)
from minicnn_kernels.numba_cpu import workers
use_backend("numba")
x = np.arange(-50000.0, 50000.0)
expected = np.maximum(x, 0)
def check():
    assert np.array_equal(call("relu.forward", x), expected)
def asleep():
    return int(workers._words[workers.ASLEEP // 8])
def wait_until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
"""


def test_loops_run_in_sequence_and_every_task_once():
    """The second loop reads what all threads wrote in the first."""

    @jit.serial
    def count(thread, seen):  # type: ignore[no-untyped-def]
        for t in jit.share(thread, len(seen)):
            seen[t] += 1

    @jit.serial
    def reverse(thread, out, seen):  # type: ignore[no-untyped-def]
        for t in jit.share(thread, len(seen)):
            out[t] += seen[len(seen) - 1 - t]

    def both(threads, out, seen):  # type: ignore[no-untyped-def]
        for _ in range(5):
            jit.run_on_team(count, threads, (seen,))
            jit.run_on_team(reverse, threads, (out, seen))

    launch = jit.in_sequence(both)
    before = threads.get_num_threads()
    try:
        for number in range(1, threads.available_threads() + 1):
            threads.set_num_threads(number)
            for tasks in (0, 1, 3, 1000):
                out, seen = np.zeros(tasks), np.zeros(tasks)
                launch(out, seen)
                np.testing.assert_array_equal(seen, 5)
                np.testing.assert_array_equal(out, 15)
    finally:
        threads.set_num_threads(before)


def test_a_thread_takes_its_own_share_and_then_what_is_left_of_the_others() -> None:
    def some(threads, counters, number, most, got):  # type: ignore[no-untyped-def]
        count = 0
        if most > 0:
            for t in jit.share((number, 3, counters), 10):
                got[count] = t
                count += 1
                if count == most:
                    break

    launch = jit.in_sequence(some)
    counters = np.zeros(3 * APART // 8, np.int64)

    def take(number: int, most: int) -> list[int]:
        got = np.full(10, -1)
        launch(counters.ctypes.data, number, most, got)
        return [int(t) for t in got if t >= 0]

    assert take(1, 2) == [3, 4]
    assert take(0, 4) == [0, 1, 2, 5]
    assert take(1, 10) == [6, 7, 8, 9]
    assert take(2, 10) == []


def test_python_threads_take_turns_with_the_kernels() -> None:
    run_python(
        """
from concurrent.futures import ThreadPoolExecutor
def work(_):
    for _ in range(50):
        check()
with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(4)))
"""
    )


def test_threads_without_work_sleep_and_are_woken_up() -> None:
    run_python(
        """
for _ in range(5):
    check()
    wait_until(lambda: asleep() == 2)
"""
    )


def test_nobody_waits_for_a_thread_that_does_not_come() -> None:
    run_python(
        """
from minicnn_kernels.numba_cpu import jit
jit.hire = lambda count: None  # so that there are none
for _ in range(20):
    check()
"""
    )


def test_computing_goes_on_where_the_system_starts_no_more_threads() -> None:
    run_python(
        """
import threading, warnings
def refuse(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    check(); check()
(warning,) = caught
assert "1 threads instead of 3" in str(warning.message) and "Fix: raise its limit of threads" in str(warning.message)
"""
    )


def test_a_task_without_memory_is_an_error_of_the_launch() -> None:
    run_python(
        """
import warnings
from minicnn_kernels.numba_cpu import jit
warnings.simplefilter("ignore")  # a function that is in no file cannot be kept on disk
def hungry(thread, out, size):
    scratch = np.empty(size, np.float64)
    for t in jit.share(thread, len(out)):
        scratch[0] = t
        out[t] = scratch[0]
launch = jit.parallel(hungry)
out = np.zeros(5)
for number in (1, 3):
    threads.set_num_threads(number)
    try:
        launch(out, 1 << 58)
    except MemoryError as error:
        assert "hungry: there was no memory" in str(error)
    else:
        raise AssertionError("no error")
    launch(out, 10)
    assert out.tolist() == [0, 1, 2, 3, 4]
"""
    )


def test_no_more_threads_are_woken_up_than_are_wanted() -> None:
    run_python(
        """
check()
wait_until(lambda: asleep() == 2)
threads.set_num_threads(2)
import warnings
from minicnn_kernels.numba_cpu import jit
warnings.simplefilter("ignore")
def slow(thread, out):
    for t in jit.share(thread, len(out)):
        for _ in range(300_000_000 // len(out)):
            out[t] = 0.5 * out[t] + 1
jit.parallel(slow)(np.zeros(40))
assert asleep() >= 1
"""
    )


def test_an_awakening_for_nothing_does_no_harm() -> None:
    run_python(
        """
for _ in range(5):
    check()
    for _ in range(4):
        workers._semaphore().wake_one()
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("before", ["pass", "check()", "check(); wait_until(lambda: asleep() == 2)"])
def test_a_forked_process_has_threads_of_its_own(before) -> None:
    out = run_python(
        f"""
{before}
for _ in range(3):
    child = os.fork()
    if child == 0:
        check()
        wait_until(lambda: asleep() == 2)
        check()
        os._exit(len(workers._threads))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    check()
print("done")
"""
    )
    assert out == "done\n"


def test_kernels_run_after_their_threads_have_gone_home() -> None:
    """Functions registered before are called after that."""
    code = BEGINNING.replace("import numpy", "atexit.register(lambda: (check(), print('checked')))\nimport numpy")
    assert run_python(code + "check()") == "checked\n"


def test_a_process_ends_while_its_threads_are_awake() -> None:
    run_python("for _ in range(100): check()")


def test_a_semaphore_counts() -> None:
    memory = np.zeros(16, np.int64)
    found = semaphore(memory.ctypes.data)
    found.wake_one()
    found.wake_one()
    wait = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(found.wait)
    for _ in range(2):
        wait(found.handle, 0, 0)  # returns


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux refuses what is asked")
def test_a_system_without_semaphores_says_what_to_do(monkeypatch) -> None:
    class Library:
        sem_init = staticmethod(lambda *_: -1)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    with pytest.raises(OSError, match=r"no semaphore left .* Fix: set_num_threads\(1\) needs none"):
        semaphore(0)
