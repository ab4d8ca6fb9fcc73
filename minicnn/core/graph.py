"""The backward pass: from a loss to the gradients of everything it depends on.

A node is always younger than the nodes that made its inputs. So visiting the
nodes from the youngest to the oldest meets every user of a result before the
node that made it: by then its gradient is complete. A heap of the nodes that
have received a gradient is all the bookkeeping there is; nothing recurses, so
a network may be of any depth.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
from minicnn_kernels.addition import add
from minicnn_kernels.arrays import device_index, writable
from minicnn_kernels.memory import alone, empty_like

from . import capture
from . import device as devices
from .errors import AutogradError, ShapeError
from .function import Function
from .grad_mode import is_anomaly_enabled
from .neighbours import apart, runs, together
from .parts import Edge
from .paths import Key, key, on_the_way
from .tensor import Tensor


class _Pass:
    """One backward pass; the gradients that were asked for are in ``found`` after :meth:`run`."""

    def __init__(self, starts: Sequence[Edge], create_graph: bool, inputs: Sequence[Tensor] | None) -> None:
        self.create_graph = create_graph
        self.wanted = None if inputs is None else {key(t._edge()) for t in inputs}
        self.one_by_one = create_graph or is_anomaly_enabled()
        self.useful = set() if self.wanted is None else on_the_way(starts, self.wanted, self.one_by_one)
        self.heap: list[tuple[int, Function]] = []
        self.pending: dict[Function, list[Tensor | None]] = {}  # gradients of a node's results, so far
        self.leaves: dict[int, tuple[Tensor, Tensor]] = {}  # leaf, its gradient so far
        self.found: dict[Key, Tensor] = {}
        self.held: set[int] = set()  # arrays that somebody else has or may have
        self.warnings = np.geterr()  # of whoever goes back
        self.sums: set[Key] = set()  # where a gradient is, so far, in memory that nobody else has: it may grow in place

    @np.errstate(all="ignore")  # infinities and NaN are values
    def run(self, retain_graph: bool) -> None:
        """Go from node to node until every gradient has arrived."""
        while self.heap:
            node = heapq.heappop(self.heap)[1]
            if self.one_by_one:
                node.one_by_one()
            is_sum = (id(node), 0) in self.sums
            grads = self.arrived(node)
            if self.wanted is not None and node not in self.useful:
                continue
            if devices.in_use:
                with devices.on(_device(grads)):
                    self.go_through(node, grads, is_sum, retain_graph)
            else:
                self.go_through(node, grads, is_sum, retain_graph)
        for leaf, grad in self.leaves.values():
            self.found[id(leaf), -1] = self.through_hooks(leaf._hooks, grad) if leaf._hooks else grad

    def go_through(self, node: Function, grads: list[Tensor | None], is_sum: bool, retain_graph: bool) -> None:
        """Compute the gradients of a node's inputs, and send them on; ``is_sum``: nobody else has theirs."""
        needed = tuple([self.leads_on(edge) for edge in node.edges])
        cut_own = is_sum and node.cuts and self.unseen(node, grads[0])
        input_grads = self.run_backward(node, grads, needed)
        if node.shows_gradients:
            self.held.update(id(g._array) for g in (*grads, *input_grads) if g is not None)
        if not retain_graph:
            node.release()
        arriving: list[tuple[Edge, Tensor]] = []
        for position, (edge, grad) in enumerate(zip(node.edges, input_grads, strict=True)):
            if needed[position] and grad is not None:
                _check_shape(node, position, edge, grad)  # type: ignore[arg-type]
                arriving.append((edge, grad))  # type: ignore[arg-type]
        if not self.create_graph and len([edge for edge, _ in arriving if edge.node in self.pending]) > 1:
            arriving = self.add_neighbours(arriving)
        for edge, grad in arriving:
            self.send(edge, grad, cut_own or (node.adds_up and edge is node.edges[0]))

    def run_backward(
        self, node: Function, grads: list[Tensor | None], needed: tuple[bool, ...]
    ) -> tuple[Tensor | None, ...]:
        """Gradients of the node's inputs that are still to be sent."""
        if node.leaves_waiting:
            node.hands_over = needed[0] and self.taken_next(node)
        edge = node.edges[0] if needed[0] and (node.adds_up or node.continues_sum) else None
        arrived = None if edge is None or edge.node is None else self.pending.get(edge.node)
        if edge is None or arrived is None or not self.may_be_added_to(node, edge, arrived[edge.index], grads[0]):
            return node.run_backward(grads, needed, self.create_graph)
        node.so_far = arrived[edge.index]
        try:
            arrived[edge.index], *others = node.run_backward(grads, needed, self.create_graph)
        finally:
            node.so_far = None
        self.sums.add(key(edge))
        return None, *others

    def may_be_added_to(self, node: Function, edge: Edge, before: Tensor | None, grad: Tensor | None) -> bool:
        """Whether a node may add the gradient of its first input to what has arrived ``before`` at that edge's end."""
        if node.adds_up:
            return key(edge) in self.sums
        if before is None or grad is None or self.create_graph or node.shows_gradients:
            return False
        return before._form.dtype == grad._form.dtype and not is_anomaly_enabled()

    def taken_next(self, node: Function) -> bool:
        """Whether the gradient of a node's first input goes to the next node alone, which takes it waiting, unseen."""
        edge, *others = node.edges
        user = None if edge is None else edge.node
        if user is None or not user.takes_waiting_gradient or user in self.pending or self.one_by_one:
            return False
        if user.hooks or user.retained or any(e and e.node and e.node.sequence > user.sequence for e in others):
            return False
        if self.wanted is not None and key(edge) in self.wanted:  # type: ignore[arg-type]
            return False
        return not self.heap or -self.heap[0][0] < user.sequence

    def unseen(self, node: Function, grad: Tensor | None) -> bool:
        """Whether the gradient of a node's only result has been given to nobody but the node."""
        if grad is None or (id(node), 0) in self.found:
            return False
        return grad._deferred is not None or id(grad._array) not in self.held

    def leads_on(self, edge: Edge | None) -> bool:
        """Whether a gradient that takes this edge gets to where one is wanted."""
        return edge is not None and (self.wanted is None or edge.node in self.useful or key(edge) in self.wanted)

    def send(self, edge: Edge, grad: Tensor, own: bool = False) -> None:
        """Add ``grad`` to what has arrived at the edge's end; ``own``: nobody else has its memory."""
        node, index, leaf = edge
        if node is None:
            known = self.leaves.get(id(leaf))
            total = grad if known is None else self.add(known[1], grad, (id(leaf), -1))
            self.leaves[id(leaf)] = (leaf, total)  # type: ignore[assignment]
            return
        grads = self.pending.get(node)
        if grads is None:
            grads = self.pending[node] = [None] * len(node.outputs)
            heapq.heappush(self.heap, (-node.sequence, node))
        before = grads[index]
        if before is None:
            grads[index] = grad
            if own:
                self.sums.add((id(node), index))
        else:
            grads[index] = self.add(before, grad, (id(node), index))

    def add_neighbours(self, arriving: list[tuple[Edge, Tensor]]) -> list[tuple[Edge, Tensor]]:
        """Add what are parts of a larger gradient to parts of another one, all at once; return what is left to send."""
        left, pairs = [], [self.pair(edge, grad) for edge, grad in arriving]
        for run, axis in runs(pairs):
            if len(run) == 1:
                left.append(arriving[run[0]])
                continue
            befores, grads = zip(*[pairs[i] for i in run], strict=True)  # type: ignore[misc]
            edges = [arriving[i][0] for i in run]
            own = self.sums.issuperset(map(key, edges))
            a = together(befores, axis)
            total = add(a, together(grads, axis), a if own else None)
            if not own:
                self.sums.update(map(key, edges))
                for edge, part in zip(edges, apart(total, befores, axis), strict=True):
                    self.pending[edge.node][edge.index] = Tensor._wrap(part)  # type: ignore[index]
        return left

    def pair(self, edge: Edge, grad: Tensor) -> tuple[Any, Any] | None:
        """The array that has arrived at an edge's end, and the one to be added to it, of the same type; or None."""
        before = None if edge.node is None or edge.node not in self.pending else self.pending[edge.node][edge.index]
        if before is None or before._array.dtype != grad._array.dtype:
            return None
        return before._array, grad._array

    def add(self, a: Tensor, b: Tensor, place: Key) -> Tensor:
        """``a + b``, where ``a`` is what had arrived at ``place`` before."""
        if self.create_graph:
            return a + b
        own = place in self.sums and a._array.dtype == b._array.dtype
        self.sums.add(place)
        return Tensor._wrap(add(a._array, b._array, a._array if own else None))

    def arrived(self, node: Function) -> list[Tensor | None]:
        """The complete gradients of a node's results, after their hooks."""
        grads = self.pending.pop(node)
        for index, grad in enumerate(grads):
            self.sums.discard((id(node), index))
            if grad is None:
                continue
            if index in node.hooks:
                grad = grads[index] = self.through_hooks(node.hooks[index], grad)
            if index in node.retained and (owner := node.retained[index]()) is not None:
                self.held.add(id(grad._array))  # it travels on
                self.accumulate(owner, grad)
            if self.wanted is not None and (id(node), index) in self.wanted:
                self.found[id(node), index] = grad
        return grads

    def through_hooks(self, hooks: dict[int, Any], grad: Tensor) -> Tensor:
        """The gradient after the hooks; what a hook returns replaces it."""
        for hook in list(hooks.values()):
            self.held.add(id(grad._array))
            with np.errstate(**self.warnings):
                changed = hook(grad)
            if changed is None:
                continue
            if not isinstance(changed, Tensor) or changed._array.shape != grad._array.shape:
                what = f"shape {tuple(changed.shape)}" if isinstance(changed, Tensor) else repr(changed)
                raise AutogradError(
                    f"a hook must return None or a gradient of the shape it was given, {grad._array.shape}; got {what}"
                )
            grad = changed
            self.held.add(id(grad._array))
        return grad

    @np.errstate(all="ignore")
    def deliver(self, targets: Sequence[Tensor] | None) -> None:
        """Add what has arrived for the targets, or for all leaves, to their ``.grad``."""
        places = {(id(leaf), -1): leaf for leaf, _ in self.leaves.values()}
        for place, t in places.items() if targets is None else [(key(t._edge()), t) for t in targets]:
            if (grad := self.found.get(place)) is not None:
                with devices.beside(t._array):
                    self.accumulate(t, grad)
                if capture.recording is not None:
                    capture.recording.arrives_at(t)

    def accumulate(self, t: Tensor, grad: Tensor) -> None:
        """Add ``grad`` to ``t.grad``, whose memory belongs to it alone."""
        if t.grad is None:
            t.grad = grad.clone() if self.create_graph else self.owned(grad, t._array)
        elif self.create_graph:
            t.grad = t.grad + grad
        else:
            total = t.grad._to_change()
            np.add(total, grad._array, out=total, casting="same_kind")
        for hook in list((t._post_hooks or {}).values()):
            hook(t)

    def owned(self, grad: Tensor, like: Any) -> Tensor:
        """The gradient on memory that nobody else has: its own if possible, else a copy laid out as ``like``."""
        array = grad._array
        if array.dtype != like.dtype or id(array) in self.held or not writable(array) or not alone(array):
            copy = empty_like(like)
            copy[...] = array
            array = copy
        self.held.add(id(array))
        return Tensor._wrap(array)


