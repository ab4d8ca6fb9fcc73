"""The arithmetic of the timings, turns, and processes of their own."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest

from benchmarks import harness, workers
from benchmarks.harness import Timing, Turn, in_turns, measure, take_turn, timing
from benchmarks.workers import Worker, WorkerError


def test_the_figure_is_the_median_of_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.os, "cpu_count", lambda: 2)
    turns = [Turn([1.0, 2.0, 9.0], others=1.0, wall=12.0), Turn([4.0, 3.0], others=0.4, wall=7.0)]
    assert timing(turns) == Timing(median=3.0, low=2.0, high=4.0, calls=5, others=pytest.approx(1.4 / 38))


def test_one_call_is_its_own_spread() -> None:
    found = timing([Turn([2.0], 0.0, 2.0)])
    assert (found.low, found.median, found.high, found.calls) == (2.0, 2.0, 2.0, 1)


class Recorded:
    """A side whose calls take a given time, and which writes down what it is asked for."""

    def __init__(self, name: str, seconds: float, log: list[tuple[str, int, int]], disturbed: int = 0) -> None:
        self.name, self.seconds, self.log, self.disturbed = name, seconds, log, disturbed

    def __call__(self, calls: int, warm: int) -> Turn:
        self.log.append((self.name, calls, warm))
        others = 0.0
        if len(self.log) > 2 and self.disturbed:  # after the two first looks
            self.disturbed -= 1
            others = 1e9
        return Turn([self.seconds] * calls, others, calls * self.seconds)


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "wait_until_idle", lambda seconds: 0.0)


@pytest.mark.usefixtures("idle")
def test_sides_take_turns() -> None:
    log: list[tuple[str, int, int]] = []
    sides = {"short": Recorded("short", 1 / 64, log), "long": Recorded("long", 3.0, log)}
    found = measure(sides, rounds=3, seconds=3 * 20 / 64)
    assert log[:2] == [("short", 1, 1), ("long", 1, 1)]  # how long is a call?
    # in each round 20 calls of 1/64 s, after 20 ms of others; one of 3 s, and none before it
    assert log[2:] == [("short", 20, 2), ("long", 1, 0)] * 3
    assert (found["short"].calls, found["long"].calls) == (60, 3)
    assert found["long"].median / found["short"].median == 3 * 64


@pytest.mark.usefixtures("idle")
def test_fewer_rounds_where_a_call_takes_seconds() -> None:
    log: list[tuple[str, int, int]] = []
    found = measure({"ours": Recorded("ours", 1.0, log), "theirs": Recorded("theirs", 4.0, log)}, rounds=7)
    assert found["ours"].calls == 4  # 20 s in all
    assert measure({"theirs": Recorded("theirs", 40.0, log)}, rounds=7)["theirs"].calls == 3


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize(("patience", "rounds"), [(20.0, 5), (0.0, 3)])
def test_a_disturbed_round_is_repeated_as_long_as_patience_lasts(patience: float, rounds: int) -> None:
    log: list[tuple[str, int, int]] = []
    sides = {"quiet": Recorded("quiet", 0.1, log), "disturbed": Recorded("disturbed", 0.1, log, disturbed=2)}
    found = measure(sides, rounds=3, seconds=0.3, patience=patience)
    assert len(log) == 2 + 2 * rounds
    assert found["disturbed"].calls == 3
    assert (found["disturbed"].others > 1) == (patience == 0)


def test_calls_that_are_not_counted() -> None:
    made: list[int] = []
    turn = take_turn(lambda: made.append(1), calls=3, warm=2)
    assert len(made) == 5
    assert len(turn.times) == 3
    assert sum(turn.times) <= turn.wall


def test_functions_of_this_process() -> None:
    made: list[str] = []
    sides = in_turns(a=lambda: made.append("a"), b=lambda: made.append("b"))
    for side in sides.values():
        side(2, 1)
    assert made == ["a"] * 3 + ["b"] * 3


def test_a_side_in_a_process_of_its_own() -> None:
    with Worker(Fraction, 1, 3) as third:
        assert third.ask("limit_denominator", 2) == Fraction(1, 2)
        assert third.ask("peak_memory") >= 0
        with pytest.raises(WorkerError, match="'Fraction' object is not callable"):
            third(1, 0)


def test_a_process_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 0.5)
    monkeypatch.setattr(workers, "FAREWELL", 0.1)
    with Worker(time.sleep, 60) as asleep, pytest.raises(WorkerError, match=r"no answer for 0\.5 s"):
        asleep.wait()


def test_what_goes_wrong_in_the_other_process_is_told() -> None:
    with Worker(Fraction, 1, 0) as none, pytest.raises(WorkerError) as caught:
        none.wait()
    assert caught.value.reason() == "ZeroDivisionError: Fraction(1, 0)"
    advice = "Traceback:\n  raise Failed\ntorch._inductor.exc.InductorError: InvalidCxxCompiler: none\n\nSet V=1\n"
    assert WorkerError(advice).reason() == "torch._inductor.exc.InductorError: InvalidCxxCompiler: none"
    assert WorkerError("no answer for 900 s").reason() == "no answer for 900 s"
