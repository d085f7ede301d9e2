"""From text to types, in SQL that derives from a contract.

The raw relation holds, as text, every column of the contract, and `_clinic_id` (whose the row is;
NULL = every clinic), `_stated_clinic` (a clinic that the row itself names, else NULL), `_zone`
(the clinic's IANA zone), `_batch` and `_row`. An empty field is null. Numbers may carry blanks
around them; text is taken as it is.

Local times are resolved by `keel_local_days`: one row is a stretch of a zone's local day in which
the offset is the same, or in which local times are missing or ambiguous.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pyarrow as pa

from checks.contract import Column, Contract
from checks.quarantine import problem_terms

if TYPE_CHECKING:
    import duckdb

FIRST_YEAR, LAST_YEAR = 1950, 2080
_FIRST = datetime(FIRST_YEAR - 1, 12, 1, tzinfo=UTC)
_STRETCH = pa.schema([
    ("from_local", pa.timestamp("us")), ("to_local", pa.timestamp("us")),
    ("offset_seconds", pa.int32()), ("problem", pa.string()),
])  # fmt: skip
_STAMP = r"\d{4}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
_OFFSET = r"(Z|[+-](0\d|1[0-5]):[0-5]\d)"
_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_DAY = r"\d{4}-\d{2}-\d{2}"


def prepare_zones(db: duckdb.DuckDBPyConnection, zones: Iterable[str]) -> None:
    """Make the temporary tables that typed SELECTs join: `keel_zones` and `keel_local_days`.

    Names that are no IANA zone are left out: their clinics' rows say so themselves.
    """
    known = available_timezones()
    local_days = pa.concat_tables(
        [_STRETCH.append(pa.field("zone", pa.string())).empty_table()]
        + [_local_days(zone) for zone in sorted(set(zones) & known)]
    )
    zone_names = pa.table({"zone": pa.array(sorted(known))})
    for name, table in (("keel_local_days", local_days), ("keel_zones", zone_names)):
        db.register(f"{name}_arrow", table)
        db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM {name}_arrow")
        db.unregister(f"{name}_arrow")
    db.execute("ALTER TABLE keel_local_days ADD COLUMN day DATE")
    db.execute("UPDATE keel_local_days SET day = from_local::DATE")


def typed_select(contract: Contract, raw_relation: str) -> str:
    """A SELECT that types a raw relation's rows and says what is wrong with each.

    Gives `clinic_id`, the contract's columns typed, `_batch`, `_row`, `_content` (a hash of all
    values but `extracted_at`: is the row what it was?) and `_problems`, a list of "column: code"
    (see `checks.quarantine.WORDS`); a row with deleted = true needs only its id.
    """
    stamps = [column for column in contract.columns if column.type == "timestamp"]
    raw = ", ".join(f"nullif({_q(name)}, '') AS {_q(name)}" for name in contract.names)
    hashed = ", ".join(_parsed(column) for column in contract.columns)
    stamped = ", ".join(
        f"{_instant(column)} AS {_q(column.name)}, {_local_problem(column)} AS {_note(column)}"
        for column in stamps
    )
    joins = " ".join(_join(column) for column in stamps)
    kept = ", ".join(
        f"p.{_q(column.name)}" for column in contract.columns if column.type != "timestamp"
    )
    untimed = ("text", "timestamp")
    unreadable = ", ".join(
        f"p.{_unread(column)}" for column in contract.columns if column.type not in untimed
    )
    values = ", ".join(_q(c.name) for c in contract.columns if c.name != "clinic_id")
    terms = problem_terms(contract)
    listed = ", ".join(f"CASE WHEN {test} THEN '{code}' END" for code, test in terms)
    anything = " OR ".join(f"({test})" for _, test in terms)
    return f"""
