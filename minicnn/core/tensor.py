"""The tensor: an array that remembers how it was made.

A :class:`Tensor` holds a NumPy array, or on a GPU one of CuPy, and, if it requires a gradient, the node
(:class:`~minicnn.core.function.Function`) that made it. Arithmetic and the
other methods are attached by :mod:`minicnn.ops.methods`; this file has only
what a tensor *is*: memory, type, history, views and changes in place.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from minicnn_kernels.arrays import on_host, writable

from . import dtype as dtypes
from . import grad_mode
from .deferred import Deferred
from .device import arrived
from .errors import AutogradError, DTypeError, ShapeError
from .exchange import Exchange
from .facts import Facts
from .layer_stack import stack
from .parts import Edge, RemovableHandle, Size, Versions

if TYPE_CHECKING:
    from .function import Function


class Tensor(Facts, Exchange):
    """A multi-dimensional array with automatic differentiation.

    ``Tensor(2, 3)`` is uninitialised and ``Tensor([1, 2])`` holds floats, as
    in PyTorch; :func:`minicnn.tensor` is the usual way to make one.

    Attributes
    ----------
    grad : Tensor or None
        Sum of the gradients that backward passes have brought here (leaves).
    grad_fn : Function or None
        The node that made this tensor; None for a leaf.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __array_priority__ = 1000  # NumPy leaves `array * tensor` to the tensor

    grad: Tensor | None = None
    grad_fn: Function | None = None
    _requires_grad = False
    _output_index = 0
    _versions: Versions
    _base: Tensor | None = None
    _view_steps: tuple[Function, ...] = ()
    _seen = 0  # of a base: how often its history was replaced; of a view: how often when it was made
    _hooks: dict[int, Callable[[Tensor], Tensor | None]] | None = None
    _post_hooks: dict[int, Callable[[Tensor], None]] | None = None
    retains_grad = False
    _reshaped = 0  # of a base: the count of ``_seen`` when its shape was last changed in place

    if TYPE_CHECKING:  # attached by minicnn.ops.methods

        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...

    def __init__(self, *data: Any) -> None:
        kind = dtypes.get_default_dtype().numpy
        if len(data) == 1 and not isinstance(data[0], (int, np.integer)):
            values = data[0]._array if isinstance(data[0], Tensor) else data[0]
            array = np.empty(values, kind) if isinstance(values, Size) else np.array(on_host(values), dtype=kind)
        else:
            array = np.empty(data or (0,), kind)
        self._set_array(array)

    @classmethod
    def _wrap(cls, array: Any) -> Tensor:
        """The tensor on ``array``'s memory, without history."""
        self = Tensor.__new__(cls)
        self._set_array(array)
        return self

    def _set_array(self, array: Any) -> None:
        """Begin: an array or a Deferred, without history."""
        if isinstance(array, Deferred):
            self._wait(array)
        else:
            self._array = array if isinstance(array, np.ndarray) else arrived(array)
        self._versions = Versions()

    def _hold(self, result: Any) -> None:
        """From now on hold ``result``, an array or a Deferred."""
        if isinstance(result, Deferred):
            self._wait(result)
            self.__dict__.pop("_array", None)
        else:
            self._array = result
            self.__dict__.pop("_deferred", None)

    def _wait(self, deferred: Deferred) -> None:
        self._deferred = deferred
        stack.waiting[id(self)] = weakref.ref(self)

    # ---------------------------------------------------------------- history

    @property
    def requires_grad(self) -> bool:
        if self._base is not None:
            self._refresh_view()
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and not self.is_floating_point():
            raise DTypeError(
                f"only floating-point tensors can require a gradient; this one is {self.dtype}. Fix: x.float()"
            )
        if not value and self.grad_fn is not None:
            raise AutogradError("requires_grad can be switched off for leaves only. Fix: x.detach()")
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Record operations on this tensor from now on; returns it."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        return self.grad_fn is None

    def _edge(self) -> Edge:
        """Where the gradient of this tensor goes; of a view, after ``requires_grad`` has brought it up to date."""
        node = self.grad_fn
        if node is None:
            return Edge(None, 0, self)
        node.uses += 1
        node.show()
        return Edge(node, self._output_index, None)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradient of this tensor to ``.grad`` of every leaf it depends on.

        Parameters
        ----------
        gradient : Tensor, optional
            Gradient to start from, of this tensor's shape; 1 for a scalar.
        retain_graph : bool, optional
            Keep what backward needs, to go back a second time.
        create_graph : bool, default False
            Record the backward pass itself, for second derivatives.
        inputs : sequence of Tensor, optional
            Only these leaves receive gradients.
        """
        from .graph import backward

        backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """A tensor on the same memory, cut off from the history."""
        t = Tensor._wrap(self._array)
        t._versions = self._versions
        return t

    def detach_(self) -> Tensor:
        """Cut this tensor off from its history; returns it."""
        if self._base is not None:
            raise AutogradError("detach_: a view cannot be detached in place. Fix: x.detach()")
        self.grad_fn, self._requires_grad, self.retains_grad = None, False, False
        return self

    @property
    def data(self) -> Tensor:
        """A tensor on the same memory without history, whose changes in place are not watched."""
        t = Tensor._wrap(self._array)
        t._versions.share(self._versions)
        return t

    @data.setter
    def data(self, value: Tensor) -> None:
        self._versions.before_change()  # also where it stays the same memory, seen otherwise
        self._versions.share(value._versions)
        self._hold(value._array)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(grad)`` when this tensor's gradient is known; what it returns replaces the gradient."""
        if not self.requires_grad:
            raise AutogradError("register_hook: this tensor does not require a gradient. Fix: x.requires_grad_()")
        if self.grad_fn is None:
            self._hooks = self._hooks or {}
            return RemovableHandle(self._hooks, hook)
        self.grad_fn.show()
        hooks = self.grad_fn.hooks.get(self._output_index, {})
        self.grad_fn.hooks = {**self.grad_fn.hooks, self._output_index: hooks}
        return RemovableHandle(hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook(leaf)`` after a gradient was added to this leaf's ``.grad``."""
        if not self.is_leaf:
            raise AutogradError(
                "register_post_accumulate_grad_hook: only leaves accumulate gradients; this is a result"
            )
        self._post_hooks = self._post_hooks or {}
        return RemovableHandle(self._post_hooks, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate result in ``.grad``."""
        if not self.requires_grad:
            raise AutogradError("retain_grad: this tensor does not require a gradient. Fix: x.requires_grad_()")
        if self.grad_fn is not None:
            self.retains_grad = True
            self.grad_fn.show()
            self.grad_fn.retained = {**self.grad_fn.retained, self._output_index: weakref.ref(self)}

    # ------------------------------------------------ views and changes in place

    @property
    def _version(self) -> int:
        return self._versions.count

    def _is_view(self) -> bool:
        return self._base is not None

    def _become_view(self, source: Tensor, step: Function) -> None:
        """This is ``step`` of ``source``, on the same memory (unless the step had to copy)."""
        if not np.may_share_memory(self._array, source._array):
            return
        self._versions = source._versions
        self._base = source if source._base is None else source._base
        self._view_steps = (*source._view_steps, step)
        self._seen = self._base._seen

    def _refresh_view(self) -> None:
        """If the base was changed in place since, derive this view's history anew from the base's."""
        if self._base is None or self._seen == self._base._seen:
            return
        base, steps = self._base, self._view_steps
        if self._seen < base._reshaped and base._requires_grad:
            raise AutogradError(
                f"the shape of a tensor was changed in place to {base._array.shape} after a view of it was taken, so "
                "the view's gradient is not known. Fix: unsqueeze, squeeze or t without the underscore"
            )
        with grad_mode.enable_grad():
            t = base
            for step in steps:
                t = step.again()(t)
        if t.grad_fn is not None:
            self._set_history(t.grad_fn, t._output_index)
        self._seen = base._seen

    def _change_shape(self, array: Any) -> None:
        """Take ``array``, the same elements in another shape. Older views do not follow."""
        self._array = array
        self._seen += 1
        self._reshaped = self._seen

    def _check_inplace(self, recording: bool) -> None:
        """Refuse a change in place that would lose a gradient."""
        if recording and self._requires_grad and self.grad_fn is None:
            raise AutogradError(
                "a leaf that requires a gradient cannot be changed in place while operations are recorded. "
                "Fix: do it inside `with minicnn.no_grad():`, or use the operation that is not in place"
            )
        if self._deferred is None and not writable(self._array):
            raise ShapeError(
                f"this tensor of shape {self._array.shape} cannot be written: several of its elements share one place "
                "in memory (expand), or its array is read-only. Fix: clone() first"
            )

    def _to_change(self) -> Any:
        """The array, for a change in place: what waits to read it is computed, and the change is counted."""
        array = self._array
        self._versions.before_change()
        self._versions.count += 1
        return array

    def _set_history(self, node: Function, index: int) -> None:
        """Result ``index`` of ``node`` is what this tensor now holds."""
        if self.retains_grad:
            before = self.grad_fn.retained  # type: ignore[union-attr]
            self.grad_fn.retained = {i: t for i, t in before.items() if i != self._output_index}  # type: ignore[union-attr]
            node.retained = {**node.retained, index: weakref.ref(self)}
        self._requires_grad, self.grad_fn, self._output_index = True, node, index
        self._seen += 1


Tensor.__module__ = "minicnn"  # where programs find it: type(x) prints as <class 'minicnn.Tensor'>


def from_numpy(array: Any) -> Tensor:
    """The tensor on a NumPy array's own memory: changes to one show in the other.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.zeros(2, dtype=np.float32)
    >>> t = from_numpy(a)
    >>> a[0] = 5
    >>> t
    tensor([5., 0.])
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy.ndarray; got {type(array).__name__}")
    dtypes.from_numpy_dtype(array.dtype)
    t = Tensor._wrap(array)
    t._versions.exposed = True
    return t
