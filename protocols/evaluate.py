"""Facts to verdicts: every rule of every protocol, on every row it judges.

`judge` tells the story.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import polars as pl

from protocols.beside import beside
from protocols.counting import with_answers, with_changes, with_counts
from protocols.coverage import governance, governed
from protocols.expressions import Type
from protocols.facts import Facts
from protocols.judged import judged_rows
from protocols.kinds import NOT_EVALUABLE, NOT_MET, PENDING, STATUS, kinds
from protocols.linked import Gatherer, Part
from protocols.model import Measure, Protocol
from protocols.said import said_by
from protocols.scope import judged_columns, measure_types, named_in
from protocols.times import INSTANT
from protocols.verdicts import VERDICTS, WORDS, verdicts_of

SUBJECT_KINDS = {"sessions": "session", "dispenses": "dispense", "outcomes": "outcome"}
SUBJECT_STATUS = pl.Enum(["compliant", "minor_misses", "incomplete", "pending", "non_compliant"])


@dataclass(frozen=True)
class Judgement:
    """What was found.

    `subjects`: one row is one judged row under one protocol (`subject_no`, clinic_id,
    subject_kind, subject_id, session_id, patient_id, protocol, protocol_version, program,
    started_at, local_date; of sessions also course and course_started_at). `verdicts`: one row is
    one rule on one subject (subject_no, rule_no, status, observed). `words`: reason and due_at of
    those neither met nor excluded. `rules`: what each rule_no is. `governance`: one row is a
    session that was completed or aborted (clinic_id, session_id, patient_id, program, month,
    judged, not_dosed, uncovered).
    """

    subjects: pl.DataFrame
    verdicts: pl.DataFrame
    words: pl.DataFrame
    rules: pl.DataFrame
    governance: pl.DataFrame


def rule_table(protocols: Sequence[Protocol]) -> pl.DataFrame:
    """One row is one rule of one protocol version; its number holds for one call of `judge`."""
    rows = [
        {
            "rule_no": number, "protocol": protocol.protocol, "protocol_version": protocol.version,
            "rule_id": rule.id, "title": rule.title, "kind": rule.kind, "severity": rule.severity,
            "tier": rule.tier, "target": rule.target,
            "citation": protocol.sources[rule.source].citation if rule.source else None,
        }
        for number, (protocol, rule) in enumerate(
            (protocol, rule) for protocol in protocols for rule in protocol.rules
        )
    ]  # fmt: skip
    schema = {
        "rule_no": pl.UInt16, "protocol": pl.String, "protocol_version": pl.String,
        "rule_id": pl.String, "title": pl.String, "kind": pl.String, "severity": pl.String,
        "tier": pl.String, "target": pl.Float64, "citation": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def judge(
    protocols: Sequence[Protocol], facts: Facts, only: pl.DataFrame | None = None
) -> Judgement:
    """Judge every row of sessions, dispenses and outcomes by every protocol that governs it, or of
    those `only` (clinic_id, subject_kind, subject_id)."""
    rules = rule_table(protocols)
    numbers = _first_numbers(protocols)
    subjects: list[pl.DataFrame] = []
    verdicts: list[pl.DataFrame] = []
    words: list[pl.DataFrame] = []
    governing: list[pl.DataFrame] = []
    count = 0
    for versions, rows in judged_rows(protocols, facts):
        if versions[0].judges == "sessions" and any(v.programs is not None for v in versions):
            governing.append(governance(rows))
        everything = rows.filter(pl.col("_version").is_not_null())
        mine = _with_wanted(rows, SUBJECT_KINDS[versions[0].judges], only)
        if only is not None and not mine["_wanted"].any():
            continue
        for at, protocol in enumerate(versions):
            judged = _featured(mine, everything, at, protocol, facts)
            judged = judged.with_columns(
                subject_no=(pl.int_range(pl.len()) + count).cast(pl.UInt32)
            )
            count += len(judged)
            subjects.append(_subjects(judged, protocol))
            found, said = verdicts_of(protocol, numbers[protocol.key], judged, facts)
            verdicts += found
            words += said
    return Judgement(
        subjects=_stacked(subjects, _subject_schema()),
        verdicts=_stacked(verdicts, VERDICTS),
        words=_stacked(words, WORDS),
        rules=rules,
        governance=governed(governing, facts),
    )


def _first_numbers(protocols: Sequence[Protocol]) -> dict[str, int]:
    """The number of each protocol's first rule, as in `rule_table`."""
    counts = [len(protocol.rules) for protocol in protocols]
    ends = accumulate(counts, initial=0)
    return {protocol.key: first for protocol, first in zip(protocols, ends, strict=False)}


def subject_statuses(judgement: Judgement) -> pl.DataFrame:
    """Each subject's status, worst severity not met, and how many verdicts of each status."""
    severities = judgement.rules.select("rule_no", "severity")
    rows = judgement.verdicts.join(severities, on="rule_no")
    failed = pl.col("status") == NOT_MET
    counts = rows.group_by("subject_no").agg(
        *((pl.col("status") == name).sum().cast(pl.Int32).alias(name)
          for name in STATUS.categories),
        _critical=(failed & (pl.col("severity") == "critical")).any(),
        _major=(failed & (pl.col("severity") == "major")).any(),
        _minor=(failed & (pl.col("severity") == "minor")).any(),
    )  # fmt: skip
    critical, major, minor = pl.col("_critical"), pl.col("_major"), pl.col("_minor")
    status = (
        pl.when(critical | major).then(pl.lit("non_compliant"))
        .when(pl.col(PENDING) > 0).then(pl.lit("pending"))
        .when(pl.col(NOT_EVALUABLE) > 0).then(pl.lit("incomplete"))
        .when(minor).then(pl.lit("minor_misses"))
        .otherwise(pl.lit("compliant"))
    )  # fmt: skip
    worst = (
        pl.when(critical).then(pl.lit("critical"))
        .when(major).then(pl.lit("major"))
        .when(minor).then(pl.lit("minor"))
    )  # fmt: skip
    return counts.with_columns(status=status.cast(SUBJECT_STATUS), worst_severity=worst).drop(
        "_critical", "_major", "_minor"
    )


