"""Where a tensor lives. This version computes on the CPU."""

from __future__ import annotations

from typing import Any

from minicnn_kernels.registry import missing

from .errors import DeviceError


class device:  # noqa: N801 - PyTorch's name
    """A device such as ``device("cpu")`` or ``device("cuda", 0)``.

    Naming a device is always possible; placing a tensor on one that is not
    here raises.
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        if not isinstance(type, str):
            raise DeviceError(f"device: expected a string such as 'cpu' or 'cuda:0'; got {type!r}")
        name, colon, number = type.partition(":")
        if name not in ("cpu", "cuda") or (colon and (not number.isdigit() or index is not None)):
            raise DeviceError(f"device: expected 'cpu', 'cuda' or 'cuda:N'; got {type!r}")
        self.type = name
        self.index = int(number) if colon else index

    def __repr__(self) -> str:
        number = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{number})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))


CPU = device("cpu")


def check_device(where: Any) -> device:
    """The device named by ``where`` (None: the CPU), which must be usable here."""
    if where is None:
        return CPU
    chosen = device(where)
    if chosen.type == "cuda":
        raise DeviceError(f"device {str(chosen)!r} cannot be used: {missing('cupy')}. Fix: use 'cpu'")
    return CPU
