"""The frame of a page: its style, sections, and small parts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

STYLE = """
:root { --ink: #1f2933; --soft: #616e7c; --line: #dfe3e8; --blue: #2f6fab; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #f6f7f9; line-height: 1.5;
       font: 16px/1.5 -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
header { background: #16324f; color: #fff; padding: 2rem max(2rem, calc(50% - 34rem)) 1.4rem; }
header h1 { margin: 0 0 .2rem; font-size: 2rem; }
header p { margin: 0; opacity: .85; }
nav { margin-top: 1rem; }
nav a { color: #cfe3f7; margin-right: 1.2rem; text-decoration: none; font-size: .92rem; }
nav a:hover { text-decoration: underline; }
main { max-width: 90rem; margin: 0 auto; padding: 1.2rem 2rem 3rem; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.5rem 1.4rem;
          margin-top: 1.2rem; }
h2 { margin: 0 0 .3rem; font-size: 1.25rem; color: #16324f; }
h3 { margin: 1.2rem 0 .2rem; font-size: 1rem; }
p.note { margin: 0 0 .8rem; color: var(--soft); font-size: .93rem; max-width: 60rem; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .55rem .9rem; min-width: 9rem; }
.card b { display: block; font-size: 1.2rem; }
.card span { color: var(--soft); font-size: .85rem; }
.wide { overflow: auto; max-height: 40rem; border: 1px solid var(--line); border-radius: 6px; padding: .4rem; }
.wide table { font-variant-numeric: tabular-nums; font-size: .8rem !important; }
.wide tr:nth-child(even) td { background: #f6f8fa; }
.wide th { position: sticky; top: -.4rem; background: #fff; }
.drawing { overflow: auto; text-align: center; }
.drawing svg { max-width: 100%; height: auto; }
details { border-top: 1px solid var(--line); padding: .5rem 0; }
summary { cursor: pointer; color: var(--blue); }
img { max-width: 100%; }
.two { display: grid; grid-template-columns: minmax(12rem, 18rem) 1fr; gap: 1.5rem; align-items: start; }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .35rem .8rem; align-items: center; }
.bar { background: #e6ebf0; border-radius: 4px; height: 1rem; }
.bar i { display: block; height: 100%; background: var(--blue); border-radius: 4px; }
footer { color: var(--soft); font-size: .85rem; text-align: center; padding-bottom: 2rem; }
@media (max-width: 50rem) { .two { grid-template-columns: 1fr; } main { padding: 1rem; } }
"""


class Section(NamedTuple):
    """A part of a page: its anchor, title, what it shows in words, and its HTML."""

    anchor: str
    title: str
    note: str
    body: str


def page_html(title: str, subtitle: str, sections: Sequence[Section], foot: str) -> str:
    """A whole page; no address in it is outside of it."""
    links = "".join(f'<a href="#{s.anchor}">{escape(s.title)}</a>' for s in sections)
    parts = "".join(
        f'<section id="{s.anchor}"><h2>{escape(s.title)}</h2>'
        + (f'<p class="note">{escape(s.note)}</p>' if s.note else "")
        + f"{s.body}</section>"
        for s in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p><nav>{links}</nav></header>"
        f"<main>{parts}</main><footer>{escape(foot)}</footer></body></html>\n"
    )


def cards(facts: Sequence[tuple[str, str]]) -> str:
    """Numbers with what they are, side by side."""
    made = (f'<div class="card"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in facts)
    return f'<div class="cards">{"".join(made)}</div>'


def bars(rows: Sequence[tuple[str, float]]) -> str:
    """Shares from 0 to 1 as bars."""
    made = (
        f'<span>{escape(name)}</span><div class="bar"><i style="width: {100 * share:.1f}%"></i></div>'
        f"<span>{share:.1%}</span>"
        for name, share in rows
    )
    return f'<div class="bars">{"".join(made)}</div>'
