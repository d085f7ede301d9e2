"""Outcomes: what a course of treatment did to each scale that was charted in it.

A course's scores are those from the time of its baseline up to the next course's first start; the
last one at or before its own first start is the baseline, those after it are followed. How they
are read (baseline, response, remission, relapse) is said in `protocols/instruments.yaml`, and in
words in `docs/reference/definitions/outcomes.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flows.intervals import wilson_of_columns
from protocols.instruments import Instruments
from protocols.model import Protocol
from protocols.scoring import SLACK
from protocols.times import local_day, midnight

COURSE = ("clinic_id", "patient_id", "protocol", "course")
ROW = (*COURSE, "scale")
COHORT = ("clinic_id", "protocol", "program", "instrument", "month")
_ONE = pl.duration(microseconds=1)


def courses_of(
    subjects: pl.LazyFrame, protocols: Sequence[Protocol], zones: pl.LazyFrame
) -> pl.LazyFrame:
    """One row is one course: its version and programme are those of its first judged session,
    `next_course_at` begins the patient's next, `treated_until` is its last start + the gap.
    """
    order = ("started_at", "subject_id")
    rows = subjects.filter(pl.col("course").is_not_null()).sort(*COURSE, *order)
    found = rows.group_by(COURSE, maintain_order=True).agg(
        pl.col("protocol_version", "program", "course_started_at").first(),
        last_started_at=pl.col("started_at").max(),
        sessions=pl.len().cast(pl.Int64),
    )
    following = pl.col("course_started_at").shift(-1).over(COURSE[:3], order_by="course")
    return (
        found.join(_primaries(protocols), on=["protocol", "protocol_version"], how="left")
        .join(zones, on="clinic_id", how="left")
        .with_columns(
            next_course_at=following, treated_until=pl.col("last_started_at") + pl.col("_gap")
        )
    )


def _primaries(protocols: Sequence[Protocol]) -> pl.LazyFrame:
    """What each version says of its cohorts; nulls where it makes none."""
    rows = [
        {
            "protocol": p.protocol, "protocol_version": p.version, "_gap": p.course.gap.delta,
            "primary": p.primary.instrument if p.primary else None,
            "_day": p.primary.day if p.primary else None,
            "_within": p.primary.within if p.primary else None,
            "_own_cut": p.primary.remission if p.primary else None,
        }
        for p in protocols
    ]  # fmt: skip
    schema = {
        "protocol": pl.String(), "protocol_version": pl.String(), "_gap": pl.Duration("us"),
        "primary": pl.String(), "_day": pl.Int64(), "_within": pl.Int64(),
        "_own_cut": pl.Float64(),
    }  # fmt: skip
    return pl.LazyFrame(rows, schema=schema)


def _scales(held: Instruments) -> pl.LazyFrame:
    """What is said of each scale that has totals."""
    criterion = held.courses.reliable_change.criterion
    rows = [
        {
            "scale": s.key, "instrument": s.instrument, "_version": s.instrument_version,
            "_higher": s.better == "higher", "_fall": s.response.fall if s.response else None,
            "_cut": s.remission.cut if s.remission else None,
            "_minimum": s.baseline_minimum.least if s.baseline_minimum else None,
            "_points": s.reliable_change.points if s.reliable_change else None,
            "_beyond": s.reliable_change.beyond(criterion) if s.reliable_change else None,
        }
        for s in held.instruments
    ]  # fmt: skip
    numbers = ("_fall", "_cut", "_minimum", "_points", "_beyond")
    schema = {
        "scale": pl.String(), "instrument": pl.String(), "_version": pl.String(),
        "_higher": pl.Boolean(), **dict.fromkeys(numbers, pl.Float64()),
    }  # fmt: skip
    return pl.LazyFrame(rows, schema=schema)


def outcome_courses(
    courses: pl.LazyFrame,
    scores: pl.LazyFrame,
    cutoffs: pl.LazyFrame,
    held: Instruments,
    zones: Sequence[str],
) -> pl.LazyFrame:
    """One row is one course and scale that was scored in it; of a protocol's primary scale every
    course has one. `cutoffs` are the clinics' of outcomes (clinic_id, cutoff).
    """
    placed = _placed(courses, scores, held, zones).collect().lazy()  # read four times below
    key = ("primary", "scale")
    rows = pl.concat(
        [
            placed.select(*COURSE, "scale"),
            courses.filter(pl.col("primary").is_not_null()).select(*COURSE, scale="primary"),
        ]
    ).unique()
    before = placed.filter("_before").group_by(ROW, maintain_order=True)
    baseline = before.agg(baseline=pl.col("score").last(), baseline_at=pl.col("at").last())
    said = placed.group_by(ROW).agg(
        _said=pl.when(pl.col("instrument_version").n_unique() == 1).then(
            pl.col("instrument_version").first()
        ),
        prorated=pl.col("prorated").sum().cast(pl.Int64),
    )
    base = (
        rows.join(courses, on=COURSE)
        .join(_scales(held), on="scale", how="left")
        .join(baseline, on=ROW, how="left")
        .join(said, on=ROW, how="left")
        .join(cutoffs, on="clinic_id", how="left")
        .with_columns(
            is_primary=pl.col(key[0]).eq_missing(pl.col(key[1])),
            eligible=_eligible(),
            _start_day=local_day(pl.col("course_started_at"), zones),
        )
        .with_columns(_cut=pl.when("is_primary").then(pl.coalesce("_own_cut", "_cut"))
                      .otherwise("_cut"))
    )  # fmt: skip
    judged = _judged(placed, base, held).collect().lazy()
    return (
        base.join(_followed(judged), on=ROW, how="left")
        .join(_induction(judged), on=ROW, how="left")
        .with_columns(
            instrument=pl.coalesce("instrument", "scale"),
            instrument_version=pl.coalesce("_version", "_said"),
            prorated=pl.col("prorated").fill_null(0),
            outcomes=pl.col("outcomes").fill_null(0),
            matures_at=_matures_at(zones),
            reliable_change=_reliable_change(),
            days_to_response=(local_day(pl.col("responded_at"), zones) - pl.col("_start_day"))
            .dt.total_days(),
        )
        .with_columns(mature=_mature())
        .sort(ROW)
    )  # fmt: skip


def _placed(
    courses: pl.LazyFrame, scores: pl.LazyFrame, held: Instruments, zones: Sequence[str]
) -> pl.LazyFrame:
    """Scores in the courses that they belong to, in order; `_course_day` counts from 1."""
    start, at = pl.col("course_started_at"), pl.col("at")
    day = local_day(at, zones) - local_day(start, zones)
    own = courses.select(*COURSE, "course_started_at", "next_course_at", "_zone")
    return (
        own.join(scores.filter(pl.col("score").is_not_null()), on=COURSE[:2])
        .filter(
            (at >= start - held.courses.baseline.within.delta)
            & (at <= pl.col("next_course_at")).fill_null(value=True)
        )
        .with_columns(_before=at <= start, _course_day=day.dt.total_days() + 1)
        .sort(*ROW, "at", "outcome_id")
    )


def _eligible() -> pl.Expr:
    """Ill enough at baseline to get better; null without a baseline."""
    baseline = pl.col("baseline")
    return (baseline > 0) & (baseline >= pl.col("_minimum") - SLACK).fill_null(value=True)


def _judged(placed: pl.LazyFrame, base: pl.LazyFrame, held: Instruments) -> pl.LazyFrame:
    """Each score after the start: is it a response, a remission, a relapse."""
    given = base.select(*ROW, "baseline", "eligible", "_fall", "_cut", "_higher", "_day", "_within",
                        "treated_until")  # fmt: skip
    score, baseline = pl.col("score"), pl.col("baseline")
    fair = pl.when(pl.col("eligible"))
    lost = score > baseline * (1 - held.courses.relapse.fall_below) + SLACK
    return (
        placed.filter(~pl.col("_before"))
        .join(given, on=ROW)
        .sort(*ROW, "at", "outcome_id")
        .with_columns(
            _response=fair.then(score <= baseline * (1 - pl.col("_fall")) + SLACK),
            _remission=fair.then(score <= pl.col("_cut") + SLACK),
            _lost=lost,
        )
        .with_columns(responded_at=pl.col("at").filter("_response").first().over(ROW))
    )


def _followed(judged: pl.LazyFrame) -> pl.LazyFrame:
    """Latest, best, ever; when a response came and went, and until when it was seen to last."""
    score, at = pl.col("score"), pl.col("at")
    after = at > pl.col("responded_at")
    return judged.group_by(ROW, maintain_order=True).agg(
        outcomes=pl.len().cast(pl.Int64),
        latest=score.last(),
        latest_at=at.last(),
        best=pl.when(pl.col("_higher").first()).then(score.max()).otherwise(score.min()),
        response_ever=pl.col("_response").any(ignore_nulls=False),
        response_latest=pl.col("_response").last(),
        remission_ever=pl.col("_remission").any(ignore_nulls=False),
        remission_latest=pl.col("_remission").last(),
        responded_at=pl.col("responded_at").first(),
        relapsed_at=at.filter(after & pl.col("_lost")).first(),
        followed_until=at.filter((at >= pl.col("responded_at")) & (at <= pl.col("treated_until")))
        .last(),
    )  # fmt: skip


def _induction(judged: pl.LazyFrame) -> pl.LazyFrame:
    """The score nearest the protocol's day, the later on a tie."""
    off = (pl.col("_course_day") - pl.col("_day")).abs()
    return (
        judged.with_columns(_off=off)
        .filter(pl.col("_off") <= pl.col("_within"))
        .sort(*ROW, "_off", "at", "outcome_id",
              descending=[False] * (len(ROW) + 1) + [True, True])
        .group_by(ROW, maintain_order=True)
        .agg(
            induction_end=pl.col("score").first(),
            induction_end_at=pl.col("at").first(),
            response_at_induction_end=pl.col("_response").first(),
            remission_at_induction_end=pl.col("_remission").first(),
        )
    )  # fmt: skip


