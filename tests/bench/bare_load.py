"""The night's floor: DuckDB merely loads every CSV of a feed into one table of text, on disk."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb

from checks.contract import contracts
from tests.bench.rivals.timing import tell


def main() -> None:
    landing, database = Path(sys.argv[1]), sys.argv[2]
    contracts()
    started = time.perf_counter()
    with duckdb.connect(database) as db:
        for feed in contracts():
            files = sorted(str(path) for path in landing.glob(f"*/{feed}_*.csv"))
            db.execute(
                f"CREATE TABLE {feed} AS SELECT * FROM "
                "read_csv($files, all_varchar = true, header = true, delim = ',')",
                {"files": files},
            )
    tell(seconds=round(time.perf_counter() - started, 2))


if __name__ == "__main__":
    main()
