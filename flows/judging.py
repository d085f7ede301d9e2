"""Facts to marts: verdicts by the protocols, findings, adherence; replaced as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from flows.frames import buckets, number_of_buckets
from flows.metrics.adherence import monthly_counts, rule_monthly
from flows.runs import Run
from flows.settings import Settings
from flows.warehouse import Warehouse
from protocols.evaluate import Judgement, judge, rule_table, subject_statuses
from protocols.model import Protocol

_SEPARATOR = "chr(31)"
_TABLES = ("subjects", "verdicts", "rules", "protocols", "findings", "coverage", "rule_monthly")


@dataclass(frozen=True)
class JudgingSummary:
    """Subjects judged anew and left as they were; findings by status; not_met ones that nobody
    waived by severity."""

    judged: int
    skipped: int
    findings: Mapping[str, int]
    breaches: Mapping[str, int]


def judge_network(
    warehouse: Warehouse,
    protocols: tuple[Protocol, ...],
    run: Run,
    settings: Settings,
    progress: Callable[[int, int], None],
) -> JudgingSummary:
    """Judge everything in the warehouse and replace the marts, in one transaction."""
    db = warehouse.db
    with warehouse.transaction():
        db.execute(
            "CREATE OR REPLACE TEMP TABLE earlier AS "
            "SELECT finding_id, first_found_run FROM marts.findings"
        )
        for table in _TABLES:
            db.execute(f"DELETE FROM marts.{table}")
        _describe(warehouse, protocols)
        waived = _waivers(warehouse, run)
        counts, coverage, offset = [], [], 0
        number = number_of_buckets(warehouse)
        for at, facts in enumerate(buckets(warehouse, protocols, settings, run.as_of)):
            progress(at, number)
            judgement = _numbered(judge(protocols, facts), offset)
            offset += len(judgement.subjects)
            verdicts = _with_waivers(judgement, waived)
            counts.append(monthly_counts(verdicts, judgement.subjects))
            coverage.append(judgement.coverage)
            _insert(warehouse, judgement, verdicts, run)
        _insert_monthly(warehouse, counts)
        _insert_coverage(warehouse, coverage)
        db.execute("DROP TABLE earlier")
    return _summary(warehouse, offset)


def _describe(warehouse: Warehouse, protocols: tuple[Protocol, ...]) -> None:
    rules = rule_table(protocols)
    warehouse.db.register("rules_frame", rules.to_arrow())
    warehouse.db.execute("INSERT INTO marts.rules BY NAME SELECT * FROM rules_frame")
    warehouse.db.unregister("rules_frame")
    for protocol in protocols:
        warehouse.db.execute(
            "INSERT INTO marts.protocols VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [protocol.protocol, protocol.version, protocol.title, protocol.judges, protocol.drug,
             protocol.effective.from_, protocol.effective.to, protocol.approved_by,
             protocol.sha256],
        )  # fmt: skip


def _waivers(warehouse: Warehouse, run: Run) -> pl.DataFrame:
    """clinic_id, subject_id, rule_id of waivers that hold on as_of's local day."""
    return warehouse.db.sql(
        "SELECT DISTINCT c.clinic_id, w.subject_id, w.rule_id, true AS waived FROM facts.waivers w "
        "JOIN facts.clinics c ON c.clinic_id = w.clinic_id OR w.clinic_id IS NULL "
        "WHERE timezone(c.time_zone, $as_of::TIMESTAMPTZ)::DATE >= w.approved_on AND "
        "(w.expires_on IS NULL OR timezone(c.time_zone, $as_of::TIMESTAMPTZ)::DATE <= w.expires_on)",
        params={"as_of": run.as_of},
    ).pl()


def _numbered(judgement: Judgement, offset: int) -> Judgement:
    """Subject numbers that go on where the last bucket ended."""
    moved = (pl.col("subject_no") + offset).cast(pl.UInt32)
    return Judgement(
        judgement.subjects.with_columns(moved),
        judgement.verdicts.with_columns(moved),
        judgement.words.with_columns(moved),
        judgement.rules,
        judgement.coverage,
    )


