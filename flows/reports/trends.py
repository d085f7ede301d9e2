"""Control charts of what the published tables hold: compliance by protocol, clinic and rule, and
single measures of operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

from flows.reports.chart_words import chart_says, signals_say, tenths
from flows.reports.charts import Chart, control_chart, drawn, nothing
from flows.reports.periods import SESSION_COUNTS, Period, full_enough, period_of, periods
from flows.reports.queries import Row
from flows.reports.words import day, percent
from flows.spc import Series, p_chart, xmr_chart

if TYPE_CHECKING:
    import duckdb

Charts = dict[str, Chart]
_NONE: tuple[list[Row], Period] = ([], "month")
KEY = (
    "Plain line: mean. Dashed: limits of chance. Dotted: target. A triangle is a change for the "
    "better, a square one for the worse, a diamond a change that is neither."
)


def network_chart(db: duckdb.DuckDBPyConnection) -> Chart:
    """Compliant sessions of all clinics among those decided, over time."""
    counted = full_enough(db, f"'' AS key, {SESSION_COUNTS}")
    return _sessions_chart("Compliant sessions, all clinics", counted.get("", _NONE))


def clinic_charts(db: duckdb.DuckDBPyConnection, clinics: Iterable[str]) -> Charts:
    """The same of each clinic, by its id."""
    counted = full_enough(db, f"clinic_id AS key, {SESSION_COUNTS}")
    return {of: _sessions_chart("Compliant sessions", counted.get(of, _NONE)) for of in clinics}


def _sessions_chart(name: str, counted: tuple[list[Row], Period]) -> Chart:
    found, period = counted
    return share_chart(found, name, f"{name}, by {period}", period)


def protocol_charts(db: duckdb.DuckDBPyConnection, titles: Mapping[str, str]) -> Charts:
    """Compliant subjects of each protocol, by its id; the limits begin anew with each version."""
    counted = full_enough(
        db,
        "protocol AS key, count(*) FILTER (status IN ('compliant', 'minor_misses')) AS hits, "
        "count(*) FILTER (status IN ('compliant', 'minor_misses', 'non_compliant')) AS trials, "
        "max_by(protocol_version, local_date) AS version FROM marts.subject_adherence",
    )
    charts = {}
    for protocol, title in titles.items():
        found, period = counted.get(protocol, _NONE)
        charts[protocol] = share_chart(found, title, f"Compliant, by {period}", period)
    return charts


def share_chart(
    found: list[Row], title: str, caption: str, period: str, target: float | None = None
) -> Chart:
    """A p chart of rows with period, hits and trials, and maybe the protocol's version."""
    if len(found) < 2:
        return nothing(title, "Too little for a chart over time yet: it needs two periods.")
    if all(row["hits"] == row["trials"] for row in found):
        return nothing(title, f"Met every time since {day(found[0]['period'])}: nothing to draw.")
    if not any(row["hits"] for row in found):
        of = sum(row["trials"] for row in found)
        return nothing(title, f"Met 0 of {of:,} times since {day(found[0]['period'])}: nothing to "
                       "draw.")  # fmt: skip
    series = p_chart(*_counts(found), rebase=_rebase(found), target=target)
    lines = [
        (day(row["period"]), f"{row['hits']} of {row['trials']}", percent(point.value),
         percent(point.low), percent(point.high), signals_say(point.signals))
        for row, point in zip(found, series.points, strict=True)
    ]  # fmt: skip
    heads = (f"{period.capitalize()} from", "Met", "Share", "Lower limit", "Upper limit", "Signal")
    return _chart(found, series, title, caption, (heads, lines), target, "share", ".0%", better=1)


def series_of(found: list[Row], target: float | None) -> Series | None:
    """The same without the picture; None with less than two periods."""
    if len(found) < 2:
        return None
    return p_chart(*_counts(found), rebase=_rebase(found), target=target)


def clinic_signals(db: duckdb.DuckDBPyConnection, clinics: Iterable[str]) -> list[Row]:
    """Each clinic's latest whole period and what its series says, in the order of `clinics`."""
    found = periods(db, f"clinic_id AS key, {SESSION_COUNTS}", period_of(db))
    listed = []
    for clinic_id in clinics:
        series = series_of(found[(clinic_id,)], None)
        if series is not None:
            listed.append({"clinic_id": clinic_id, "series": series, "last": series.points[-1]})
    return listed


def measure_chart(
    found: list[Row], title: str, caption: str, axis: str, better: Literal[-1, 0, 1] = 0
) -> Chart:
    """An XmR chart of rows with period and value."""
    if len(found) < 2:
        return nothing(title, "Too little for a chart over time yet: it needs two periods.")
    if len({row["value"] for row in found}) == 1:
        always = tenths(float(found[0]["value"]))
        return nothing(title, f"{always} {axis} in each period since {day(found[0]['period'])}: "
                       "nothing to draw.")  # fmt: skip
    series = xmr_chart([float(row["value"]) for row in found], better=better)
    lines = [
        (day(row["period"]), tenths(point.value), tenths(point.low), tenths(point.high),
         signals_say(point.signals))
        for row, point in zip(found, series.points, strict=True)
    ]  # fmt: skip
    heads = ("From", "Value", "Lower limit", "Upper limit", "Signal")
    return _chart(found, series, title, caption, (heads, lines), None, axis, ",.5~g", better=better)


def _chart(
    found: list[Row],
    series: Series,
    title: str,
    caption: str,
    table: tuple[tuple[str, ...], Sequence[tuple[str, ...]]],
    target: float | None,
    axis: str,
    form: str,
    *,
    better: int,
) -> Chart:
    days = [row["period"] for row in found]
    says = chart_says(days, series, target, shares=form == ".0%")
    phase = 0
    points = []
    for at, (row, point) in enumerate(zip(found, series.points, strict=True)):
        phase += at in series.rebased
        points.append(
            {"period": _noon(row["period"]), "value": point.value, "phase": phase,
             "mean": point.mean if point.low is not None else None,
             "low": point.low, "high": point.high, "target": target,
             "state": _state(point.value, point.mean, bool(point.signals), better)}
        )  # fmt: skip
    rebased = [_noon(found[at]["period"] - timedelta(days=3)) for at in series.rebased]
    dates = "%b %Y" if {at.day for at in days} == {1} else "%-d %b"
    picture = control_chart(points, rebased, axis, (form, dates))
    svg = drawn(picture, f"{title}. {says}")
    return Chart(title, caption, says, table[0], table[1], svg)


def _counts(found: list[Row]) -> tuple[list[int], list[int]]:
    return [row["hits"] for row in found], [row["trials"] for row in found]


def _noon(at: date) -> str:
    """A day that no time zone moves."""
    return f"{at.isoformat()}T12:00:00"


def _state(value: float, mean: float, signals: bool, better: int) -> str:
    if not signals:
        return "common"
    if not better:
        return "signal"
    return "improvement" if (value > mean) == (better > 0) else "concern"


def _rebase(found: list[Row]) -> list[int]:
    """Where the version that judged most recently is another one."""
    versions = [row.get("version") for row in found]
    return [at for at in range(1, len(versions)) if versions[at] != versions[at - 1]]
