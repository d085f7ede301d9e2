"""The report for operations leads and quality teams: a site that opens from disk, without scripts
and with nothing from the web.

The same tables give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.reports.pages import (
    clinics,
    cost,
    definitions,
    front,
    operations,
    outcomes,
    protocols,
    quality,
    risk,
    sessions,
    trends,
    worklist,
)
from flows.reports.site import Site

if TYPE_CHECKING:
    import duckdb

PAGES = (front, worklist, trends, clinics, protocols, sessions, risk, outcomes, cost, operations,
         quality, definitions)  # fmt: skip


def write_html(db: duckdb.DuckDBPyConnection, folder: Path, scope: str = "") -> None:
    """Write `index.html` and the pages below it into the folder, from the published tables (schemas
    marts and ops) and those of `rates.prepare`. `scope` says what the report is narrowed to, if it
    is."""
    folder.mkdir(parents=True, exist_ok=True)
    site = Site(db, folder, scope)
    for page in PAGES:
        page.write(site)
