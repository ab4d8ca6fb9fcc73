"""The page of a model: what a user asks for and gets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ...core.atomic import atomic_write
from ...core.figure import new_figure
from ...core.grad_mode import no_grad
from ...core.tensor import Tensor, from_numpy
from ...nn import Module
from ..architecture.drawing import graph_of
from ..inputs import sizes
from ..looking import checked_model, class_scores, images, paths_of
from ..pictures.canvas import html_image, show_image, visible
from ..pictures.filters import feature_maps, filters
from ..pictures.grad_cam import grad_cam
from ..pictures.occlusion import occlusion
from ..pictures.saliency import guided_backprop, saliency
from ..result import Summary
from ..seeing import receptive_field
from ..state import left_as_found
from ..summarise import summary
from ..table import counted
from ..trace import Call, Trace
from .fields import field_figure, largest_inside
from .html import Section, bars, cards, page_html

BLOCKS = 6  # kinds of blocks that are shown open


@dataclass(frozen=True, repr=False)
class Page:
    """What :func:`minicnn.explain.page` returns.

    Attributes
    ----------
    title : str
    html : str
        The whole page.
    sections : list of str
        The anchors of its parts: "facts", "prediction", "architecture", "layers", "fields", "filters", "maps",
        "reasons".
    summary : Summary
    prediction : list of (str, float)
        The most probable classes of a given image, with their probabilities.
    """

    title: str
    html: str
    sections: list[str]
    summary: Summary
    prediction: list[tuple[str, float]]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, all or nothing."""
        with atomic_write(path) as file:
            file.write(self.html.encode())

    def __str__(self) -> str:
        return f"Page of {self.title}: {', '.join(self.sections)} ({counted(len(self.html.encode()), 'B')})"

    def __repr__(self) -> str:
        return f"<{self}>"

    def _repr_html_(self) -> str:
        return f'<iframe width="100%" height="700" style="border: 0" srcdoc="{escape(self.html)}"></iframe>'


def page(
    model: Module,
    x: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    target: int | None = None,
    classes: Sequence[str] | None = None,
    depth: int | None = None,
    hide: bool = False,
    note: str = "",
) -> Page:
    """Everything about a model on one page of HTML: architecture, layers, receptive fields, filters, feature maps.

    With an image also what the model sees in it: the most probable classes and, for the first of them or ``target``,
    saliency, guided backpropagation and Grad-CAM. The page carries its own pictures and style and loads nothing.

    Parameters
    ----------
    model : Module
        It runs in evaluation mode and is left as it was.
    x : Tensor (C, H, W) or (1, C, H, W), or tuple of int (C, H, W)
        An image as the model takes it, or the size of one: then a test picture of rings and stripes is drawn.
    path : str or path-like, optional
        Where to write the page.
    title : str, optional
        Default: the name of the model's class.
    target : int, optional
        The class whose reasons are shown. Default: the most probable.
    classes : sequence of str, optional
        Names of all classes.
    depth : int, optional
        Of the drawing, as in :func:`graph`.
    hide : bool, default False
        Also show :func:`occlusion`, which runs the model some two hundred times.
    note : str, optional
        A line under the title, such as where the weights are from.

    Returns
    -------
    Page
        ``html``, ``sections``, ``summary``, ``save(path)``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> found = minicnn.explain.page(models.lenet5(), (1, 32, 32))
    >>> found.title, found.sections
    ('LeNet5', ['facts', 'architecture', 'layers', 'fields', 'filters', 'maps'])
    """
    checked_model(model, "page")
    given = isinstance(x, (Tensor, np.ndarray))
    image = images(x, "page").detach() if given else drawn_picture(model, x)
    if len(image) != 1:
        raise ValueError(f"page: expected one image; got a batch of {len(image)}. Fix: page(model, x[0])")
    name = title or type(model).__name__
    table = summary(model, input_data=image, verbose=0)
    prediction = _prediction(model, image, target, classes) if given else []
    made = list(_sections(model, image, table, given, prediction, target, classes, depth, hide))
    size = " × ".join(map(str, image.shape[1:]))
    subtitle = f"{table.total_params:,} parameters · {counted(table.total_mult_adds)} multiply-adds · image {size}"
    html = page_html(name, f"{subtitle}{' · ' if note else ''}{note}", made, f"Written by minicnn.explain.page: {name}")
    found = Page(name, html, [section.anchor for section in made], table, prediction)
    if path is not None:
        found.save(path)
    return found


