"""Figures without matplotlib: the error says what to install, wherever one is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import minicnn
from minicnn import explain, nn
from minicnn.core.figure import new_figure
from minicnn.train.history import History


def filters() -> Any:
    return explain.filters(nn.Conv2d(3, 4, 3)).figure()


@pytest.mark.parametrize("draw", [lambda: new_figure(3, 2), lambda: History().plot(), filters])
def test_what_draws_says_what_is_missing(draw: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    minicnn.manual_seed(0)
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"figures need matplotlib\. Fix: pip install matplotlib"):
        draw()
