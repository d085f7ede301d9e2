"""What changed since the night before, and since the month before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.queries import Row, rows
from flows.reports.rates import rate

if TYPE_CHECKING:
    import duckdb

BIGGEST = 5
LATEST = "SELECT run_id FROM ops.runs ORDER BY seq DESC LIMIT 1"


def last_night(db: duckdb.DuckDBPyConnection) -> Row | None:
    """Against the run before: new misses, misses that are none any more, and where most of the new
    ones are. None in a first run, which has nothing to be compared with."""
    runs = rows(
        db, "SELECT run_id, as_of FROM ops.runs WHERE state = 'published' ORDER BY seq DESC LIMIT 2"
    )
    if len(runs) < 2:
        return None
    new = (
        "FROM marts.findings f JOIN newest_rules r USING (protocol, rule_id) "
        f"WHERE f.status = 'not_met' AND f.first_found_run = ({LATEST}) AND NOT f.waived"
    )
    changed = f"FROM ops.verdict_changes WHERE run_id = ({LATEST})"
    (counts,) = rows(
        db,
        f"SELECT (SELECT count(*) {new}) AS opened, "
        f"(SELECT count(*) {new} AND f.severity = 'critical') AS critical, "
        f"(SELECT count(*) {changed} AND status_before = 'not_met' "
        "AND coalesce(status_after, '') <> 'not_met') AS closed, "
        f"(SELECT count(*) {changed} AND cause = 'waiver') AS waivers, "
        f"(SELECT count(*) {changed}) AS changes",
    )
    where = rows(
        db,
        f"SELECT clinic_id, protocol, rule_id, title, f.severity, count(*) AS opened {new} "
        "GROUP BY ALL ORDER BY list_position(['critical', 'major', 'minor'], "
        f"any_value(f.severity)), opened DESC, clinic_id, protocol, rule_id LIMIT {BIGGEST}",
    )
    causes = rows(
        db, f"SELECT cause, count(*) AS changes {changed} GROUP BY ALL ORDER BY changes DESC, cause"
    )
    return {"before": runs[1], "where": where, "causes": causes, **counts}


def last_month(db: duckdb.DuckDBPyConnection) -> Row | None:
    """The biggest movements of a clinic's rule from the month before to the latest, by how many
    standard deviations of chance they are; None with less than two months."""
    months = rows(
        db, "SELECT DISTINCT month FROM marts.rule_monthly WHERE met + not_met > 0 "
        "ORDER BY month DESC LIMIT 2",
    )  # fmt: skip
    if len(months) < 2:
        return None
    now, then = months[0]["month"], months[1]["month"]

    def of(month: object) -> str:
        return (
            "SELECT clinic_id, protocol, rule_id, sum(met)::BIGINT AS met, "
            "sum(met + not_met)::BIGINT AS decided FROM marts.rule_monthly "
            f"WHERE month = DATE '{month}' GROUP BY ALL HAVING decided > 0"
        )

    found = rows(
        db,
        f"WITH pairs AS (SELECT n.*, t.met AS met_then, t.decided AS decided_then, "
        "(n.met + t.met) / (n.decided + t.decided) AS pooled "
        f"FROM ({of(now)}) n JOIN ({of(then)}) t USING (clinic_id, protocol, rule_id)) "
        "SELECT p.*, r.title, r.severity, (met / decided - met_then / decided_then) "
        "/ sqrt(pooled * (1 - pooled) * (1 / decided + 1 / decided_then)) AS deviations "
        "FROM pairs p JOIN newest_rules r USING (protocol, rule_id) "
        "WHERE pooled > 0 AND pooled < 1 AND met / decided <> met_then / decided_then "
        f"ORDER BY abs(deviations) DESC, clinic_id, protocol, rule_id LIMIT {BIGGEST}",
    )
    for row in found:
        row["now"] = rate(row["met"], row["decided"])
        row["then"] = rate(row["met_then"], row["decided_then"])
    return {"now": now, "then": then, "movements": found}
