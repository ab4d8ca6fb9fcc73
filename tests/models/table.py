"""All models, one row each."""

from __future__ import annotations

from . import rows_classic, rows_mobile, rows_papers, rows_residual
from .row import Row

ROWS: dict[str, Row] = {
    row.name: row for part in (rows_classic, rows_mobile, rows_papers, rows_residual) for row in part.ROWS
}
