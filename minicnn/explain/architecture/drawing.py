"""The graph of a model: what a user asks for and gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...nn import Module
from ..inputs import arguments
from ..looking import checked_model, layer_at
from ..trace import Call, Trace
from .boxes import Box, Builder, Diagram
from .folding import fold
from .languages import dot, listing, mermaid
from .svg import svg_of
from .words import size_text

ENOUGH = 36  # boxes in a picture, unless a depth is asked for


@dataclass(frozen=True, repr=False)
class Graph:
    """A model's architecture as boxes and arrows. ``str()`` lists the boxes; a notebook shows the picture.

    Attributes
    ----------
    name : str
        Of the model's or the block's class.
    depth : int
        Down to which blocks are shown open.
    diagram : Diagram
        Boxes and arrows.
    inputs : list of str
        What is written where arrows begin.
    """

    name: str
    depth: int
    diagram: Diagram
    inputs: list[str]

    @cached_property
    def svg(self) -> str:
        """The picture, as SVG text."""
        return svg_of(self.diagram, self.inputs, f"The architecture of {self.name}")

    @cached_property
    def mermaid(self) -> str:
        """A flow chart in the language of Mermaid, which many web pages for text draw."""
        return mermaid(self.diagram, self.inputs)

    @cached_property
    def dot(self) -> str:
        """A graph in the language of Graphviz."""
        return dot(self.diagram, self.inputs)

    @property
    def boxes(self) -> list[Box]:
        """All boxes without boxes in them."""
        return list(self.diagram.leaves())

    def __str__(self) -> str:
        return "\n".join([f"{self.name} ({', '.join(self.inputs)})", *listing(self.diagram)])

    def __repr__(self) -> str:
        return f"<Graph of {self.name}: {len(self.boxes)} boxes at depth {self.depth}>"

    def _repr_html_(self) -> str:
        return self.svg


def graph(
    model: Module,
    input_size: Any = None,
    *,
    input_data: Any = None,
    depth: int | None = None,
    layer: str | Module | None = None,
    batch_size: int | None = None,
    mode: str = "eval",
) -> Graph:
    """Draw a model's architecture: boxes for layers, arrows with the shapes of the tensors between them.

    The model runs once, and what is drawn is what ran: branches, sums and concatenations too, whatever ``forward``
    looks like. A norm, an activation or dropout is written into the box of the layer before it; equal boxes in a row
    become one, "× 3"; blocks are shown open down to a depth, below it as one box.

    Parameters
    ----------
    model : Module
        It is left as it was.
    input_size : tuple of int or list of tuples, optional
        As in :func:`summary`: (C, H, W), (N, C, H, W) ...
    input_data : Tensor, or list, tuple or dict of arguments, optional
        Instead of ``input_size``.
    depth : int, optional
        0 is one box, 1 the model's layers and blocks, 2 also what is in these ... Default: the deepest that is still
        legible, with at most 36 boxes.
    layer : str or Module, optional
        Draw this block of the model alone, as it ran.
    batch_size : int, optional
        N where ``input_size`` has none; default 1.
    mode : {"eval", "train", "same"}
        How the model runs.

    Returns
    -------
    Graph
        ``svg``, ``mermaid`` and ``dot`` as texts; ``boxes``; ``str()``.

    References
    ----------
    Sugiyama, Tagawa & Toda, *Methods for visual understanding of hierarchical system structures*, 1981 (how boxes are
    placed).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> print(minicnn.explain.graph(models.lenet5(), (1, 32, 32)))
    LeNet5 (input 1 × 32 × 32)
      c1.0: Conv2d 5 × 5, 6 + Tanh -> 6 × 28 × 28
      s2: AvgPool2d 2 × 2, /2 -> 6 × 14 × 14
      c3.0: Conv2d 5 × 5, 16 + Tanh -> 16 × 10 × 10
      s4: AvgPool2d 2 × 2, /2 -> 16 × 5 × 5
      c5.0: Conv2d 5 × 5, 120 + Tanh -> 120 × 1 × 1
      flatten -> 120
      f6.0: Linear 84 + Tanh -> 84
      output: Linear 10 -> 10
    >>> print(minicnn.explain.graph(models.lenet5(), (1, 32, 32), layer="c1").mermaid)
    flowchart TD
        in0(["input 1 × 32 × 32"])
        n0["Conv2d 5 × 5, 6<br>Tanh<br>0 · 156 parameters"]:::conv
        out([output])
        in0 -->|"1 × 32 × 32"| n0
        n0 --> out
        classDef conv fill:#d9e8f7,stroke:#3d76b0
    """
    checked_model(model, "graph")
    if depth is not None and (not isinstance(depth, int) or depth < 0):
        raise ValueError(f"graph: depth must be at least 0, the model as one box; got {depth!r}")
    args, kwargs = arguments(model, input_size, input_data, batch_size, None, None)
    trace = Trace(model)
    trace.run(args, kwargs, mode)
    root = trace.root
    if root is None or trace.elsewhere:
        raise ValueError(f"graph: {type(model).__name__} did not run its hooks in this thread, so nothing can be drawn")
    if layer is not None:
        path, module = layer_at(model, layer, "graph")
        root = next((call for call in _calls(root) if call.module is module), None)
        if root is None:
            raise ValueError(f"graph: {type(model).__name__} does not run {path!r}")
    return graph_of(root, model, depth)


def graph_of(root: Call, model: Module, depth: int | None = None) -> Graph:
    """The graph of a call that was watched."""
    if depth is None:
        found = _at(root, model, 1)
        for deeper in range(2, _levels(root)):
            more = _at(root, model, deeper)
            if len(list(more[0].leaves())) > ENOUGH:
                break
            found, depth = more, deeper
        depth = depth or 1
    else:
        found = _at(root, model, depth)
    diagram, inputs = found
    return Graph(type(root.module).__name__, depth, diagram, inputs)


def _at(root: Call, model: Module, depth: int) -> tuple[Diagram, list[str]]:
    builder = Builder(root, model, depth)
    diagram = fold(builder.build())
    numbers = diagram.inputs
    names = ["input"] if len(numbers) == 1 else [f"input {i + 1}" for i in range(len(numbers))]
    labels = [f"{name} {size_text(builder.shape(number))}" for name, number in zip(names, numbers, strict=True)]
    return diagram, labels


def _levels(call: Call) -> int:
    """How deep calls are nested."""
    return 1 + max((_levels(item) if isinstance(item, Call) else 1 for item in call.items), default=0)


def _calls(call: Call) -> list[Call]:
    return [call, *(c for item in call.items if isinstance(item, Call) for c in _calls(item))]
