"""A session as a picture: when things happened, vital signs against the limits that rules hold them
to, and when each rule looked. Places only; `timeline.svg.j2` draws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from flows.reports.queries import Row, grouped
from flows.reports.words import clock

WIDTH, LEFT, RIGHT = 980, 118, 14
MARGIN = timedelta(minutes=6)
# Longer than any session: a moment further off is a slip of the pen, and not drawn.
LONGEST = timedelta(hours=14)
MOST_WINDOWS = 24
_STEPS = (10, 15, 30, 60, 120)
_MOMENT_NAMES = {
    "arrived_at": "arrived", "started_at": "start", "ended_at": "end",
    "monitoring_ended_at": "monitoring ended", "ready_at": "fit to leave", "discharged_at": "left",
}  # fmt: skip
# Panels of vital signs: name, unit, the columns in it, the least span of its scale.
_PANELS = (
    ("Pressure", "mmHg", ("systolic_mmhg", "diastolic_mmhg"), 40),
    ("Heart rate", "/min", ("heart_rate_bpm",), 30),
    ("Saturation", "%", ("spo2_pct",), 10),
    ("Breathing", "/min", ("respiratory_rate_bpm",), 10),
    ("Sedation", "MOAA/S", ("sedation_moaas",), 5),
    ("Dissociation", "CADSS", ("dissociation_cadss",), 10),
)
_PANEL_HEIGHT, _ROW, _LANE = 64, 25, 22
_ORDER = {"not_met": 0, "not_evaluable": 1, "pending": 2, "met": 3}


class Dot(NamedTuple):
    """A reading: its place, and what it says."""

    x: float
    y: float
    says: str


@dataclass
class Panel:
    """One vital sign: its readings by column, and the limits it is held against."""

    name: str
    unit: str
    top: float
    bottom: float
    lines: list[list[Dot]] = field(default_factory=list)
    limits: list[tuple[float, str]] = field(default_factory=list)


@dataclass
class Timeline:
    """Where everything stands, in the picture's own units."""

    height: float = 0
    ticks: list[tuple[float, str]] = field(default_factory=list)
    moments: list[tuple[float, float, str, str]] = field(default_factory=list)
    lanes: list[tuple[float, str]] = field(default_factory=list)
    spans: list[tuple[float, float, float, str]] = field(default_factory=list)
    marks: list[tuple[float, float, str]] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    windows: list[Row] = field(default_factory=list)
    bottom: float = 0


@dataclass(frozen=True)
class _Axis:
    start: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        share = (at - self.start) / (self.end - self.start)
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def holds(self, at: datetime) -> bool:
        return self.start <= at <= self.end


def timeline(
    events: Sequence[Row], rules: Sequence[Row], limits: Iterable[Row], zone: str
) -> Timeline | None:
    """The picture of a session from its charted events, its rules' windows and the limits of those
    rules; None when nothing was charted at a time."""
    axis = _axis(events)
    if axis is None:
        return None
    shown = [event for event in events if axis.holds(event["happened_at"])]
    made = Timeline(ticks=_ticks(axis, zone))
    by_feed = grouped(shown, "feed")
    y = _place_moments(made, axis, by_feed[("sessions",)], zone)
    y = _place_lane(made, axis, "Doses", by_feed[("doses",)], zone, y)
    others = [e for feed in ("events", "screenings", "contacts", "outcomes")
              for e in by_feed[(feed,)]]  # fmt: skip
    y = _place_lane(made, axis, "Also charted", others, zone, y)
    y = _place_panels(made, axis, by_feed[("vitals",)], list(limits), zone, y)
    y = _place_windows(made, axis, rules, zone, y)
    made.bottom = y + 4
    made.height = y + 26
    return made


def _axis(events: Sequence[Row]) -> _Axis | None:
    """From the first to the last moment of the session, its doses and vital signs."""
    times = sorted(e["happened_at"] for e in events if e["feed"] in ("sessions", "vitals", "doses"))
    if not times:
        return None
    starts = [e["happened_at"] for e in events if e["kind"] == "started_at"] or [times[0]]
    near = [at for at in times if abs(at - starts[0]) <= LONGEST]
    return _Axis(near[0] - MARGIN, near[-1] + MARGIN)


def _ticks(axis: _Axis, zone: str) -> list[tuple[float, str]]:
    """Full quarters, halves or hours of the clinic's clock."""
    span = (axis.end - axis.start).total_seconds() / 60
    step = next((step for step in _STEPS if span / step <= 14), _STEPS[-1])
    at = axis.start.replace(minute=0, second=0, microsecond=0)
    found = []
    while at <= axis.end:
        if axis.holds(at):
            found.append((axis.x(at), clock(at, zone)))
        at += timedelta(minutes=step)
    return found


