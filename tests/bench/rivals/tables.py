"""The facts of the four conditions as tables of a DuckDB file, for dbt; not timed."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb


def main() -> None:
    folder = Path(sys.argv[1])
    with duckdb.connect(sys.argv[2]) as db:
        db.execute("SET TimeZone = 'UTC'")
        for feed in ("sessions", "vitals", "doses"):
            db.execute(f"CREATE TABLE {feed} AS FROM read_parquet('{folder / feed}.parquet')")


if __name__ == "__main__":
    main()
