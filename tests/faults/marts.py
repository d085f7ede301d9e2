"""What is published, to be compared: every mart and verdict, without what names the run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb

_OF_THE_RUN = "('run_id', 'first_found_run')"


def mart_hashes(folder: Path) -> dict[str, str]:
    """Table to the SHA-256 of its rows as sorted Parquet, and so each file of the verdicts."""
    published = folder / "published" / "current"
    copy = folder / "mart.parquet"
    found = {}
    with duckdb.connect(str(published / "results.duckdb"), read_only=True) as db:
        tables = db.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'"
        ).fetchall()
        for (table,) in sorted(tables):
            db.execute(
                f"COPY (SELECT COLUMNS(lambda c: c NOT IN {_OF_THE_RUN}) FROM marts.{table} "
                f"ORDER BY ALL) TO '{copy}' (FORMAT parquet)"
            )
            found[table] = hashlib.sha256(copy.read_bytes()).hexdigest()
    copy.unlink()
    for path in sorted((published / "verdicts").rglob("*.parquet")):
        name = path.relative_to(published).as_posix()
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
