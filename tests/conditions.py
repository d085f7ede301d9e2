"""What makes a judged subject hard, so that a run can say how many of each it has compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from tests.comparison import Versions
from tests.oracle import Row, Verdict, World, duration, judged_rows

HARD = (
    "nulls", "ties", "on an edge", "spring clock change", "autumn clock change", "leap day",
    "rows out of order", "rows missing", "feed never delivered", "cut-off within a window",
    "row in quarantine",
)  # fmt: skip


def conditions(versions: Versions, world: World) -> Counter[str]:
    """Subjects of one clinic's world by hard condition, and by time zone."""
    found: Counter[str] = Counter()
    for version, row in judged_rows(versions, world):
        found.update(set(_of(version, row, world)))
        found[f"zone {world.zones[row['clinic_id']].key}"] += 1
    return found


def _of(version: Row, row: Row, world: World) -> Iterator[str]:
    clinic, patient, start = row["clinic_id"], row["patient_id"], row["_start"]
    charted = {
        "sessions": ("started_at", "ended_at", "discharged_at", "weight_kg", "escort_confirmed"),
        "dispenses": ("refill_number", "prescriber_id"),
        "outcomes": ("total", "items"),
    }[row["_feed"]]
    if any(row[name] is None for name in charted):
        yield "nulls"
    mine = [
        (feed, held["_at"])
        for feed, rows in world.evidence.items()
        for held in rows
        if held["_at"] and patient == held.get("patient_id", patient)
        and held.get("session_id") in (None, row.get("session_id"))
    ]  # fmt: skip
    if len(set(mine)) < len(mine):
        yield "ties"
    if any(a[0] == b[0] and a[1] > b[1] for a, b in pairwise(mine)):
        yield "rows out of order"
    if not row["_patient_row"] or {feed for feed, _ in mine} < {"vitals", "doses", "outcomes"}:
        yield "rows missing"
    if start is not None:
        yield from _clocks(world.zones[clinic], start)
    born = row["_patient_row"].get("birth_date")
    days = {(start + timedelta(days=n)).strftime("%m-%d") for n in range(-7, 8)} if start else set()
    if "02-29" in days or (born and (born.month, born.day) == (2, 29)):
        yield "leap day"
    for bad in world.quarantined:
        if patient == bad["patient_id"] or row.get("session_id", "") == bad["session_id"]:
            yield "row in quarantine"
    for rule in version["rules"]:
        yield from _of_rule(version, rule, row, world)


def _clocks(zone: ZoneInfo, at: datetime) -> Iterator[str]:
    """Whether the clinic's clocks move within a week of an instant."""
    week = timedelta(days=7)
    before, after = ((at + off).astimezone(zone).utcoffset() for off in (-week, week))
    assert before is not None and after is not None
    if before != after:
        yield "spring clock change" if after > before else "autumn clock change"


def _of_rule(version: Row, rule: Row, row: Row, world: World) -> Iterator[str]:
    """Feeds not delivered; evidence, a start or a value exactly on a limit; a cut-off between a
    window's ends."""
    verdict = Verdict(version, rule, row, world)
    if verdict.rests_on_a_feed_never_delivered():
        yield "feed never delivered"
    measures = [verdict.defined[name] for name in verdict.named() & set(verdict.defined)]
    for part in (rule, rule.get("trigger"), *measures):
        if not part or "of" not in part:
            continue
        begin, end, known = verdict.window(part.get("window"))
        if not known:
            continue
        if any(held["_at"] in (begin, end) for held in verdict.candidates(part, begin, end)):
            yield "on an edge"
        if begin and end and begin <= verdict.cutoff(part["of"]) < end:
            yield "cut-off within a window"
    yield from _on_a_limit(verdict, rule, row)


def _on_a_limit(verdict: Verdict, rule: Row, row: Row) -> Iterator[str]:
    status, observed = verdict.decide()
    limits: list[Any] = [
        rule.get(key) for key in ("min", "max", "at_most", "at_least", "max_increase")
    ]
    if rule["kind"] == "elapsed":
        limits = [
            duration(limit).length.total_seconds() / 60
            for limit in limits
            if limit is not None and not str(limit).endswith("cd")
        ]
        begin = verdict.anchor(rule["from"])
        if begin and verdict.anchor(rule["to"]) is None and status in ("pending", "not_evaluable"):
            longest = duration(rule.get("max") or rule.get("grace", "7cd"))
            deadline = verdict.end_of(begin, longest, 1)
            if begin <= verdict.cutoff(row["_feed"]) < deadline:
                yield "cut-off within a window"
    if observed is not None and observed in limits:
        yield "on an edge"
    if rule["kind"] == "rate" and row["_start"] is not None:
        since = verdict.start_of(row["_start"], duration(rule["within"]), -1)
        if any(other["_start"] == since for other in row["_governed"]):
            yield "on an edge"