WITH raw AS (
    SELECT _clinic_id, _stated_clinic, _zone, _batch, _row, {raw} FROM {raw_relation}
), parsed AS (
    SELECT _clinic_id, _stated_clinic, _zone, _batch, _row, {_content(contract)} AS _content, {hashed}
    FROM raw
), resolved AS (
    SELECT p._clinic_id, p._stated_clinic, p._zone, p._batch, p._row, p._content,
        {", ".join(part for part in (kept, unreadable, stamped) if part)}
    FROM parsed p {joins}
)
SELECT _clinic_id AS clinic_id, {values}, _batch, _row, _content,
    CASE WHEN {anything}
        THEN list_filter([{listed}], lambda code: code IS NOT NULL)
        ELSE []::VARCHAR[] END AS _problems
FROM resolved"""


def row_sha256(contract: Contract) -> str:
    """SHA-256 (hex) of a raw row's values in contract order, joined by U+001F: it decides ties."""
    return f"sha256({_joined(contract.names)})"


def _parsed(column: Column) -> str:
    """Typed value of a column, and whether there was text that could not be read."""
    name, unread = _q(column.name), _unread(column)
    if column.type == "text":
        return name
    if column.type == "timestamp":
        offset = f"(right({name}, 1) = 'Z' OR substr({name}, -6, 1) IN ('+', '-'))"
        whole = f"regexp_full_match({name}, '{_STAMP}{_OFFSET}?')"
        return (
            f"{name} IS NOT NULL AS {unread}, CASE WHEN {offset} AND {whole} "
            f"THEN TRY_CAST({name} AS TIMESTAMPTZ) END AS {_at(column)}, "
            f"CASE WHEN NOT {offset} AND {whole} "
            f"THEN TRY_CAST({name} AS TIMESTAMP) END AS {_wall(column)}"
        )
    plain = f"NOT contains({name}, '_')"
    test, value = {
        "int": (
            f"regexp_full_match({name}, '\\s*[+-]?\\d+(\\.0+)?\\s*')",
            f"TRY_CAST({name} AS BIGINT)",
        ),
        "number": (f"{plain} AND isfinite(TRY_CAST({name} AS DOUBLE))", f"{name}::DOUBLE"),
        "decimal": (plain, f"TRY_CAST({name} AS DECIMAL(18,6))"),
        "bool": (f"lower({name}) IN ('true', 'false')", f"lower({name}) = 'true'"),
        "date": (f"regexp_full_match({name}, '{_DAY}')", f"TRY_CAST({name} AS DATE)"),
        "time": (f"regexp_full_match({name}, '{_TIME}')", name),
    }[column.type]
    typed = f"CASE WHEN {test} THEN {value} END"
    return f"{typed} AS {name}, {name} IS NOT NULL AND ({typed}) IS NULL AS {unread}"


def _instant(column: Column) -> str:
    shift = f"(p.{_wall(column)} - to_seconds({_days(column)}.offset_seconds))"
    return f"coalesce(p.{_at(column)}, timezone('UTC', {shift}))"


def _local_problem(column: Column) -> str:
    found = f"coalesce(p.{_at(column)}, p.{_wall(column)}::TIMESTAMPTZ) IS NULL"
    resolved = f"p.{_at(column)} IS NOT NULL OR {_days(column)}.offset_seconds IS NOT NULL"
    return (
        f"CASE WHEN NOT p.{_unread(column)} OR {resolved} THEN NULL "
        f"WHEN {found} THEN 'unreadable' WHEN p._zone IS NULL THEN 'no_time_zone' "
        f"ELSE coalesce({_days(column)}.problem, 'unreadable') END"
    )


def _join(column: Column) -> str:
    days, wall = _days(column), f"p.{_wall(column)}"
    return (
        f"LEFT JOIN keel_local_days {days} ON {days}.zone = p._zone "
        f"AND {days}.day = {wall}::DATE AND {wall} >= {days}.from_local AND {wall} < {days}.to_local"
    )


