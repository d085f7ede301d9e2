"""Durability: how long a response lasts under continued treatment, by Kaplan and Meier.

Time runs in local days from a course's first response. Its end is the relapse; a course that has
none is censored at its last score while it was treated (up to its last start + the gap).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from warnings import catch_warnings, simplefilter

import polars as pl

from flows.intervals import CONFIDENCE
from flows.metrics.outcomes import COURSE
from protocols.instruments import Instruments
from protocols.times import local_day

CURVE = ("protocol", "program", "instrument", "group", "note")
ALL, SOME, NONE = "all", "psychotherapy, not randomised", "no psychotherapy, not randomised"
TREATED = "under continued treatment"
SCHEMA = {
    **dict.fromkeys(CURVE, pl.String()), "day": pl.Int64(), "at_risk": pl.Int64(),
    "relapsed": pl.Int64(), "censored": pl.Int64(), "survival": pl.Float64(),
    "survival_low": pl.Float64(), "survival_high": pl.Float64(),
}  # fmt: skip


def responses(
    rows: pl.LazyFrame, contacts: pl.LazyFrame, held: Instruments, zones: Sequence[str]
) -> pl.LazyFrame:
    """One row is a course that responded on its protocol's primary scale while it was treated:
    after how many `days` it relapsed, or was last seen not to have; and whether it had
    `psychotherapy` by the landmark. `contacts` are those that took place, with their `at`.
    """
    rules = held.courses
    at, contact_day = pl.col("at"), local_day(pl.col("at"), zones)
    first_day = local_day(pl.col("responded_at"), zones)
    relapsed = (pl.col("relapsed_at") <= pl.col("treated_until")).fill_null(value=False)
    ended_at = pl.when(relapsed).then("relapsed_at").otherwise("followed_until")
    found = rows.filter(
        pl.col("is_primary") & (pl.col("responded_at") <= pl.col("treated_until"))
    ).with_columns(
        relapsed=relapsed,
        days=(local_day(ended_at, zones) - first_day).dt.total_days(),
        _responded_on=first_day,
    )
    until = pl.col("_responded_on") + pl.duration(days=rules.landmark.days)
    had = (
        found.join(
            contacts.filter(pl.col("kind").is_in(list(rules.psychotherapy.kinds))), on=COURSE[:2]
        )
        .filter(
            (at >= pl.col("course_started_at") - rules.baseline.within.delta)
            & (contact_day <= until)
        )
        .group_by(COURSE)
        .agg(_contacts=pl.len())
    )
    many = pl.col("_contacts").fill_null(0) >= rules.psychotherapy.at_least
    return found.join(had, on=COURSE, how="left").select(
        *COURSE, "program", "instrument", "days", "relapsed", psychotherapy=many
    )


def durability(found: pl.LazyFrame, held: Instruments) -> pl.LazyFrame:
    """Curves of all responses by protocol and programme; and, from the landmark on, of those that
    then still responded and were followed, by whether they had had psychotherapy.
    """
    mark = held.courses.landmark.days
    later = f"{TREATED}; not randomised; days count from day {mark} after the response"
    grouped = pl.when("psychotherapy").then(pl.lit(SOME)).otherwise(pl.lit(NONE))
    both = pl.concat(
        [
            found.with_columns(group=pl.lit(ALL), note=pl.lit(TREATED)),
            found.filter(pl.col("days") > mark).with_columns(
                days=pl.col("days") - mark, group=grouped, note=pl.lit(later)
            ),
        ]
    )
    parts = both.select(*CURVE, "days", "relapsed").collect().partition_by(CURVE, as_dict=True)
    rows = [
        dict(zip(CURVE, key, strict=True)) | point
        for key, part in sorted(parts.items())
        for point in kaplan_meier(part["days"].to_list(), part["relapsed"].to_list())
    ]
    return pl.LazyFrame(rows, schema=SCHEMA)


def kaplan_meier(days: Sequence[int], relapsed: Sequence[bool]) -> list[dict[str, Any]]:
    """One point for day 0 and for each day on which a course relapsed or was censored.

    Limits are 95 % log-log ones, with Greenwood's variance; there are none before the first
    relapse, nor once nobody is left.
    """
    from scipy.stats import CensoredData, ecdf

    events = [day for day, event in zip(days, relapsed, strict=True) if event]
    losses = [day for day, event in zip(days, relapsed, strict=True) if not event]
    curve = ecdf(CensoredData(uncensored=events, right=losses)).sf
    with catch_warnings():
        simplefilter("ignore", RuntimeWarning)  # it has no limits at 0 and 1, and says so each time
        limits = curve.confidence_interval(CONFIDENCE, method="log-log")
    points = zip(
        curve.quantiles, curve.probabilities, limits.low.probabilities,
        limits.high.probabilities, strict=True,
    )  # fmt: skip
    found = {int(day): (float(s), float(low), float(high)) for day, s, low, high in points}
    return [
        _point(day, days, events, losses, *found.get(day, (1.0, 1.0, 1.0)))
        for day in sorted({0, *found})
    ]


def _point(
    day: int,
    days: Sequence[int],
    events: Sequence[int],
    losses: Sequence[int],
    survival: float,
    low: float,
    high: float,
) -> dict[str, Any]:
    sure = 0 < survival < 1
    return {
        "day": day,
        "at_risk": sum(other >= day for other in days),
        "relapsed": events.count(day),
        "censored": losses.count(day),
        "survival": survival,
        "survival_low": low if sure else None,
        "survival_high": high if sure else None,
    }
