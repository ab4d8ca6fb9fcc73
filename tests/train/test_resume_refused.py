"""The checkpoint of another training is refused, and nothing of an earlier one is lost: neither files nor logs."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

import minicnn
from minicnn import nn, optim, train
from minicnn.data import DataLoader
from minicnn.train import Callback, ResumeError

from .toys import Die, Died, images, net, training


def fit(folder: Path, model: nn.Module | None = None, n: int = 12, optimizer: Any = optim.SGD, **options: Any) -> Any:
    model = net() if model is None else model
    data = DataLoader(images(n), batch_size=4)
    options = {"callbacks": [train.ModelCheckpoint(folder)], "resume": True, **options}
    return train.fit(model, data, data, optimizer=optimizer(model.parameters(), lr=0.01), epochs=1, **options)


ANOTHER = r"another network .* 1\.weight is \(6,\) in the checkpoint, \(3, 36\) in the model"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"model": nn.Sequential(nn.Flatten(), nn.Linear(36, 3))},
            ANOTHER,
        ),
        ({"optimizer": optim.Adam}, "the optimiser: SGD there, Adam here"),
        ({"n": 16}, "samples of the training data: 12 there, 16 here"),
        ({"loss": nn.NLLLoss()}, "the loss: CrossEntropyLoss there, NLLLoss here"),
        ({"metrics": ["f1"]}, r"the metrics: \['accuracy'\] there, \['f1'\] here"),
        ({"accumulate": 2}, "accumulate: 1 there, 2 here"),
    ],
)
def test_another_training_is_refused(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    fit(tmp_path)
    before = (tmp_path / "last.mcnn").read_bytes()
    with pytest.raises(ResumeError, match=says):
        fit(tmp_path, **change)
    assert (tmp_path / "last.mcnn").read_bytes() == before


def test_the_callbacks_must_be_there(tmp_path: Path) -> None:
    fit(tmp_path, callbacks=[train.ModelCheckpoint(tmp_path), train.EMA()])
    with pytest.raises(ResumeError, match=r"had the callback EMA, this one has .*ModelCheckpoint"):
        fit(tmp_path)
    with pytest.raises(ResumeError, match=r"had no callback EarlyStopping"):
        fit(tmp_path, callbacks=[train.ModelCheckpoint(tmp_path), train.EMA(), train.EarlyStopping()])
    log = train.JSONLLogger(tmp_path / "log.jsonl")  # what only writes may come and go
    assert (
        len(fit(tmp_path, callbacks=[train.EMA(), train.ModelCheckpoint(tmp_path), train.TerminateOnNaN(), log])) == 1
    )


def test_nothing_of_another_training_is_lost(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"

    def callbacks(folder: Path) -> list[Callback]:
        return [
            train.JSONLLogger(folder / "log.jsonl"),
            train.CSVLogger(folder / "log.csv"),
            train.ModelCheckpoint(folder),
        ]

    for folder in (first, second):
        fit(folder, callbacks=callbacks(folder))
    before = {path: path.read_bytes() for path in second.iterdir()}
    assert before[second / "log.jsonl"]
    with pytest.raises(FileExistsError):  # resume=True forgotten
        fit(second, callbacks=callbacks(second), resume=False)
    with pytest.raises(FileExistsError):  # going on with the first in the folder of the second
        fit(second, callbacks=callbacks(second), resume=first)
    assert {path: path.read_bytes() for path in second.iterdir()} == before


def test_where_to_resume_from(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no callback writes any"):
        fit(tmp_path, callbacks=[])
    with pytest.raises(FileNotFoundError, match=r"nowhere.*resume=True begins anew"):
        fit(tmp_path, resume=tmp_path / "nowhere")
    with pytest.raises(TypeError, match="True, or the path"):
        fit(tmp_path, resume=3)
    fit(tmp_path)  # nothing there yet: begins
    with pytest.raises(FileExistsError, match=r"resume=True.*overwrite=True"):
        fit(tmp_path, resume=False)
    with pytest.raises(ValueError, match=r"best\.mcnn: it is not the checkpoint of a training"):
        fit(tmp_path, resume=tmp_path / "best.mcnn")
    for place in (tmp_path, tmp_path / "last.mcnn"):
        assert len(fit(tmp_path, resume=place)) == 1
    fit(tmp_path, resume=False, callbacks=[train.ModelCheckpoint(tmp_path, overwrite=True)])
    with pytest.raises(NotADirectoryError, match="is a file"):
        fit(tmp_path, callbacks=[train.ModelCheckpoint(tmp_path / "last.mcnn")], resume=False)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    fit(tmp_path)
    last, best = (tmp_path / "last.mcnn").read_bytes(), (tmp_path / "best.mcnn").read_bytes()
    model = net()
    model.load_state_dict(minicnn.load(tmp_path / "last.mcnn"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(best) // 2, limits[1]))  # no file may become larger
    try:
        with pytest.raises(OSError, match="too large") as caught:
            fit(tmp_path, callbacks=[train.ModelCheckpoint(tmp_path, overwrite=True)], resume=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "the file before it is whole" in "".join(caught.value.__notes__)
    assert (tmp_path / "last.mcnn").read_bytes() == last
    assert (tmp_path / "best.mcnn").read_bytes() == best
    assert not list(tmp_path.glob(".*.tmp"))
    assert len(fit(tmp_path)) == 1


def test_a_log_loses_only_lines_that_are_newer_than_its_checkpoint(tmp_path: Path) -> None:
    training(tmp_path / "whole", epochs=3)
    expected = (tmp_path / "whole" / "log.jsonl").read_text()
    with pytest.raises(Died):
        training(tmp_path / "parts", epochs=3, extra=[Die(7)])  # the checkpoint is of step 6
    log = tmp_path / "parts" / "log.jsonl"
    assert '"step": 7' in log.read_text()
    log.write_text(log.read_text() + '{"kind": "st')  # killed while it wrote
    (tmp_path / "parts").rename(tmp_path / "moved")
    training(tmp_path / "moved", epochs=3, resume=True)
    assert (tmp_path / "moved" / "log.jsonl").read_text() == expected


@pytest.mark.parametrize("end", ["\n", ""])
def test_the_log_of_another_training_stays(end: str, tmp_path: Path) -> None:
    """Whether the checkpoint was written after the first line of its log, or before."""
    other = "\n".join(f'{{"kind": "step", "step": {step}}}' for step in range(1, 101)) + end
    for every_steps in (1, None):

        def callbacks(folder: Path, every_steps: int | None = every_steps) -> list[Callback]:
            return [
                train.JSONLLogger(folder / "log.jsonl", every_steps),
                train.ModelCheckpoint(folder, every_steps=1, overwrite=True),
            ]

        first, second = tmp_path / f"first {every_steps}", tmp_path / f"second {every_steps}"
        with pytest.raises(Died):
            fit(first, callbacks=[*callbacks(first), Die(2)], resume=False)
        second.mkdir()
        log = second / "log.jsonl"
        log.write_text(other)
        fit(second, callbacks=callbacks(second), resume=first)
        assert log.read_text().startswith(other)
        added = log.read_text().removeprefix(other).removeprefix("\n").splitlines()
        assert len(added) == (2 if every_steps else 1)  # step 3, and the epoch

        before = log.read_text()
        fit(second, callbacks=callbacks(second))  # finished: nothing is added, nothing is taken away
        assert log.read_text() == before


def test_a_log_that_lost_its_end_goes_on(tmp_path: Path) -> None:
    with pytest.raises(Died):
        training(tmp_path, epochs=2, extra=[Die(6)])
    log = tmp_path / "log.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:2]))  # the power failed before the rest was on the disk
    training(tmp_path, epochs=2, resume=True)
    assert log.read_text().splitlines(keepends=True)[:2] == lines[:2]
    assert '"step": 7' in log.read_text().splitlines()[2]
