"""Facts to verdicts: every rule of every protocol, on every row it judges.

`judge` tells the story. Verdicts are narrow (numbers and an enum); only what is neither met nor
excluded carries words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from protocols.context import Judged
from protocols.counting import with_answers, with_changes, with_counts
from protocols.expressions import compile_expression
from protocols.facts import Facts
from protocols.judged import judged_rows
from protocols.kinds import EXCLUDED, MET, NOT_EVALUABLE, NOT_MET, PENDING, STATUS, Outcome, kinds
from protocols.kinds import status as is_status
from protocols.linked import Gatherer, Part
from protocols.model import Protocol, ResponseRule, Rule
from protocols.scope import DOSE, judged_columns, measure_types
from protocols.sentences import sentence
from protocols.times import INSTANT, local_day

SUBJECT_KINDS = {"sessions": "session", "dispenses": "dispense", "outcomes": "outcome"}
SUBJECT_STATUS = pl.Enum(["compliant", "minor_misses", "incomplete", "pending", "non_compliant"])
VERDICTS = pl.Schema(
    {"subject_no": pl.UInt32(), "rule_no": pl.UInt16(), "status": STATUS, "observed": pl.Float64()}
)
WORDS = pl.Schema(
    {"subject_no": pl.UInt32(), "rule_no": pl.UInt16(), "reason": pl.String(), "due_at": INSTANT}
)


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
    numbers = {(r["protocol"], r["protocol_version"], r["rule_id"]): r["rule_no"]
               for r in rules.iter_rows(named=True)}  # fmt: skip
    subjects: list[pl.DataFrame] = []
    verdicts: list[pl.DataFrame] = []
    words: list[pl.DataFrame] = []
    governed: list[pl.DataFrame] = []
    count = 0
    for versions, rows in judged_rows(protocols, facts):
        if versions[0].judges == "sessions" and any(v.programs is not None for v in versions):
            governed.append(_governance(rows))
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
            for rule in protocol.rules:
                number = numbers[protocol.protocol, protocol.version, rule.id]
                verdict, word = _verdict(rule, number, judged, protocol, facts)
                verdicts.append(verdict)
                if word is not None:
                    words.append(word)
    return Judgement(
        subjects=_stacked(subjects, _subject_schema()),
        verdicts=_stacked(verdicts, VERDICTS),
        words=_stacked(words, WORDS),
        rules=rules,
        governance=_governed(governed, facts),
    )


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


# --- one version ---


def _with_wanted(rows: pl.DataFrame, kind: str, only: pl.DataFrame | None) -> pl.DataFrame:
    """`_wanted`: whether a row's verdicts are asked for."""
    if only is None:
        return rows.with_columns(_wanted=pl.lit(value=True))
    mine = only.filter(pl.col("subject_kind") == kind).select(
        "clinic_id", _subject="subject_id", _wanted=pl.lit(value=True)
    )
    return rows.join(
        mine.unique(), on=["clinic_id", "_subject"], how="left", maintain_order="left"
    ).with_columns(pl.col("_wanted").fill_null(value=False))


def _featured(
    rows: pl.DataFrame, everything: pl.DataFrame, version: int, protocol: Protocol, facts: Facts
) -> pl.DataFrame:
    """The rows that a version judges, with every feature its rules need."""
    mine = (pl.col("_version") == version) & pl.col("_wanted")
    changes = any(rule.kind == "change" for rule in protocol.rules)
    judged = rows.filter(pl.col("_held") if changes else mine)
    judged = judged.with_row_index("_idx")
    judged = _with_cutoffs(judged, facts)
    types = measure_types(protocol)
    known: dict[str, str] = {}
    gatherer = Gatherer(facts, protocol.judges, judged_columns(protocol.judges, {}))
    for name, measure in protocol.measures.items():
        part = Part(f"measure {name}", measure.of, measure.by, measure.window, measure.among,
                    take=measure.take, expr=measure.expr)  # fmt: skip
        gatherer.add(part)
        judged = gatherer.gather(judged)
        value = pl.col(f"{part.name}.n" if measure.take == "count" else f"{part.name}.value")
        value = value.cast(pl.Float64) if types[name] == "number" else value
        judged = judged.with_columns(
            pl.when(~pl.col(f"{part.name}.unknown")).then(value).alias(name)
        )
        known[name] = types[name]
        columns = judged_columns(protocol.judges, {n: types[n] for n in known})
        gatherer = Gatherer(facts, protocol.judges, columns)
    judged = with_changes(judged, protocol, gatherer).filter(mine)
    for rule in protocol.rules:
        for part in kinds()[rule.kind].parts(rule):
            gatherer.add(part)
    judged = gatherer.gather(judged)
    judged = with_counts(judged, everything, protocol, facts)
    return with_answers(judged, protocol, gatherer)


