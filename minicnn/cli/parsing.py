"""What all commands share: the parser, sizes as one types them."""

from __future__ import annotations

import argparse
import difflib
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

Run = Callable[[argparse.Namespace], int | None]
Command = Callable[[argparse.ArgumentParser], Run]


def numbers(text: str) -> list[int]:
    """``3,224,224`` as a list."""
    try:
        return [int(n) for n in text.strip(",").split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size; expected whole numbers, as 3 224 224 or 3,224,224, after the model's name"
        ) from None


def spaced(size: Sequence[int]) -> str:
    """A size as one types it."""
    return " ".join(map(str, size))


def as_json(value: Any, indent: int | None = None) -> str:
    """As JSON, with null for NaN and infinity, which JSON does not have.

    Examples
    --------
    >>> as_json({"loss": float("nan"), "rows": [1, 2.5]})
    '{"loss": null, "rows": [1, 2.5]}'
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Parser(argparse.ArgumentParser):
    """A parser that answers an argument it does not know with its own usage and the nearest flag."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, others = super().parse_known_args(args, namespace)
        for action in self._get_positional_actions():  # argparse takes an optional one only right after the others
            if action.nargs == "?" and getattr(known, action.dest) is None and others and others[0][:1] != "-":
                setattr(known, action.dest, others.pop(0))
        if others:
            flags = re.findall(r"--[a-z-]+", self.format_usage())
            near = difflib.get_close_matches(others[0].partition("=")[0], flags, n=1)
            self.error(" ".join(["unrecognized arguments:", *others]) + (f". Did you mean {near[0]}?" if near else ""))
        return known, others
