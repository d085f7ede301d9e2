"""Funnels: whose share of events lies above that of peers, given how many trials each had.

The target is the share of all peers together. Limits are exact binomial quantiles, interpolated
between whole numbers as by Spiegelhalter, "Funnel plots for comparing institutional performance"
(Statistics in Medicine 2005); the upper one is the mirror of the lower, so that neither tail holds
more than its probability. Where peers differ by more than chance, the limits widen: his
multiplicative dispersion factor, the mean square of winsorised z-scores, counts when it is above 1
by more than two standard errors. A limit of d deviations is then the exact quantile that belongs to
d times the root of that factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

# The share of z-scores at each end that is pulled in, at least one.
WINSORISED = 0.1
_LIMITS = pl.Struct({"low": pl.Float64(), "high": pl.Float64()})

Numbers = NDArray[np.float64]


def funnel(
    rows: pl.LazyFrame,
    by: Sequence[str],
    deviations: float,
    least_trials: int,
    *,
    middle: bool = False,
) -> pl.LazyFrame:
    """Rows with `events` of `trials`, and what is expected of each among those with the same `by`.

    Adds `share`, `peers` (rows compared, this one included), `target` (their share of events),
    `dispersion` (1 or more), and the limits `low` and `high` as shares. A row with fewer trials
    than `least_trials` is no peer and has none of the last five. With `middle` the target is that
    of the peers without the outermost tenth at each end, which a few who stand far apart move
    little.
    """
    events, trials = pl.col("events"), pl.col("trials")
    enough = trials >= max(1, least_trials)
    theirs = (
        rows.filter(enough)
        .with_columns(_share=events / trials)
        .with_columns(_counts=_inside(pl.col("_share")).over(by) if middle else pl.lit(value=True))
        .with_columns(target=_kept(events).over(by) / _kept(trials).over(by))
        .with_columns(_z=_z_score())
        .group_by(by)
        .agg(
            pl.len().cast(pl.Int64).alias("peers"), pl.col("target").first(),
            dispersion=_dispersion(),
        )
    )  # fmt: skip
    judged = pl.when(enough)
    return (
        rows.join(theirs, on=by, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(
            judged.then(pl.col("peers", "target", "dispersion")),
            share=pl.when(trials > 0).then(events / trials),
        )
        .with_columns(
            pl.struct("trials", "target", "dispersion")
            .map_batches(lambda each: _limits_of(each, deviations), _LIMITS, is_elementwise=True)
            .struct.unnest()
        )
    )


def limits(
    trials: Numbers, target: Numbers, dispersion: Numbers, deviations: float
) -> tuple[Numbers, Numbers]:
    """Both limits of the share of events, so many standard deviations from the target; broadcast.

    A share on a limit is inside.
    """
    from scipy.special import ndtr

    beyond = ndtr(-deviations * np.sqrt(dispersion))
    low = _quantile(beyond, trials, target)
    high = trials - _quantile(beyond, trials, 1 - target)
    return np.maximum(low, 0) / trials, np.minimum(high, trials) / trials


def _quantile(beyond: Numbers, trials: Numbers, target: Numbers) -> Numbers:
    """Events of which fewer are seen with the probability `beyond`, interpolated."""
    from scipy.special import bdtr, bdtrik

    inside = np.clip(target, 1e-12, 1 - 1e-12)
    whole = np.ceil(np.nan_to_num(bdtrik(beyond, trials, inside)))
    # The inverse is exact but for its last digits.
    whole = np.where(bdtr(whole, trials, inside) <= beyond, whole + 1, whole)
    upto = bdtr(whole, trials, inside)
    below = np.where(whole > 0, bdtr(np.maximum(whole - 1, 0), trials, inside), 0.0)
    step = np.asarray(upto - below)
    # Where `beyond` is too small for a number, no count of events is that unlikely.
    part = np.divide(upto - beyond, step, out=np.zeros_like(step), where=step > 0)
    found: Numbers = whole - part
    return found


def _z_score() -> pl.Expr:
    """How far a share lies from the target, in standard deviations of chance; no rank, no flag."""
    target, trials = pl.col("target"), pl.col("trials")
    deviation = (target * (1 - target) / trials).sqrt()
    return (
        pl.when(deviation > 0).then((pl.col("events") / trials - target) / deviation).fill_null(0)
    )


def _kept(count: pl.Expr) -> pl.Expr:
    return count.filter(pl.col("_counts")).sum()


def _inside(value: pl.Expr) -> pl.Expr:
    """Whether a value lies between those that the outermost tenth at each end is pulled in to."""
    return value.is_between(*_ends(value))


def _ends(value: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    ordered, count = value.sort(), pl.len()
    pulled = pl.min_horizontal((count * WINSORISED).ceil().cast(pl.Int64), (count - 1) // 2)
    return ordered.get(pulled), ordered.get(count - 1 - pulled)


def _dispersion() -> pl.Expr:
    z, count = pl.col("_z").sort(), pl.len()
    square = (z.clip(*_ends(z)) ** 2).mean()
    return pl.when(square > 1 + 2 * (2 / count).sqrt()).then(square).otherwise(1.0)


def _limits_of(each: pl.Series, deviations: float) -> pl.Series:
    """The limits of rows that have a target; the others' are null."""
    table = each.struct.unnest().cast(pl.Float64)
    known = table["target"].is_not_null()
    some = table.filter(known)
    columns: dict[str, Any] = {name: np.full(len(table), np.nan) for name in ("low", "high")}
    if len(some):
        trials, target, dispersion = (some[name].to_numpy() for name in some.columns)
        found = limits(trials, target, dispersion, deviations)
        for name, values in zip(columns, found, strict=True):
            columns[name][known.to_numpy()] = values
    return pl.DataFrame(columns).fill_nan(None).to_struct(each.name)