def drawn_picture(model: Module, size: Any) -> Tensor:
    """An image (1, C, H, W) of rings, stripes and a slope of brightness, with mean 0, of the model's element type."""
    shape = sizes(size)[0]
    if len(shape) != 4:
        raise ValueError(f"page: expected an image, or the size (C, H, W) of one; got {size!r}")
    _, c, h, w = shape
    rows, columns = np.meshgrid(np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij")
    rings = np.cos(14 * np.pi * (rows**2 + columns**2) / 2)
    stripes = np.sign(np.sin(9 * np.pi * (columns + rows / 3)))
    planes = [rings, np.where(rows < 0, stripes, rings), rows - columns]
    picture = np.stack([planes[i % 3] for i in range(c)])
    kind = next((p._array.dtype for p in model.parameters() if p.is_floating_point()), np.dtype(np.float32))
    return from_numpy(((picture - picture.mean()) / (picture.std() or 1.0))[None].astype(kind))


def _sections(
    model: Module,
    image: Tensor,
    table: Summary,
    given: bool,
    prediction: list[tuple[str, float]],
    target: int | None,
    classes: Sequence[str] | None,
    depth: int | None,
    hide: bool,
) -> Iterator[Section]:
    yield Section("facts", "In numbers", "", cards(_facts(table)))
    if prediction:
        fig = new_figure(2.6, 2.6 * image.shape[2] / image.shape[3])
        show_image(fig.subplots(), visible(image._array[0]))
        body = f'<div class="two">{html_image(fig)}<div>{bars(prediction)}</div></div>'
        yield Section("prediction", "What it sees", "The most probable classes.", body)
    yield _architecture(model, image, depth)
    yield Section(
        "layers",
        "Layer by layer",
        "Sizes with the formula they come from, parameters, multiply-adds, memory, receptive fields. "
        "The titles say what is counted; a layer's row shows its formulas under the mouse.",
        f'<div class="wide">{table._repr_html_()}</div>',
    )
    drawn = field_figure(table.rows, image._array[0])
    if drawn is not None:
        inner = largest_inside(table.rows, image.shape[2:])
        measured = [] if inner is None else [receptive_field(model, inner, image, samples=4)]
        yield Section(
            "fields",
            "Receptive fields",
            "How much of the image one position of a layer depends on: r grows by (kernel - 1) * jump, and the jump by "
            "the stride. A field may be larger than the image: the rest is padding.",
            html_image(drawn) + "".join(found._repr_html_() for found in measured),
        )
    try:
        first = filters(model)
    except ValueError:  # no convolution
        return
    colours = "colours are those it looks for" if first.weights.shape[1] == 3 else "blue is positive, red negative"
    yield Section("filters", "Filters", f"The filters of the first convolution: {colours}.", html_image(first.figure()))
    shown = "this image" if given else "a test picture"
    note = f"What the layers make of {shown}: of each size of map the last layer, and its strongest channels."
    yield Section("maps", "Feature maps", note, html_image(feature_maps(model, image).figure()))
    if prediction:
        yield _reasons(model, image, target, classes, hide)


def _facts(table: Summary) -> list[tuple[str, str]]:
    weights = sum(row.kind == "layer" and bool(row.parameters) for row in table.rows)
    fields = [row.receptive_field for row in table.rows if row.receptive_field and not row.sees_all]
    facts = [
        ("parameters", f"{table.total_params:,}"),
        ("multiply-adds", counted(table.total_mult_adds)),
        ("layers with parameters", f"{weights}"),
        ("memory of parameters", counted(table.total_param_bytes, "B")),
        ("memory of activations", counted(table.total_output_bytes, "B")),
        ("a training step, about", counted(table.training_bytes, "B")),
    ]
    largest = max(fields, key=max, default=None)
    return facts + ([("largest receptive field", f"{largest[0]} × {largest[1]}")] if largest else [])


def _prediction(
    model: Module, image: Tensor, target: int | None, classes: Sequence[str] | None
) -> list[tuple[str, float]]:
    """The most probable classes, or nothing if the model is no classifier."""
    with left_as_found(model, "eval"), no_grad():
        output = model(image.clone())
    if not isinstance(output, Tensor) or output.ndim != 2:
        return []
    class_scores(output, target, classes, "page")  # whether there is such a class
    shares = output.double().softmax(1)._array[0]
    best = np.argsort(-shares, kind="stable")[:5].tolist()
    return [(f"class {i}" if classes is None else classes[i], float(shares[i])) for i in best]


def _architecture(model: Module, image: Tensor, depth: int | None) -> Section:
    """The whole, and one of each kind of block that it shows closed."""
    trace = Trace(model)
    trace.run((image.clone(),), {}, "eval")
    if trace.root is None:
        raise ValueError(f"page: calling {type(model).__name__} did not run its hooks, so there is nothing to show")
    whole = graph_of(trace.root, model, depth)
    calls = dict(_by_path(trace.root, model))
    kinds: dict[str, Any] = {}
    for box in whole.boxes:
        call = calls.get(box.path)
        if box.category == "block" and call is not None and type(call.module).__name__ not in kinds:
            kinds[type(call.module).__name__] = (call, box.path)
    inside = "".join(
        f"<details><summary>Inside {escape(kind)}: {escape(path)}</summary>"
        f'<div class="drawing">{graph_of(call, model).svg}</div></details>'
        for kind, (call, path) in list(kinds.items())[:BLOCKS]
    )
    note = (
        "Arrows carry tensors, with their shapes. Norms and activations stand in the box of the layer before them; "
        "equal blocks in a row are one box with its number. Blocks that are closed here are shown open below."
    )
    return Section("architecture", "Architecture", note, f'<div class="drawing">{whole.svg}</div>{inside}')


def _by_path(root: Call, model: Module) -> Iterator[tuple[str, Call]]:
    """All calls of layers; of a layer that runs several times the first."""
    paths = paths_of(model)
    seen: set[str] = set()
    todo = [root]
    while todo:
        call = todo.pop(0)
        path = paths[id(call.module)]
        if path not in seen:
            seen.add(path)
            yield path, call
        todo += [item for item in call.items if isinstance(item, Call)]


def _reasons(model: Module, image: Tensor, target: int | None, classes: Sequence[str] | None, hide: bool) -> Section:
    """Saliency, guided backpropagation, Grad-CAM, occlusion."""
    parts = []
    methods: list[tuple[str, Any]] = [
        ("Saliency: the pixels that would change the score most (Simonyan et al., 2013)", saliency),
        ("Guided backpropagation: what excites the network (Springenberg et al., 2014)", guided_backprop),
        ("Grad-CAM: the places that speak for the class (Selvaraju et al., 2017)", grad_cam),
    ]
    methods += [("Occlusion: what must not be hidden (Zeiler & Fergus, 2013)", occlusion)] if hide else []
    for text, method in methods:
        try:
            found = method(model, image, target, classes=classes)
        except ValueError as error:  # no ReLU to guide, no maps
            parts.append(f'<h3>{escape(text)}</h3><p class="note">Not for this model: {escape(str(error))}</p>')
            continue
        drawn = found.figure()
        drawn.suptitle("")  # the heading says it
        parts.append(f"<h3>{escape(text)}</h3>{html_image(drawn)}")
    return Section("reasons", "What decides", "Which pixels of the image count for the class.", "".join(parts))
