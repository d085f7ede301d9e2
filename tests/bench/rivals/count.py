"""How many sessions of a database's table meet each condition."""

from __future__ import annotations

import sys

import duckdb

from tests.bench.rivals.conditions import counted
from tests.bench.rivals.timing import tell


def main() -> None:
    with duckdb.connect(sys.argv[1], read_only=True) as db:
        found = db.execute(counted(sys.argv[2]))
        row = found.fetchone()
        assert row is not None
        tell(counts=dict(zip([column[0] for column in found.description], row, strict=True)))


if __name__ == "__main__":
    main()