def _content(contract: Contract) -> str:
    """Kept only inside one warehouse and never compared with another's: DuckDB's own hash."""
    return f"hash({_joined(tuple(name for name in contract.names if name != 'extracted_at'))})"


def _joined(names: tuple[str, ...]) -> str:
    values = ", ".join(f"coalesce({_q(name)}, '')" for name in names)
    return f"concat_ws(chr(31), {values})"


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unread(column: Column) -> str:
    return _q(f"{column.name} unreadable")


def _note(column: Column) -> str:
    return _q(f"{column.name} problem")


def _at(column: Column) -> str:
    return _q(f"{column.name} instant")


def _wall(column: Column) -> str:
    return _q(f"{column.name} wall")


def _days(column: Column) -> str:
    return _q(f"days {column.name}")


@cache
def _local_days(zone: str) -> pa.Table:
    """Every local day of a zone, cut where its offset changes."""
    info = ZoneInfo(zone)
    changes = list(_changes(info))
    first, last = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 1, 1)
    near = {(at + timedelta(days=step)).date(): None for at, _ in changes for step in (-1, 0, 1)}
    days = np.arange(np.datetime64(first), np.datetime64(last))
    days = days[~np.isin(days, np.array(list(near), dtype="datetime64[D]"))]
    marks = np.array([at for at, _ in changes], dtype="datetime64[us]")
    offsets = np.array([_offset(info, _FIRST), *(after for _, (_, after) in changes)])
    whole = pa.table({
        "from_local": days.astype("datetime64[us]"),
        "to_local": (days + np.timedelta64(1, "D")).astype("datetime64[us]"),
        "offset_seconds": offsets[np.searchsorted(marks, days)].astype("int32"),
        "problem": pa.nulls(len(days), pa.string()),
    })  # fmt: skip
    pieces = [
        dict(zip(_STRETCH.names, piece, strict=True))
        for day in near
        for piece in _pieces(datetime.combine(day, time()), changes, info)
        if first <= day < last
    ]
    found = pa.concat_tables([whole.cast(_STRETCH), pa.Table.from_pylist(pieces, _STRETCH)])
    return found.append_column("zone", pa.array([zone] * len(found)))


def _changes(info: ZoneInfo) -> Iterable[tuple[datetime, tuple[int, int]]]:
    """(UTC instant, (seconds of offset before, after)) of each change, found by halving."""
    step = timedelta(days=1)
    at, end = _FIRST, datetime(LAST_YEAR, 2, 1, tzinfo=UTC)
    before = _offset(info, at)
    while at < end:
        after = _offset(info, at + step)
        if after != before:
            low, high = at, at + step
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                if _offset(info, middle) == before:
                    low = middle
                else:
                    high = middle
            yield high.replace(tzinfo=None), (before, after)
        at, before = at + step, after


def _offset(info: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(info).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _pieces(
    day: datetime, changes: list[tuple[datetime, tuple[int, int]]], info: ZoneInfo
) -> Iterable[tuple[datetime, datetime, int | None, str | None]]:
    """A day with a change of offset nearby: before it, the missing or doubled hour, after it."""
    cuts = [change for change in changes if abs(change[0] - day) < timedelta(days=3)]
    marks = {day, day + timedelta(days=1)}
    for at, (before, after) in cuts:
        marks |= {at + timedelta(seconds=before), at + timedelta(seconds=after)}
    inside = sorted(mark for mark in marks if day <= mark <= day + timedelta(days=1))
    for start, end in pairwise(inside):
        problem = None
        for at, (before, after) in cuts:
            old, new = at + timedelta(seconds=before), at + timedelta(seconds=after)
            if old <= start < new:
                problem = "missing_local_time"
            if new <= start < old:
                problem = "ambiguous_local_time"
        offset = start.replace(tzinfo=info).utcoffset()
        assert offset is not None
        seconds = None if problem else int(offset.total_seconds())
        yield start, end, seconds, problem