def _with_wanted(rows: pl.DataFrame, kind: str, only: pl.DataFrame | None) -> pl.DataFrame:
    """`_wanted`: whether a row's verdicts are asked for."""
    if only is None:
        return rows.with_columns(_wanted=pl.lit(value=True))
    mine = only.filter(pl.col("subject_kind") == kind).select(
        "clinic_id", _subject="subject_id", _wanted=pl.lit(value=True)
    )
    return beside(rows, mine.unique(), ["clinic_id", "_subject"]).with_columns(
        pl.col("_wanted").fill_null(value=False)
    )


def _featured(
    rows: pl.DataFrame, everything: pl.DataFrame, version: int, protocol: Protocol, facts: Facts
) -> pl.DataFrame:
    """The rows that a version judges, with every feature its rules need."""
    mine = (pl.col("_version") == version) & pl.col("_wanted")
    changes = any(rule.kind == "change" for rule in protocol.rules)
    judged = rows.filter(pl.col("_held") if changes else mine)
    judged = judged.with_row_index("_idx")
    judged = beside(judged, facts.cutoffs_by_clinic, ["clinic_id"])
    judged, gatherer = _measured(judged, protocol, facts)
    judged = with_changes(judged, protocol, gatherer).filter(mine)
    for rule in protocol.rules:
        for part in kinds()[rule.kind].parts(rule):
            gatherer.add(part)
    judged = gatherer.gather(judged)
    judged = with_counts(judged, everything, protocol, facts)
    return with_answers(judged, protocol, gatherer)


def _measured(
    judged: pl.DataFrame, protocol: Protocol, facts: Facts
) -> tuple[pl.DataFrame, Gatherer]:
    """The rows with the protocol's measures, and what gathers features of rows that have them.

    Measures are gathered together until one may name another of them.
    """
    types = measure_types(protocol)
    known: dict[str, Type] = {}
    waiting: dict[str, Part] = {}

    def gathered() -> Gatherer:
        nonlocal judged
        judged = gatherer.gather(judged).with_columns(
            _taken(part, protocol.measures[name], types[name]) for name, part in waiting.items()
        )
        known.update({name: types[name] for name in waiting})
        waiting.clear()
        return Gatherer(facts, protocol.judges, judged_columns(protocol.judges, known))

    gatherer = Gatherer(facts, protocol.judges, judged_columns(protocol.judges, {}))
    for name, measure in protocol.measures.items():
        if waiting.keys() & named_in(said_by(measure)):
            gatherer = gathered()
        waiting[name] = Part(f"measure {name}", measure.of, measure.by, measure.window,
                             measure.among, take=measure.take, expr=measure.expr)  # fmt: skip
        gatherer.add(waiting[name])
    if waiting:
        gatherer = gathered()
    return judged, gatherer


def _taken(part: Part, measure: Measure, kind: Type) -> pl.Expr:
    value = pl.col(f"{part.name}.n" if measure.take == "count" else f"{part.name}.value")
    value = value.cast(pl.Float64) if kind == "number" else value
    return (
        pl.when(~pl.col(f"{part.name}.unknown"))
        .then(value)
        .alias(part.name.removeprefix("measure "))
    )


def _subjects(judged: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    start = {"sessions": "started_at", "dispenses": "dispensed_at"}.get(
        protocol.judges, "administered_at"
    )
    session = pl.col("session_id") if "session_id" in judged.columns else pl.lit(None, pl.String)
    program = pl.col("program") if "program" in judged.columns else pl.lit(None, pl.String)
    course = {
        name: pl.col(name) if name in judged.columns else pl.lit(None)
        for name in ("course", "course_started_at")
    }
    return judged.select(
        "subject_no", "clinic_id",
        **course,
        subject_kind=pl.lit(SUBJECT_KINDS[protocol.judges]),
        subject_id=pl.col("_subject"),
        session_id=session,
        patient_id=pl.col("patient_id"),
        protocol=pl.lit(protocol.protocol),
        protocol_version=pl.lit(protocol.version),
        program=program,
        started_at=pl.col(start),
        local_date=pl.col("local_date"),
    ).select(list(_subject_schema()))  # fmt: skip


def _subject_schema() -> pl.Schema:
    names = ("clinic_id", "subject_kind", "subject_id", "session_id", "patient_id", "protocol",
             "protocol_version", "program")  # fmt: skip
    texts = {name: pl.String() for name in names}
    return pl.Schema(
        {
            "subject_no": pl.UInt32(),
            **texts,
            "started_at": INSTANT,
            "local_date": pl.Date(),
            "course": pl.Int32(),
            "course_started_at": INSTANT,
        }
    )


def _stacked(frames: list[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    """Frames of one schema, but for narrower numbers and columns that are all null."""
    stacked = pl.concat([pl.DataFrame(schema=schema), *frames], how="vertical_relaxed")
    return stacked.cast(schema)
