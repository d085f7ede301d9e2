"""`restricted/index.html`: flags on staff and prescribers, for the few who may see them. No page of
the site leads there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.reports.flagged import MOST, flagged
from flows.reports.site import Site

if TYPE_CHECKING:
    import duckdb

KINDS = ("staff", "prescriber")


def write_page(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the page beside the folder's database; `db` reads the run's published tables."""
    path = str(folder / "restricted.duckdb").replace("'", "''")
    db.execute(f"ATTACH '{path}' AS restricted (READ_ONLY)")
    try:
        kinds = [flagged(db, kind, "restricted.marts") for kind in KINDS]
        site = Site(db, folder, navigation=())
        site.write("index.html", "restricted.html.j2", kinds=kinds, most=MOST)
    finally:
        db.execute("DETACH restricted")
