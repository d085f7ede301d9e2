"""Facts to marts: verdicts by the protocols, findings, adherence; what need not be judged stays.

What a run changes of an earlier one's verdicts is kept by `flows.changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from flows.changes import FINDING_ID, note_changes, set_aside
from flows.costs import update_costs
from flows.days import Days
from flows.frames import buckets, feeds_of, fetched
from flows.judged_buckets import JudgedBucket, judged_buckets
from flows.metrics.adherence import COUNTS, KEYS, rule_monthly
from flows.operations import update_operations
from flows.outcomes import update_outcomes
from flows.reach import STALE_SUBJECTS
from flows.risk import update_risk
from flows.runs import Run
from flows.scope import STALE_PATIENTS, Scope, find_scope, forget_scope, remember_scope
from flows.settings import Settings
from flows.shares import shares
from flows.touched import find_what_is_touched, forget_touched
from flows.warehouse import Warehouse, table_definitions
from protocols.evaluate import rule_table
from protocols.extending import nearest
from protocols.kinds import kinds
from protocols.model import Protocol

# Verdicts of this run by bucket, clinic, rule and local month: in the database, which spills.
_JUDGED_COUNTS = (
    "CREATE OR REPLACE TEMP TABLE judged_counts (clinic_id VARCHAR, rule_no USMALLINT, month DATE, "
    f"{', '.join(f'{name} BIGINT' for name in COUNTS)})"
)

# The same of verdicts that are taken out, to be subtracted.
_TAKEN_OFF = ", ".join(
    f"-count(*) FILTER (v.status = '{name}') AS {name}" for name in COUNTS if name != "waived"
)
_BEFORE = (
    "SELECT s.clinic_id, v.rule_no, date_trunc('month', s.local_date)::DATE AS month, "
    f"{_TAKEN_OFF}, -count(*) FILTER (v.status = 'not_met' AND waived) AS waived "
    "FROM marts.verdicts_before v JOIN marts.subjects_before s USING (subject_no) "
    "WHERE EXISTS (FROM marts.rule_monthly) GROUP BY ALL"
)


@dataclass(frozen=True)
class JudgingSummary:
    """Subjects judged anew and left as they were; findings by status; not_met ones that nobody
    waived by severity; what a person should look at."""

    judged: int
    skipped: int
    findings: Mapping[str, int]
    breaches: Mapping[str, int]
    notes: tuple[str, ...] = ()


def judge_network(
    warehouse: Warehouse,
    protocols: tuple[Protocol, ...],
    run: Run,
    settings: Settings,
    progress: Callable[[int, int], None],
    *,
    full: bool = False,
    days: Days | None = None,
) -> JudgingSummary:
    """Judge what `flows.scope` says (the rows of `days` in any case), or everything when `full`,
    and replace it in the marts, in one transaction.

    A finding that the marts held before keeps the run that first found it.
    """
    judged = 0
    with warehouse.transaction():
        waived = waivers_in_force(warehouse, run)
        scope = find_scope(warehouse, protocols, run, settings, waived, full=full, days=days)
        touched = find_what_is_touched(warehouse, scope, run)
        first = _make_room(warehouse, protocols, scope)
        among = None if scope.everything else STALE_PATIENTS
        only = None if scope.everything else fetched(warehouse, f"FROM {STALE_SUBJECTS}")
        warehouse.db.execute(_JUDGED_COUNTS)
        number = len(shares(warehouse, among))
        parts = buckets(warehouse, protocols, settings, run.as_of, among)
        for at, bucket in enumerate(judged_buckets(parts, protocols, only, waived)):
            progress(at, number)
            _insert(warehouse, bucket, run, first + judged)
            judged += len(bucket.subjects)
        _update_monthly(warehouse)
        _count_coverage(warehouse)
        update_outcomes(warehouse, protocols, run, touched)
        update_costs(warehouse, protocols, run, settings, touched)
        update_operations(warehouse, run, settings, touched)
        update_risk(warehouse, run, settings, touched)
        _note_partitions(warehouse, run, first)
        warehouse.db.execute("DROP TABLE earlier")
        note_changes(warehouse, protocols, run, first, touched=scope.touched)
        summary = _summary(warehouse, judged)
        counted = (summary.judged, summary.skipped)
        remember_scope(warehouse, protocols, run, settings, waived, counted)
        forget_scope(warehouse)
        forget_touched(warehouse)
    return replace(summary, notes=unknown_clinics(warehouse, protocols))


def unknown_clinics(warehouse: Warehouse, protocols: Sequence[Protocol]) -> tuple[str, ...]:
    """A sentence for each clinic that a protocol's scope names and nobody has delivered."""
    rows = warehouse.db.execute("SELECT clinic_id FROM facts.clinics ORDER BY 1").fetchall()
    known = [row[0] for row in rows]
    return tuple(
        f"{protocol.key}: its `clinics` name {clinic}, which is no clinic here"
        f"{nearest(clinic, known)}"
        for protocol in protocols
        for clinic in protocol.clinics or ()
        if clinic not in known
    )


