"""The diagram in the languages of Mermaid and Graphviz, and as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from .boxes import Box, Diagram
from .svg import COLOURS, foot, head
from .words import size_text

Flat = tuple[str, str, str]  # from, to, shape


def flat_arrows(diagram: Diagram, inputs: list[str]) -> list[Flat]:
    """The arrows between boxes without boxes in them; the ends outside are ``in0``, ``in1`` ... and ``out``."""
    sources = {number: f"in{i}" for i, number in enumerate(diagram.inputs[: len(inputs)])}
    found = dict.fromkeys(_flat(diagram, sources))
    outs = [(_maker(diagram, number, sources), "out", "") for number in diagram.outputs]
    return [*found, *dict.fromkeys(outs)]


def _maker(diagram: Diagram, number: int, sources: dict[int, str]) -> str:
    """The innermost box that gives what an operation made."""
    arrow = next(a for a in diagram.arrows if a.number == number and (a.source is not None or a.target is None))
    if arrow.source is None:
        return sources[number]
    box = next(b for b in diagram.boxes if b.key == arrow.source)
    if box.inside is None or number not in box.inside.outputs:
        return f"n{box.key}"
    return _maker(box.inside, number, sources)


def _flat(diagram: Diagram, sources: dict[int, str]) -> Iterator[Flat]:
    by_key = {box.key: box for box in diagram.boxes}
    entering: dict[int, dict[int, str]] = {}
    for a in diagram.arrows:
        if a.target is None:
            continue
        made = sources.get(a.number) if a.source is None else _maker(diagram, a.number, sources)
        if by_key[a.target].inside is not None:
            entering.setdefault(a.target, {})[a.number] = made or ""
        elif made is not None:
            yield made, f"n{a.target}", size_text(a.shape)
    for key, inner in entering.items():
        inside = by_key[key].inside
        if inside is not None:
            yield from _flat(inside, inner)


def mermaid(diagram: Diagram, inputs: list[str]) -> str:
    """As a Mermaid flow chart."""

    def quoted(*lines: str) -> str:
        text = "<br>".join(filter(None, lines)).replace('"', "#quot;")
        return f'"{text}"'

    def boxes(inside: Diagram, indent: str) -> Iterator[str]:
        for box in inside.boxes:
            if box.inside is None:
                text = quoted(*head(box), foot(box))
                shape = f"([{text}])" if box.category == "merge" else f"[{text}]"
                yield f"{indent}n{box.key}{shape}:::{box.category}"
            else:
                yield f"{indent}subgraph n{box.key} [{quoted(head(box)[0], box.name)}]"
                yield from boxes(box.inside, indent + "    ")
                yield f"{indent}end"

    lines = ["flowchart TD", *(f"    in{i}([{quoted(text)}])" for i, text in enumerate(inputs))]
    lines += [*boxes(diagram, "    "), "    out([output])"]
    for source, target, shape in flat_arrows(diagram, inputs):
        lines.append(f"    {source} -->|{quoted(shape)}| {target}" if shape else f"    {source} --> {target}")
    used = {box.category for box in diagram.leaves()}
    lines += [
        f"    classDef {name} fill:{fill},stroke:{edge}" for name, (fill, edge) in COLOURS.items() if name in used
    ]
    return "\n".join(lines)


def dot(diagram: Diagram, inputs: list[str]) -> str:
    """As a graph for Graphviz."""

    def quoted(*lines: str) -> str:
        text = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines if line)
        return f'"{text}"'

    def boxes(inside: Diagram, indent: str) -> Iterator[str]:
        for box in inside.boxes:
            fill, edge = COLOURS[box.category]
            if box.inside is None:
                yield f'{indent}n{box.key} [label={quoted(*head(box), foot(box))}, fillcolor="{fill}", color="{edge}"];'
            else:
                yield f"{indent}subgraph cluster_{box.key} {{"
                yield f'{indent}    label={quoted(head(box)[0], box.name)}; style="rounded,dashed"; color="{edge}";'
                yield from boxes(box.inside, indent + "    ")
                yield f"{indent}}}"

    lines = ["digraph model {", '    node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];']
    lines += ['    edge [fontname="Helvetica", fontsize=9];']
    lines += [f"    in{i} [label={quoted(text)}, shape=plaintext, style=solid];" for i, text in enumerate(inputs)]
    lines += [*boxes(diagram, "    "), "    out [label=output, shape=plaintext, style=solid];"]
    for source, target, shape in flat_arrows(diagram, inputs):
        lines.append(f"    {source} -> {target}" + (f" [label={quoted(' ' + shape)}];" if shape else ";"))
    return "\n".join([*lines, "}"])


def listing(diagram: Diagram, depth: int = 1) -> Iterator[str]:
    """One line for each box, those in a block further to the right."""
    for box in diagram.boxes:
        yield f"{'  ' * depth}{_line(box)}"
        if box.inside is not None:
            yield from listing(box.inside, depth + 1)


def _line(box: Box) -> str:
    times = f" × {box.repeat}" if box.repeat > 1 else ""
    name = f"{box.name}: " if box.name else ""
    return f"{name}{' + '.join(box.lines)}{times} -> {size_text(box.shape)}"
