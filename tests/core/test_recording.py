"""The record of operations: what is in it, and that records do not disturb each other."""

from __future__ import annotations

from threading import Thread

import minicnn
from minicnn import nn
from minicnn.core import record


def test_a_record_has_the_operations_in_order_with_their_layers() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with record() as steps:
        model(minicnn.ones(1, 2)) * 2
    minicnn.ones(1) + 1
    assert [step.function.operation for step in steps] == ["Linear", "relu", "Mul"]
    assert [step.modules for step in steps] == [(model, model[0]), (model, model[1]), ()]


def test_records_end_in_any_order() -> None:
    first, second = record(), record()
    early, late = first.__enter__(), second.__enter__()
    minicnn.ones(1) + 1
    first.__exit__(None, None, None)
    minicnn.ones(1) * 2
    second.__exit__(None, None, None)
    minicnn.ones(1) - 1
    assert [len(early), len(late)] == [1, 2]


def test_a_record_is_of_its_own_thread() -> None:
    with record() as steps:
        other = Thread(target=lambda: minicnn.ones(1) + 1)
        other.start()
        other.join()
    assert steps == []
