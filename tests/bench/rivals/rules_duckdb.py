"""The four conditions as DuckDB SQL, on tables in memory."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from tests.bench.rivals.conditions import counted, four_conditions
from tests.bench.rivals.timing import repeat


def main() -> None:
    folder, times = Path(sys.argv[1]), int(sys.argv[2])
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        for feed in ("sessions", "vitals", "doses"):
            db.execute(f"CREATE TABLE {feed} AS FROM read_parquet('{folder / feed}.parquet')")

        def run() -> dict[str, int]:
            db.execute(
                f"CREATE OR REPLACE TABLE met AS {four_conditions('sessions', 'vitals', 'doses')}"
            )
            found = db.execute(counted("met"))
            row = found.fetchone()
            assert row is not None
            return dict(zip([column[0] for column in found.description], row, strict=True))

        repeat(run, times)


if __name__ == "__main__":
    main()
