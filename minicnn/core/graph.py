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

from .errors import AutogradError, ShapeError
from .function import Function
from .parts import Edge
from .tensor import Tensor


class _Pass:
    """The state of one backward pass."""

    def __init__(self, create_graph: bool) -> None:
        self.create_graph = create_graph
        self.heap: list[tuple[int, Function]] = []
        self.pending: dict[Function, list[Tensor | None]] = {}
        self.leaves: dict[int, tuple[Tensor, Tensor]] = {}

    def send(self, edge: Edge, grad: Tensor) -> None:
        """Add ``grad`` to what has arrived at the edge's end."""
        if edge.node is None:
            leaf = edge.leaf
            known = self.leaves.get(id(leaf))
            self.leaves[id(leaf)] = (leaf, grad if known is None else self.add(known[1], grad))  # type: ignore[assignment]
            return
        grads = self.pending.get(edge.node)
        if grads is None:
            grads = self.pending[edge.node] = [None] * len(edge.node.outputs)
            heapq.heappush(self.heap, (-edge.node.sequence, edge.node))
        before = grads[edge.index]
        grads[edge.index] = grad if before is None else self.add(before, grad)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b if self.create_graph else Tensor._wrap(np.add(a._array, b._array))


def run_backward(
    tensors: Sequence[Tensor],
    grad_tensors: Sequence[Tensor | None],
    retain_graph: bool,
    create_graph: bool,
    inputs: Sequence[Tensor] | None = None,
) -> list[Tensor | None]:
    """Send gradients back from ``tensors``; add them to the leaves, or return those of ``inputs``."""
    state = _Pass(create_graph)
    for t, grad in zip(tensors, grad_tensors, strict=True):
        state.send(t._edge(), _seed(t, grad))
    wanted: dict[tuple[int, int], list[int]] = {}
    results: list[Tensor | None] = [None] * len(inputs or ())
    for position, t in enumerate(inputs or ()):
        wanted.setdefault(_key(t._edge()), []).append(position)
    useful = None if inputs is None else _on_the_way(tensors, wanted)

    while state.heap:
        node = heapq.heappop(state.heap)[1]
        grads = state.pending.pop(node)
        for index, hooks in getattr(node, "hooks", {}).items():
            if grads[index] is not None:
                grads[index] = call_hooks(hooks, grads[index])  # type: ignore[arg-type]
        for index, grad in enumerate(grads):
            for position in wanted.get((id(node), index), ()):
                results[position] = grad
        if useful is not None and node not in useful:
            continue
        input_grads = node.run_backward(grads, create_graph)
        if not retain_graph:
            node.release()
        for edge, grad in zip(node.edges, input_grads, strict=True):
            if edge is not None and grad is not None:
                state.send(edge, grad)

    given_away: set[int] = {id(t._array) for t in grad_tensors if t is not None}
    for leaf, grad in state.leaves.values():
        grad = call_hooks(leaf._hooks, grad) if leaf._hooks else grad
        if inputs is None:
            _accumulate(leaf, grad, create_graph, given_away)
        for position in wanted.get((id(leaf), -1), ()):
            results[position] = grad
    return results


def _key(edge: Edge) -> tuple[int, int]:
    return (id(edge.leaf), -1) if edge.node is None else (id(edge.node), edge.index)


def _on_the_way(tensors: Sequence[Tensor], wanted: dict[tuple[int, int], list[int]]) -> set[Function]:
    """The nodes that must be gone through to reach one of the wanted edges."""
    found = {t.grad_fn for t in tensors if t.grad_fn is not None}
    waiting = list(found)
    while waiting:
        for edge in waiting.pop().edges:
            if edge is not None and edge.node is not None and edge.node not in found:
                found.add(edge.node)
                waiting.append(edge.node)
    useful: set[Function] = set()
    for node in sorted(found, key=lambda node: node.sequence):  # inputs come before those who use them
        if any(e is not None and (_key(e) in wanted or e.node in useful) for e in node.edges):
            useful.add(node)
    return useful


def _accumulate(leaf: Tensor, grad: Tensor, create_graph: bool, given_away: set[int]) -> None:
    """Add ``grad`` to ``leaf.grad``. Two leaves never share one array."""
    if leaf.grad is not None:
        if create_graph:
            leaf.grad = leaf.grad + grad
        else:
            np.add(leaf.grad._array, grad._array, out=leaf.grad._array, casting="same_kind")
            leaf.grad._versions.count += 1
    elif create_graph:
        leaf.grad = grad
    else:
        array = grad._array
        if array.dtype != leaf._array.dtype:
            array = array.astype(leaf._array.dtype)
        if array.base is not None or id(array) in given_away or not array.flags.writeable:
            array = array.copy()
        given_away.add(id(array))
        leaf.grad = Tensor._wrap(array)
    for hook in list(leaf._post_hooks.values()) if leaf._post_hooks else ():
        hook(leaf)


def call_hooks(hooks: dict[int, Any], grad: Tensor) -> Tensor:
    """Pass the gradient through the hooks; what a hook returns replaces it."""
    for hook in list(hooks.values()):
        changed = hook(grad)
        grad = grad if changed is None else changed
    return grad


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
        Only these leaves receive gradients.
    """
    roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if grad_tensors is None:
        seeds: list[Tensor | None] = [None] * len(roots)
    else:
        seeds = [grad_tensors] if isinstance(grad_tensors, Tensor) else list(grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        run_backward(roots, seeds, keep, create_graph)
        return
    targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    taken = {id(t._array) for t in seeds if t is not None}
    for t, grad in zip(targets, run_backward(roots, seeds, keep, create_graph, targets), strict=True):
        if grad is not None:
            _accumulate(t, grad, create_graph, taken)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor(3.0, requires_grad=True)
    >>> (dy,) = minicnn.autograd.grad(x**3, x, create_graph=True)
    >>> (ddy,) = minicnn.autograd.grad(dy, x)
    >>> dy.item(), ddy.item()
    (27.0, 18.0)
    """
    roots = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        seeds: list[Tensor | None] = [None] * len(roots)
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    for position, t in enumerate(targets):
        if not t.requires_grad:
            raise AutogradError(f"grad: inputs[{position}] does not require a gradient. Fix: x.requires_grad_()")
    keep = create_graph if retain_graph is None else retain_graph
    results = run_backward(roots, seeds, keep, create_graph, targets)
    for position, result in enumerate(results):
        if result is None and not allow_unused:
            raise AutogradError(
                f"grad: inputs[{position}] was not used in computing the outputs. "
                "Fix: allow_unused=True gives None for it"
            )
    return tuple(results)
