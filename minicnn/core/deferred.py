"""Results that wait: what they are is known, their numbers are computed when somebody looks.

A network adds, scales and clips right after each convolution and each batch norm. Done one after the other, every
step reads and writes the whole array; done together, it is written once. So inside a network's ``forward`` the result
of such a step waits to see what comes next::

    y = conv(x)          # waits: shape and type are known, no array yet
    y = norm(y)          # evaluation: still waits, now with a scale and a shift
    y = y + shortcut     # still waits, now with a residual
    y = relu(y)          # computed: one kernel call with an epilogue did all four

Nobody can see the difference. Whoever asks for the numbers of a waiting tensor (``tensor._array``) gets them: they are
computed at that moment, by the same kernel, without what came later. Three rules keep it honest:

- What a waiting result reads may not change. Memory knows its readers (:class:`~minicnn.core.parts.Versions`), and
  before anything is written in place they are computed.
- What leaves a network is computed: whatever still waits when the outermost module returns, whatever a hook is given.
- Where every step must show, none waits: while operations are recorded, with anomaly detection, on memory that
  somebody else holds as a NumPy array or knows the address of, and after ``set_fusion_enabled(False)``.

A gradient may wait as well, from the step of backward that leaves it to the one right after it, which uses it.

The history of a tensor does not wait: each step becomes a node of the graph at once, as always, so that gradients are
those of the single steps. A node that ended a chain may take a shortcut in backward, see
:meth:`minicnn.core.function.Function.pass_over`.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from minicnn_kernels import registry
from minicnn_kernels.arrays import device_index
from minicnn_kernels.epilogue import NONE, Epilogue

from . import device as devices
from . import grad_mode
from .layer_stack import stack
from .recording import records

if TYPE_CHECKING:
    from .function import Function
    from .parts import Versions
    from .tensor import Tensor


class Deferred:
    """A kernel call that has not been made: ``kernel(*arguments, epilogue)``.

    Attributes
    ----------
    operation : str
    arguments : tuple
        Of the kernel; the arrays among them are computed.
    epilogue : Epilogue
        What has been added to it since.
    shape, dtype
        Of the result.
    memories : tuple of Versions
        The memory that it reads.
    steps : tuple of Function
        The operations that it stands for, the first one first.
    """

    open = True  # whether more can be added to it

    __slots__ = (
        *("operation", "arguments", "epilogue", "shape", "dtype", "memories", "steps"),
        *("_kernel", "_array", "_lock", "__weakref__"),
    )

    def __init__(
        self,
        operation: str,
        arguments: tuple[Any, ...],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        memories: tuple[Versions, ...],
        steps: tuple[Function, ...],
        epilogue: Epilogue = NONE,
        kernel: Callable[..., Any] | None = None,
    ) -> None:
        self.operation, self.arguments, self.epilogue = operation, arguments, epilogue
        self.shape, self.dtype = shape, dtype
        self.memories, self.steps = memories, steps
        self._kernel = kernel or registry.select(operation, arguments)[0].function  # of the backend active now
        self._array: Any = None
        self._lock = threading.Lock()
        me = weakref.ref(self)
        for memory in memories:
            memory.add_reader(me)

    # What a tensor says about itself without its numbers, as an array says it.

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    # ------------------------------------------------------------------------

    def array(self) -> Any:
        """The result, computed the first time."""
        with self._lock:
            if self._array is None:
                self._array = self._run(self.epilogue)
            return self._array

    @np.errstate(all="ignore")  # infinities and NaN are values
    def _run(self, epilogue: Epilogue) -> Any:
        if devices.in_use:
            with devices.on(device_index(self.arguments[0])):
                return self._call(epilogue)
        return self._call(epilogue)

    def _call(self, epilogue: Epilogue) -> Any:
        return self._kernel(*self.arguments) if epilogue is NONE else self._kernel(*self.arguments, epilogue)

    def clamped(self, low: float, high: float) -> Any:
        """The result cut to [low, high], in the same kernel call."""
        return self._run(Epilogue(self.epilogue.scale, self.epilogue.residual, low, high))

    def plus(self, residual: Tensor, step: Function) -> Deferred:
        """The same plus ``residual``, a tensor of the same shape and type; ``step`` is the sum."""
        epilogue = Epilogue(self.epilogue.scale, residual._array)
        memories = (*self.memories, residual._versions.memory)
        return self._with(self.arguments, memories, step, epilogue)

    def scaled(self, scale: Any, bias: Any, inputs: Sequence[Tensor | None], step: Function) -> Deferred:
        """A convolution times ``scale`` plus ``bias`` instead of its own: numbers that ``step`` made of ``inputs``."""
        x, w, _, *settings = self.arguments
        memories = (*self.memories, *(t._versions.memory for t in inputs if t is not None))
        return self._with((x, w, bias, *settings), memories, step, Epilogue(scale))

    def _with(
        self, arguments: tuple[Any, ...], memories: tuple[Versions, ...], step: Function, epilogue: Epilogue
    ) -> Deferred:
        steps = (*self.steps, step)
        return Deferred(self.operation, arguments, self.shape, self.dtype, memories, steps, epilogue, self._kernel)


def may_wait(inputs: Iterable[Tensor | None]) -> bool:
    """Whether a result made of ``inputs`` may wait here and now."""
    if not stack.modules or records.open or grad_mode.is_anomaly_enabled() or not grad_mode.is_fusion_enabled():
        return False
    for t in inputs:
        if t is not None and (t._versions.exposed or t._versions.shares is not None) and _held_outside(t):
            return False
    return True


def waiting(t: Tensor) -> Deferred | None:
    """What ``t`` waits for, if more can still be added to it."""
    deferred = t._deferred
    if deferred is None or not deferred.open or deferred._array is not None or not may_wait(()):
        return None
    return deferred


def compute_waiting() -> None:
    """Compute what this thread's modules have left waiting and somebody still holds."""
    tensors, stack.waiting = stack.waiting, {}
    for reference in tensors.values():
        t = reference()
        if t is not None and t._deferred is not None:
            t._array  # noqa: B018  # asked for, it is computed


def _held_outside(t: Tensor) -> bool:
    """Whether somebody may hold the memory of ``t`` as a NumPy array, and so change it unseen."""
    memory = t._versions.memory
    if not memory.exposed:
        return False
    if memory.address_known or t._array.base is not None:
        return True
    if sys.getrefcount(t._array) > 2:  # the tensor's reference and the argument's
        return True
    memory.exposed = False  # whoever had it has let go, and may have written to it
    memory.writes += 1
    return False