def _make_room(warehouse: Warehouse, protocols: tuple[Protocol, ...], scope: Scope) -> int:
    """Set aside and take out what is judged again; gives the first free subject number.

    `earlier` remembers which run first found a finding. Where everything is judged, the marts are
    made anew as their definitions say now.
    """
    db = warehouse.db
    again = (
        ""
        if scope.everything
        else (f"SEMI JOIN {STALE_SUBJECTS} USING (clinic_id, subject_kind, subject_id)")
    )
    db.execute(
        "CREATE OR REPLACE TEMP TABLE earlier AS "
        f"SELECT finding_id, first_found_run FROM marts.findings {again}"
    )
    set_aside(warehouse, None if scope.everything else STALE_SUBJECTS)
    if scope.everything:
        for table, definition in table_definitions("marts").items():
            db.execute(f"DROP TABLE IF EXISTS marts.{table}")
            db.execute(definition)
        _describe(warehouse, protocols)
        return 0
    row = db.execute("SELECT coalesce(max(subject_no) + 1, 0) FROM marts.subjects").fetchone()
    assert row is not None
    gone = "subject_no IN (SELECT subject_no FROM marts.subjects_before)"
    db.execute(f"DELETE FROM marts.verdicts WHERE {gone}")
    for table in ("subjects", "findings"):
        db.execute(
            f"DELETE FROM marts.{table} WHERE (clinic_id, subject_kind, subject_id) IN "
            f"(FROM {STALE_SUBJECTS})"
        )
    db.execute(
        f"DELETE FROM marts.governance WHERE (clinic_id, patient_id) IN (FROM {STALE_PATIENTS})"
    )
    return int(row[0])


def _describe(warehouse: Warehouse, protocols: tuple[Protocol, ...]) -> None:
    feeds = [feeds_of(protocol, rule) for protocol in protocols for rule in protocol.rules]
    described = pl.DataFrame(
        [
            {
                "protocol": p.protocol, "protocol_version": p.version, "title": p.title,
                "judges": p.judges, "drug": p.drug, "effective_from": p.effective.from_,
                "effective_to": p.effective.to, "approved_by": p.approved_by, "sha256": p.sha256,
                "text": p.text,
            }
            for p in protocols
        ],
        schema={
            "protocol": pl.String, "protocol_version": pl.String, "title": pl.String,
            "judges": pl.String, "drug": pl.String,
            "effective_from": pl.Date, "effective_to": pl.Date,
            "approved_by": pl.String, "sha256": pl.String, "text": pl.String,
        },
    )  # fmt: skip
    asks = [kinds()[rule.kind].asks(rule).sentence for p in protocols for rule in p.rules]
    rules = rule_table(protocols).with_columns(
        asks=pl.Series(asks, dtype=pl.String),
        feeds=pl.Series(feeds, dtype=pl.List(pl.String), strict=False),
    )
    _append(warehouse, "marts.rules", rules)
    _append(warehouse, "marts.protocols", described)


def waivers_in_force(warehouse: Warehouse, run: Run) -> pl.DataFrame:
    """clinic_id, subject_id, rule_id of waivers that hold on as_of's local day."""
    today = "timezone(c.time_zone, $as_of::TIMESTAMPTZ)::DATE"
    return fetched(
        warehouse,
        "SELECT DISTINCT c.clinic_id, w.subject_id, w.rule_id, true AS waived FROM facts.waivers w "
        "JOIN facts.clinics c ON c.clinic_id = w.clinic_id OR w.clinic_id IS NULL "
        f"WHERE {today} >= w.approved_on AND (w.expires_on IS NULL OR {today} <= w.expires_on)",
        as_of=run.as_of,
    )


def _insert(warehouse: Warehouse, judged: JudgedBucket, run: Run, first: int) -> None:
    """The rows of a bucket whose subjects are numbered from `first` on."""
    number = (pl.col("subject_no") + first).cast(pl.UInt32)
    found = judged.findings.with_columns(run_id=pl.lit(run.run_id))
    _append(warehouse, "marts.subjects", judged.subjects.with_columns(number))
    _append(warehouse, "marts.verdicts", judged.verdicts.with_columns(number))
    _append(warehouse, "marts.governance", judged.governance)
    _append(warehouse, "judged_counts", judged.counts)
    _append(
        warehouse,
        "marts.findings",
        found,
        "SELECT f.*, coalesce(e.first_found_run, f.run_id) AS first_found_run FROM "
        f"(SELECT {FINDING_ID} AS finding_id, * FROM frame) f "
        "LEFT JOIN earlier e USING (finding_id)",
    )


