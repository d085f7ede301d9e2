"""Statistical process control: p charts, Laney's p' and XmR charts, and what they signal.

The four rules are those of NHS England's "Making Data Count", as its own package NHSRplotthedots
(R/ptd_calculate_point_type.R, R/ptd_spc_standard.R) has them: a point outside the limits; seven
points in a row on one side of the mean; seven points in a row that each rise, or each fall; two of
three on one side of the mean that lie in the outer third of the way to a limit. None of them looks
across a rebase. Limits of p charts lie three standard deviations from the mean; those of XmR charts
2.66 mean moving ranges. Laney 2002, "Improved control charts for attributes", widens a p chart by
the moving range of its z-scores where points differ by more than chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Signal = Literal["outside", "shift", "trend", "near_limit"]
Variation = Literal["improvement", "concern", "common"]
Assurance = Literal["passes", "fails", "hit_or_miss"]

RUN = 7
# Below the first number a series has no limits; below the second they are trial limits.
LEAST_POINTS, FIRM_POINTS = 5, 12
# Mean moving range of two to a standard deviation, and to the limits of an XmR chart.
_D2, _XMR = 1.128, 2.66
_OUTER_THIRD = 2 / 3
# The variance of a standard deviation estimated from m moving ranges of independent points is about
# this over m.
_VARIANCE_OF_RANGES = 0.83

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """One period: its value, the mean and limits that hold for it (None in a series too short for
    limits), and what it signals."""

    value: float
    mean: float
    low: float | None
    high: float | None
    signals: tuple[Signal, ...] = ()


@dataclass(frozen=True)
class Series:
    """A chart's points in order, `rebased` at the positions where a phase begins anew.

    `widened` is Laney's factor of the last phase, None for a plain p chart or XmR. `variation` is
    that of the last point, `assurance` whether the limits leave the target within reach of chance.
    `trial`: the last phase is too short for firm limits; `short`: for any.
    """

    points: tuple[Point, ...]
    rebased: tuple[int, ...]
    widened: float | None
    variation: Variation
    assurance: Assurance | None
    trial: bool
    short: bool


def p_chart(
    hits: Sequence[int],
    trials: Sequence[int],
    *,
    rebase: Sequence[int] = (),
    target: float | None = None,
    laney: bool = True,
) -> Series:
    """Shares of hits, of which more is better; every period has at least one trial. `laney`: limits
    are widened where the points ask for it."""
    points: list[Point] = []
    widened = None
    for start, end in _phases(len(hits), rebase):
        mine, of = (np.array(part[start:end], np.float64) for part in (hits, trials))
        mean = mine.sum() / of.sum()
        sigma = np.sqrt(mean * (1 - mean) / of)
        widened = _laney(mine / of, mean, sigma) if laney else None
        reach = 3 * sigma * (widened or 1.0)
        low, high = np.maximum(mean - reach, 0.0), np.minimum(mean + reach, 1.0)
        points += _points(mine / of, mean, reach, low, high)
    return _series(points, rebase, widened, target, better=1)


def xmr_chart(
    values: Sequence[float],
    *,
    rebase: Sequence[int] = (),
    target: float | None = None,
    better: Literal[-1, 0, 1] = 0,
) -> Series:
    """Single values; `better` says whether more (1) or less (-1) is better."""
    points: list[Point] = []
    for start, end in _phases(len(values), rebase):
        mine = np.array(values[start:end], np.float64)
        mean = mine.mean()
        ranges = np.abs(np.diff(mine))
        reach = np.full(len(mine), _XMR * ranges.mean() if len(ranges) else 0.0)
        points += _points(mine, mean, reach, mean - reach, mean + reach)
    return _series(points, rebase, None, target, better=better)


def _phases(length: int, rebase: Sequence[int]) -> list[tuple[int, int]]:
    cuts = [0, *(at for at in rebase if 0 < at < length), length]
    return [(a, b) for a, b in pairwise(cuts) if b > a]


def _laney(shares: Numbers, mean: float, sigma: Numbers) -> float | None:
    """The standard deviation of z-scores by their moving range, where it is above 1 by more than
    two standard errors; else None. A shift or an outlier hardly moves it: only neighbours count."""
    if len(shares) < LEAST_POINTS or not 0 < mean < 1:
        return None
    ranges = np.abs(np.diff((shares - mean) / sigma))
    factor = float(ranges.mean() / _D2)
    return factor if factor > 1 + 2 * np.sqrt(_VARIANCE_OF_RANGES / len(ranges)) else None


def _points(
    values: Numbers, mean: float, reach: Numbers, low: Numbers, high: Numbers
) -> list[Point]:
    if len(values) < LEAST_POINTS:
        return [Point(float(value), float(mean), None, None) for value in values]
    marks = _signals(values, float(mean), reach)
    return [
        Point(float(value), float(mean), float(lower), float(upper), mark)
        for value, lower, upper, mark in zip(values, low, high, marks, strict=True)
    ]


def _signals(values: Numbers, mean: float, reach: Numbers) -> list[tuple[Signal, ...]]:
    """What each point of a phase signals. Differences in the last digits are none."""
    off = values - mean
    off[np.isclose(off, 0, atol=1e-12)] = 0
    side = np.sign(off)
    outside = np.abs(off) > reach * (1 + 1e-12)
    near = ~outside & (np.abs(off) > reach * _OUTER_THIRD * (1 + 1e-12))
    steps = np.sign(np.diff(values))
    found: dict[Signal, NDArray[np.bool_]] = {
        "outside": outside,
        "shift": _runs(side, RUN),
        "trend": _spread(_runs(steps, RUN - 1)),
        "near_limit": near & _two_of_three(near, side),
    }
    return [tuple(name for name, marks in found.items() if marks[at]) for at in range(len(values))]


def _runs(signs: Numbers, length: int) -> NDArray[np.bool_]:
    """Members of runs of one sign, not nought, that are at least so long."""
    marked = np.zeros(len(signs), np.bool_)
    for at in range(len(signs) - length + 1):
        part = signs[at : at + length]
        if part[0] != 0 and (part == part[0]).all():
            marked[at : at + length] = True
    return marked


def _spread(steps: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Points at either end of a marked step."""
    points = np.zeros(len(steps) + 1, np.bool_)
    points[:-1] |= steps
    points[1:] |= steps
    return points


