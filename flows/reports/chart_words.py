"""A control chart in words: for whoever cannot see it, and whoever has ten seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from flows.reports.words import SIGNALS, counted, days, number, percent
from flows.spc import FIRM_POINTS, LEAST_POINTS, Series

MOST_EARLIER = 3


def chart_says(
    periods: Sequence[date], series: Series, target: float | None, *, shares: bool
) -> str:
    """What the latest point is and signals, what signalled before it, and whether the target is
    within reach. `periods` are the points' own; `shares` says that values are shares."""
    shown = percent if shares else tenths
    said = [_latest(series, shown)]
    if not series.short:
        said += _earlier(periods, series)
    if target is not None and series.assurance is not None:
        said.append(_ASSURANCE[series.assurance].format(percent(target)))
    if series.trial:
        said.append(f"Trial limits: fewer than {FIRM_POINTS} points.")
    if series.rebased:
        said.append("Limits begin anew where the protocol changed (upright line).")
    if series.widened is not None:
        said.append(f"Limits are widened {series.widened:.1f} times (Laney's p′).")
    return " ".join(said)


_ASSURANCE = {
    "passes": "The target of {} will be met as things are.",
    "fails": "The target of {} will not be met unless something changes.",
    "hit_or_miss": "Whether the target of {} is met is up to chance.",
}


def tenths(value: float | None) -> str:
    """A measure's value, mean or limit: what stands behind the first decimal is noise."""
    return number(None if value is None else round(value, 1))


def signals_say(signals: Sequence[str]) -> str:
    """What a point signals, or "none"."""
    return "; ".join(SIGNALS[name] for name in signals) or "none"


def _latest(series: Series, shown: Callable[[float | None], str]) -> str:
    last = series.points[-1]
    value = f"Latest: {shown(last.value)}"
    if series.short:
        return f"{value}; no limits yet, with fewer than {LEAST_POINTS} points."
    low, high = shown(last.low), shown(last.high)
    within = f"mean {shown(last.mean)}, by chance {low} to {high}"
    change = {"improvement": "a change for the better", "concern": "a change for the worse",
              "common": "a change"}[series.variation]  # fmt: skip
    told = f"{change} ({signals_say(last.signals)})" if last.signals else "no sign of a change now"
    return f"{value}; {within}; {told}."


def _earlier(periods: Sequence[date], series: Series) -> list[str]:
    """Marks before the latest ones, newest first; neighbours with the same signals are one."""
    spans: list[tuple[date, date, tuple[str, ...]]] = []
    before: tuple[str, ...] = ()
    for at, point in enumerate(series.points):
        if point.signals and point.signals == before and at not in series.rebased:
            spans[-1] = (spans[-1][0], periods[at], before)
        elif point.signals:
            spans.append((periods[at], periods[at], point.signals))
        before = point.signals
    if series.points[-1].signals:
        spans.pop()
    if not spans:
        return []
    listed = [f"{days(first, last)} ({signals_say(signals)})"
              for first, last, signals in spans[: -MOST_EARLIER - 1 : -1]]  # fmt: skip
    more = len(spans) - len(listed)
    rest = f"; and {counted(more, 'mark')} before" if more else ""
    return [f"Marked earlier: {', '.join(listed)}{rest}."]