def _device(grads: Sequence[Tensor | None]) -> int | None:
    """The GPU where gradients are; those that wait are on the CPU."""
    return next((device_index(g._array) for g in grads if g is not None and g._deferred is None), None)


def _check_shape(node: Function, position: int, edge: Edge, grad: Tensor) -> None:
    expected = edge.leaf._array.shape if edge.leaf is not None else edge.node.outputs[edge.index][0]  # type: ignore[union-attr]
    if grad._form.shape != expected:
        raise AutogradError(
            f"backward of {node.operation} returned a gradient of shape {grad._array.shape} for input {position}, "
            f"whose shape is {expected}. Fix: sum it over the dimensions along which forward repeated the input"
        )


def _listed(tensors: Tensor | Sequence[Any]) -> list[Any]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _go_back(
    outputs: Tensor | Sequence[Tensor],
    seeds: Tensor | Sequence[Tensor | None] | None,
    retain_graph: bool | None,
    create_graph: bool,
    inputs: Sequence[Tensor] | None,
) -> _Pass:
    """The whole pass, from ``outputs``."""
    roots = _listed(outputs)
    given = [None] * len(roots) if seeds is None else _listed(seeds)
    grads = [_seed(t, seed) for t, seed in zip(roots, given, strict=True)]
    starts = [t._edge() for t in roots]
    state = _Pass(starts, create_graph, inputs)
    for edge, grad in zip(starts, grads, strict=True):
        state.held.add(id(grad._array))
        if state.leads_on(edge):
            state.send(edge, grad)
    state.run(create_graph if retain_graph is None else retain_graph)
    return state


