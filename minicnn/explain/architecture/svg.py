"""A layout as SVG text, which browsers and notebooks draw without any program."""

from __future__ import annotations

from html import escape

from .boxes import Box, Diagram
from .layout import MARGIN, TITLE, Layout, Line, Placed, place
from .words import size_text

FONT = 12.5
SMALL = 10.5
LEADING = 16.0
COLOURS = {  # fill, edge
    "conv": ("#d9e8f7", "#3d76b0"),
    "pooling": ("#fde6cf", "#d08530"),
    "linear": ("#e6dcf3", "#7a55a8"),
    "normalisation": ("#f4f1d8", "#a59a3a"),
    "activation": ("#f4f1d8", "#a59a3a"),
    "dropout": ("#eeeeee", "#888888"),
    "merge": ("#ffffff", "#444444"),
    "shaping": ("#f5f5f5", "#999999"),
    "block": ("#dff0e0", "#4a9458"),
    "other": ("#dff0e0", "#4a9458"),
}
NARROW, WIDE = "fijlrt.,:;|!'()[]/ 1", "mwMWQGOD@%"


def text_width(text: str, size: float = FONT) -> float:
    """About how wide a text is in a sans-serif type of some size."""
    units = sum(0.36 if c in NARROW else 0.86 if c in WIDE else 0.66 if c.isupper() else 0.58 for c in text)
    return units * size


def foot(box: Box) -> str:
    """The small line in a box: its name and its parameters."""
    params = f"{box.params:,} parameters" if box.params else ""
    return " · ".join(filter(None, [box.name, params]))


def head(box: Box) -> list[str]:
    """The lines in a box, the first with how often it is repeated."""
    times = f"  × {box.repeat}" if box.repeat > 1 else ""
    return [box.lines[0] + times, *box.lines[1:]]


def measure(box: Box) -> tuple[float, float]:
    """Width and height of a box; of an open block those of the wider of its two captions."""
    if box.inside is not None:
        return max(1.15 * text_width(head(box)[0], SMALL + 0.5), text_width(foot(box), SMALL)), TITLE
    lines, below = head(box), foot(box)
    width = max(*(text_width(line) * 1.15 for line in lines), text_width(below, SMALL), 26.0) + 20
    return width, LEADING * len(lines) + (14 if below else 0) + 10


