"""What must be found of members of staff and prescribers, as slowly and plainly as it can be said.

Of those that are compared with peers it also says the share and the limit, by summing binomial
probabilities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from math import ceil, comb, erfc, sqrt
from statistics import NormalDist, fmean, median
from typing import Any

from tests.risk.oracle_stock import Event, Flags, Row, Signals, World, counted

SLACK = 1e-9


def flagged(world: World, signals: Signals) -> Flags:
    """Every flag on a person."""
    found: Flags = {}
    for name, events in {
        "unwitnessed-waste": entries(world, signals["unwitnessed-waste"], unseen),
        "self-witnessed-waste": entries(world, signals["self-witnessed-waste"], seen_by_oneself),
        "entries-off-shift": entries(
            world, signals["entries-off-shift"], lambda row: off_shift(world, row, signals)
        ),
        "entries-out-of-hours": entries(
            world, signals["entries-out-of-hours"], lambda row: closed(world, row, signals)
        ),
        "dose-without-session": without_session(world, signals["dose-without-session"]),
    }.items():
        counted(found, name, signals[name], list(events))
    found |= peers(waste(world, signals["waste-above-peers"]), signals, "waste-above-peers")
    found |= peers(late(world, signals["late-charting"]), signals, "late-charting")
    found |= peers(doses(world, signals["dose-above-peers"]), signals, "dose-above-peers")
    found |= peers(supplies(world, signals["take-home-above-peers"]), signals,
                   "take-home-above-peers")  # fmt: skip
    return found


def entries(world: World, signal: Mapping[str, Any], holds: Any) -> Iterable[Event]:
    for row in world.entries:
        if row["actor_id"] and world.recent(row["occurred_at"], signal) and holds(row):
            yield row["clinic_id"], row["actor_id"], row["entry_id"], 1


def unseen(row: Row) -> bool:
    return row["kind"] == "wasted" and row["witness_id"] is None


def seen_by_oneself(row: Row) -> bool:
    return row["kind"] == "wasted" and row["witness_id"] == row["actor_id"]


def off_shift(world: World, row: Row, signals: Signals) -> bool:
    minutes = signals["entries-off-shift"]["parameters"]["tolerance_minutes"]
    slack, at = timedelta(minutes=minutes), row["occurred_at"]
    mine = [s for s in world.facts["shifts"]
            if (s["clinic_id"], s["staff_id"]) == (row["clinic_id"], row["actor_id"])]  # fmt: skip
    there = any(s["started_at"] - slack <= at <= s["ended_at"] + slack for s in mine)
    return at <= world.cut(row["clinic_id"], "shifts") and not there


def closed(world: World, row: Row, signals: Signals) -> bool:
    """Whether none of the days around has opening hours that hold the entry."""
    minutes = signals["entries-out-of-hours"]["parameters"]["tolerance_minutes"]
    slack, at, clinic = timedelta(minutes=minutes), row["occurred_at"], row["clinic_id"]
    own = [h for h in world.facts["hours"] if h["clinic_id"] == clinic]
    shared = [h for h in world.facts["hours"] if h["clinic_id"] is None]
    begin = min((h["effective_from"] for h in own), default=date.max)
    shared = [h for h in shared if h["effective_from"] < begin]
    day = world.day(clinic, at)
    if not any(h["effective_from"] <= day for h in own + shared):
        return False
    for near in (day - timedelta(days=1), day, day + timedelta(days=1)):
        hours = own if near >= begin else shared
        hours = [h for h in hours if h["weekday"] == near.isoweekday()]
        hours = [h for h in hours if h["effective_from"] <= near]
        latest = max((h["effective_from"] for h in hours), default=None)
        for each in hours:
            if each["effective_from"] == latest and each["opens"] != each["closes"]:
                night = each["closes"] < each["opens"]
                opens = wall(world, clinic, near, each["opens"])
                closes = wall(world, clinic, near + timedelta(days=night), each["closes"])
                if opens - slack <= at <= closes + slack:
                    return False
    return True


def wall(world: World, clinic: str, day: date, clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=world.zones[clinic])


def without_session(world: World, signal: Mapping[str, Any]) -> Iterable[Event]:
    known = {(s["clinic_id"], s["session_id"]) for s in world.facts["sessions"]}
    known |= {(clinic, name) for clinic, feed, name in world.quarantined if feed == "sessions"}
    for row in world.doses:
        clinic, at = row["clinic_id"], row["started_at"]
        if (
            row["administered_by"] and row["drug"] in signal["kinds"]
            and (clinic, row["session_id"]) not in known
            and at <= world.cut(clinic, "sessions") and world.recent(at, signal)
        ):  # fmt: skip
            yield clinic, row["administered_by"], row["dose_id"], 1


Trial = tuple[str, str, str, Any, bool]  # clinic, person, row id, group, unusual


def waste(world: World, signal: Mapping[str, Any]) -> list[Trial]:
    mine = [d for d in world.doses if d["administered_by"] and d["drug"] in signal["kinds"]
            and world.recent(d["started_at"], signal)]  # fmt: skip
    like: dict[Any, list[float]] = defaultdict(list)
    for row in mine:
        like[row["clinic_id"], row["drug"]].append(float(row["wasted_mg"] or 0))
    return [
        (r["clinic_id"], r["administered_by"], r["dose_id"], r["drug"],
         far(float(r["wasted_mg"] or 0), like[r["clinic_id"], r["drug"]], signal))
        for r in mine
    ]  # fmt: skip


def late(world: World, signal: Mapping[str, Any]) -> list[Trial]:
    hours = timedelta(hours=signal["parameters"]["late_hours"])
    return [
        (r["clinic_id"], r["administered_by"], r["dose_id"], None,
         r["recorded_at"] - r["started_at"] > hours)
        for r in world.doses
        if r["administered_by"] and r["recorded_at"] and world.recent(r["started_at"], signal)
    ]  # fmt: skip


def doses(world: World, signal: Mapping[str, Any]) -> list[Trial]:
    sessions = {(s["clinic_id"], s["session_id"]): s for s in world.facts["sessions"]}
    rows = []
    for row in world.doses:
        session = sessions.get((row["clinic_id"], row["session_id"]))
        if not session or not session["prescriber_id"] or not (session["weight_kg"] or 0) > 0:
            continue
        if row["drug"] in signal["kinds"] and world.recent(row["started_at"], signal):
            rows.append((row, session["prescriber_id"], (row["drug"], session["program"]),
                         row["dose_id"], row["started_at"],
                         float(row["amount_mg"]) / session["weight_kg"]))  # fmt: skip
    return patients(rows, signal)


def supplies(world: World, signal: Mapping[str, Any]) -> list[Trial]:
    rows = [
        (r, r["prescriber_id"], r["drug"], r["dispense_id"], r["dispensed_at"],
         float(r["strength_mg"] * r["quantity"]) / r["days_supply"])
        for r in world.facts["dispenses"]
        if r["dispensed_at"] <= world.as_of and r["prescriber_id"] and r["days_supply"] > 0
        and world.recent(r["dispensed_at"], signal)
    ]  # fmt: skip
    return patients(rows, signal)


def patients(rows: list[Any], signal: Mapping[str, Any]) -> list[Trial]:
    """One trial a patient: the median of what they get, on their last row."""
    held: dict[Any, list[Any]] = defaultdict(list)
    for row, person, group, row_id, at, value in rows:
        held[row["clinic_id"], person, row["patient_id"], group].append((at, row_id, value))
    values = {key: median(each[2] for each in mine) for key, mine in held.items()}
    return [
        (key[0], key[1], max(mine)[1], key[3],
         far(values[key], [v for k, v in values.items() if k[3] == key[3]], signal))
        for key, mine in held.items()
    ]  # fmt: skip


def far(value: float, like: list[float], signal: Mapping[str, Any]) -> bool:
    return value > median(like) * (1 + signal["parameters"]["above_pct"] / 100) + SLACK


def peers(trials: list[Trial], signals: Signals, name: str) -> Flags:
    """People whose share of unusual rows is above the limit, by group; the furthest above."""
    asked = signals[name]["parameters"]
    people: dict[Any, list[Trial]] = defaultdict(list)
    for trial in trials:
        people[trial[3], trial[0], trial[1]].append(trial)
    best: dict[tuple[str, str], tuple[float, float, frozenset[str]]] = {}
    for group in {key[0] for key in people}:
        mine = {k: v for k, v in people.items() if k[0] == group}
        counts = {k: (sum(t[4] for t in v), len(v)) for k, v in mine.items()}
        counts = {k: c for k, c in counts.items() if c[1] >= asked["trials_least"]}
        if len(counts) < asked["peers_least"]:
            continue
        target = middle(list(counts.values()))
        factor = dispersion(list(counts.values()), target)
        for key, (events, of) in counts.items():
            least = max(above(of, target, factor, asked["tail"]), asked["events_least"]) / of
            share = events / of
            rows = frozenset(t[2] for t in mine[key] if t[4])
            if share >= least - SLACK and share / least > best.get(key[1:], (0.0,))[0]:
                best[key[1], key[2]] = share / least, share, rows
    return {(clinic, who, name): (share, rows) for (clinic, who), (_, share, rows) in best.items()}


def middle(counts: list[tuple[int, int]]) -> float:
    """The share of all but the outermost tenth at each end."""
    shares = sorted(events / of for events, of in counts)
    out = outermost(len(counts))
    inside = [(e, n) for e, n in counts if shares[out] <= e / n <= shares[-1 - out]]
    return sum(e for e, _ in inside) / sum(n for _, n in inside)


def outermost(count: int) -> int:
    return min(ceil(count / 10), (count - 1) // 2)


def dispersion(counts: list[tuple[int, int]], target: float) -> float:
    """Mean square of z-scores, the outermost tenth at each end pulled in; 1 unless well above."""
    if not 0 < target < 1:
        return 1.0
    z = sorted((e / n - target) / sqrt(target * (1 - target) / n) for e, n in counts)
    out = outermost(len(z))
    square = fmean(min(max(each, z[out]), z[-1 - out]) ** 2 for each in z)
    return square if square > 1 + 2 * sqrt(2 / len(z)) else 1.0


def above(of: int, target: float, factor: float, tail: float) -> int:
    """The least number of events above the limit: fewer non-events than a tail's worth."""
    beyond = erfc(NormalDist().inv_cdf(1 - tail) * sqrt(factor / 2)) / 2
    upto = 0.0
    for others in range(of + 1):
        upto += comb(of, others) * (1 - target) ** others * target ** (of - others)
        if upto > beyond * (1 + 1e-12):
            return of - others + 1
    raise AssertionError