def _seed(t: Tensor, grad: Tensor | None) -> Tensor:
    """The gradient to start from: ``grad``, or 1 for a scalar."""
    if not t.requires_grad:
        raise AutogradError(
            "backward: this tensor does not require a gradient and no operation made it from one that does. "
            "Fix: requires_grad=True on the inputs, and no no_grad() or detach() on the way"
        )
    if grad is None:
        if t._array.size != 1:
            raise AutogradError(
                "backward: a gradient can be created implicitly only for a scalar; "
                f"this tensor has shape {t._array.shape}. "
                "Fix: reduce it to a scalar first, as loss.mean(), or give backward(gradient) of the same shape"
            )
        with devices.beside(t._array):
            return Tensor._wrap(np.ones_like(t._array))
    if grad.shape != t.shape:
        raise ShapeError(f"backward: expected a gradient of shape {tuple(t.shape)}; got {tuple(grad.shape)}")
    return grad


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of ``tensors`` to the ``.grad`` of the leaves they depend on.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
        Scalars, unless ``grad_tensors`` gives their gradients.
    grad_tensors : Tensor or sequence, optional
    retain_graph : bool, optional
        Keep what backward needs, to go back again. Default: ``create_graph``.
    create_graph : bool, default False
        Record the backward pass, to differentiate it.
    inputs : Tensor or sequence, optional
        Only these tensors receive gradients.
    """
    targets = None if inputs is None else list({id(t): t for t in _listed(inputs)}.values())
    if targets == []:
        raise AutogradError("backward: inputs is empty, so no gradient is wanted. Fix: leave it out")
    for position, t in enumerate(targets or ()):
        if not t.requires_grad:
            raise AutogradError(f"backward: inputs[{position}] does not require a gradient. Fix: x.requires_grad_()")
    state = _go_back(tensors, grad_tensors, retain_graph, create_graph, targets)
    state.deliver(targets)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    *,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` of a leaf is touched.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
    grad_outputs : Tensor or sequence, optional
        Gradients to start from; 1 for scalars.
    retain_graph : bool, optional
        Keep what backward needs, to go back again. Default: ``create_graph``.
    create_graph : bool, default False
        Record the way back, to differentiate it.
    only_inputs : bool, default True
        Must be True, as in PyTorch.
    allow_unused : bool, optional
        Give None for an input that the outputs do not depend on, instead of raising.
    materialize_grads : bool, default False
        Give zeros for it.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor(3.0, requires_grad=True)
    >>> (dy,) = minicnn.autograd.grad(x**3, x, create_graph=True)
    >>> (ddy,) = minicnn.autograd.grad(dy, x)
    >>> dy.item(), ddy.item()
    (27.0, 18.0)
    """
    if not only_inputs:
        raise ValueError("grad: only_inputs=False is not supported. Fix: backward() fills the .grad of all leaves")
    targets = _listed(inputs)
    for position, t in enumerate(targets):
        if not t.requires_grad:
            raise AutogradError(f"grad: inputs[{position}] does not require a gradient. Fix: x.requires_grad_()")
    state = _go_back(outputs, grad_outputs, retain_graph, create_graph, targets)
    results = [state.found.get(key(t._edge())) for t in targets]
    for position, result in enumerate(results):
        if result is None and materialize_grads:
            results[position] = Tensor._wrap(np.zeros_like(targets[position]._array))
        elif result is None and not allow_unused:
            raise AutogradError(
                f"grad: inputs[{position}] was not used in computing the outputs. "
                "Fix: allow_unused=True gives None for it"
            )
    return tuple(results)