def _with_waivers(judgement: Judgement, waived: pl.DataFrame) -> pl.DataFrame:
    verdicts = judgement.verdicts
    if waived.is_empty():
        return verdicts.with_columns(waived=pl.lit(value=False))
    marked = (
        waived.join(judgement.subjects, on=["clinic_id", "subject_id"])
        .join(judgement.rules, on=["rule_id", "protocol", "protocol_version"])
        .select("subject_no", "rule_no", "waived")
    )
    return verdicts.join(marked, on=["subject_no", "rule_no"], how="left").with_columns(
        pl.col("waived").fill_null(value=False)
    )


def _insert(warehouse: Warehouse, judgement: Judgement, verdicts: pl.DataFrame, run: Run) -> None:
    db = warehouse.db
    subjects = judgement.subjects.join(subject_statuses(judgement), on="subject_no").with_columns(
        pl.col("status").cast(pl.String)
    )
    frames = {
        "subjects_frame": subjects,
        "verdicts_frame": verdicts.with_columns(pl.col("status").cast(pl.String)),
        "words_frame": judgement.words,
    }
    for name, frame in frames.items():
        db.register(name, frame.to_arrow())
    db.execute("INSERT INTO marts.subjects BY NAME SELECT * FROM subjects_frame")
    db.execute("INSERT INTO marts.verdicts BY NAME SELECT * FROM verdicts_frame")
    identity = (
        f"concat_ws({_SEPARATOR}, s.clinic_id, s.subject_kind, s.subject_id, s.protocol, r.rule_id)"
    )
    db.execute(
        "INSERT INTO marts.findings BY NAME SELECT f.*, coalesce(e.first_found_run, $run_id) "
        f"AS first_found_run FROM (SELECT substr(sha256({identity}), 1, 20) AS finding_id, "
        "s.clinic_id, s.subject_kind, s.subject_id, s.session_id, s.patient_id, s.protocol, "
        "s.protocol_version, r.rule_id, r.severity, r.tier, v.status, v.observed, w.reason, "
        "s.started_at, w.due_at, v.waived, $run_id AS run_id FROM words_frame w "
        "JOIN subjects_frame s USING (subject_no) JOIN marts.rules r USING (rule_no) "
        "JOIN verdicts_frame v USING (subject_no, rule_no)) f LEFT JOIN earlier e USING (finding_id)",
        {"run_id": run.run_id},
    )
    for name in frames:
        db.unregister(name)


def _insert_monthly(warehouse: Warehouse, counts: list[pl.DataFrame]) -> None:
    monthly = rule_monthly(pl.concat(counts))
    warehouse.db.register("monthly_frame", monthly.to_arrow())
    warehouse.db.execute(
        "INSERT INTO marts.rule_monthly BY NAME SELECT m.* EXCLUDE (rule_no), r.protocol, "
        "r.protocol_version, r.rule_id FROM monthly_frame m JOIN marts.rules r USING (rule_no)"
    )
    warehouse.db.unregister("monthly_frame")


def _insert_coverage(warehouse: Warehouse, coverage: list[pl.DataFrame]) -> None:
    whole = (
        pl.concat(coverage)
        .group_by("clinic_id", "program", "month")
        .agg(pl.col("judged", "not_dosed", "uncovered").sum())
    )
    warehouse.db.register("coverage_frame", whole.to_arrow())
    warehouse.db.execute("INSERT INTO marts.coverage BY NAME SELECT * FROM coverage_frame")
    warehouse.db.unregister("coverage_frame")


def _summary(warehouse: Warehouse, judged: int) -> JudgingSummary:
    db = warehouse.db
    by_status = db.execute(
        "SELECT status, count(*) FROM marts.findings GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    by_severity = db.execute(
        "SELECT severity, count(*) FROM marts.findings WHERE status = 'not_met' AND NOT waived "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return JudgingSummary(judged, 0, dict(by_status), dict(by_severity))