def svg_of(diagram: Diagram, inputs: list[str], title: str) -> str:
    """The whole picture.

    Parameters
    ----------
    diagram : Diagram
    inputs : list of str
        What is written where the arrows begin.
    title : str
        For those who cannot see it.
    """
    layout = place(diagram, measure)
    parts = _boxes(layout, MARGIN, 44) + _lines(layout, MARGIN, 44)
    labels = [text_width(text, FONT) / 2 for text in [*inputs, "output"]]
    ports = list(layout.ports_in.values())
    for text, x in zip(inputs, ports, strict=False):
        parts.append(_text(MARGIN + x, 26, text, weight=600))
        parts.append(f'<path class="arrow" d="M{MARGIN + x:.1f} 32V{44:.1f}"/>')
    outs = dict.fromkeys(layout.ports_out.values())
    for x in outs:
        parts.append(_text(MARGIN + x, 44 + layout.height + 18, "output", weight=600))
    edge = max([0.0, *(half - x for half, x in zip(labels, [*ports, *outs], strict=False))])
    width = layout.width + 2 * MARGIN + 2 * edge + 40
    height = 44 + layout.height + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-edge - 20:.1f} 0 {width:.1f} {height:.1f}" role="img" '
        f"font-family=\"-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\">"
        f"<title>{escape(title)}</title>"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0.5 8 4 0 7.5z" fill="#555"/></marker></defs>'
        "<style>.arrow{fill:none;stroke:#555;stroke-width:1.2}.tip{marker-end:url(#tip)}"
        ".halo{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}</style>"
        f'<rect x="{-edge - 20:.1f}" width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _text(
    x: float, y: float, text: str, size: float = FONT, weight: int = 400, colour: str = "#222", anchor: str = "middle",
    halo: bool = False,
) -> str:  # fmt: skip
    extra = ' class="halo"' if halo else ""
    return (
        f'<text{extra} x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _boxes(layout: Layout, dx: float, dy: float) -> list[str]:
    parts = []
    for placed in layout.boxes:
        parts += _box(placed, dx, dy)
    return parts


def _box(placed: Placed, dx: float, dy: float) -> list[str]:
    box, x, y = placed.box, placed.x + dx, placed.y + dy
    fill, edge = COLOURS[box.category]
    left, w, h = x - placed.width / 2, placed.width, placed.height
    if placed.inside is not None:
        inner_x, inner_y = x - placed.inside.width / 2, y + TITLE
        return [
            f'<rect x="{left:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="9" fill="#f8faf8" '
            f'stroke="{edge}" stroke-dasharray="5 3"/>',
            *_boxes(placed.inside, inner_x, inner_y),
            *_lines(placed.inside, inner_x, inner_y, TITLE, h - TITLE - placed.inside.height),
            _text(left + 10, y + 15, head(box)[0], SMALL + 0.5, 600, edge, "start", halo=True),
            _text(left + w - 10, y + 15, foot(box), SMALL, 400, "#777", "end", halo=True),
        ]
    lines, below, corner = head(box), foot(box), 14 if box.category == "merge" else 6
    parts = [
        f'<rect x="{left:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{corner}" fill="{fill}" '
        f'stroke="{edge}"/>'
    ]
    if box.repeat > 1:  # a second sheet behind it
        parts.insert(
            0,
            f'<rect x="{left + 5:.1f}" y="{y + 5:.1f}" width="{w:.1f}" height="{h:.1f}" rx="6" fill="{fill}" '
            f'stroke="{edge}" opacity="0.6"/>',
        )
    at = y + 5 + LEADING * 0.78
    for i, line in enumerate(lines):
        parts.append(_text(x, at + i * LEADING, line, FONT, 600 if i == 0 else 400))
    if below:
        parts.append(_text(x, at + len(lines) * LEADING - 2, below, SMALL, 400, "#666"))
    return parts


def _lines(layout: Layout, dx: float, dy: float, above: float = 0.0, below: float = 0.0) -> list[str]:
    """The arrows; in a block they begin at its edge and end there."""
    parts, labels = [], []
    labelled: set[tuple[int | None, int]] = set()
    blocks = {placed.box.key for placed in layout.boxes if placed.inside is not None}
    for line in layout.lines:
        points = [(x + dx, y + dy) for x, y in line.points]
        if line.arrow.source is None and above:  # straight down between the block's captions
            points.insert(0, (points[0][0], points[0][1] - above))
        leaves = line.arrow.target is None
        if leaves:
            points[-1] = (points[-1][0], points[-1][1] + below)
        parts.append(f'<path class="arrow tip" d="{_curve(points)}"/>' if not (leaves and below) else
                     f'<path class="arrow" d="{_curve(points)}"/>')  # fmt: skip
        key = (line.arrow.source, line.arrow.number)
        if line.arrow.source is not None and line.arrow.source not in blocks and key not in labelled:
            labelled.add(key)
            x, y = points[0]
            labels.append(_label(line, x, y))
    return parts + labels


def _label(line: Line, x: float, y: float) -> str:
    return _text(x + 6, y + 15, size_text(line.arrow.shape), SMALL, 400, "#3a3a3a", "start", halo=True)


def _curve(points: list[tuple[float, float]]) -> str:
    """From point to point, leaving and arriving upright."""
    (x, y), *rest = points
    path = f"M{x:.1f} {y:.1f}"
    for to_x, to_y in rest:
        middle = (y + to_y) / 2
        path += (
            f"V{to_y:.1f}"
            if abs(to_x - x) < 0.05
            else f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
        )
        x, y = to_x, to_y
    return path
