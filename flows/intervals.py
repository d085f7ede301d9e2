"""The 95 % Wilson score interval of a rate.

Written out, since SciPy takes seconds to import and a millisecond a rate, of which a network has
tens of thousands; a test compares both.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TypeVar

import polars as pl

CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)

_Number = TypeVar("_Number", float, pl.Expr)


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Both ends, for at least one trial."""
    low, high = _ends(float(hits), float(trials))
    return 0.0 if hits == 0 else low, 1.0 if hits == trials else high


def wilson_of_columns(hits: pl.Expr, trials: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Both ends, null without trials."""
    low, high = _ends(hits.cast(pl.Float64), trials.cast(pl.Float64))
    some = pl.when(trials > 0)
    return (
        some.then(pl.when(hits == 0).then(0.0).otherwise(low)),
        some.then(pl.when(hits == trials).then(1.0).otherwise(high)),
    )


def _ends(hits: _Number, trials: _Number) -> tuple[_Number, _Number]:
    square = _Z * _Z
    share = hits / trials
    spread = share * (1 - share) / trials + square / (4 * trials * trials)
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = _Z * spread**0.5 / (1 + square / trials)
    return middle - half, middle + half
