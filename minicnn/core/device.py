"""Where a tensor lives: on the CPU, or on a GPU.

What is on a GPU is a CuPy array. NumPy's functions hand such arrays to CuPy by themselves, so an operation is written
once; what this file adds is the names of devices, which of them is meant where none is named, and moving arrays.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from minicnn_kernels.arrays import device_index, on_device
from minicnn_kernels.memory import memory_order
from minicnn_kernels.registry import missing

from .errors import DeviceError
from .layer_stack import stack

in_use = False  # whether there has been a tensor on a GPU in this process: only then need anything be checked


class _Defaults(threading.local):
    """For each thread, the device of set_default_device and those of the with blocks that are open."""

    def __init__(self) -> None:
        self.devices: list[device] = [CPU]


class device:  # noqa: N801 - PyTorch's name
    """A device such as ``device("cpu")`` or ``device("cuda", 0)``.

    Naming a device is always possible; placing a tensor on one that is not
    here raises. In a ``with`` block tensors are made on it, where none is named.

    Parameters
    ----------
    type : str, int or device
        ``"cpu"``, ``"cuda"`` (the current GPU), ``"cuda:1"``, or the number of a GPU.
    index : int, optional

    Examples
    --------
    >>> import minicnn
    >>> with minicnn.device("cpu"):
    ...     print(minicnn.zeros(1).device)
    cpu
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        if isinstance(type, int) and not isinstance(type, bool) and type >= 0 and index is None:
            type, index = "cuda", type
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

    def __reduce__(self) -> Any:
        return device, (str(self),)

    def __enter__(self) -> device:
        _defaults.devices.append(check_device(self))
        return self

    def __exit__(self, *_: object) -> None:
        _defaults.devices.pop()


CPU = device("cpu")
_defaults = _Defaults()


def set_default_device(device: Any) -> None:
    """Make tensors on ``device`` from now on, where none is named; None is the CPU. For this thread.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.set_default_device("cpu")
    >>> minicnn.get_default_device()
    device(type='cpu')
    """
    _defaults.devices[0] = CPU if device is None else check_device(device)


def get_default_device() -> device:
    """Where tensors are made if no device is named.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.get_default_device()
    device(type='cpu')
    """
    return _defaults.devices[-1]


def check_device(where: Any) -> device:
    """The device named by ``where`` (None: the default one), which must be usable here; a GPU with its number."""
    if where is None:
        return _defaults.devices[-1]
    chosen = where if isinstance(where, device) else device(where)
    if chosen.type == "cpu":
        return CPU
    if (reason := missing("cupy")) is not None:
        raise DeviceError(
            f"device {str(chosen)!r} cannot be used: {reason}. Fix: use 'cpu', or "
            "device = 'cuda' if minicnn.cuda.is_available() else 'cpu' for a program that runs on both"
        )
    runtime = cupy().cuda.runtime
    if chosen.index is None:
        return device("cuda", int(runtime.getDevice()))
    if chosen.index >= (count := gpu_count()):
        raise DeviceError(
            f"device {str(chosen)!r} cannot be used: there {'is one GPU' if count == 1 else f'are {count} GPUs'}, "
            f"numbered from 0. Fix: 'cuda:{count - 1}' or less"
        )
    return chosen


def gpu_available() -> bool:
    """Whether there is a GPU that computes."""
    return missing("cupy") is None


def gpu_count() -> int:
    """How many GPUs there are that compute."""
    return int(cupy().cuda.runtime.getDeviceCount()) if gpu_available() else 0


def cupy() -> Any:
    """CuPy, imported at the first call."""
    from minicnn_kernels.cuda import runtime

    return runtime.cupy()


def capturing() -> bool:
    """Whether the work of the current GPU is being recorded into a graph: then nothing can be waited for."""
    return bool(cupy().cuda.get_current_stream().is_capturing())


def capturing_on(x: Any) -> bool:
    """Whether ``x`` is on a GPU whose work is being recorded: then its elements cannot be looked at."""
    return on_device(x) and capturing()


def device_of(x: Any) -> device:
    """The device of an array, or of a Deferred, which will make one."""
    while hasattr(x, "arguments"):
        x = x.arguments[0]
    index = device_index(x)
    return CPU if index is None else device("cuda", index)


def arrived(array: Any) -> Any:
    """``array`` for a tensor to hold: an array of NumPy or CuPy as it is, numbers as an array of NumPy."""
    global in_use
    if on_device(array):
        in_use = True
        return array
    return np.asarray(array)