def _with_cutoffs(judged: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """`_cutoff.<feed>` for every feed; null where the clinic never delivered it."""
    feeds = list(facts.frames)
    wide = pl.DataFrame({"clinic_id": facts.zones["clinic_id"].unique().sort()})
    for feed in feeds:
        one = facts.cutoffs.filter(pl.col("feed") == feed).select(
            "clinic_id", pl.col("cutoff").cast(INSTANT).alias(f"_cutoff.{feed}")
        )
        wide = wide.join(one, on="clinic_id", how="left")
    return judged.join(wide, on="clinic_id", how="left", maintain_order="left")


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


# --- one rule ---


def _verdict(
    rule: Rule, number: int, judged: pl.DataFrame, protocol: Protocol, facts: Facts
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """A rule's verdicts, and the words of what is neither met nor excluded, if anything is."""
    columns = judged_columns(protocol.judges, measure_types(protocol))
    context = Judged(protocol.judges, columns, facts.zone_names)
    outcome = kinds()[rule.kind].verdict(rule, context)
    judged = _with_quarantine(judged, outcome, facts)
    when = compile_expression(rule.when, columns).polars if rule.when else pl.lit(value=True)
    excluded = ~when.cast(pl.Boolean).fill_null(value=False) | (outcome.status == EXCLUDED)
    missing = _never_delivered(rule, protocol)
    undelivered = [pl.col(f"_cutoff.{feed}").is_null() for feed in missing]
    waits = _waiting_measures(rule, protocol)
    waiting = [_is_waiting(name, protocol) for name in waits]
    wanting = (
        (outcome.status == NOT_MET) & outcome.for_want.fill_null(value=False) & pl.col("_lost")
        if outcome.for_want is not None
        else pl.lit(value=False)
    )
    any_undelivered = pl.any_horizontal(undelivered or [pl.lit(value=False)])
    any_waiting = pl.any_horizontal(waiting or [pl.lit(value=False)])
    found = judged.select(
        "subject_no", *_kept(judged, outcome),
        rule_no=pl.lit(number, pl.UInt16),
        status=pl.when(excluded).then(is_status(EXCLUDED))
        .when(any_undelivered).then(is_status(NOT_EVALUABLE))
        .when(any_waiting).then(is_status(PENDING))
        .when(wanting).then(is_status(NOT_EVALUABLE))
        .otherwise(outcome.status),
        observed=pl.when(~excluded & ~any_undelivered & ~any_waiting)
        .then(outcome.observed).cast(pl.Float64),
        _undelivered=any_undelivered, _waiting=any_waiting, _wanting=wanting,
    )  # fmt: skip
    verdicts = found.select(list(VERDICTS))
    open_ = found.filter(~pl.col("status").is_in([MET, EXCLUDED]))
    ends = [pl.col(f"measure {name}.end") for name in waits]
    due = (
        pl.when(pl.col("_waiting")).then(pl.max_horizontal(ends))
        if ends
        else pl.when(pl.lit(value=False)).then(None)
    )
    due_at = due.otherwise(outcome.due_at).cast(INSTANT)
    if open_.is_empty():
        return verdicts, None
    words = open_.select(
        "subject_no", "rule_no",
        reason=pl.when(pl.col("_undelivered"))
        .then(pl.lit(f"the clinic has never delivered {' or '.join(missing) or 'a feed'}"))
        .when(pl.col("_waiting"))
        .then(pl.lit("rows that this rests on may still be delivered"))
        .when(pl.col("_wanting"))
        .then(pl.lit(f"a row of {outcome.of} that names it is in quarantine"))
        .when(pl.col("status") == PENDING)
        .then(sentence("not decided before {}", context.moment(due_at)))
        .otherwise(outcome.reason),
        due_at=pl.when(pl.col("status") == PENDING).then(due_at),
    )  # fmt: skip
    return verdicts, words


def _kept(judged: pl.DataFrame, outcome: Outcome) -> list[str]:
    """Columns that the words may need, so that those are written only for what is open."""
    names = {
        *outcome.reason.meta.root_names(), *outcome.due_at.meta.root_names(),
        *(name for name in judged.columns if name.startswith("measure ") and name.endswith(".end")),
        "_zone",
    }  # fmt: skip
    return sorted(name for name in names if name in judged.columns and name != "subject_no")


def _with_quarantine(judged: pl.DataFrame, outcome: Outcome, facts: Facts) -> pl.DataFrame:
    """`_lost`: a quarantined row of the feed names the same session, or patient."""
    key = f"{outcome.link}_id"
    lost = facts.lost(outcome.of, key) if outcome.of is not None else None
    if lost is None:
        return judged.with_columns(_lost=pl.lit(value=False))
    return judged.join(lost, on=["clinic_id", key], how="left", maintain_order="left").with_columns(
        pl.col("_lost").fill_null(value=False)
    )


def _texts(rule: Rule, *, when: bool) -> list[str]:
    texts: list[str | None] = [rule.when if when else None]
    parts: list[object] = [rule]
    if isinstance(rule, ResponseRule):
        parts = [rule.trigger, rule.then]
    for part in parts:
        texts += [getattr(part, name, None) for name in ("expr", "from_", "to", "among", "where")]
        window = getattr(part, "window", None)
        if window is not None:
            texts += [bound.anchor for bound in (window.start, window.end) if bound is not None]
    return [text for text in texts if text is not None]


def _named(rule: Rule, *, when: bool) -> set[str]:
    """Names that a rule's expressions and anchors use; in a feed row's scope those after `this.`"""
    named: set[str] = set()
    linked = rule.kind in ("occurrence", "cadence", "response")
    for text in _texts(rule, when=when):
        plain = re.sub(r"'[^']*'", "", text)
        own = not linked or text == rule.when or re.fullmatch(r"\w+", text)
        pattern = r"(?<![\w.])([A-Za-z_]\w*)" if own else r"\bthis\.([A-Za-z_]\w*)"
        named |= set(re.findall(pattern, plain))
    return named


def _never_delivered(rule: Rule, protocol: Protocol) -> list[str]:
    """Feeds that a verdict rests on."""
    names = _named(rule, when=True)
    feeds = [getattr(rule, "of", None)]
    if isinstance(rule, ResponseRule):
        feeds += [rule.trigger.of, rule.then.of]
    feeds += [measure.of for name, measure in protocol.measures.items() if name in names]
    if protocol.judges == "sessions" and names & set(DOSE):
        feeds.append("doses")
    return list(dict.fromkeys(feed for feed in feeds if feed is not None))


def _waiting_measures(rule: Rule, protocol: Protocol) -> list[str]:
    names = _named(rule, when=False)
    return [name for name in protocol.measures if name in names]


def _is_waiting(name: str, protocol: Protocol) -> pl.Expr:
    """A measure that found no row though its window ends after the feed's cut-off."""
    part = f"measure {name}"
    late = pl.col(f"{part}.end") > pl.col(f"_cutoff.{protocol.measures[name].of}")
    found_none = (pl.col(f"{part}.n") == 0) & ~pl.col(f"{part}.unknown")
    return (found_none & late).fill_null(value=False)


# --- coverage ---


def _governance(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        "clinic_id", "session_id", _governs="_governs", _mine=pl.col("_version").is_not_null()
    )


def _governed(governed: list[pl.DataFrame], facts: Facts) -> pl.DataFrame:
    """Each session that was completed or aborted: judged, aborted without a dose, uncovered."""
    schema = {"clinic_id": pl.String, "session_id": pl.String, "_governs": pl.Boolean,
              "_mine": pl.Boolean}  # fmt: skip
    held = (
        pl.concat([pl.DataFrame(schema=schema), *governed])
        .group_by("clinic_id", "session_id")
        .agg(pl.col("_governs").any(), pl.col("_mine").any())
    )
    dosed = pl.col("_first_any").is_not_null()
    completed, aborted = pl.col("status") == "completed", pl.col("status") == "aborted"
    return (
        facts.evidence("sessions")
        .filter(completed | aborted)
        .join(facts.zones.lazy(), on="clinic_id", how="left")
        .with_columns(local_date=local_day(pl.coalesce("_at", "scheduled_at"), facts.zone_names))
        .join(held.lazy(), on=["clinic_id", "session_id"], how="left")
        .with_columns(pl.col("_governs", "_mine").fill_null(value=False))
        .select(
            "clinic_id", "session_id", "patient_id", "program",
            month=pl.col("local_date").dt.truncate("1mo"),
            judged=pl.col("_mine"),
            not_dosed=aborted & ~pl.col("_mine") & (pl.col("_governs") | ~dosed),
            uncovered=~pl.col("_governs") & (completed | (aborted & dosed)),
        )
        .collect()
    )  # fmt: skip
