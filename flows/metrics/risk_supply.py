"""Risk signals of a patient's take-home supplies.

Days are the clinic's local ones. What each signal says in words, and how it can mislead, stands in
`docs/reference/definitions/risk.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from flows.metrics.flags import counted, since, worst
from protocols.risk import Signal
from protocols.sentences import count_words, day_words, sentence
from protocols.times import local_day

FEED = "dispenses"
PATIENT = ("clinic_id", "patient_id")
_BY_TIME = ("dispensed_at", "dispense_id")
_SUPPLY = {"subject_id": "patient_id", "row_id": "dispense_id", "at": "dispensed_at"}


def placed(dispenses: pl.LazyFrame, zones: Sequence[str]) -> pl.LazyFrame:
    """Supplies with their local `day`, and the day and length of the same patient's and drug's one
    before (previous_*)."""
    before = pl.col("day", "days_supply", "dispensed_at").shift(1)
    own = before.over(*PATIENT, "drug", order_by=_BY_TIME)
    return dispenses.with_columns(day=local_day(pl.col("dispensed_at"), zones)).with_columns(
        own.name.prefix("previous_")
    )


def early_refills(supplies: pl.LazyFrame, signal: Signal, as_of: datetime) -> pl.LazyFrame:
    """Days from a supply to the end of the one before; `supplies` are `placed`."""
    ends = pl.col("previous_day") + pl.duration(days=pl.col("previous_days_supply"))
    early = (ends - pl.col("day")).dt.total_days()
    events = supplies.filter(early > 0).select(
        "clinic_id",
        **_SUPPLY,
        observed=early.cast(pl.Float64),
        reason=sentence(
            "fetched on {}, {} before the supply before it ends",
            day_words("day"),
            count_words(early, "day"),
        ),
    )
    return worst(since(events, signal, as_of), signal, FEED)


def overlapping_supplies(supplies: pl.LazyFrame, signal: Signal, as_of: datetime) -> pl.LazyFrame:
    """Days on which two prescriptions of one drug supply a person at once, at this clinic or
    another; both supplies are evidence, each at its own clinic."""
    pairs = _pairs(supplies).filter(
        ~pl.all_horizontal(
            pl.col(name).eq_missing(pl.col(f"{name}_before"))
            for name in ("clinic_id", "prescriber_id", "rx_id")
        )
    )
    ends = [
        pl.col(f"day{of}") + pl.duration(days=pl.col(f"days_supply{of}")) for of in ("", "_before")
    ]
    pairs = pairs.with_columns(
        days=(pl.min_horizontal(ends) - pl.col("day")).dt.total_days(),
        where=pl.when(pl.col("clinic_id") == pl.col("clinic_id_before"))
        .then(pl.lit("another prescription"))
        .otherwise(pl.lit("a prescription of another clinic")),
    ).filter(pl.col("days") > 0)
    said = {
        "observed": pl.col("days").cast(pl.Float64),
        "reason": sentence(
            "{} together with {}, from {}", count_words("days", "day"), "where", day_words("day")
        ),
    }
    before = {name: f"{column}_before" for name, column in _SUPPLY.items()}
    events = pl.concat(
        [
            pairs.select("clinic_id", **_SUPPLY, **said),
            pairs.select(clinic_id="clinic_id_before", **before, **said),
        ]
    )
    once = events.group_by("clinic_id", "subject_id", "row_id", "at").agg(
        pl.col("observed").max(), pl.col("reason").sort_by("observed", "reason").last()
    )
    return worst(since(once, signal, as_of), signal, FEED)


def several_prescribers(supplies: pl.LazyFrame, signal: Signal, as_of: datetime) -> pl.LazyFrame:
    """Prescribers whose supplies of a drug a person fetched within so many days."""
    within = pl.duration(days=int(signal.parameters["within_days"]))
    who = pl.struct("clinic_id_before", "prescriber_id_before")
    near = (
        _pairs(supplies, itself=True)
        .filter(
            (pl.col("dispensed_at_before") >= pl.col("dispensed_at") - within)
            & pl.col("prescriber_id_before").is_not_null()
        )
        .group_by("clinic_id", "patient_id", "dispense_id", "dispensed_at", "day")
        .agg(prescribers=who.n_unique())
        .filter(pl.col("prescribers") > 1)
    )
    events = near.select(
        "clinic_id",
        **_SUPPLY,
        observed=pl.col("prescribers").cast(pl.Float64),
        reason=sentence(
            "supplies of {} prescribers in {} days up to {}",
            "prescribers", pl.lit(int(signal.parameters["within_days"])), day_words("day"),
        ),
    )  # fmt: skip
    return worst(since(events, signal, as_of), signal, FEED)


def _pairs(supplies: pl.LazyFrame, *, itself: bool = False) -> pl.LazyFrame:
    """Each supply with those of the same person and drug before it (*_before)."""
    names = ("clinic_id", "patient_id", "dispense_id", "prescriber_id", "rx_id", "dispensed_at",
             "days_supply", "day")  # fmt: skip
    rows = supplies.select(
        "person",
        "drug",
        *names,
        order=pl.int_range(pl.len()).over(
            "person", "drug", order_by=("dispensed_at", "clinic_id", "dispense_id")
        ),
    )
    before, now = pl.col("order_before"), pl.col("order")
    return rows.join(rows, on=("person", "drug"), suffix="_before").filter(
        before <= now if itself else before < now
    )


def pdmp_not_queried(
    supplies: pl.LazyFrame,
    queries: pl.LazyFrame,
    known: pl.LazyFrame,
    signal: Signal,
    as_of: datetime,
    zones: Sequence[str],
) -> pl.LazyFrame:
    """Supplies without a look into prescription monitoring in so many local days before.

    `queries`: clinic_id, patient_id, at, _zone of those that were not declined. `known`: clinic_id,
    cutoff of screenings; later supplies are not judged yet. A patient of whom a screening lies in
    quarantine is not among `supplies`.
    """
    asked = queries.select(*PATIENT, "at", asked_on=local_day(pl.col("at"), zones)).sort("at")
    last = (
        supplies.join(known, on="clinic_id")
        .filter(pl.col("dispensed_at") <= pl.col("cutoff"))
        .sort("dispensed_at")
        .join_asof(asked, left_on="dispensed_at", right_on="at", by=PATIENT,
                   check_sortedness=False)
    )  # fmt: skip
    days = int(signal.parameters["before_days"])
    missed = last.filter(
        (pl.col("asked_on") < pl.col("day") - pl.duration(days=days)).fill_null(value=True)
    )
    events = missed.select(
        "clinic_id",
        **_SUPPLY,
        reason=sentence("not asked in the {} days before {}", pl.lit(days), day_words("day")),
    )
    return counted(since(events, signal, as_of), signal, FEED)


def refills_despite_missed_reviews(
    supplies: pl.LazyFrame, reviews: pl.LazyFrame, signal: Signal, as_of: datetime
) -> pl.LazyFrame:
    """Reviews missed since the supply before, where none was held before the refill.

    `reviews`: clinic_id, patient_id, contact_id, kind, at, held (else it was missed).
    """
    again = supplies.filter(pl.col("previous_dispensed_at").is_not_null())
    since_last = (
        again.join(reviews.filter(pl.col("kind").is_in(signal.kinds)), on=PATIENT)
        .filter(
            (pl.col("at") > pl.col("previous_dispensed_at"))
            & (pl.col("at") <= pl.col("dispensed_at"))
        )
        .group_by("clinic_id", "patient_id", "dispense_id", "dispensed_at", "day")
        .agg(held=pl.col("held").sum(), missed=(~pl.col("held")).sum().cast(pl.Int64))
        .filter((pl.col("held") == 0) & (pl.col("missed") > 0))
    )
    events = since_last.select(
        "clinic_id",
        **_SUPPLY,
        observed=pl.col("missed").cast(pl.Float64),
        reason=sentence(
            "fetched on {}; of the reviews since the one before {} missed, none held",
            day_words("day"), "missed",
        ),
    )  # fmt: skip
    return worst(since(events, signal, as_of), signal, FEED)
