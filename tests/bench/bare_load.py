"""The night's floor: DuckDB merely loads every CSV of a feed into one table of text, on disk."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from checks.contract import contracts


def main() -> None:
    landing, database = Path(sys.argv[1]), sys.argv[2]
    with duckdb.connect(database) as db:
        for feed in contracts():
            files = sorted(str(path) for path in landing.glob(f"*/{feed}_*.csv"))
            db.execute(
                f"CREATE TABLE {feed} AS SELECT * FROM "
                "read_csv($files, all_varchar = true, header = true, delim = ',')",
                {"files": files},
            )


if __name__ == "__main__":
    main()
