"""Control charts: a line over time between the limits of chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from math import ceil
from typing import Literal

from markupsafe import Markup

from flows.reports.axes import (
    ACCENT,
    BOTTOM,
    GREEN,
    INK,
    LEFT,
    QUIET,
    RED,
    RIGHT,
    TOP,
    Axis,
    drawn_rightward,
    drawn_upward,
    path,
    picture,
    shape,
    upward,
)

State = Literal["common", "improvement", "concern", "signal"]
CIRCLE = "m-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0"
SQUARE = "m-5-5h10v10h-10z"
_MOST_DATES = 7
_DASHES = {"low": "5 3", "high": "5 3", "mean": "none"}
# What a point says: its outline and its colour.
_SHAPES: dict[State, tuple[str, str]] = {
    "common": (CIRCLE, INK), "improvement": ("m0-6.5l6 10.5h-12z", GREEN),
    "concern": (SQUARE, RED), "signal": ("m0-7l6 7l-6 7l-6-7z", ACCENT),
}  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """One period's value with the mean and limits that hold for it (None where there are none);
    limits begin anew with each phase."""

    period: date
    value: float
    phase: int
    mean: float | None
    low: float | None
    high: float | None
    state: State


def control_chart(
    marks: Sequence[Mark],
    target: float | None,
    axis: str,
    shown: Callable[[float], str],
    label: str,
) -> Markup:
    """Two or more periods in order: limits dashed, the mean plain, the target dotted. `shown`
    writes a value of the axis, `label` is the picture in words."""
    days = [(mark.period - marks[0].period).days for mark in marks]
    across = [round(LEFT + (RIGHT - LEFT) * day / days[-1], 1) for day in days]
    placed = list(zip(marks, across, strict=True))
    y = upward([*(v for mark in marks for v in _values(mark)), *_some(target)])
    parts = [drawn_upward(y, axis, shown), drawn_rightward(_dates(placed))]
    for _, phase in groupby(placed, key=lambda pair: pair[0].phase):
        parts += _lines(list(phase), y)
    for (mark, x), (later, then) in pairwise(placed):
        if mark.phase != later.phase:
            parts.append(path(f"M{(x + then) / 2:.1f} {TOP}V{BOTTOM}", INK, 1, "2 2"))
    parts += [path(f"M{LEFT} {y(wanted)}H{RIGHT}", QUIET, 2, "1 3") for wanted in _some(target)]
    parts += [shape(x, y(mark.value), *_SHAPES[mark.state]) for mark, x in placed]
    return picture(parts, label)


def _some(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _values(mark: Mark) -> list[float]:
    return [mark.value, *_some(mark.mean), *_some(mark.low), *_some(mark.high)]


def _dates(placed: Sequence[tuple[Mark, float]]) -> list[tuple[float, str]]:
    """Some of the periods by name, the latest always."""
    monthly = all(mark.period.day == 1 for mark, _ in placed)
    every = ceil(len(placed) / _MOST_DATES)
    return [
        (x, f"{mark.period:%b %Y}" if monthly else f"{mark.period.day} {mark.period:%b}")
        for mark, x in placed[::-1][::every]
    ]


def _lines(phase: Sequence[tuple[Mark, float]], y: Axis) -> list[str]:
    """Limits and mean as steps, each period's from half-way to the one before; then the values."""
    found = []
    for name, dash in _DASHES.items():
        steps = [(x, getattr(mark, name)) for mark, x in phase]
        if all(level is not None for _, level in steps):
            bends = "".join(
                f"H{(x + then) / 2:.1f}V{y(level)}" for (x, _), (then, level) in pairwise(steps)
            )
            start, end = steps[0], steps[-1]
            found.append(path(f"M{start[0]} {y(start[1])}{bends}H{end[0]}", QUIET, 1.2, dash))
    values = "L".join(f"{x} {y(mark.value)}" for mark, x in phase)
    return [*found, path(f"M{values}", INK, 1.6)]
