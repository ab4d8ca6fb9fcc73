"""One differentiable step: arrays in, arrays out, and how gradients flow back.

A :class:`Function` object is a node of the graph that ``backward`` walks. It
is made for one call::

    class Square(Function):
        def forward(self, x):            # arrays
            self.save(x)
            return x * x

        def backward(self, grad_y):      # dL/dy -> dL/dx = dL/dy * 2x
            (x,) = self.saved
            return grad_y * 2 * x

    y = Square()(x)                      # tensors

The node holds edges to the nodes that made its inputs, never to its outputs:
tensors point to nodes, nodes to older nodes. There are no reference cycles,
and a graph is freed as soon as the last tensor that needs it is gone.
"""

from __future__ import annotations

import itertools
import traceback
import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from . import capture, grad_mode
from . import device as devices
from .deferred import Deferred
from .errors import AnomalyError, AutogradError
from .layer_stack import layer_path
from .parts import AccumulateGrad, Edge, Versions, remember_names
from .recording import records, write_down
from .tensor import Tensor

_sequence = itertools.count()
_OF_ONE_CALL = {
    *("needs_grad", "sequence", "edges", "outputs", "_saved", "layer", "made_at", "hooks", "retained"),
    *("uses", "passed_over", "_passed_by", "_edges_one_by_one", "_plain", "_to_save", "so_far", "hands_over"),
}


_NOTHING = None, None, None, 0  # kept for an array that backward does not need


