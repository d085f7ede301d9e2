"""The night by hand in DuckDB SQL: every feed typed into a table, then the four conditions."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb

from tests.bench.rivals.conditions import counted, four_conditions
from tests.bench.rivals.timing import tell
from tests.bench.rivals.typed_sql import delivered, source, typed


def main() -> None:
    landing, database = Path(sys.argv[1]), sys.argv[2]
    feeds = delivered(landing)
    started = time.perf_counter()
    with duckdb.connect(database) as db:
        for feed, columns in feeds.items():
            db.execute(f"CREATE TABLE {feed} AS {typed(feed, columns, source(landing, feed))}")
        db.execute(f"CREATE TABLE met AS {four_conditions('sessions', 'vitals', 'doses')}")
        found = db.execute(counted("met"))
        row = found.fetchone()
        assert row is not None
        counts = dict(zip([column[0] for column in found.description], row, strict=True))
    tell(seconds=round(time.perf_counter() - started, 2), counts=counts)


if __name__ == "__main__":
    main()
