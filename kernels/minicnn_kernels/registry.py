"""Which function computes an operation: the table (operation, backend) -> kernel.

Four backends compute the same operations:

=============  ====================================================  =====================
backend        what it is                                            where
=============  ====================================================  =====================
``reference``  plain nested loops: the textbook, and the oracle      ``reference/``
``numpy``      im2col + matrix product, vectorised NumPy             ``vectorized/``
``numba``      compiled, parallel loops on channels-last memory      ``numba_cpu/``
``cupy``       CUDA kernels, for arrays on a GPU                     ``cuda/``
=============  ====================================================  =====================

The kernel is looked up at every call: by where the first array lives, and from the
backend that is active then. Arrays on a GPU go to ``cupy`` whatever is active, but for
``numpy``, whose functions compute there too (NumPy hands them to CuPy). A kernel may
decline some arguments (an element type, say); the call then falls back to the
``numpy`` kernel, and :func:`explain` says so.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .arrays import on_device
from .errors import BackendError
from .switch import Switch
from .threads import available_threads

_MODULES = {
    "reference": "minicnn_kernels.reference",
    "numpy": "minicnn_kernels.vectorized",
    "numba": "minicnn_kernels.numba_cpu",
    "cupy": "minicnn_kernels.cuda.launchers",
}
FALLBACK = "numpy"


@dataclass(frozen=True, slots=True)
class Kernel:
    """One function that computes one operation on one backend."""

    operation: str
    backend: str
    function: Callable[..., Any]
    declines: Callable[..., str | None] | None  # arguments -> reason, or None to accept
    details: Callable[..., str] | None = None  # arguments -> how it will compute


_table: dict[tuple[str, str], Kernel] = {}
_replacements = 0  # blocks of replaced() that are open
_active: str | None = None  # None until first asked for: then $MINICNN_BACKEND or the best available


def kernel(
    operation: str,
    backend: str,
    declines: Callable[..., str | None] | None = None,
    details: Callable[..., str] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as ``backend``'s kernel for ``operation``.

    ``declines`` is called with the kernel's own arguments; a string it
    returns is the reason why this kernel does not take them. ``details`` too; it
    says for :func:`explain` how the kernel will compute, where it has a choice.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        _table[operation, backend] = Kernel(operation, backend, function, declines, details)
        return function

    return register


@contextmanager
def replaced(functions: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Let other functions compute some operations, inside a ``with`` block and on the backend that is active then.

    As :class:`use_backend`, for all threads of the process. A function is called with the kernel's arguments, an
    epilogue among them where the network adds one.

    Raises
    ------
    BackendError
        If there is no such operation.

    Examples
    --------
    >>> import numpy as np
    >>> with replaced({"relu.forward": lambda x, out=None: np.abs(x)}):
    ...     call("relu.forward", np.array([-1.0, 2.0]))
    array([1., 2.])
    """
    global _replacements
    backend = active_backend()
    before = {operation: _find(operation, backend) for operation in functions}
    unknown = [operation for operation, kernel in before.items() if kernel is None]
    if unknown:
        raise _no_kernel(unknown[0])
    for operation, function in functions.items():
        _table[operation, backend] = Kernel(operation, backend, function, None)
    _replacements += 1
    try:
        yield
    finally:
        _replacements -= 1
        _table.update({(operation, backend): kernel for operation, kernel in before.items() if kernel is not None})


def any_replaced() -> bool:
    """Whether a block of :func:`replaced` is open: then what was prepared with the kernels themselves must not run."""
    return _replacements > 0


def missing(backend: str) -> str | None:
    """Why ``backend`` cannot be used here, or None if it can."""
    if backend == "cupy":
        from .cuda.runtime import why_unavailable

        return why_unavailable()
    if backend not in _MODULES:
        return f"there is no backend {backend!r}; choose one of {', '.join(map(repr, _MODULES))}"
    if backend == "numba" and importlib.util.find_spec("numba") is None:
        return "the package numba is not installed (pip install numba)"
    return None


def available_backends() -> list[str]:
    """Names of the backends that can be used here."""
    return [name for name in _MODULES if missing(name) is None]


def active_backend() -> str:
    """Name of the backend that computes at the moment."""
    global _active
    if _active is None:
        chosen = os.environ.get("MINICNN_BACKEND")
        if chosen is not None and (reason := missing(chosen)) is not None:
            raise BackendError(f"MINICNN_BACKEND={chosen!r}: {reason}")
        _active = chosen or _host_backend()
    return _active


class use_backend(Switch):  # noqa: N801 - reads as a verb, as a call and in a with statement
    """Switch the backend for all threads: for good, inside a ``with`` block, or for a function (``@use_backend(...)``).

    Parameters
    ----------
    name : {"reference", "numpy", "numba", "cupy"}

    Raises
    ------
    BackendError
        If there is no such backend, or it cannot be used here (with the reason).

    Examples
    --------
    >>> with use_backend("reference"):
    ...     active_backend()
    'reference'
    """

    def __init__(self, name: str) -> None:
        if (reason := missing(name)) is not None:
            raise BackendError(f"use_backend({name!r}): {reason}")
        super().__init__(name)

    @classmethod
    def read(cls) -> str | None:
        return _active

    @classmethod
    def write(cls, value: str | None) -> None:
        global _active
        _active = value