def _place_moments(made: Timeline, axis: _Axis, moments: Sequence[Row], zone: str) -> float:
    """Upright lines with their names, on rows so that no two names touch."""
    ends: list[float] = []
    for moment in sorted(moments, key=lambda e: (e["happened_at"], e["kind"])):
        x = axis.x(moment["happened_at"])
        words = f"{_MOMENT_NAMES[moment['kind']]} {clock(moment['happened_at'], zone)}"
        width = 6.6 * len(words)
        starts = x + 4 if x + 4 + width <= WIDTH else x - 4 - width
        row = next((at for at, end in enumerate(ends) if end < starts - 6), len(ends))
        ends[row : row + 1] = [starts + width]
        made.moments.append((x, 44 + row * 17, words, "start" if starts > x else "end"))
    return 44 + max(len(ends), 1) * 17 + 2


def _place_lane(
    made: Timeline, axis: _Axis, name: str, events: Sequence[Row], zone: str, y: float
) -> float:
    """Things that last as bars, others as marks, on rows so that no two names touch."""
    if not events:
        return y
    ends: list[float] = []
    for event in events:
        x, words = axis.x(event["happened_at"]), _event_words(event, zone)
        until = axis.x(event["until_at"]) if event["until_at"] is not None else x
        left_of = x + 7.0 * len(words) > WIDTH - RIGHT
        row = next((at for at, end in enumerate(ends) if end < x - 8), len(ends))
        ends[row : row + 1] = [until if left_of else max(until, x) + 7.0 * len(words) + 14]
        top = y + row * _LANE
        if until - x >= 3:
            made.spans.append((x, until - x, top, words))
        else:
            made.marks.append((x, top, words))
    made.lanes.append((y, name))
    return y + len(ends) * _LANE + 8


def _event_words(event: Row, zone: str) -> str:
    kind = event["kind"].replace("_", " ")
    amount = f"{event['value']:g} mg " if event["value"] is not None else ""
    word = f" {event['word'].replace('_', ' ')}" if event["word"] else ""
    return f"{amount}{kind}{word} {clock(event['happened_at'], zone)}"


def _place_panels(
    made: Timeline, axis: _Axis, vitals: Sequence[Row], limits: Sequence[Row], zone: str, y: float
) -> float:
    by_kind = grouped(vitals, "kind")
    for name, unit, columns, least in _PANELS:
        series = [by_kind[(column,)] for column in columns if by_kind[(column,)]]
        if not series:
            continue
        values = [e["value"] for readings in series for e in readings]
        held = sorted({row["value"] for row in limits if row["column_name"] in columns})
        low, high = _scale(values, held, least)
        panel = Panel(name, unit, y + 6, y + _PANEL_HEIGHT)

        def place(
            value: float, low: float = low, high: float = high, panel: Panel = panel
        ) -> float:
            share = (value - low) / (high - low)
            return round(panel.bottom - share * (panel.bottom - panel.top), 1)

        panel.lines = [
            [Dot(axis.x(e["happened_at"]), place(e["value"]),
                 f"{e['value']:g} at {clock(e['happened_at'], zone)}") for e in readings]
            for readings in series
        ]  # fmt: skip
        panel.limits = _apart([(place(limit), f"{limit:g}") for limit in held
                               if low <= limit <= high])  # fmt: skip
        made.panels.append(panel)
        y += _PANEL_HEIGHT + 12
    return y


def _scale(values: Sequence[float], limits: Sequence[float], least: float) -> tuple[float, float]:
    """The readings, and the limits nearest to them on either side."""
    low, high = min(values), max(values)
    below = [limit for limit in limits if limit <= low]
    above = [limit for limit in limits if limit >= high]
    low, high = min([low, *below[-1:]]), max([high, *above[:1]])
    short = max(least - (high - low), 0) / 2
    room = (high - low) * 0.06 + 0.5
    return low - short - room, high + short + room


def _apart(limits: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Limits whose names would lie on each other keep their line and lose their name."""
    found: list[tuple[float, str]] = []
    last = -99.0
    for y, words in sorted(limits):
        found.append((y, words if y - last >= 11 else ""))
        last = y if y - last >= 11 else last
    return found


def _place_windows(made: Timeline, axis: _Axis, rules: Sequence[Row], zone: str, y: float) -> float:
    """When each rule looked: what was not met first."""
    seen = [rule for rule in rules if rule["status"] in _ORDER and _overlaps(rule, axis)]
    seen.sort(key=lambda rule: (_ORDER[rule["status"]], rule["starts_at"] or axis.start,
                                rule["rule_id"]))  # fmt: skip
    if seen:
        made.lanes.append((y + 4, "Rules looked"))
    for rule in seen[:MOST_WINDOWS]:
        start, end = rule["starts_at"] or axis.start, rule["ends_at"] or axis.end
        x, until = axis.x(start), axis.x(end)
        made.windows.append(
            {"x": x, "width": max(until - x, 3), "y": y + 15, "title": rule["title"],
             "status": rule["status"], "text_x": min(x, WIDTH - 7 * len(rule["title"]) - 60),
             "opens": start < axis.start, "goes_on": end > axis.end}
        )  # fmt: skip
        y += _ROW
    return y + 8 if seen else y


def _overlaps(rule: Row, axis: _Axis) -> bool:
    start, end = rule["starts_at"], rule["ends_at"]
    if start is None and end is None:
        return False
    return (start is None or start <= axis.end) and (end is None or end >= axis.start)
