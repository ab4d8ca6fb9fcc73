"""Writes docs/models.md, the page of all models: python -m tests.models.page"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import minicnn

from .row import Row
from .table import ROWS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"

BEGINNING = """# The models

Every network of `minicnn.models`, family by family. `models.get_model(name)` builds one, `models.list_models("r*")`
lists names; each family's file in `minicnn/models/` names its paper, and says what the paper and the usual
implementations have differently. Parameters are those of the default arguments; multiply-adds are those of one image
of the size given, as `minicnn.summary` counts them from the operations that run (evaluation mode). Written by
`python -m tests.models.page`.
"""


def family(row: Row) -> str:
    """The module that defines the model."""
    return row.build.__module__


def line(row: Row) -> str:
    """The row of one model."""
    found = minicnn.summary(row.build(), row.image, verbose=0)
    size = " x ".join(map(str, row.image))
    return f"| `{row.name}` | {size} | {row.parameters:,} | {found.total_mult_adds / 1e6:,.1f} M |"


def main() -> None:
    """Measure all models and write the page."""
    text = [BEGINNING]
    for module, rows in itertools.groupby(sorted(ROWS.values(), key=family), family):
        title = (sys.modules[module].__doc__ or "").splitlines()[0].rstrip(".")
        text += [f"## {title}\n", "| model | image | parameters | multiply-adds |", "|---|---|---:|---:|"]
        for row in rows:
            text.append(line(row))
            print(text[-1], flush=True)
        text.append("")
    PAGE.write_text("\n".join(text))


if __name__ == "__main__":
    main()
