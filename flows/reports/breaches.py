"""What was not met, as lists for people: newest first, what nobody waived before what is waived."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from flows.reports.changes import LATEST
from flows.reports.queries import Row, grouped, rows

if TYPE_CHECKING:
    import duckdb

MOST = 40


def newest_breaches(
    db: duckdb.DuckDBPyConnection, *by: str
) -> defaultdict[tuple[Any, ...], list[Row]]:
    """The newest MOST of each clinic, or rule, or whatever columns `by` names."""
    found = rows(
        db,
        "SELECT f.clinic_id, f.protocol, f.rule_id, r.title, f.severity, f.subject_kind, "
        "f.subject_id, f.session_id, f.reason, f.started_at, f.waived, "
        f"f.first_found_run = ({LATEST}) AND "
        "(SELECT count(*) FROM ops.runs WHERE state = 'published') > 1 AS is_new "
        "FROM marts.findings f JOIN newest_rules r USING (protocol, rule_id) "
        "WHERE f.status = 'not_met' "
        f"QUALIFY row_number() OVER (PARTITION BY {', '.join(f'f.{name}' for name in by)} "
        f"ORDER BY f.waived, f.started_at DESC NULLS LAST, f.finding_id) <= {MOST} "
        "ORDER BY f.waived, f.started_at DESC NULLS LAST, f.finding_id",
    )
    return grouped(found, *by)


def undecided(db: duckdb.DuckDBPyConnection, *by: str) -> defaultdict[tuple[Any, ...], list[Row]]:
    """Why verdicts were not evaluable: reasons with how many, the most frequent of each first."""
    found = rows(
        db,
        f"SELECT * FROM (SELECT {', '.join(by)}, reason, count(*) AS verdicts "
        "FROM marts.findings WHERE status = 'not_evaluable' GROUP BY ALL) "
        f"QUALIFY row_number() OVER (PARTITION BY {', '.join(by)} "
        "ORDER BY verdicts DESC, reason) <= 8 ORDER BY verdicts DESC, reason",
    )
    return grouped(found, *by)
