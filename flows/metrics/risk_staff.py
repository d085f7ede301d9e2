"""Risk signals of members of staff and prescribers, which are shown in `restricted/` alone.

What each says in words, and how it can mislead, stands in `docs/reference/definitions/risk.md`.
Rows without a person are nobody's and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flows.metrics.flags import counted
from flows.metrics.opening import opening_spans
from flows.metrics.peers import above_peers, unusual
from protocols.risk import Signal
from protocols.sentences import exact_words, sentence
from protocols.times import local_day

_ACTOR, _WITNESS = pl.col("actor_id"), pl.col("witness_id")
_DAY = pl.duration(days=1)


def unwitnessed_waste(entries: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Waste in the stock book that nobody is charted to have seen."""
    return _by_actor(_wasted(entries).filter(_WITNESS.is_null()), signal, "and nobody saw it")


def self_witnessed_waste(entries: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Waste that is charted to have been seen by who wasted it."""
    return _by_actor(_wasted(entries).filter(_WITNESS == _ACTOR), signal, "seen by the same person")


def _wasted(entries: pl.LazyFrame) -> pl.LazyFrame:
    return entries.filter(pl.col("kind") == "wasted")


def entries_off_shift(entries: pl.LazyFrame, shifts: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Entries at a time at which their person had no shift.

    `entries`: those up to the cut-off of the clinic's shifts. `shifts`: clinic_id, staff_id,
    started_at, ended_at.
    """
    spans = shifts.select("clinic_id", actor_id="staff_id", since="started_at", until="ended_at")
    outside = _outside(entries, spans, ("clinic_id", "actor_id"), signal)
    return _by_actor(outside, signal, "without a shift at that time")


def entries_out_of_hours(
    entries: pl.LazyFrame,
    clinics: pl.LazyFrame,
    hours: pl.LazyFrame,
    signal: Signal,
    zones: Sequence[str],
) -> pl.LazyFrame:
    """Entries at a time at which their clinic was closed, by the opening hours in force.

    `entries` with `_zone`. `clinics`: clinic_id, _zone. `hours` as delivered, null clinics
    included.
    """
    day = local_day(pl.col("occurred_at"), zones)
    days = entries.select("clinic_id", day=day).unique()
    around = pl.concat([days.with_columns(pl.col("day") + n * _DAY) for n in (-1, 0, 1)])
    known, spans = opening_spans(around.unique(), clinics, hours, zones)
    judged = entries.with_columns(_day=day).join(known, on="clinic_id").filter(
        pl.col("_first") <= pl.col("_day")
    )  # fmt: skip
    return _by_actor(
        _outside(judged, spans, ("clinic_id",), signal), signal, "while the clinic was closed"
    )


def _outside(
    entries: pl.LazyFrame, spans: pl.LazyFrame, by: Sequence[str], signal: Signal
) -> pl.LazyFrame:
    """Entries in none of the spans (`since`, `until`) with the same `by`, each made longer at both
    ends by the signal's tolerance."""
    slack = pl.duration(minutes=signal.parameters["tolerance_minutes"])
    held = (
        spans.sort("since")
        .with_columns(_until=pl.col("until").cum_max().over(by))
        .select(*by, "since", "_until")
    )
    reached = pl.col("_until") + slack >= pl.col("occurred_at")
    return (
        entries.filter(_ACTOR.is_not_null())
        .with_columns(_at=pl.col("occurred_at") + slack)
        .sort("_at")
        .join_asof(
            held, left_on="_at", right_on="since", by=list(by), strategy="backward",
            check_sortedness=False,
        )
        .filter(~reached.fill_null(value=False))
    )  # fmt: skip


def _by_actor(entries: pl.LazyFrame, signal: Signal, how: str) -> pl.LazyFrame:
    events = entries.filter(_ACTOR.is_not_null()).select(
        "clinic_id", subject_id="actor_id", row_id="entry_id", at="occurred_at",
        reason=sentence(
            "{} mg of {} {}, {}",
            exact_words(pl.col("amount_mg")), pl.col("drug"), pl.col("kind"), pl.lit(how),
        ),
    )  # fmt: skip
    return counted(events, signal, "inventory")


def doses_without_session(doses: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Doses of no session, or of one that there is not: all that `doses` holds."""
    events = doses.filter(pl.col("administered_by").is_not_null()).select(
        "clinic_id", subject_id="administered_by", row_id="dose_id", at="started_at",
        reason=sentence(
            "{} mg of {} given in no session", exact_words(pl.col("amount_mg")), pl.col("drug")
        ),
    )  # fmt: skip
    return counted(events, signal, "doses")


def waste_above_peers(doses: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Doses of which more was wasted than usual at the clinic, by who gave them."""
    rows = doses.filter(pl.col("administered_by").is_not_null()).select(
        "clinic_id", subject_id="administered_by", row_id="dose_id", at="started_at",
        group=sentence("much waste of {}", pl.col("drug")),
        unusual=unusual(pl.col("wasted_mg").fill_null(0).cast(pl.Float64), ("clinic_id", "drug"),
                        signal),
    )  # fmt: skip
    return above_peers(rows, signal, "doses", "doses")


def late_charting(doses: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Doses charted so many hours after they were given, by who gave them."""
    late = pl.duration(hours=signal.parameters["late_hours"])
    rows = doses.filter(
        pl.col("administered_by").is_not_null(), pl.col("recorded_at").is_not_null()
    ).select(
        "clinic_id", subject_id="administered_by", row_id="dose_id", at="started_at",
        group=pl.lit("late charting"),
        unusual=pl.col("recorded_at") - pl.col("started_at") > late,
    )  # fmt: skip
    return above_peers(rows, signal, "doses", "doses")


def doses_above_peers(doses: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Patients who are given more milligrams per kilogram than usual in the programme, by
    prescriber.

    `doses` with `program`, `prescriber_id` and `weight_kg` (above 0) of their session.
    """
    rows = doses.filter(pl.col("prescriber_id").is_not_null()).select(
        "clinic_id", "patient_id", "drug", "program", subject_id="prescriber_id",
        row_id="dose_id", at="started_at",
        value=pl.col("amount_mg").cast(pl.Float64) / pl.col("weight_kg"),
    )  # fmt: skip
    group = sentence("a high dose of {} in {}", pl.col("drug"), pl.col("program"))
    return _patients_above_peers(rows, ("drug", "program"), group, signal, "doses")


def take_home_above_peers(dispenses: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Patients who are supplied with more milligrams a day than usual, by prescriber.

    `dispenses`: each of a prescriber, for at least a day.
    """
    supplied = (pl.col("strength_mg") * pl.col("quantity")).cast(pl.Float64)
    rows = dispenses.select(
        "clinic_id", "patient_id", "drug", subject_id="prescriber_id",
        row_id="dispense_id", at="dispensed_at", value=supplied / pl.col("days_supply"),
    )  # fmt: skip
    group = sentence("much {} a day", pl.col("drug"))
    return _patients_above_peers(rows, ("drug",), group, signal, "dispenses")


def _patients_above_peers(
    rows: pl.LazyFrame, like: tuple[str, ...], group: pl.Expr, signal: Signal, row_feed: str
) -> pl.LazyFrame:
    """One trial is one patient, by the median of their `value`s: what a patient gets once they
    mostly get again, so that their rows are no trials of their own."""
    patients = (
        rows.sort("at", "row_id")
        .group_by("clinic_id", "subject_id", "patient_id", *like, maintain_order=True)
        .agg(pl.col("row_id", "at").last(), pl.col("value").median())
        .with_columns(group=group, unusual=unusual(pl.col("value"), like, signal))
    )
    return above_peers(patients, signal, row_feed, "patients")
