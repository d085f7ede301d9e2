"""Risk signals of a patient's take-home supplies.

What each says in words, and how it can mislead, stands in `docs/reference/definitions/risk.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from flows.metrics.flags import since, worst
from protocols.risk import Signal
from protocols.times import local_day

_BY_TIME = ("dispensed_at", "dispense_id")


def early_refills(
    dispenses: pl.LazyFrame, signal: Signal, as_of: datetime, zones: Sequence[str]
) -> pl.LazyFrame:
    """Days from a supply to the end of the same patient's and drug's one before.

    `dispenses`: clinic_id, patient_id, dispense_id, drug, days_supply, dispensed_at, _zone.
    """
    own = ("clinic_id", "patient_id", "drug")
    before = pl.col("day", "days_supply").shift(1).over(own, order_by=_BY_TIME)
    fetched = dispenses.with_columns(day=local_day(pl.col("dispensed_at"), zones)).with_columns(
        before.name.prefix("previous_")
    )
    lasts = pl.col("previous_day") + pl.duration(days=pl.col("previous_days_supply"))
    early = (lasts - pl.col("day")).dt.total_days()
    events = fetched.select(
        "clinic_id",
        subject_id="patient_id",
        row_id="dispense_id",
        at="dispensed_at",
        observed=early.cast(pl.Float64),
        reason=pl.format(
            "fetched on {}, {} days before the supply before it ends", pl.col("day"), early
        ),
    )
    return worst(since(events.filter(pl.col("observed") > 0), signal, as_of), signal, "dispenses")