def _update_monthly(warehouse: Warehouse) -> None:
    """Add the counts of `judged_counts` to the months they touch, and take the old verdicts' off;
    a clinic's rates at a time, so that memory does not grow with the network.

    Rules keep their numbers from one run to the next unless everything is judged.
    """
    db = warehouse.db
    keys = ", ".join(KEYS)
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in COUNTS)
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE monthly_changes AS SELECT {keys}, {sums} "
        f"FROM (FROM judged_counts UNION ALL BY NAME {_BEFORE}) GROUP BY ALL"
    )
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE monthly_counts AS SELECT {keys}, {sums} FROM ("
        f"FROM monthly_changes UNION ALL BY NAME SELECT {keys}, {', '.join(COUNTS)} "
        "FROM marts.rule_monthly JOIN marts.rules USING (protocol, protocol_version, rule_id) "
        f"SEMI JOIN monthly_changes USING ({keys})) GROUP BY ALL"
    )
    db.execute(
        "DELETE FROM marts.rule_monthly m WHERE EXISTS (SELECT 1 FROM monthly_changes c "
        "JOIN marts.rules r USING (rule_no) WHERE c.clinic_id = m.clinic_id "
        "AND c.month = m.month AND r.protocol = m.protocol "
        "AND r.protocol_version = m.protocol_version AND r.rule_id = m.rule_id)"
    )
    clinics = db.execute("SELECT DISTINCT clinic_id FROM monthly_counts ORDER BY 1").fetchall()
    for (clinic_id,) in clinics:
        counts = fetched(
            warehouse, "FROM monthly_counts WHERE clinic_id = $clinic_id", clinic_id=clinic_id
        )
        _append(
            warehouse,
            "marts.rule_monthly",
            rule_monthly(counts.filter(pl.sum_horizontal(COUNTS) > 0)),
            "SELECT frame.* EXCLUDE (rule_no), r.protocol, r.protocol_version, r.rule_id "
            "FROM frame JOIN marts.rules r USING (rule_no)",
        )
    for table in ("judged_counts", "monthly_changes", "monthly_counts"):
        db.execute(f"DROP TABLE {table}")


def _count_coverage(warehouse: Warehouse) -> None:
    db = warehouse.db
    db.execute("DELETE FROM marts.coverage")
    db.execute(
        "INSERT INTO marts.coverage BY NAME SELECT clinic_id, program, month, "
        "count(*) FILTER (judged) AS judged, count(*) FILTER (not_dosed) AS not_dosed, "
        "count(*) FILTER (uncovered) AS uncovered FROM marts.governance GROUP BY ALL ORDER BY ALL"
    )


def _note_partitions(warehouse: Warehouse, run: Run, first: int) -> None:
    """Which clinics' months this run judged anew, or took the last subject from."""
    db = warehouse.db
    month = "strftime(local_date, '%Y-%m') AS month"
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE months AS SELECT clinic_id, {month} "
        f"FROM marts.subjects_before UNION SELECT clinic_id, {month} FROM marts.subjects "
        f"WHERE subject_no >= {first}"
    )
    db.execute(
        "DELETE FROM ops.partitions WHERE (clinic_id, month) IN (FROM months)"
        + (" OR true" if first == 0 else "")
    )
    db.execute(
        f"INSERT INTO ops.partitions SELECT clinic_id, month, {run.seq} FROM months "
        f"WHERE (clinic_id, month) IN (SELECT clinic_id, {month} FROM marts.subjects) ORDER BY ALL"
    )
    db.execute("DROP TABLE months")


def _append(
    warehouse: Warehouse, table: str, frame: pl.DataFrame, select: str = "SELECT * FROM frame"
) -> None:
    """Insert a frame by column name; enums as text.

    DuckDB finds `frame` by the name it has here: one that is registered within a transaction stays
    in memory until the transaction ends.
    """
    frame = frame.with_columns(pl.col(pl.Enum).cast(pl.String))
    warehouse.db.execute(f"INSERT INTO {table} BY NAME {select}")


def _summary(warehouse: Warehouse, judged: int) -> JudgingSummary:
    db = warehouse.db
    by_status = db.execute(
        "SELECT status, count(*) FROM marts.findings GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    by_severity = db.execute(
        "SELECT severity, count(*) FROM marts.findings WHERE status = 'not_met' AND NOT waived "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    row = db.execute("SELECT count(*) FROM marts.subjects").fetchone()
    assert row is not None
    return JudgingSummary(judged, int(row[0]) - judged, dict(by_status), dict(by_severity))
