"""How clinics, months and rules stand: what the pages, the spreadsheet and the PDF all show.

Reads the temporary tables that `rates.prepare` makes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from flows.reports.queries import Row, rows
from flows.reports.rates import completeness, counted_rules, rule_rate, sessions_rate
from flows.reports.verdicts import verdict

if TYPE_CHECKING:
    import duckdb

_RULE = "protocol, rule_id, title, severity, tier, target, citation, asks, kind"
_SEVERITIES = ("critical", "major", "minor")


def recent(db: duckdb.DuckDBPyConnection) -> date | None:
    """The first of the last three local months that have verdicts: what clinics are judged by."""
    (row,) = rows(
        db,
        "SELECT (max(month) - INTERVAL 2 MONTH)::DATE AS since FROM marts.rule_monthly "
        "WHERE met + not_met > 0",
    )
    since: date | None = row["since"]
    return since


def clinic_rows(
    db: duckdb.DuckDBPyConnection, clinics: Iterable[str], rules: list[Row], since: date | None
) -> list[Row]:
    """Each clinic, in the order given: its verdict by `rules` (`verdicts.targeted`) and its
    sessions, both since then, and its open breaches."""
    mine: dict[str, list[Row]] = defaultdict(list)
    for row in rules:
        mine[row["clinic_id"]].append(row)
    days = f"local_date >= DATE '{since}'" if since else "true"
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows(db, "SELECT clinic_id, status, sum(sessions)::BIGINT AS sessions "
                    f"FROM session_days WHERE {days} GROUP BY ALL"):  # fmt: skip
        counts[row["clinic_id"]][row["status"]] = row["sessions"]
    open_ = {row["clinic_id"]: row for row in rows(
        db, "SELECT clinic_id, count(*) FILTER (severity = 'critical') AS critical, "
        "count(*) FILTER (severity = 'major') AS major FROM marts.findings "
        "WHERE status = 'not_met' AND NOT waived GROUP BY ALL")}  # fmt: skip
    return [
        {"clinic_id": clinic_id, "verdict": verdict(mine[clinic_id]),
         "sessions": sessions_rate(counts[clinic_id]),
         "critical": open_.get(clinic_id, {}).get("critical", 0),
         "major": open_.get(clinic_id, {}).get("major", 0)}
        for clinic_id in clinics
    ]  # fmt: skip


def month_rows(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """The network's sessions by local month, oldest first."""
    counts: dict[date, dict[str, int]] = defaultdict(dict)
    for row in rows(db, "SELECT date_trunc('month', local_date)::DATE AS month, status, "
                    "sum(sessions)::BIGINT AS sessions FROM session_days GROUP BY ALL "
                    "ORDER BY month"):  # fmt: skip
        counts[row["month"]][row["status"]] = row["sessions"]
    return [
        {"month": month, "judged": sum(mine.values()), "sessions": sessions_rate(mine)}
        for month, mine in counts.items()
    ]


def rule_rows(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """Each rule in the whole network and of all time, with its `rate` and `completeness`."""
    found = counted_rules(db, _RULE)
    for rule in found:
        rule["rate"], rule["completeness"] = rule_rate(rule), completeness(rule)
    return found


def worst_first(rules: Iterable[Row]) -> list[Row]:
    """Critical rules first, those most often missed before the others."""
    return sorted(
        rules,
        key=lambda row: (_SEVERITIES.index(row["severity"]), -row["not_met"], row["rule_id"]),
    )
