"""Chair time and opening hours: minutes by the clinic's local months, none counted twice.

A span is a row with `since` and `until`, instants at most about a day apart. Lengths are between
instants, so that a night on which the clocks change has the minutes that passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from protocols.times import INSTANT, instant, local_day, midnight

LONGEST_HOURS = 24  # longer between arrival and discharge: one of the two is mistyped
_MINUTE_US = 60_000_000
_MONTH = ("clinic_id", "month")
_LASTS = pl.col("since") < pl.col("until")


def chair_minutes(sessions: pl.LazyFrame, zones: Sequence[str], as_of: datetime) -> pl.LazyFrame:
    """Minutes by clinic, programme and month in which a chair was taken, from arrival to
    discharge. What two sessions share in one chair is the earlier one's, and among the other's
    `shared_minutes`; a session without a chair has one of its own.
    """
    alone = pl.when(pl.col("chair").is_null()).then("session_id")
    spans = (
        sessions.filter(in_chair())
        .with_columns(
            _alone=alone,
            since="arrived_at",
            until=pl.min_horizontal("discharged_at", pl.lit(as_of, INSTANT)),
        )
        .filter(_LASTS)
    )
    by = ("clinic_id", "program")
    taken = _once(spans, ("clinic_id", "chair", "_alone"), "session_id")
    held = _by_month(taken, by, zones).rename({"minutes": "chair_minutes"})
    stays = _by_month(spans, by, zones).rename({"minutes": "_stayed"})
    return (
        stays.join(held, on=[*by, "month"], how="left")
        .with_columns(pl.col("chair_minutes").fill_null(0.0))
        .with_columns(shared_minutes=pl.col("_stayed") - pl.col("chair_minutes"))
    )


def in_chair() -> pl.Expr:
    """Whether a session's time in its chair can be told."""
    stay = pl.col("discharged_at") - pl.col("arrived_at")
    held = stay.is_between(pl.duration(), pl.duration(hours=LONGEST_HOURS))
    return took_place() & held.fill_null(value=False)


def took_place() -> pl.Expr:
    """Completed, or aborted."""
    return pl.col("status").is_in(["completed", "aborted"])


def open_minutes(
    months: pl.LazyFrame, clinics: pl.LazyFrame, hours: pl.LazyFrame, zones: Sequence[str]
) -> pl.LazyFrame:
    """Minutes for which each clinic's chairs were open in the `months` (clinic_id, month), up to
    its `cutoff`; null without opening hours or a number of chairs.

    `clinics`: clinic_id, _zone, chairs, cutoff. `hours` as delivered, null clinics included.
    """
    first, spans = opening_spans(_days(months), clinics, hours, zones)
    open_ = _by_month(_once(spans, ("clinic_id",), "hours_id"), ("clinic_id",), zones)
    known = pl.col("_first") <= pl.col("month").dt.month_end()
    return (
        months.join(open_, on=_MONTH, how="left")
        .join(first, on="clinic_id", how="left")
        .join(clinics.select("clinic_id", "chairs"), on="clinic_id", how="left")
        .select(
            *_MONTH,
            "chairs",
            open_minutes=pl.when(known).then(
                pl.col("minutes").fill_null(0.0) * pl.col("chairs")
            ),
        )
    )  # fmt: skip


