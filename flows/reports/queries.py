"""What the report shows, read from the published tables alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flows.intervals import wilson

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
MOST_FINDINGS = 150

# A session counts once, under all protocols that govern it, by the worst of its statuses.
SESSIONS = """
SELECT clinic_id, subject_id, min(local_date) AS local_date,
    CASE WHEN bool_or(status = 'non_compliant') THEN 'non_compliant'
         WHEN bool_or(status = 'pending') THEN 'pending'
         WHEN bool_or(status = 'incomplete') THEN 'incomplete'
         ELSE 'compliant' END AS status
FROM marts.subject_adherence WHERE subject_kind = 'session' GROUP BY ALL
"""


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
    """The network in a few numbers."""
    (sessions,) = rows(
        db,
        f"WITH s AS ({SESSIONS}) SELECT count(*) AS judged, "
        "count(*) FILTER (status = 'compliant') AS compliant, "
        "count(*) FILTER (status = 'non_compliant') AS non_compliant, "
        "count(*) FILTER (status = 'incomplete') AS incomplete, "
        "count(*) FILTER (status = 'pending') AS pending, "
        "min(local_date) AS first_day, max(local_date) AS last_day FROM s",
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


def by_clinic(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """Each clinic's sessions by status, its findings and its last delivery; worst first."""
    found = rows(
        db,
        f"WITH s AS ({SESSIONS}), counted AS (SELECT clinic_id, count(*) AS judged, "
        "count(*) FILTER (status = 'compliant') AS compliant, "
        "count(*) FILTER (status = 'non_compliant') AS non_compliant, "
        "count(*) FILTER (status = 'incomplete') AS incomplete, "
        "count(*) FILTER (status = 'pending') AS pending FROM s GROUP BY ALL), "
        "f AS (SELECT clinic_id, count(*) FILTER (severity = 'critical') AS critical, "
        "count(*) FILTER (severity = 'major') AS major FROM marts.findings "
        "WHERE status = 'not_met' AND NOT waived GROUP BY ALL), "
        "b AS (SELECT clinic_id, max(coalesce(extract_at::DATE, name_day)) AS delivered "
        "FROM ops.batches WHERE state IN ('accepted', 'partial') GROUP BY ALL) "
        "SELECT c.clinic_id, c.name, coalesce(judged, 0) AS judged, "
        "coalesce(compliant, 0) AS compliant, coalesce(non_compliant, 0) AS non_compliant, "
        "coalesce(incomplete, 0) AS incomplete, coalesce(pending, 0) AS pending, "
        "coalesce(critical, 0) AS critical, coalesce(major, 0) AS major, delivered "
        "FROM marts.clinics c LEFT JOIN counted USING (clinic_id) LEFT JOIN f USING (clinic_id) "
        "LEFT JOIN b USING (clinic_id)",
    )
    shared = [with_share(row) for row in found]
    return sorted(
        shared, key=lambda row: (row["share"] is None, row["share"] or 0.0, row["clinic_id"])
    )


