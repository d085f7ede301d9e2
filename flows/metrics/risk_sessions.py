"""Risk signals of a patient's sessions: more often or more than benefit explains, and at several
clinics.

What each says in words, and how it can mislead, stands in `docs/reference/definitions/risk.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from flows.metrics.flags import counted, since, worst
from protocols.risk import Signal
from protocols.sentences import amount_words, day_words, sentence
from protocols.times import local_day

COURSE = ("clinic_id", "patient_id", "protocol", "course")
_SESSION = {"subject_id": "patient_id", "row_id": "session_id", "at": "started_at"}


def over_protocol_frequency(
    findings: pl.LazyFrame, signal: Signal, as_of: datetime
) -> pl.LazyFrame:
    """Sessions that a rule of a protocol on how often they may be finds one too many.

    `findings`: clinic_id, patient_id, session_id, started_at, kind (of the rule), reason.
    """
    over = findings.filter(pl.col("kind").is_in(signal.kinds)).select(
        "clinic_id", **_SESSION, reason="reason"
    )
    once = over.sort("reason").unique(["clinic_id", "row_id"], keep="first", maintain_order=True)
    return counted(since(once, signal, as_of), signal, "sessions")


def without_benefit(sessions: pl.LazyFrame, zones: Sequence[str]) -> pl.LazyFrame:
    """Sessions of courses whose latest score on the protocol's own scale is no response, with their
    local `day` and the day of the course that they have (`course_day`, from 1).

    `sessions`: clinic_id, patient_id, protocol, course, session_id, started_at, course_started_at,
    response_latest, iv_mg (millionths), _zone. Where nobody scored, nothing is known.
    """
    day = local_day(pl.col("started_at"), zones)
    first = local_day(pl.col("course_started_at"), zones)
    return (
        sessions.filter(~pl.col("response_latest"))
        .with_columns(day=day, course_day=(day - first).dt.total_days() + 1)
        .sort(*COURSE, "day", "started_at", "session_id")
    )


def rising_dose(courses: pl.LazyFrame, signal: Signal, as_of: datetime) -> pl.LazyFrame:
    """By how much the median of a course's latest doses, this one included, is above the median of
    as many before them, all after induction. `courses` are `without_benefit`."""
    number = int(signal.parameters["sessions"])
    settled = pl.col("course_day") > signal.parameters["settled_days"]
    dosed = courses.filter(settled & (pl.col("iv_mg") > 0))
    dose = pl.col("iv_mg").cast(pl.Float64)

    def median(from_: int) -> pl.Expr:
        back = [dose.shift(at).over(COURSE).alias(f"_{at}") for at in range(from_, from_ + number)]
        return pl.concat_list(back).list.median()

    held = dosed.with_columns(
        now=median(0), before=median(number), first=dose.shift(2 * number - 1).over(COURSE)
    ).filter(pl.col("first").is_not_null())
    return _risen(held, signal, as_of, f"the median dose of {number} sessions")


def rising_frequency(courses: pl.LazyFrame, signal: Signal, as_of: datetime) -> pl.LazyFrame:
    """By how much there are more sessions of a course in the days up to this one than in as many
    days before them, all after induction. `courses` are `without_benefit`."""
    days = int(signal.parameters["within_days"])
    settled = pl.col("course_day") > signal.parameters["settled_days"] + 2 * days

    def within(length: int, name: str) -> pl.LazyFrame:
        counts = courses.rolling("day", period=f"{length}d", group_by=COURSE).agg(
            pl.len().cast(pl.Float64).alias(name)
        )
        return counts.unique([*COURSE, "day"])

    held = (
        courses.join(within(days, "now"), on=[*COURSE, "day"])
        .join(within(2 * days, "both"), on=[*COURSE, "day"])
        .with_columns(before=pl.col("both") - pl.col("now"))
        .filter(
            settled
            & (pl.col("before") > 0)
            & (pl.col("now") - pl.col("before") >= signal.parameters["sessions_more_least"])
        )
    )
    return _risen(held, signal, as_of, f"sessions in {days} days")


def _risen(held: pl.LazyFrame, signal: Signal, as_of: datetime, what: str) -> pl.LazyFrame:
    rise = (pl.col("now") / pl.col("before") - 1) * 100
    events = held.filter(rise > 0).select(
        "clinic_id",
        **_SESSION,
        observed=rise,
        reason=sentence(
            f"{what} up to {{}}: {{}} % more than before, and no response",
            day_words("day"), amount_words(rise.round(0)),
        ),
    )  # fmt: skip
    once = events.sort("observed", descending=True).unique(
        ["clinic_id", "row_id"], keep="first", maintain_order=True
    )
    return worst(since(once, signal, as_of), signal, "sessions")


def several_clinics(
    doses: pl.LazyFrame, supplies: pl.LazyFrame, signal: Signal, as_of: datetime
) -> pl.LazyFrame:
    """Clinics that gave or handed out something to one person; each of the person's patient records
    rests on its own doses, or on its supplies where it has none.

    `doses` and `supplies`: clinic_id, patient_id, person, dose_id or dispense_id, `at`.
    """
    record = {"subject_id": "patient_id"}
    given = doses.select("clinic_id", "person", "at", row_id="dose_id", **record)
    handed = supplies.select("clinic_id", "person", "at", row_id="dispense_id", **record)
    without = handed.join(given, on=("clinic_id", "subject_id"), how="anti")
    both = since(pl.concat([given, handed]), signal, as_of)
    clinics = both.group_by("person").agg(observed=pl.col("clinic_id").n_unique().cast(pl.Float64))
    told = clinics.filter(pl.col("observed") > 1).with_columns(
        reason=sentence(
            "given or handed out by {} clinics in {}",
            pl.col("observed").cast(pl.Int64),
            pl.lit(signal.window.words if signal.window else "all"),
        )
    )
    return pl.concat(
        [
            worst(since(rows, signal, as_of).join(told, on="person"), signal, feed)
            for feed, rows in (("doses", given), ("dispenses", without))
        ]
    )
