"""Local times of clinics, as a table that SQL can join: what instant each of them means.

A zone's local time line is cut where its offset changes: a stretch has one offset, or its local
times are missing (the clocks skipped them) or ambiguous (they came twice). Python's zoneinfo says
where; DuckDB would resolve both silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

FIRST_YEAR, LAST_YEAR = 1900, 2199
_FIRST = datetime(FIRST_YEAR - 1, 12, 1, tzinfo=UTC)
_LAST = datetime(LAST_YEAR + 1, 2, 1, tzinfo=UTC)
# No zone has ever changed twice within three days.
_STEP, _SECOND = timedelta(days=3), timedelta(seconds=1)
# Cells make the join one of equal keys: most hold one stretch, and a zone has some thousands.
_CELL_MICROSECONDS = 32 * 86_400 * 1_000_000
_STRETCHES = pa.schema([
    ("zone", pa.string()), ("from_local", pa.timestamp("us")), ("to_local", pa.timestamp("us")),
    ("offset_seconds", pa.int32()), ("problem", pa.string()),
])  # fmt: skip


def prepare_zones(db: duckdb.DuckDBPyConnection, zones: Iterable[str]) -> None:
    """Make the temporary tables that typed SELECTs join: `keel_zones` and `keel_local_times`.

    keel_zones: the zones a clinic may have. keel_local_times: one row is a stretch of local time
    of one of `zones` within one cell. Names that are no zone are left out of it: their clinics'
    rows say so themselves.
    """
    # A zone must be known to zoneinfo, DuckDB and Polars; the last does not know `Factory`.
    known = {name for (name,) in db.execute("SELECT name FROM pg_timezone_names()").fetchall()}
    known = (known & _python_zones()) - {"Factory"}
    rows = [stretch for zone in sorted(set(zones) & known) for stretch in _stretches(zone)]
    db.register("keel_stretches", pa.Table.from_pylist(rows, _STRETCHES))
    db.execute(
        "CREATE OR REPLACE TEMP TABLE keel_local_times AS SELECT *, unnest(range("
        f"{cell('from_local')}, {cell('to_local - INTERVAL 1 MICROSECOND')} + 1)) AS cell "
        "FROM keel_stretches"
    )
    db.unregister("keel_stretches")
    db.register("keel_names", pa.table({"zone": pa.array(sorted(known), pa.string())}))
    db.execute("CREATE OR REPLACE TEMP TABLE keel_zones AS FROM keel_names")
    db.unregister("keel_names")


@cache
def _python_zones() -> frozenset[str]:
    """Looked up once: it walks through the whole folder of zones."""
    return frozenset(available_timezones())


def join_local_times(alias: str, zone: str, wall: str) -> str:
    """A JOIN that gives each local time the one stretch it lies in, or none without a zone."""
    return (
        f"LEFT JOIN keel_local_times {alias} ON {alias}.zone = {zone} "
        f"AND {alias}.cell = {cell(wall)} "
        f"AND {wall} >= {alias}.from_local AND {wall} < {alias}.to_local"
    )


def cell(wall: str) -> str:
    """SQL of the number of the cell that a local time lies in."""
    return f"(epoch_us({wall}) // {_CELL_MICROSECONDS})"


@cache
def _stretches(zone: str) -> tuple[dict[str, object], ...]:
    """A zone's local time line from the first year to the last, without holes."""
    info = ZoneInfo(zone)
    names = _STRETCHES.names
    found: list[tuple[str, datetime, datetime, int | None, str | None]] = []
    start = _FIRST.replace(tzinfo=None)
    offset = _offset(info, _FIRST)
    for at, after in _changes(info):
        old, new = at + timedelta(seconds=offset), at + timedelta(seconds=after)
        problem = "missing_local_time" if old < new else "ambiguous_local_time"
        found.append((zone, start, min(old, new), offset, None))
        found.append((zone, min(old, new), max(old, new), None, problem))
        start, offset = max(old, new), after
    found.append((zone, start, _LAST.replace(tzinfo=None), offset, None))
    return tuple(dict(zip(names, stretch, strict=True)) for stretch in found)


def _changes(info: ZoneInfo) -> Iterator[tuple[datetime, int]]:
    """(UTC instant, new offset in seconds) of each change of offset, found by halving a step."""
    start, before = _FIRST, _offset(info, _FIRST)
    while start < _LAST:
        after = _offset(info, start + _STEP)
        if after != before:
            low, high = start, start + _STEP
            while high - low > _SECOND:
                middle = low + (high - low) // (2 * _SECOND) * _SECOND
                low, high = (middle, high) if _offset(info, middle) == before else (low, middle)
            yield high.replace(tzinfo=None), after
        start, before = start + _STEP, after


def _offset(info: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(info).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