def by_month(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """The network's sessions by local month."""
    found = rows(
        db,
        f"WITH s AS ({SESSIONS}) SELECT date_trunc('month', local_date)::DATE AS month, "
        "count(*) AS judged, count(*) FILTER (status = 'compliant') AS compliant, "
        "count(*) FILTER (status = 'non_compliant') AS non_compliant FROM s "
        "GROUP BY ALL ORDER BY month",
    )
    return [with_share(row) for row in found]


def by_rule(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """Each rule's rate in the network and, as `clinics`, in each clinic; worst first."""
    found = rows(
        db,
        "SELECT r.protocol, r.protocol_version, r.rule_id, r.title, r.severity, r.tier, r.target, "
        "r.citation, m.clinic_id, sum(m.met)::BIGINT AS compliant, "
        "sum(m.not_met)::BIGINT AS non_compliant, sum(m.not_evaluable)::BIGINT AS not_evaluable, "
        "sum(m.pending)::BIGINT AS pending, sum(m.waived)::BIGINT AS waived "
        "FROM marts.rules r JOIN marts.rule_monthly m "
        "USING (protocol, protocol_version, rule_id) GROUP BY ALL ORDER BY ALL",
    )
    rules: dict[tuple[str, str, str], Row] = {}
    counts = ("compliant", "non_compliant", "not_evaluable", "pending", "waived")
    for row in found:
        key = (row["protocol"], row["protocol_version"], row["rule_id"])
        rule = rules.setdefault(key, {**row, "clinics": {}} | dict.fromkeys(counts, 0))
        rule["clinics"][row["clinic_id"]] = with_share(row)
        for name in counts:
            rule[name] += row[name]
    order = {"critical": 0, "major": 1, "minor": 2}
    return sorted(
        (with_share(rule) for rule in rules.values()),
        key=lambda rule: (order[rule["severity"]], rule["share"] is None, rule["share"] or 0.0,
                          rule["rule_id"]),
    )  # fmt: skip


def findings(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """What was not met, critical first, newest first; at most MOST_FINDINGS."""
    return rows(
        db,
        "SELECT f.finding_id, f.clinic_id, c.name, f.subject_kind, f.subject_id, f.patient_id, "
        "r.title, f.severity, f.tier, f.reason, f.waived, "
        "strftime(timezone(c.time_zone, f.started_at), '%Y-%m-%d %H:%M') AS started, "
        "f.first_found_run = f.run_id AND "
        "(SELECT count(*) FROM ops.runs WHERE state = 'published') > 1 AS is_new "
        "FROM marts.findings f JOIN marts.clinics c USING (clinic_id) "
        "JOIN marts.rules r USING (protocol, protocol_version, rule_id) "
        "WHERE f.status = 'not_met' ORDER BY CASE f.severity WHEN 'critical' THEN 0 "
        "WHEN 'major' THEN 1 ELSE 2 END, f.waived, f.started_at DESC, f.finding_id "
        f"LIMIT {MOST_FINDINGS}",
    )


def not_judged(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """What could not be judged, by clinic, rule and reason."""
    return rows(
        db,
        "SELECT c.name, r.title, f.severity, f.reason, count(*) AS subjects FROM marts.findings f "
        "JOIN marts.clinics c USING (clinic_id) "
        "JOIN marts.rules r USING (protocol, protocol_version, rule_id) "
        "WHERE f.status = 'not_evaluable' GROUP BY ALL "
        "ORDER BY subjects DESC, c.name, r.title, f.reason LIMIT 60",
    )


def deliveries(db: duckdb.DuckDBPyConnection) -> Row:
    """What came in: batches by state, blocked files, reasons of quarantine, checks that failed."""
    return {
        "states": rows(
            db, "SELECT state, count(*) AS files, coalesce(sum(rows), 0)::BIGINT AS rows, "
            "coalesce(sum(loaded), 0)::BIGINT AS loaded, "
            "coalesce(sum(unchanged), 0)::BIGINT AS unchanged, "
            "coalesce(sum(quarantined), 0)::BIGINT AS quarantined "
            "FROM ops.batches GROUP BY ALL ORDER BY state",
        ),
        "blocked": rows(
            db,
            "SELECT path, reason FROM ops.batches WHERE state = 'blocked' ORDER BY path LIMIT 50",
        ),
        "reasons": rows(
            db, "SELECT clinic_id, feed, reason, count(*) AS rows FROM (SELECT clinic_id, feed, "
            "unnest(reasons) AS reason FROM ops.quarantine WHERE released_run IS NULL) "
            "GROUP BY ALL ORDER BY rows DESC, clinic_id, feed, reason LIMIT 50",
        ),
        "notes": rows(db, "SELECT note FROM ops.notes ORDER BY note LIMIT 50"),
        "foreign": rows(
            db,
            "SELECT system, table_name, file_name, rows, used, quarantined, "
            "coalesce(list_sum(map_values(skipped)), 0)::BIGINT AS skipped "
            "FROM ops.foreign_rows ORDER BY ALL",
        ),
        "checks": rows(
            db, "SELECT feed, expectation_id, severity, unexpected, evaluated "
            "FROM ops.check_results WHERE NOT success "
            "ORDER BY unexpected DESC, feed, expectation_id LIMIT 50",
        ),
    }  # fmt: skip


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
