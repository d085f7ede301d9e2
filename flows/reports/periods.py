"""What charts over time are drawn of: whole weeks or months, counted for every clinic, protocol or
rule in one query."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal

from flows.reports.queries import Row, grouped, rows

if TYPE_CHECKING:
    import duckdb

# Weeks show a change soonest; with a longer history, or few in a week, months are clearer.
_WEEKS, MOST_PERIODS, _LEAST_TRIALS = 104, 52, 10
Period = Literal["week", "month"]
# Sessions decided and, of those, compliant: of the temporary table `session_days`.
SESSION_COUNTS = (
    "coalesce(sum(sessions) FILTER (status = 'compliant'), 0)::BIGINT AS hits, "
    "coalesce(sum(sessions) FILTER (status IN ('compliant', 'non_compliant')), 0)::BIGINT "
    "AS trials FROM session_days"
)


def whole(period: str, column: str) -> str:
    """Whether a day's period was over at this run: one that goes on has verdicts to come, and those
    that come late are the misses."""
    ended = f"(SELECT date_trunc('{period}', as_of)::DATE FROM ops.runs ORDER BY seq DESC LIMIT 1)"
    return f"{column} < {ended}"


def period_of(db: duckdb.DuckDBPyConnection) -> Period:
    """What a point is at best: a week, with up to two years of sessions; else a month."""
    (span,) = rows(db, "SELECT min(local_date) AS first, max(local_date) AS last FROM session_days")
    if span["first"] is None:
        return "week"
    return "week" if (span["last"] - span["first"]).days <= 7 * _WEEKS else "month"


def periods(
    db: duckdb.DuckDBPyConnection, counts: str, period: Period
) -> defaultdict[tuple[Any, ...], list[Row]]:
    """The latest whole periods with something decided, oldest first, by key. `counts` selects key,
    hits and trials from a table with a local_date."""
    found = rows(
        db,
        f"SELECT date_trunc('{period}', local_date)::DATE AS period, {counts} "
        f"WHERE {whole(period, 'local_date')} GROUP BY period, key HAVING trials > 0 "
        f"QUALIFY row_number() OVER (PARTITION BY key ORDER BY period DESC) <= {MOST_PERIODS} "
        "ORDER BY key, period",
    )
    return grouped(found, "key")


def full_enough(db: duckdb.DuckDBPyConnection, counts: str) -> dict[str, tuple[list[Row], Period]]:
    """The same, each key with what its points are: months where its weeks hold too little."""
    best = period_of(db)
    found = {key: (mine, best) for (key,), mine in periods(db, counts, best).items()}
    if best == "month":
        return found
    for (key,), mine in periods(db, counts, "month").items():
        weeks = found[key][0] if key in found else []
        if sum(row["trials"] for row in weeks) < _LEAST_TRIALS * len(weeks):
            found[key] = (mine, "month")
    return found


def rule_months(db: duckdb.DuckDBPyConnection) -> defaultdict[tuple[Any, ...], list[Row]]:
    """The months of every rule, by protocol and rule, oldest first."""
    found = rows(
        db,
        "SELECT protocol, rule_id, month AS period, sum(met)::BIGINT AS hits, "
        "sum(met + not_met)::BIGINT AS trials, "
        "max_by(protocol_version, met + not_met) AS version FROM marts.rule_monthly "
        f"WHERE {whole('month', 'month')} GROUP BY 1, 2, 3 HAVING trials > 0 ORDER BY 1, 2, 3",
    )
    return grouped(found, "protocol", "rule_id")