class Function:
    """One differentiable step.

    A subclass takes its settings (strides, axes ...) in ``__init__``, and
    defines ``forward`` and ``backward``. Large arrays that backward needs go
    through :meth:`save`, so that they are freed in time and guarded against
    changes in place.

    Attributes
    ----------
    differentiable : bool
        False: ``backward`` takes and returns arrays. True: it takes and
        returns tensors, built of differentiable operations, so that
        gradients of gradients work (``create_graph=True``).
    on_arrays : bool
        A differentiable ``backward`` that does nothing but call other steps: in a pass that nobody differentiates it
        gets arrays, and of the steps only ``forward`` is run.
    takes_arrays : bool
        A step of such a ``backward``: called with arrays, it runs ``forward`` and nothing else.
    takes_waiting : bool
        It takes what it has saved as it is, also if that still waits.
    leaves_waiting : bool
        ``backward`` on arrays may leave the gradient of the first input waiting, if ``hands_over`` is set.
    takes_waiting_gradient : bool
        ``backward`` takes the gradient of its only result as it is, also if that still waits.
    is_view : bool
        The result shares the input's memory.
    inplace : bool
        ``forward`` writes its result into the memory of the first input, which is not a view.
    shows_gradients : bool
        ``backward`` hands gradients to code that may keep them.
    cuts : bool
        ``backward`` returns parts of the gradient that it is given, which do not overlap.
    adds_up : bool
        ``backward`` adds the gradient of the first input to ``so_far``, if that is set; else it is a new array.
    continues_sum : bool
        The same, but the sum is a new array.
    needs_grad : tuple of bool
        For each input, whether backward must return a gradient.
    so_far : Tensor, optional
        What had arrived where the gradient of the first input goes, for the time of ``backward``.
    hands_over : bool
        The next step takes the gradient of the first input as it is; for the time of ``backward``.
    """

    differentiable = False
    on_arrays = False
    takes_arrays = False
    takes_waiting = False
    leaves_waiting = False
    is_view = False
    inplace = False
    shows_gradients = False
    cuts = False
    needs_grad: tuple[bool, ...] = ()

    # of a node in the graph
    sequence = -1  # younger nodes have larger numbers
    edges: tuple[Edge | None, ...]  # where the gradients of the inputs go
    outputs: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]  # shape and type of each result
    hooks: Mapping[int, dict[int, Any]] = MappingProxyType({})  # by result
    retained: Mapping[int, Any] = MappingProxyType({})  # by result: a weak reference to what wants its gradient
    layer: str | None = None  # that it was called in; anomaly detection asks for it
    so_far: Tensor | None = None
    hands_over = False
    uses = 0  # how many edges lead here
    _plain = False  # ``backward`` is at work on arrays
    passed_over: tuple[Function, ...] = ()  # the steps before this one that its backward does too
    _passed_by: weakref.ref[Function] | None = None  # the node that has this one in ``passed_over``
    _to_save: tuple[Any, ...]
    _saved: tuple[Any, ...] | None  # what ``_keep`` returns for each array, in one row: a thousand objects fewer

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        remember_names(cls, _OF_ONE_CALL)

    def forward(self, *arrays: Any) -> Any:
        """Compute the result array (or a tuple of them) from the input arrays."""
        raise TypeError(f"{type(self).__name__} must define forward(self, *arrays)")

    def backward(self, *grads: Any) -> Any:
        """From the gradients of the results, compute those of the inputs (None where not needed)."""
        raise TypeError(f"{type(self).__name__} must define backward(self, *grads)")

    # ------------------------------------------------------------------ forward

    def __call__(self, *inputs: Tensor | None) -> Any:
        """Run forward on tensors, and record this node if a gradient will be needed. (Arrays: see ``takes_arrays``.)"""
        if self.takes_arrays and isinstance(inputs[0], np.ndarray):
            self.needs_grad = (False,) * len(inputs)
            return self.forward(*inputs)
        if self.sequence >= 0:
            raise AutogradError(
                f"{self.operation}: this object is a node of a graph already, and made for one call. "
                f"Fix: a new one for each call, {type(self).__name__}(...)(x)"
            )
        self._to_save = ()
        self.needs_grad = needs = tuple([t is not None and t.requires_grad for t in inputs])
        recording = True in needs and grad_mode.is_grad_enabled()
        edges: tuple[Any, ...] = ()
        if recording:  # now, for a change in place will replace an input's history
            edges = tuple([t._edge() if need else None for t, need in zip(inputs, needs, strict=True)])  # type: ignore[union-attr]
        target = inputs[0] if self.inplace else None
        if target is not None:
            target._check_inplace(recording)
            target._versions.before_change()

        if devices.in_use:
            if capture.recording is not None:
                capture.recording.reads(inputs)
            with devices.on(devices.common(self, inputs)):
                result = self.evaluate(inputs, recording)
        else:
            result = self.evaluate(inputs, recording)

        if target is not None:
            target._hold(result)
            target._versions.count += 1
            outputs: tuple[Any, ...] = (target,)
        else:
            outputs = tuple(map(Tensor._wrap, result)) if isinstance(result, tuple) else (Tensor._wrap(result),)
        if recording:
            self._record(edges, inputs, outputs)
        if self.is_view:
            outputs[0]._become_view(inputs[0], self)
        del self._to_save
        if records.open:
            write_down(self, inputs, outputs)
        if grad_mode.is_anomaly_enabled():
            self.layer = layer_path()
            self._check_nan("forward", [t._array for t in outputs])
            self.made_at = "".join(traceback.format_stack(limit=8)[:-1])
        return outputs if isinstance(result, tuple) else outputs[0]

    @np.errstate(all="ignore")  # infinities and NaN are values, as in PyTorch; detect_anomaly finds the first NaN
    def evaluate(self, inputs: tuple[Tensor | None, ...], recording: bool) -> Any:
        """The result for tensors: that of ``forward`` on their arrays. Steps that can wait give a Deferred instead."""
        return self.forward(*[None if t is None else t._array for t in inputs])

    def _record(self, edges: tuple[Any, ...], inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        """Become a node of the graph: know where gradients go, keep what backward needs, be the results' history."""
        self.sequence = next(_sequence)
        self.edges = edges
        forms = [t._form for t in outputs]
        self.outputs = tuple([(form.shape, form.dtype) for form in forms])
        for index, form in enumerate(forms):
            if form.dtype.kind == "f":
                outputs[index]._set_history(self, index)
        saved: list[Any] = []
        for array in self._to_save:
            saved += _NOTHING if array is None else self._keep(array, inputs, outputs)
        self._saved = tuple(saved)

    def again(self) -> Function:
        """A new node with the same settings, for the same step on another tensor."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update({k: v for k, v in self.__dict__.items() if k not in _OF_ONE_CALL})
        return twin

    def save(self, *arrays: Any) -> None:
        """Keep arrays (inputs, results or others; None allowed) for backward. Call once, in forward."""
        self._to_save = arrays

    def _keep(self, array: Any, inputs: tuple[Tensor | None, ...], outputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """An array, the number of the input that it is (from -1 down: of the result), its versions, its version."""
        for index, t in enumerate(outputs):
            if array is (t._array if t._deferred is None else t._deferred):  # the tensor itself would be a cycle
                return array, ~index, t._versions, t._versions.count
        for index, t in enumerate(inputs):
            if t is not None and array is (t._array if t._deferred is None else t._deferred):
                return array, index, t._versions, t._versions.count
        return array, None, None, 0

    # ---------------------------------------------------------------- shortcuts

    def pass_over(self, steps: tuple[Function, ...], edges: tuple[Edge | None, ...]) -> None:
        """Let backward of this node do for ``steps`` too, the ones before it, and go on at ``edges``, their inputs.

        Only where nobody would miss them: a step must have this node, or one of the steps, as its only user, and no
        hooks. Whoever looks at one of them later (an edge to it, a hook, ``next_functions``) makes this node give the
        shortcut up, as a gradient of gradients and anomaly detection do: see :meth:`one_by_one`.
        """
        if all(step.uses == 1 and not step.hooks and not step.retained for step in steps):
            self.passed_over, self._edges_one_by_one, self.edges = steps, self.edges, edges
            me = weakref.ref(self)
            for step in steps:
                step._passed_by = me

    def one_by_one(self) -> None:
        """Give the shortcut up: backward goes through every step again."""
        if self.passed_over:
            for step in self.passed_over:
                step._passed_by = None
            self.passed_over, self.edges = (), self._edges_one_by_one

    def show(self) -> None:
        """Somebody looks at this node: no shortcut may pass it by."""
        if self._passed_by is not None and (node := self._passed_by()) is not None:
            node.one_by_one()

    def backward_of_all(self, *grads: Any) -> Any:
        """What ``backward`` is for this node alone, for it and those that it passes over; arrays."""
        raise TypeError(f"{type(self).__name__} must define backward_of_all(self, *grads)")

    # ----------------------------------------------------------------- backward

    @property
    def adds_up(self) -> bool:
        return False

    @property
    def continues_sum(self) -> bool:
        return False

    @property
    def takes_waiting_gradient(self) -> bool:
        return False

    @property
    def operation(self) -> str:
        """The operation's name, for messages."""
        return type(self).__name__

    def name(self) -> str:
        """The node's name as PyTorch writes it, such as ``MulBackward0``."""
        return "".join(word[:1].upper() + word[1:] for word in self.operation.split("_")) + "Backward0"

    def __repr__(self) -> str:
        return f"<{self.name()}>"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each input, the node its gradient goes to and which of the node's results it was."""
        self.one_by_one()
        return tuple(
            (None, 0) if edge is None else (edge.node or AccumulateGrad(edge.leaf), edge.index) for edge in self.edges
        )

    @property
    def saved(self) -> tuple[Any, ...]:
        """What :meth:`save` kept: tensors if ``differentiable``, else arrays."""
        saved = self._saved
        if saved is None:
            raise AutogradError(
                f"backward through {self.operation} a second time: its saved arrays were freed by the first. "
                "Fix: backward(retain_graph=True) the first time, or compute the loss again"
            )
        return tuple([self._unpack(*saved[i : i + 4]) for i in range(0, len(saved), 4)])

    def _unpack(self, array: Any, place: int | None, versions: Versions | None, version: int) -> Any:
        if versions is not None and versions.count != version:
            raise AutogradError(
                f"backward of {self.operation} needs an array of shape {array.shape} that was changed in place "
                f"since: it is at version {versions.count}, expected version {version}. "
                "Fix: use the operation that is not in place (x = x + 1 for x += 1), or clone() before changing"
            )
        if self.differentiable and self._plain and not self.takes_waiting and isinstance(array, Deferred):
            return array.array()
        if not self.differentiable or self._plain or array is None:
            return array
        edge = None if place is None else self.edges[place] if place >= 0 else Edge(self, ~place, None)
        node, index, leaf = edge or Edge(None, 0, None)
        if leaf is not None:
            return leaf
        t = Tensor._wrap(array)
        if versions is not None:
            t._versions = versions
        if node is not None and t.is_floating_point():
            t.requires_grad, t.grad_fn, t._output_index = True, node, index
        return t

    def release(self) -> None:
        """Let go of the saved arrays: backward through this node is over."""
        for array in (self._saved or ())[::4]:
            if array is not None:
                self._saved = None
                break
        for step in self.passed_over:  # they have no other user
            step.release()

    def run_backward(
        self, grads: list[Tensor | None], needed: tuple[bool, ...], create_graph: bool
    ) -> tuple[Tensor | None, ...]:
        """Gradients of the inputs that are ``needed`` from those of the results, all as tensors."""
        filled: list[Any] = []
        for grad, (shape, kind) in zip(grads, self.outputs, strict=True):
            if grad is None and kind.kind == "f":
                known = next(g._array for g in grads if g is not None)  # one of the results led here
                grad = Tensor._wrap(np.zeros(shape, kind, like=known))
            filled.append(grad)
        if create_graph and not self.differentiable:
            raise AutogradError(
                f"create_graph=True: the gradient of {self.operation} cannot itself be differentiated here. "
                "Fix: backward without create_graph, or check second derivatives with finite differences"
            )
        before, self.needs_grad = self.needs_grad, needed
        try:
            if self.passed_over:
                result = self.backward_of_all(*self._arrays(filled))
            elif self.differentiable and (create_graph or not self.on_arrays or devices.in_use or records.open):
                with grad_mode.set_grad_enabled(create_graph), grad_mode.anomaly_checks(False):  # done below
                    result = self.backward(*filled)
            else:
                self._plain = True
                result = self.backward(*self._arrays(filled))
        finally:
            self.needs_grad, self._plain = before, False
        inputs = result if isinstance(result, tuple) else (result,)
        wrapped = tuple(
            [
                g if g is None or isinstance(g, Tensor) else Tensor._wrap(g) if need else None
                for g, need in zip(inputs, needed, strict=True)
            ]
        )
        if grad_mode.is_anomaly_enabled():
            self._check_nan("backward", [g._array for g in wrapped if g is not None])
        return wrapped

    def _arrays(self, grads: list[Any]) -> list[Any]:
        """What ``backward`` on arrays is given."""
        if self.takes_waiting_gradient and grads[0]._deferred is not None:
            return [grads[0]._deferred]
        return [None if g is None else g._array for g in grads]

    def _check_nan(self, direction: str, arrays: list[Any]) -> None:
        for array in arrays:
            if array.dtype.kind == "f" and (bad := np.isnan(array)).any():
                where = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
                error = AnomalyError(
                    f"{direction} of {self.operation} made the first NaN: "
                    f"{int(bad.sum())} of {bad.size} elements, at index {where}"
                )
                error.layer = self.layer or layer_path()
                if direction == "backward" and hasattr(self, "made_at"):
                    error.add_note(f"The operation was called here:\n{self.made_at}")
                raise error
