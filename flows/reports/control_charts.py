"""Control charts as SVG: a line over time between the limits of chance.

There is one for each clinic, protocol and rule that something can be seen of, so they are written
out here: a drawing library takes a hundred times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import groupby, pairwise
from math import ceil, floor, log10
from typing import Literal

from markupsafe import Markup

from flows.reports.charts import ACCENT, GREEN, INK, QUIET, RED

State = Literal["common", "improvement", "concern", "signal"]
_WIDTH, _HEIGHT = 624, 246
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 584, 10, 214
_MOST_DATES, _STEPS, _LEAST_STEP = 7, 5, 0.01
_DASHES = {"low": "5 3", "high": "5 3", "mean": "none"}
# What a point says: its shape around its place, and its colour.
_SHAPES: dict[State, tuple[str, str]] = {
    "common": ("m-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0", INK),
    "improvement": ("m0-6.5l6 10.5h-12z", GREEN),
    "concern": ("m-5-5h10v10h-10z", RED),
    "signal": ("m0-7l6 7l-6 7l-6-7z", ACCENT),
}


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
    across = [round(_LEFT + (_RIGHT - _LEFT) * day / days[-1], 1) for day in days]
    ticks = _ticks([*(v for mark in marks for v in _values(mark)), *_some(target)])

    def y(value: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * (value - ticks[0]) / (ticks[-1] - ticks[0]), 1)

    parts = [_axis_of_values(ticks, y, axis, shown), _axis_of_time(marks, across)]
    for _, phase in groupby(zip(marks, across, strict=True), key=lambda pair: pair[0].phase):
        parts += _lines(list(phase), y)
    for (mark, x), (later, then) in pairwise(zip(marks, across, strict=True)):
        if mark.phase != later.phase:
            parts.append(_path(f"M{(x + then) / 2:.1f} {_TOP}V{_BOTTOM}", INK, 1, "2 2"))
    for wanted in _some(target):
        parts.append(_path(f"M{_LEFT} {y(wanted)}H{_RIGHT}", QUIET, 2, "1 3"))
    parts += [_point(mark, x, y(mark.value)) for mark, x in zip(marks, across, strict=True)]
    named = f'role="img" aria-label="{escape(label, quote=True)}"'
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    svg = f'<svg {named} {size} xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    return Markup(svg)  # noqa: S704  (texts are escaped)


def _some(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _values(mark: Mark) -> list[float]:
    return [mark.value, *_some(mark.mean), *_some(mark.low), *_some(mark.high)]


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers, about five, from at or below the least value to at or above the greatest."""
    low, high = min(values), max(values)
    rough = max((high - low) / _STEPS, _LEAST_STEP)
    power = 10.0 ** floor(log10(rough))
    step = power * next(times for times in (1, 2, 5, 10) if times * power >= rough * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(at * step, 10) for at in range(first, max(last, first + 1) + 1)]


def _axis_of_values(
    ticks: Sequence[float], y: Callable[[float], float], name: str, shown: Callable[[float], str]
) -> str:
    lines = "".join(f"M{_LEFT} {y(tick)}H{_RIGHT}" for tick in ticks)
    words = "".join(
        f'<text x="{_LEFT - 6}" y="{y(tick) + 4.5:.1f}">{escape(shown(tick))}</text>'
        for tick in ticks
    )
    middle = (_TOP + _BOTTOM) / 2
    turned = f'<text transform="translate(12 {middle})rotate(-90)">{escape(name)}</text>'
    return (
        f'<path d="{lines}" stroke="#edf1f4"/><g font-size="13" fill="{QUIET}">'
        f'<g text-anchor="end">{words}</g><g text-anchor="middle">{turned}</g></g>'
    )


def _axis_of_time(marks: Sequence[Mark], across: Sequence[float]) -> str:
    """Some of the periods named, the latest always."""
    every = ceil(len(marks) / _MOST_DATES)
    named = list(zip(marks, across, strict=True))[::-1][::every]
    monthly = all(mark.period.day == 1 for mark in marks)
    lines = "".join(f"M{x} {_BOTTOM}v5" for _, x in named)
    words = "".join(
        f'<text x="{x}" y="{_BOTTOM + 19}">{_date(mark.period, monthly)}</text>'
        for mark, x in named
    )
    return (
        f'<path d="M{_LEFT} {_BOTTOM}H{_RIGHT}{lines}" stroke="#8795a1" fill="none"/>'
        f'<g font-size="13" fill="{QUIET}" text-anchor="middle">{words}</g>'
    )


def _date(period: date, monthly: bool) -> str:
    return f"{period:%b %Y}" if monthly else f"{period.day} {period:%b}"


def _lines(phase: Sequence[tuple[Mark, float]], y: Callable[[float], float]) -> list[str]:
    """Limits and mean as steps, each period's from half-way to the one before; then the values."""
    found = []
    for name, dash in _DASHES.items():
        steps = [(x, getattr(mark, name)) for mark, x in phase]
        if all(level is not None for _, level in steps):
            bends = "".join(
                f"H{(x + then) / 2:.1f}V{y(level)}" for (x, _), (then, level) in pairwise(steps)
            )
            start, end = steps[0], steps[-1]
            found.append(_path(f"M{start[0]} {y(start[1])}{bends}H{end[0]}", QUIET, 1.2, dash))
    drawn = "L".join(f"{x} {y(mark.value)}" for mark, x in phase)
    return [*found, _path(f"M{drawn}", INK, 1.6, "none")]


def _path(places: str, color: str, width: float, dash: str) -> str:
    return (
        f'<path d="{places}" fill="none" stroke="{color}" stroke-width="{width}" '
        f'stroke-dasharray="{dash}"/>'
    )


def _point(mark: Mark, x: float, y: float) -> str:
    shape, color = _SHAPES[mark.state]
    return f'<path d="M{x} {y}{shape}" fill="{color}"/>'
