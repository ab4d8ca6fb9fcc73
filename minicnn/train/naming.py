"""Metrics and callbacks by name, as a configuration file or a command line gives them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any


def unknown(what: str, name: Any, known: Iterable[str]) -> str:
    """That ``name`` is not known, with the nearest one and all others."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), names, n=1)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return f"there is no {what} {name!r}. {guess}There are: {', '.join(names)}"


def make(what: str, name: str, table: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """What ``table`` makes under this name, with these options."""
    if name not in table:
        raise ValueError(unknown(what, name, table))
    accepted = inspect.signature(table[name]).parameters
    for option in options:
        if option not in accepted:
            raise ValueError(f"{what} {name!r}: {unknown('option', option, accepted)}")
    missing = [p.name for p in accepted.values() if p.default is p.empty and p.name not in options]
    if missing:
        raise ValueError(f"{what} {name!r} needs the option {missing[0]!r}")
    return table[name](**options)