def opening_spans(
    days: pl.LazyFrame, clinics: pl.LazyFrame, hours: pl.LazyFrame, zones: Sequence[str]
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """From when each clinic's opening hours are known (clinic_id, `_first` day), and its spans
    from opening to closing on the `days` (clinic_id, day), up to its `cutoff`.

    `clinics`: clinic_id, _zone, cutoff. `hours` as delivered, null clinics included.
    """
    table = _timetable(clinics, hours)
    first = table.group_by("clinic_id").agg(_first=pl.col("effective_from").min())
    return first, _windows(days, table, clinics, zones)


def _timetable(clinics: pl.LazyFrame, hours: pl.LazyFrame) -> pl.LazyFrame:
    """Opening hours of each clinic; the network's hold at it before the first of its own (`_own`)
    begin.
    """
    kept = ("hours_id", "weekday", "opens", "closes", "effective_from")
    own = hours.filter(pl.col("clinic_id").is_not_null()).select("clinic_id", *kept)
    begin = own.group_by("clinic_id").agg(_own=pl.col("effective_from").min())
    shared = hours.filter(pl.col("clinic_id").is_null()).select(kept)
    everywhere = clinics.select("clinic_id").join(shared, how="cross")
    never = pl.lit(None, pl.Date)
    return pl.concat(
        [
            own.with_columns(_own=never),
            everywhere.join(begin, on="clinic_id", how="left")
            .filter(pl.col("_own").is_null() | (pl.col("effective_from") < pl.col("_own"))),
        ]
    )  # fmt: skip


def _days(months: pl.LazyFrame) -> pl.LazyFrame:
    """Each day of the months, and the day before, whose night may end in them."""
    month = pl.col("month")
    return (
        months.select(
            "clinic_id", day=pl.date_ranges(month.dt.offset_by("-1d"), month.dt.month_end())
        )
        .explode("day")
        .unique()
    )


def _windows(
    days: pl.LazyFrame, table: pl.LazyFrame, clinics: pl.LazyFrame, zones: Sequence[str]
) -> pl.LazyFrame:
    """From opening to closing, by the hours last put in force; `closes` before `opens` is the next
    day's, the same as `opens` is closed.
    """
    day, opens, closes = pl.col("day"), pl.col("opens"), pl.col("closes")
    last = pl.col("effective_from") == pl.col("effective_from").max().over("clinic_id", "day")
    night = pl.when(closes < opens).then(pl.duration(days=1)).otherwise(pl.duration())
    return (
        days.with_columns(weekday=day.dt.weekday().cast(pl.Int64))
        .join(table, on=["clinic_id", "weekday"])
        .filter(
            pl.col("effective_from") <= day, (day < pl.col("_own")).fill_null(value=True)
        )
        .filter(last)
        .filter(closes != opens)
        .join(clinics, on="clinic_id")
        .with_columns(
            since=instant(_wall(day, opens), zones),
            until=pl.min_horizontal(instant(_wall(day + night, closes), zones), "cutoff"),
        )
    )  # fmt: skip


def _wall(day: pl.Expr, clock: pl.Expr) -> pl.Expr:
    """A local day and HH:MM as wall-clock time."""
    return day.dt.combine(clock.str.to_time("%H:%M"))


def _once(spans: pl.LazyFrame, of: Sequence[str], tie: str) -> pl.LazyFrame:
    """Of each span what no earlier one of its group covers."""
    order = ("since", tie, "until")
    before = pl.col("until").cum_max().shift(1).over(*of)
    return (
        spans.filter(_LASTS)
        .sort(*of, *order)
        .with_columns(since=pl.max_horizontal("since", before))
        .filter(_LASTS)
    )


def _by_month(spans: pl.LazyFrame, by: Sequence[str], zones: Sequence[str]) -> pl.LazyFrame:
    """Minutes by local month; a span that a month ends in counts in both."""
    since, until, turn = pl.col("since"), pl.col("until"), pl.col("_turn")
    day = local_day(until - pl.duration(microseconds=1), zones)
    ends = spans.with_columns(month=day.dt.truncate("1mo")).with_columns(
        _turn=midnight(pl.col("month"), zones)
    )
    parts = [
        ends.with_columns(_length=until - pl.max_horizontal(since, turn)),
        ends.filter(since < turn).with_columns(
            month=local_day(since, zones).dt.truncate("1mo"), _length=turn - since
        ),
    ]
    whole = pl.col("_length").dt.total_microseconds().sum()  # whole numbers: the order is no matter
    return pl.concat(parts).group_by(*by, "month").agg(minutes=whole / _MINUTE_US)