def _two_of_three(near: NDArray[np.bool_], side: Numbers) -> NDArray[np.bool_]:
    marked = np.zeros(len(near), np.bool_)
    for at in range(len(near) - 2):
        if near[at : at + 3].sum() >= 2 and abs(side[at : at + 3].sum()) == 3:
            marked[at : at + 3] = True
    return marked


def _series(
    points: list[Point],
    rebase: Sequence[int],
    widened: float | None,
    target: float | None,
    *,
    better: int,
) -> Series:
    rebased = tuple(at for at in rebase if 0 < at < len(points))
    last = len(points) - max(rebased, default=0)
    variation: Variation = "common"
    if points and points[-1].signals and better:
        above = points[-1].value > points[-1].mean
        variation = "improvement" if above == (better > 0) else "concern"
    return Series(
        points=tuple(points), rebased=rebased, widened=widened, variation=variation,
        assurance=_assurance(points, target, better),
        trial=LEAST_POINTS <= last < FIRM_POINTS, short=last < LEAST_POINTS,
    )  # fmt: skip


def _assurance(points: list[Point], target: float | None, better: int) -> Assurance | None:
    """Whether the last point's limits lie wholly on one side of the target."""
    if target is None or not better or not points:
        return None
    low, high = points[-1].low, points[-1].high
    if low is None or high is None:
        return None
    if target > high:
        return "fails" if better > 0 else "passes"
    if target < low:
        return "passes" if better > 0 else "fails"
    return "hit_or_miss"