def placed(array: Any, where: device, non_blocking: bool = False) -> Any:
    """The array in the memory of a device that can be used: a copy with the same order in memory, unless it is there.

    A copy to a GPU is under way when this returns, in the order of the GPU's other work. It waits for nothing; only
    from pinned memory, which the program might change meanwhile, it is waited for unless ``non_blocking``.
    A copy to the CPU is always waited for: whoever has the array may read it.
    """
    index = device_index(array)
    if index == where.index:
        return array
    if where.type == "cpu":
        return in_its_order(array, lambda x: x.get())
    from .transfer import between, send

    with cupy().cuda.Device(where.index):
        if index is not None:
            return between(index, lambda: in_its_order(array, lambda x: x.copy()))
        return in_its_order(array, lambda x: send(x, non_blocking))


def in_its_order(x: Any, copy: Callable[[Any], Any]) -> Any:
    """``copy(x)``, which gives contiguous arrays, laid out in memory as ``x`` is (without gaps)."""
    if x.flags.c_contiguous:
        return copy(x)
    axes = memory_order(x)
    back = sorted(range(x.ndim), key=axes.__getitem__)
    return copy(x.transpose(axes)).transpose(back)


def made_on(array: Any, where: Any) -> Any:
    """A new NumPy array on the device that ``where`` names, or else on the default one."""
    if where is None and _defaults.devices[-1] is CPU:
        return array
    return placed(array, check_device(where))


def common(function: Any, inputs: Sequence[Any]) -> int | None:
    """The number of the GPU on which all these tensors (or None) are, the inputs of a step; None for the CPU.

    Raises
    ------
    DeviceError
        If they are on different devices: which, in which operation and layer, and what to write. (A number needs no
        device: :func:`minicnn.ops.operands.promoted` makes numbers of the CPU's 0-d tensors beside those of a GPU.)
    """
    where = {}
    for position, t in enumerate(inputs):
        if t is not None and not isinstance(form := t._form, np.generic):
            where[position] = device_of(form)
    found = set(where.values())
    if len(found) > 1:
        raise mixed(function.operation, dict(zip(_names(function, where), where.values(), strict=True)))
    return found.pop().index if found else None


def check_same(operation: str, tensors: Sequence[Any]) -> None:
    """Raise unless the operands of an element-by-element operation are on one device."""
    where = {
        name: device_of(t._form)
        for name, t in zip(OPERANDS[len(tensors)], tensors, strict=True)
        if not isinstance(t._form, np.generic)
    }
    if len(set(where.values())) > 1:
        raise mixed(operation, where)


OPERANDS = {1: ("input",), 2: ("input", "other"), 3: ("the first", "the second", "the third")}


def _names(function: Any, positions: Iterable[int]) -> list[str]:
    """What a step calls its inputs."""
    method = function.prepare if hasattr(function, "prepare") else function.forward
    names = [p.name for p in inspect.signature(method).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    return [names[i] if i < len(names) else f"input {i}" for i in positions]


def mixed(operation: str, where: dict[str, device]) -> DeviceError:
    """The error for operands, by name, that are on different devices."""
    devices = list(dict.fromkeys(where.values()))
    parts = [f"{' and '.join(n for n, d in where.items() if d == one)} on {one}" for one in devices]
    first, *rest = where.values()
    wanted = first if first.type == "cuda" else next(d for d in rest if d != first)
    if not stack.modules:
        fix = f"x.to('{wanted}') for each that is not there"
    elif first.type == "cpu":  # a layer gets what comes from the CPU, and its parameters are not there
        fix = f"images = images.to('{wanted}') before model(images); the model is on {wanted}"
    else:
        fix = f"model.to('{wanted}') before the optimiser is made; the input is on {wanted}"
    return DeviceError(
        f"{operation}: expected all tensors to be on the same device, but found {', '.join(parts)}. Fix: {fix}"
    )


def check_on_cpu(operation: str, *values: Any) -> None:
    """Raise if a tensor, or a model with its parameters, is on a GPU: for what looks at the numbers one by one."""
    for value in values:
        tensors = [*value.parameters(), *value.buffers()] if hasattr(value, "buffers") else [value]
        for t in tensors:
            if getattr(t, "is_cuda", False):
                what, fix = ("the model", "copy.deepcopy(model)") if t is not value else ("a tensor", "x")
                raise DeviceError(
                    f"{operation} looks at numbers on the CPU, and {what} is on {t.device}. Fix: {fix}.cpu()"
                )


class on:  # noqa: N801 - reads as a word, in a with statement
    """Compute on GPU number ``index`` in a ``with`` block; None, or the current one: nothing to do."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.block: Any = None

    def __enter__(self) -> None:
        if self.index is not None and self.index != (cuda := cupy().cuda).runtime.getDevice():
            self.block = cuda.Device(self.index)
            self.block.__enter__()

    def __exit__(self, *error: object) -> None:
        if self.block is not None:
            self.block.__exit__(*error)


_nothing = nullcontext()


def beside(array: Any) -> Any:
    """Compute where ``array`` is, in a ``with`` block: what is not done by a Function needs it, with several GPUs."""
    return on(device_index(array)) if in_use else _nothing
