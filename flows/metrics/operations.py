"""Operations: what became of the sessions that were booked, how full the chairs were, how long
patients waited and were observed.

Definitions in words stand in `docs/reference/definitions/operations.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from flows.metrics.opening import chair_minutes, in_chair, open_minutes, took_place
from protocols.times import INSTANT, local_day, minutes

ROW = ("clinic_id", "program", "month")
NOTICE = timedelta(hours=24)


def operations_monthly(
    sessions: pl.LazyFrame,
    clinics: pl.LazyFrame,
    hours: pl.LazyFrame,
    as_of: datetime,
    zones: Sequence[str],
) -> pl.LazyFrame:
    """One row is one clinic, programme and local month.

    `sessions`: none that began after `as_of`, `started_at` fallen back to the first dose.
    `clinics`: clinic_id, _zone, chairs, and their `cutoff` of sessions. `hours` as delivered, null
    clinics included.
    """
    here = sessions.join(clinics.select("clinic_id", "_zone", "cutoff"), on="clinic_id", how="left")
    counted = _counted(here, as_of, zones).collect().lazy()  # small, and read twice below
    chairs = chair_minutes(here, zones, as_of).collect().lazy()
    rows = pl.concat([counted.select(ROW), chairs.select(ROW)]).unique()
    months = rows.select("clinic_id", "month").drop_nulls().unique()
    every = (
        rows.join(counted, on=ROW, how="left", nulls_equal=True)
        .join(chairs, on=ROW, how="left")
        .join(open_minutes(months, clinics, hours, zones), on=["clinic_id", "month"], how="left")
    )
    whole = pl.col("open_minutes")
    return every.with_columns(
        pl.col(pl.Int64).exclude("chairs").fill_null(0),
        pl.col("chair_minutes", "shared_minutes").fill_null(0.0),
    ).with_columns(utilisation=pl.when(whole > 0).then(pl.col("chair_minutes") / whole))


def _counted(here: pl.LazyFrame, as_of: datetime, zones: Sequence[str]) -> pl.LazyFrame:
    """Sessions by what became of them, in the month of scheduled_at, else of their start."""
    day = local_day(pl.coalesce("scheduled_at", "started_at"), zones)
    return (
        here.with_columns(month=day.dt.truncate("1mo"))
        .group_by(ROW)
        .agg(*[_count(of).alias(name) for name, of in _kinds(as_of).items()], *_medians())
    )


def _kinds(as_of: datetime) -> dict[str, pl.Expr]:
    """What is counted."""
    status, scheduled = pl.col("status"), pl.col("scheduled_at")
    early = (scheduled - pl.col("cancelled_at") > NOTICE).fill_null(value=False)
    cancelled = status == "cancelled"
    open_, past = status == "scheduled", scheduled < pl.lit(as_of, INSTANT)
    return {
        "booked": scheduled.is_not_null() & ~(cancelled & early),
        "completed": status == "completed",
        "aborted": status == "aborted",
        "no_show": status == "no_show",
        "cancelled_late": cancelled & ~early,
        "cancelled": cancelled & early,
        "unreconciled": open_ & past,
        "awaiting_delivery": open_ & past & (scheduled >= pl.col("cutoff")),
        "upcoming": open_ & ~past,
        "unscheduled": scheduled.is_null(),
        "chair_time_unknown": took_place() & ~in_chair(),
        "chair_unknown": in_chair() & pl.col("chair").is_null(),
    }


def _medians() -> list[pl.Expr]:
    """Minutes of sessions that took place; one with its times the wrong way round has none."""
    wait = _between("arrived_at", "started_at")
    observation = _between("ended_at", "monitoring_ended_at")
    return [
        _count(wait.is_not_null()).alias("waits"),
        wait.median().alias("wait_minutes_median"),
        _count(observation.is_not_null()).alias("observations"),
        observation.median().alias("observation_minutes_median"),
    ]


def _between(since: str, until: str) -> pl.Expr:
    length = minutes(pl.col(until) - pl.col(since))
    return pl.when(took_place() & (length >= 0)).then(length)


def _count(of: pl.Expr) -> pl.Expr:
    return of.sum().cast(pl.Int64)
