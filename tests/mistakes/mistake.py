"""One row of the tables beside this file."""

from __future__ import annotations

from typing import NamedTuple


class Mistake(NamedTuple):
    """What a user wrongly writes, the error that it raises, and what the message must contain."""

    name: str
    code: str
    error: type[Exception] | tuple[type[Exception], ...]
    says: tuple[str, ...]
