"""The account of a foreign export: what became of each input row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import duckdb

from flows.sources import identifier


@dataclass(frozen=True)
class ForeignAccount:
    """What became of one file's rows; `unused` are the numbers of the quarantined ones."""

    table: str
    file: str
    rows: int
    used: int
    skipped: Mapping[str, int]
    quarantined: int
    unused: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        assert self.used + sum(self.skipped.values()) + self.quarantined == self.rows
        assert len(self.unused) == self.quarantined


def with_skipped(table: str) -> str:
    """Name of the table of all rows, behind the view of those that no predicate leaves out."""
    return f"{table} with skipped"


def given_by(feed: str) -> str:
    """Name of the table of what a feed's SELECT gave."""
    return f"{feed} given"


def gives_strays(db: duckdb.DuckDBPyConnection, feed: str, tables: Iterable[str]) -> bool:
    """Whether a SELECT's `_file` and `_row` are ever those of no row that it could see."""
    seen = " UNION ALL ".join(f"SELECT _file, _row FROM {identifier(name)}" for name in tables)
    given = identifier(given_by(feed))
    stray = db.execute(
        f"SELECT 1 FROM {given} ANTI JOIN ({seen}) s USING (_file, _row) LIMIT 1"
    ).fetchall()
    return bool(stray)


def accounts(
    db: duckdb.DuckDBPyConnection, tables: Mapping[str, tuple[str, ...]], feeds: Iterable[str]
) -> Iterator[ForeignAccount]:
    """One account a file; `tables` maps a table to its files. A row of two feeds is used once."""
    used = " UNION ALL ".join(
        f"SELECT _file, _row FROM {identifier(given_by(feed))}" for feed in feeds
    )
    db.execute(
        f'CREATE TABLE "rows used" AS SELECT DISTINCT _file, _row, true AS is_used FROM ({used})'
    )
    for name, files in tables.items():
        whole = identifier(with_skipped(name))
        rows = (
            f"(SELECT w._file, w._row, w._skipped, u.is_used FROM {whole} w "
            'LEFT JOIN "rows used" u USING (_file, _row))'
        )
        counted = db.execute(
            "SELECT _file, count(*), count(*) FILTER (_skipped IS NULL AND is_used), "
            "coalesce(list(_row ORDER BY _row) FILTER (_skipped IS NULL AND is_used IS NULL), []) "
            f"FROM {rows} GROUP BY 1"
        ).fetchall()
        skipped = db.execute(
            f"SELECT _file, _skipped, count(*) FROM {rows} WHERE _skipped IS NOT NULL "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        of_file = {file: (total, taken, unused) for file, total, taken, unused in counted}
        for file in files:
            total, taken, unused = of_file.get(file, (0, 0, []))
            reasons = {reason: count for where, reason, count in skipped if where == file}
            yield ForeignAccount(name, file, total, taken, reasons, len(unused), tuple(unused))
