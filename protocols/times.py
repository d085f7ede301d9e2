"""Local days of clinics, and bounds of windows, as Polars expressions.

Inside, an instant is UTC in microseconds; a row's `_zone` says where it is local, and one without
(its clinic's row was withdrawn) has no local time. The end of a local day is its last microsecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from protocols.durations import Length

INSTANT = pl.Datetime("us", "UTC")
_WALL = pl.Datetime("us")
_ONE = pl.duration(microseconds=1)


def local_wall(at: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """Wall-clock time, without a zone, at the row's clinic."""
    return _by_zone(
        at, zones, lambda at, zone: at.dt.convert_time_zone(zone).dt.replace_time_zone(None), _WALL
    )


def local_day(at: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """The clinic's local date of an instant."""
    return local_wall(at, zones).dt.date()


def midnight(day: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """The first instant of a local day, also where the clocks skip midnight."""
    return instant(day.cast(_WALL), zones)


def instant(wall: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """The instant of a wall-clock time at the row's clinic: the first of two where the clocks go
    back; where they skip it, as a clock that was not put forward would show it.
    """
    day = pl.duration(days=1)

    def there(wall: pl.Expr, zone: str) -> pl.Expr:
        def exact(at: pl.Expr) -> pl.Expr:
            held = at.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            return held.dt.convert_time_zone("UTC")

        return pl.coalesce(exact(wall), exact(wall - day) + day)

    return _by_zone(wall, zones, there, INSTANT)


def window_start(anchor: pl.Expr, step: Length, sign: int, zones: Sequence[str]) -> pl.Expr:
    """First instant that lies in a window which begins at anchor ± step."""
    if step.calendar_days is None:
        return anchor + pl.duration(microseconds=sign * step.microseconds)
    day = local_day(anchor, zones) + pl.duration(days=sign * step.calendar_days)
    return midnight(day, zones)


def window_end(anchor: pl.Expr, step: Length, sign: int, zones: Sequence[str]) -> pl.Expr:
    """Last instant that lies in a window which ends at anchor ± step."""
    if step.calendar_days is None:
        return anchor + pl.duration(microseconds=sign * step.microseconds)
    day = local_day(anchor, zones) + pl.duration(days=sign * step.calendar_days + 1)
    return midnight(day, zones) - _ONE


def minutes(length: pl.Expr) -> pl.Expr:
    """A duration in minutes."""
    return length.dt.total_microseconds().cast(pl.Float64) / 60e6


def clock(at: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """Local HH:MM."""
    return local_wall(at, zones).dt.strftime("%H:%M")


def day_and_clock(at: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """Local YYYY-MM-DD HH:MM."""
    return local_wall(at, zones).dt.strftime("%Y-%m-%d %H:%M")


def _by_zone(
    at: pl.Expr, zones: Sequence[str], of: Callable[[pl.Expr, str], pl.Expr], kind: pl.DataType
) -> pl.Expr:
    """`of` each row's own zone.

    Of several zones a function over whole columns chooses: as one expression, a choice within a
    choice (the midnight of a local day) would grow with the power of the number of zones.
    """
    if len(zones) == 1:
        return pl.when(pl.col("_zone").is_not_null()).then(of(at, zones[0]).cast(kind))

    def chosen(columns: Sequence[pl.Series]) -> pl.Series:
        at, zone = columns
        if len(at) != len(zone):
            at = at.new_from_index(0, len(zone))
        value = pl.lit(None, kind)
        for name in zone.unique().drop_nulls():
            value = pl.when(zone == name).then(of(pl.col("at"), name).cast(kind)).otherwise(value)
        return pl.DataFrame({"at": at}).with_columns(at=value).to_series()

    return pl.map_batches([at, pl.col("_zone")], chosen, return_dtype=kind, is_elementwise=True)
