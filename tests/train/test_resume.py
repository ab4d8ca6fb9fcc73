"""A training that is interrupted anywhere, and resumed, ends as if it had not been: bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import minicnn
from minicnn import nn, train
from minicnn.train import Callback

from .toys import Die, Died, training, weights

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The uninterrupted training: history, weights, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    history, model = training(folder)
    return history, weights(model), folder


def check_same(whole: Any, history: Any, model: nn.Module, folder: Path) -> None:
    expected, values, first = whole
    assert history.rows == expected.rows
    assert history.step_losses == expected.step_losses
    assert history.stopped == expected.stopped
    assert weights(model) == values
    for name in ("log.jsonl", "log.csv"):
        assert (folder / name).read_text() == (first / name).read_text()
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in first.iterdir())
    best = [minicnn.load(place / "best.mcnn") for place in (folder, first)]
    assert best[0]["row"] == best[1]["row"]
    assert all(minicnn.equal(a, b) for a, b in zip(best[0]["model"].values(), best[1]["model"].values(), strict=True))


@pytest.mark.parametrize("step", [1, 2, 3, 5, 6, 13])
def test_a_crash_at_any_step(step: int, whole: Any, tmp_path: Path) -> None:
    """Steps 5 and 10 end an epoch; every second step, and every epoch, has a checkpoint."""
    with pytest.raises(Died):
        training(tmp_path, extra=[Die(step)])
    assert (tmp_path / "last.mcnn").exists() == (step > 1)
    minicnn.manual_seed(99)  # whatever happened in between
    history, model = training(tmp_path, resume=True)
    check_same(whole, history, model, tmp_path)


def test_resuming_a_finished_training_changes_nothing(whole: Any, tmp_path: Path) -> None:
    training(tmp_path)
    history, model = training(tmp_path, resume=True)
    check_same(whole, history, model, tmp_path)


def test_a_longer_training_is_the_shorter_one_gone_on(tmp_path: Path) -> None:
    long, model = training(tmp_path / "long", epochs=3)
    training(tmp_path / "short", epochs=1)
    history, again = training(tmp_path / "short", epochs=3, resume=True)
    assert history.rows == long.rows
    assert weights(again) == weights(model)


def kill_again_and_again(folder: Path, delays: Iterator[float], most: int) -> int:
    """Start the training as a process and kill it, until it finishes; how often it was killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    for killed in range(most + 1):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.train.toys", str(folder), "0.02"],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()  # it says when it begins
        if killed == most:
            _, error = process.communicate()
            assert process.returncode == 0, error
            return killed
        try:
            process.communicate(timeout=next(delays))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        if process.returncode == 0:
            return killed
    raise AssertionError


def test_killed_at_random_moments(whole: Any, tmp_path: Path) -> None:
    chance = random.Random(time.time_ns())  # other moments in every run of the tests
    delays = (chance.uniform(0.0, 0.6) for _ in iter(int, 1))
    assert kill_again_and_again(tmp_path, delays, most=4) >= 1
    history, model = training(tmp_path, resume=True)  # finished: gives what the last process had
    check_same(whole, history, model, tmp_path)


@pytest.mark.parametrize("write", [1, 40, 200])
def test_killed_in_the_middle_of_writing_a_checkpoint(write: int, whole: Any, tmp_path: Path) -> None:
    """The process kills itself before the n-th piece of a checkpoint's file would be written."""
    code = f"""
import io, os, signal, sys
from pathlib import Path
from minicnn.io import native
from tests.train.toys import training
count = 0
write_npy = native.write_npy
def dying(file, array):
    global count
    count += 1
    if count == {write}:
        file.write(b"half")
        file._fileobj.flush() if hasattr(file, "_fileobj") else None
        os.kill(os.getpid(), signal.SIGKILL)
    write_npy(file, array)
native.write_npy = dying
training(Path(sys.argv[1]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.glob(".*.tmp"))  # what it was writing
    history, model = training(tmp_path, resume=True)
    check_same(whole, history, model, tmp_path)


@pytest.mark.parametrize("moment", ["training", "validation"])
def test_ctrl_c_stops_with_a_checkpoint(
    moment: str, whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Press(Callback):
        def on_step_end(self, run: Any) -> None:
            if moment == "training" and run.step == 7:
                signal.raise_signal(signal.SIGINT)

        def evaluating(self, run: Any) -> Any:
            if moment == "validation" and run.step == 10:
                signal.raise_signal(signal.SIGINT)
            return super().evaluating(run)

    history, _ = training(tmp_path, extra=[Press()])
    assert history.stopped == "Ctrl-C"
    assert len(history) == 1
    assert "once more stops at once" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    history, model = training(tmp_path, resume=True)
    check_same(whole, history, model, tmp_path)


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    class Press(Callback):
        def on_step_end(self, run: Any) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        training(tmp_path, extra=[Press()])


def test_a_time_limit_can_be_gone_on_from(whole: Any, tmp_path: Path) -> None:
    limit = train.TimeLimit(seconds=30)
    limit.seconds = 0.0  # over from the start: stops after one step
    history, _ = training(tmp_path, extra=[limit])
    assert history.stopped == "the time limit of 0 s is reached"
    assert len(history.step_losses) == 1
    history, model = training(tmp_path, resume=True)
    check_same(whole, history, model, tmp_path)
