"""What the report shows, read from the published tables alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flows.intervals import wilson

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]


def rows(db: duckdb.DuckDBPyConnection, sql: str, *values: object) -> list[Row]:
    """A query's rows as dicts; `values` are its $1, $2, ..."""
    cursor = db.execute(sql, list(values))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def grouped(found: Iterable[Row], *keys: str) -> defaultdict[tuple[Any, ...], list[Row]]:
    """Rows by the values of these columns, in their order; nothing for what is not there."""
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in found:
        groups[tuple(row[key] for key in keys)].append(row)
    return groups


def overview(db: duckdb.DuckDBPyConnection) -> Row:
    """The network in a few numbers; reads the temporary table that `rates.prepare` makes."""
    by_status = ", ".join(
        f"coalesce(sum(sessions) FILTER (status = '{status}'), 0)::BIGINT AS {status}"
        for status in ("compliant", "non_compliant", "incomplete", "pending")
    )
    (sessions,) = rows(
        db,
        f"SELECT coalesce(sum(sessions), 0)::BIGINT AS judged, {by_status}, "
        "min(local_date) AS first_day, max(local_date) AS last_day FROM session_days",
    )
    (findings,) = rows(
        db,
        "SELECT count(*) FILTER (severity = 'critical') AS critical, "
        "count(*) FILTER (severity = 'major') AS major, "
        "count(*) FILTER (severity = 'minor') AS minor "
        "FROM marts.findings WHERE status = 'not_met' AND NOT waived",
    )
    (data,) = rows(
        db,
        "SELECT (SELECT count(*) FROM ops.quarantine WHERE released_run IS NULL) AS quarantined, "
        "(SELECT count(*) FROM ops.batches WHERE state = 'blocked') AS blocked, "
        "(SELECT count(*) FROM ops.batches) AS batches, "
        "(SELECT count(*) FROM marts.clinics) AS clinics, "
        "(SELECT coalesce(sum(uncovered), 0)::BIGINT FROM marts.coverage) AS uncovered, "
        "(SELECT coalesce(sum(not_dosed), 0)::BIGINT FROM marts.coverage) AS not_dosed",
    )
    return {**with_share(sessions), **findings, **data}


def with_share(counted: Row) -> Row:
    """`share` of compliant among those decided, with its 95 % Wilson interval."""
    good, bad = counted["compliant"], counted["non_compliant"]
    if good + bad == 0:
        return {**counted, "share": None, "low": None, "high": None}
    low, high = wilson(good, good + bad)
    return {**counted, "share": good / (good + bad), "low": low, "high": high}


def protocols(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """The protocol versions of the run."""
    return rows(db, "SELECT * FROM marts.protocols ORDER BY protocol, effective_from")


def clinic_names(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """Each clinic's id and name."""
    return rows(db, "SELECT clinic_id, name FROM marts.clinics ORDER BY clinic_id")


def rule_titles(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """Each rule of the run: what it is called, how grave it is, who says so."""
    return rows(
        db,
        "SELECT protocol, protocol_version, rule_id, title, severity, tier FROM marts.rules "
        "ORDER BY ALL",
    )


def last_run(db: duckdb.DuckDBPyConnection) -> Row:
    """The run that the tables are of."""
    return rows(db, "SELECT * FROM ops.runs ORDER BY seq DESC LIMIT 1")[0]
