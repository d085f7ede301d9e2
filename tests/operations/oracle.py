"""The oracle of operations: each table in slow, plain Python, one clinic at a time.

It shares no code with the metrics. Time is cut at every moment at which something begins or ends,
and each piece is asked who holds it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle import World

Row = dict[str, Any]
DAY = timedelta(days=1)
STATUSES = ("completed", "aborted", "no_show")


def monthly(world: World) -> dict[tuple[str, str, date | None], Row]:
    """Rows of operations_monthly by clinic, programme and month."""
    found: dict[tuple[str, str, date | None], Row] = {}
    for clinic in world.facts["clinics"]:
        name, zone = clinic["clinic_id"], ZoneInfo(clinic["time_zone"])
        sessions = [{**row, "started_at": row["_at"]} for row in world.evidence["sessions"]
                    if row["clinic_id"] == name]  # fmt: skip
        cutoff = world.cutoffs.get((name, "sessions"))
        rows: dict[tuple[str, date | None], Row] = defaultdict(_blank)
        grouped: dict[tuple[str, date | None], list[Row]] = defaultdict(list)
        for session in sessions:
            at = session["scheduled_at"] or session["started_at"]
            month = at.astimezone(zone).date().replace(day=1) if at else None
            grouped[session["program"], month].append(session)
        for key, group in grouped.items():
            rows[key] |= _counts(group, world.as_of, cutoff)
        for (program, month, held), length in _chair_time(sessions, zone, world.as_of).items():
            rows[program, month]["chair_minutes" if held else "shared_minutes"] += minutes(length)
        for (program, month), row in rows.items():
            if month is not None:
                hours = world.facts["hours"]
                row["open_minutes"] = _open_minutes(clinic, hours, month, zone, cutoff)
                row["chairs"] = clinic["chairs"]
            if row["open_minutes"]:
                row["utilisation"] = row["chair_minutes"] / row["open_minutes"]
            found[name, program, month] = row
    return found


def minutes(length: timedelta) -> float:
    return length.total_seconds() / 60


def _blank() -> Row:
    zeros = ("booked", *STATUSES, "cancelled_late", "cancelled", "unreconciled",
             "awaiting_delivery", "upcoming", "unscheduled", "chair_time_unknown", "chair_unknown",
             "waits", "observations")  # fmt: skip
    nulls = ("chairs", "open_minutes", "utilisation", "wait_minutes_median",
             "observation_minutes_median")  # fmt: skip
    return dict.fromkeys(zeros, 0) | dict.fromkeys(nulls) | {
        "chair_minutes": 0.0, "shared_minutes": 0.0,
    }  # fmt: skip


def _counts(group: Sequence[Row], as_of: datetime, cutoff: datetime | None) -> Row:
    row = {status: sum(s["status"] == status for s in group) for status in STATUSES}
    row |= dict.fromkeys(("booked", "cancelled", "cancelled_late", "unreconciled", "upcoming",
                          "awaiting_delivery", "unscheduled"), 0)  # fmt: skip
    for s in group:
        at = s["scheduled_at"]
        early = False
        if s["status"] == "cancelled":
            early = bool(at and s["cancelled_at"] and at - s["cancelled_at"] > DAY)
            row["cancelled" if early else "cancelled_late"] += 1
        if at is None:
            row["unscheduled"] += 1
        elif not early:
            row["booked"] += 1
        if s["status"] == "scheduled" and at is not None:
            row["unreconciled" if at < as_of else "upcoming"] += 1
            row["awaiting_delivery"] += at < as_of and cutoff is not None and at >= cutoff
    held = [s for s in group if s["status"] in ("completed", "aborted")]
    row["chair_time_unknown"] = sum(not _stayed(s) for s in held)
    row["chair_unknown"] = sum(_stayed(s) and s["chair"] is None for s in held)
    for count, figure, since, until in (
        ("waits", "wait_minutes_median", "arrived_at", "started_at"),
        ("observations", "observation_minutes_median", "ended_at", "monitoring_ended_at"),
    ):
        spans = [s[until] - s[since] for s in held if s[since] and s[until]]
        spans = [span for span in spans if span >= timedelta()]
        row[count], row[figure] = len(spans), median(map(minutes, spans)) if spans else None
    return row


# --- chairs ---


def _stayed(session: Row) -> bool:
    since, until = session["arrived_at"], session["discharged_at"]
    return bool(since and until and timedelta() <= until - since <= DAY)


def _chair_time(
    sessions: Iterable[Row], zone: ZoneInfo, as_of: datetime
) -> dict[tuple[str, date, bool], timedelta]:
    """Time by programme, month, and whether the session held the chair then or shared it."""
    chairs: dict[Any, list[Row]] = defaultdict(list)
    for s in sessions:
        if s["status"] in ("completed", "aborted") and _stayed(s) and s["arrived_at"] < as_of:
            chairs[s["chair"] or (None, s["session_id"])].append(s)
    total: dict[tuple[str, date, bool], timedelta] = defaultdict(timedelta)
    for inside in chairs.values():
        moments = [s["arrived_at"] for s in inside] + [s["discharged_at"] for s in inside]
        for since, until in _pieces(moments, zone):
            until = min(until, as_of)
            present = [s for s in inside if s["arrived_at"] <= since < s["discharged_at"]]
            present.sort(key=lambda s: (s["arrived_at"], s["session_id"]))
            month = since.astimezone(zone).date().replace(day=1)
            for at, s in enumerate(present):
                if since < until:
                    total[s["program"], month, at == 0] += until - since
    return total


def _pieces(moments: Sequence[datetime], zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """Time between the moments, cut at every local midnight too."""
    day, cuts = min(moments).astimezone(zone).date(), set(moments)
    while day <= max(moments).astimezone(zone).date():
        cuts.add(wall(day, time(), zone))
        day += DAY
    inside = sorted(cut for cut in cuts if min(moments) <= cut <= max(moments))
    return list(pairwise(inside))


def wall(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)


# --- opening hours ---


def _open_minutes(
    clinic: Row, hours: Sequence[Row], month: date, zone: ZoneInfo, cutoff: datetime | None
) -> float | None:
    own = [row for row in hours if row["clinic_id"] == clinic["clinic_id"]]
    shared = [row for row in hours if row["clinic_id"] is None]
    following = (month + timedelta(days=31)).replace(day=1)
    since, until = wall(month, time(), zone), wall(following, time(), zone)
    until = min(until, cutoff) if cutoff else until
    windows, known = [], False
    day = month - DAY
    while day < following:
        held = [row for row in own if row["effective_from"] <= day]
        held = held or [row for row in shared if row["effective_from"] <= day]
        known = known or bool(held)
        mine = [row for row in held if row["weekday"] == day.isoweekday()]
        latest = max((row["effective_from"] for row in mine), default=None)
        for row in mine:
            opens, closes = time.fromisoformat(row["opens"]), time.fromisoformat(row["closes"])
            if row["effective_from"] == latest and opens != closes:
                closing = day if opens < closes else day + DAY
                windows.append((wall(day, opens, zone), wall(closing, closes, zone)))
        day += DAY
    if not known or clinic["chairs"] is None:
        return None
    cuts = sorted({since, until, *(at for window in windows for at in window)})
    total = timedelta()
    for start, end in pairwise(cuts):
        if since <= start and end <= until and any(a <= start and end <= b for a, b in windows):
            total += end - start
    return minutes(total) * float(clinic["chairs"])


# --- what is due ---


def credentials(world: World) -> dict[tuple[str, str, str], tuple[date, int, str]]:
    """(last day, days left, status) by clinic, staff and credential."""
    found = {}
    for clinic in world.facts["clinics"]:
        today = world.as_of.astimezone(ZoneInfo(clinic["time_zone"])).date()
        for person in world.facts["staff"]:
            away = (person["active_from"] and person["active_from"] > today) or (
                person["active_to"] and person["active_to"] < today
            )
            if person["clinic_id"] not in (None, clinic["clinic_id"]) or away:
                continue
            for name in ("license", "bls", "acls", "dea"):
                last = person[f"{name}_expires_on"]
                if last is not None and (last - today).days <= 90:
                    status = "expired" if last < today else "due"
                    key = (clinic["clinic_id"], person["staff_id"], name)
                    found[key] = (last, (last - today).days, status)
    return found


def forms(world: World) -> dict[tuple[str, str], tuple[date, int, str]]:
    """(last day, days left, status) by clinic and session."""
    found = {}
    for session in world.facts["sessions"]:
        key = (session["clinic_id"], session["session_id"])
        doses = [dose["started_at"] for dose in world.facts["doses"]
                 if (dose["clinic_id"], dose["session_id"]) == key and dose["drug"] == "esketamine"
                 and dose["started_at"] <= world.as_of]  # fmt: skip
        sent = session["rems_form_sent_at"]
        if not doses or (sent is not None and sent <= world.as_of):
            continue
        zone = world.zones[session["clinic_id"]]
        last = min(doses).astimezone(zone).date() + timedelta(days=7)
        today = world.as_of.astimezone(zone).date()
        cutoff = world.cutoffs.get((session["clinic_id"], "sessions"))
        ended = wall(last + DAY, time(), zone) - timedelta(microseconds=1)
        status = "due" if last >= today else "awaiting_delivery"
        if status != "due" and cutoff is not None and ended <= cutoff:
            status = "overdue"
        found[key] = (last, (last - today).days, status)
    return found