def _matures_at(zones: Sequence[str]) -> pl.Expr:
    """The end of the last day of the protocol's time; null without such a time."""
    days = pl.duration(days=pl.col("_day") + pl.col("_within"))
    return midnight(pl.col("_start_day") + days, zones) - _ONE


def _mature() -> pl.Expr:
    """Whether the protocol's time is over by the cut-off of outcomes."""
    over = (pl.col("matures_at") <= pl.col("cutoff")).fill_null(value=False)
    return pl.when(pl.col("_day").is_not_null()).then(over)


def _reliable_change() -> pl.Expr:
    """From baseline to the latest; null where the scale has no reliable change."""
    change = pl.col("baseline") - pl.col("latest")
    better = pl.when("_higher").then(-change).otherwise(change)
    points, beyond = pl.col("_points") - SLACK, pl.col("_beyond") + SLACK
    improved = pl.coalesce(better >= points, better > beyond)
    worse = pl.coalesce(-better >= points, -better > beyond)
    return (
        pl.when(improved).then(pl.lit("improved"))
        .when(worse).then(pl.lit("deteriorated"))
        .when(improved.is_not_null()).then(pl.lit("unchanged"))
    )  # fmt: skip


def outcome_cohorts(rows: pl.LazyFrame, zones: Sequence[str]) -> pl.LazyFrame:
    """Mature courses by the local month of their start, on their protocol's primary scale.

    A course without an outcome then, or without a baseline, is one that did not respond, counted
    apart; one whose baseline was below the scale's minimum is in no rate.
    """
    month = local_day(pl.col("course_started_at"), zones).dt.truncate("1mo")
    responded = pl.col("response_at_induction_end").fill_null(value=False)
    remitted = pl.col("remission_at_induction_end").fill_null(value=False)
    low_baseline = (~pl.col("eligible")).fill_null(value=False)
    counted = (
        rows.filter(pl.col("is_primary") & pl.col("mature"))
        .with_columns(month=month)
        .group_by(COHORT)
        .agg(
            courses_started=pl.len().cast(pl.Int64),
            courses_without_outcome=pl.col("induction_end").is_null().sum().cast(pl.Int64),
            courses_without_baseline=pl.col("baseline").is_null().sum().cast(pl.Int64),
            courses_below_minimum=low_baseline.sum().cast(pl.Int64),
            responders=responded.sum().cast(pl.Int64),
            remitters=remitted.sum().cast(pl.Int64),
        )
    )
    whole = pl.col("courses_started") - pl.col("courses_below_minimum")
    rates: dict[str, pl.Expr] = {}
    for name, hits in (("response", "responders"), ("remission", "remitters")):
        low, high = wilson_of_columns(pl.col(hits), whole)
        rates |= {
            f"{name}_rate": pl.when(whole > 0).then(pl.col(hits) / whole),
            f"{name}_low": low,
            f"{name}_high": high,
        }
    return counted.with_columns(**rates).sort(COHORT)
