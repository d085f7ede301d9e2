"""Rates as the report shows them: what of what, with its interval, what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from flows.intervals import wilson
from flows.reports.queries import Row, rows

if TYPE_CHECKING:
    import duckdb

# A session counts once, under all protocols that govern it, by the worst of its statuses.
_SESSIONS = """
SELECT clinic_id, subject_id, min(local_date) AS local_date,
    CASE WHEN bool_or(status = 'non_compliant') THEN 'non_compliant'
         WHEN bool_or(status = 'pending') THEN 'pending'
         WHEN bool_or(status = 'incomplete') THEN 'incomplete'
         ELSE 'compliant' END AS status
FROM marts.subject_adherence WHERE subject_kind = 'session' GROUP BY ALL
"""
# Why a verdict is no part of a rule's rate, by the column that counts it.
LEFT_OUT = {"pending": "pending", "not_evaluable": "not evaluable", "excluded": "not applicable"}
_COUNTS = "sum(met)::BIGINT AS met, sum(not_met)::BIGINT AS not_met, " \
    "sum(waived)::BIGINT AS waived, sum(not_evaluable)::BIGINT AS not_evaluable, " \
    "sum(pending)::BIGINT AS pending, sum(excluded)::BIGINT AS excluded"  # fmt: skip


def rate(hits: int, trials: int, left_out: Mapping[str, int] | None = None) -> Row:
    """`share` of hits with its 95 % Wilson interval (None without trials), and `left_out`: reasons
    with how many, nought not told."""
    low, high = wilson(hits, trials) if trials else (None, None)
    told = [(reason, count) for reason, count in (left_out or {}).items() if count]
    share = hits / trials if trials else None
    return {"hits": hits, "trials": trials, "share": share, "low": low, "high": high,
            "left_out": told}  # fmt: skip


def rule_rate(counts: Mapping[str, Any]) -> Row:
    """The rate of a rule's counted verdicts."""
    left_out = {words: counts[name] for name, words in LEFT_OUT.items()}
    return rate(counts["met"], counts["met"] + counts["not_met"], left_out)


def completeness(counts: Mapping[str, Any]) -> Row:
    """Of the verdicts that something decides, how many could be decided from what was charted."""
    decided = counts["met"] + counts["not_met"]
    return rate(decided, decided + counts["not_evaluable"])


def counted_rules(
    db: duckdb.DuckDBPyConnection, by: str, since: date | None = None, where: str = "true"
) -> list[Row]:
    """Verdicts counted over the months from `since` on, by columns of rule_monthly and of the
    rule's newest version (title, severity, tier, target, citation)."""
    months = f"month >= DATE '{since}'" if since else "true"
    return rows(
        db,
        f"SELECT {by}, {_COUNTS} FROM marts.rule_monthly m JOIN newest_rules "
        f"USING (protocol, rule_id) WHERE {months} AND ({where}) GROUP BY ALL ORDER BY ALL",
    )


def prepare(db: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary tables that every form of the report reads: `session_days` (sessions by
    clinic, local day and status, each counted once by the worst of its statuses) and `newest_rules`
    (each rule as its newest version has it)."""
    db.execute(
        "CREATE OR REPLACE TEMP TABLE session_days AS SELECT clinic_id, local_date, status, "
        f"count(*) AS sessions FROM ({_SESSIONS}) GROUP BY ALL"
    )
    db.execute(
        "CREATE OR REPLACE TEMP TABLE newest_rules AS SELECT r.* FROM marts.rules r "
        "JOIN marts.protocols p USING (protocol, protocol_version) QUALIFY row_number() OVER "
        "(PARTITION BY r.protocol, r.rule_id ORDER BY p.effective_from DESC, "
        "r.protocol_version DESC) = 1"
    )


def sessions_rate(counts: Mapping[str, int]) -> Row:
    """The rate of compliant sessions from counts by status."""
    good, bad = counts.get("compliant", 0), counts.get("non_compliant", 0)
    left = {"pending": counts.get("pending", 0), "incomplete": counts.get("incomplete", 0)}
    return rate(good, good + bad, left)