def backend_for(arguments: tuple[Any, ...]) -> str:
    """The backend that computes on these arguments: the active one, or the one of the device where the first array is.

    Examples
    --------
    >>> import numpy as np
    >>> backend_for((np.zeros(3),)) == active_backend()
    True
    """
    backend = active_backend()
    first = arguments[0] if arguments else None
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if on_device(first):
        return backend if backend == FALLBACK else "cupy"
    return _host_backend() if backend == "cupy" else backend


def _host_backend() -> str:
    return "numba" if missing("numba") is None else FALLBACK


def _load(backend: str) -> None:
    """Import the backend's kernels, which registers them; a dictionary look-up after the first time."""
    if backend == "numba":
        available_threads()  # refuses what Numba could not be loaded with
    try:
        importlib.import_module(_MODULES[backend])
    except ImportError as error:  # Numba refuses versions of NumPy that it does not know, for one
        raise BackendError(
            f"backend {backend!r} cannot be loaded ({error}). "
            "Fix: repair that package, or compute with use_backend('numpy') or the environment's MINICNN_BACKEND=numpy"
        ) from error


def _find(operation: str, backend: str) -> Kernel | None:
    _load(backend)
    return _table.get((operation, backend))


def own(backend: str, operation: str) -> Kernel:
    """A backend's own kernel for an operation, whether or not the backend can be used here.

    Examples
    --------
    >>> own("numpy", "relu.forward").backend
    'numpy'
    """
    found = _find(operation, backend)
    if found is None:
        raise _no_kernel(operation)
    return found


def find(operation: str, backend: str) -> Callable[..., Any]:
    """The function that ``backend`` has for ``operation``, or the one that it falls back to.

    Examples
    --------
    >>> find("relu.forward", "reference").__module__
    'minicnn_kernels.reference.activations'
    """
    if (reason := missing(backend)) is not None:
        raise BackendError(f"find({operation!r}, {backend!r}): {reason}")
    found = _find(operation, backend) or _find(operation, FALLBACK)
    if found is None:
        raise _no_kernel(operation)
    return found.function


def select(operation: str, arguments: tuple[Any, ...]) -> tuple[Kernel, str]:
    """The kernel that would compute ``operation`` on ``arguments``, and why that one."""
    backend = backend_for(arguments)
    found = _table.get((operation, backend)) or _find(operation, backend)
    if found is None:
        why = f"backend {backend!r} has no kernel for it"
    else:
        reason = found.declines(*arguments) if found.declines is not None else None
        if reason is None:
            return found, f"backend {backend!r} is active" if backend == _active else "the arrays are on a GPU"
        why = f"the {backend!r} kernel declines: {reason}"
    fallback = _find(operation, FALLBACK)
    if fallback is None:
        raise _no_kernel(operation)
    return fallback, f"{why}, so the {FALLBACK!r} kernel computes it"


def _no_kernel(operation: str) -> BackendError:
    near = difflib.get_close_matches(operation, operations(), n=1)
    hint = f". Did you mean {near[0]!r}?" if near else f"; known operations: {', '.join(operations())}"
    return BackendError(f"no kernel computes {operation!r}{hint}")


def call(operation: str, *arguments: Any) -> Any:
    """Compute ``operation`` with the active backend's kernel.

    Examples
    --------
    >>> import numpy as np
    >>> call("relu.forward", np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return select(operation, arguments)[0].function(*arguments)


def explain(operation: str, *arguments: Any) -> str:
    """Say which kernel computes ``operation`` on ``arguments``, where it is written, and why it was chosen.

    Examples
    --------
    >>> import numpy as np
    >>> with use_backend("reference"):
    ...     print(explain("relu.forward", np.zeros(3)))
    relu.forward: minicnn_kernels.reference.activations.relu_forward, because backend 'reference' is active
    """
    known = _find(operation, FALLBACK)
    if known is not None:
        signature = inspect.signature(known.function)
        try:
            signature.bind(*arguments)
        except TypeError as error:
            names = ", ".join(signature.parameters)
            raise TypeError(f"explain({operation!r}, ...) needs the kernel's arguments ({names}): {error}") from None
    chosen, why = select(operation, arguments)
    where = f"{chosen.function.__module__}.{chosen.function.__qualname__}"
    how = "" if chosen.details is None else f"; {chosen.details(*arguments)}"
    return f"{operation}: {where}, because {why}{how}"


def operations(backend: str = FALLBACK) -> list[str]:
    """Sorted names of the operations that ``backend`` has its own kernel for."""
    if (reason := missing(backend)) is not None:
        raise BackendError(f"operations({backend!r}): {reason}")
    _load(backend)
    return sorted(operation for operation, owner in _table if owner == backend)
