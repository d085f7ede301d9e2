"""What must be found at the stock book, lot by lot, as slowly and plainly as it can be said.

Signals are plain dictionaries: at_least, days (of the window), parameters, kinds. A flag is keyed
by clinic, subject and signal, and says what was observed and on which rows it rests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
Key = tuple[str, str, str]
Flags = dict[Key, tuple[float, frozenset[str]]]
Signals = Mapping[str, Mapping[str, Any]]
Event = tuple[str, str, str, float]  # clinic, subject, row id, observed
_OUT = ("returned", "transferred", "destroyed", "expired", "broken", "lost")
_SUMS = {
    "received_mg": ("received",),
    "administered_mg": ("administered",),
    "dispensed_mg": ("dispensed",),
    "wasted_mg": ("wasted",),
    "other_out_mg": _OUT,
}


class World:
    """Facts that had happened by `as_of`, clinics' zones, cut-offs, and sessions in quarantine."""

    def __init__(self, network: Any) -> None:
        self.as_of: datetime = network.as_of
        self.entries = [r for r in network.facts["inventory"] if r["occurred_at"] <= self.as_of]
        self.doses = [r for r in network.facts["doses"] if r["started_at"] <= self.as_of]
        self.facts = network.facts
        self.zones = {r["clinic_id"]: ZoneInfo(r["time_zone"]) for r in network.facts["clinics"]}
        self.cutoffs: Mapping[tuple[str, str], datetime] = network.cutoffs
        self.quarantined: Sequence[tuple[str, str, str]] = network.quarantined

    def cut(self, clinic: str, feed: str) -> datetime:
        """Before this everything has been delivered; long ago where nothing ever was."""
        if clinic not in self.zones:
            return datetime(1, 1, 2, tzinfo=UTC)
        return min(self.as_of, self.cutoffs.get((clinic, feed), datetime(1, 1, 2, tzinfo=UTC)))

    def day(self, clinic: str, at: datetime) -> date:
        return at.astimezone(self.zones[clinic]).date()

    def recent(self, at: datetime, signal: Mapping[str, Any]) -> bool:
        return signal["days"] is None or at >= self.as_of - timedelta(days=signal["days"])

    def book(self) -> list[Row]:
        """Entries that the clinic is known to have delivered in full."""
        return [
            r for r in self.entries if r["occurred_at"] <= self.cut(r["clinic_id"], "inventory")
        ]


def flagged(world: World, signals: Signals, holidays: Iterable[date]) -> Flags:
    """Every flag on a lot or a clinic."""
    found: Flags = {}
    lots = by_lot(world.book())
    for name, events in {
        "lot-variance": list(variances(lots, received=True)),
        "lot-not-received": list(variances(lots, received=False)),
        "unrecorded-waste": list(unrecorded(world, signals["unrecorded-waste"])),
        "count-overdue-monthly": list(monthly(world, lots, signals["count-overdue-monthly"])),
        "count-overdue-biennial": list(biennial(world, lots, signals["count-overdue-biennial"])),
        "loss-told-late": list(told_late(world, set(holidays))),
        "loss-form-late": list(form_late(world)),
    }.items():
        worst(found, name, signals[name], events)
    for name, events in {
        "partial-device": list(partial_entries(world, signals["partial-device"])),
        "partial-dose": list(partial_doses(world, signals["partial-dose"])),
        "dose-not-in-stock": list(unknown_doses(world, signals["dose-not-in-stock"])),
        "stock-not-in-doses": list(unknown_entries(world, signals["stock-not-in-doses"])),
        "loss-undated": [
            (r["clinic_id"], r["lot"], r["entry_id"], 1)
            for r in losses(world) if r["discovered_at"] is None
        ],
    }.items():  # fmt: skip
        counted(found, name, signals[name], events)
    return found


def worst(found: Flags, name: str, signal: Mapping[str, Any], events: Iterable[Event]) -> None:
    """The most of a subject's events, resting on all that reach the threshold."""
    for (clinic, subject), mine in grouped(events).items():
        reached = [each for each in mine if each[3] >= signal["at_least"]]
        if reached:
            rows = frozenset(each[2] for each in reached)
            found[clinic, subject, name] = max(each[3] for each in reached), rows


def counted(found: Flags, name: str, signal: Mapping[str, Any], events: Iterable[Event]) -> None:
    """How many events a subject has, resting on all."""
    for (clinic, subject), mine in grouped(events).items():
        if len(mine) >= signal["at_least"]:
            found[clinic, subject, name] = len(mine), frozenset(each[2] for each in mine)


def grouped(events: Iterable[Event]) -> dict[tuple[str, str], list[Event]]:
    held: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        held[event[0], event[1]].append(event)
    return held


def by_lot(entries: Iterable[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """Entries of each lot by time, a count after the movements of its instant."""
    lots: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in entries:
        lots[row["clinic_id"], row["lot"], row["drug"]].append(row)
    for rows in lots.values():
        rows.sort(key=lambda r: (r["occurred_at"], r["kind"] == "count", r["entry_id"]))
    return lots


def moved(row: Row) -> Decimal:
    amount: Decimal = row["amount_mg"]
    return {"received": amount, "count": Decimal(0)}.get(row["kind"], -amount)


def balances(world: World) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What `marts.lot_balance` must hold."""
    found = {}
    for lot, rows in by_lot(world.entries).items():
        counts = [at for at, row in enumerate(rows) if row["kind"] == "count"]
        last = rows[counts[-1]] if counts else None
        before = rows[: counts[-1]] if counts else rows
        after = rows[counts[-1] :] if counts else []
        sums = {
            name: sum((r["amount_mg"] for r in before if r["kind"] in kinds), Decimal(0))
            for name, kinds in _SUMS.items()
        }
        expected = sum(map(moved, before), Decimal(0))
        counted_mg = last["amount_mg"] if last else None
        there = expected if counted_mg is None else counted_mg
        found[lot] = sums | {
            "expected_mg": expected,
            "counted_mg": counted_mg,
            "counted_at": last["occurred_at"] if last else None,
            "variance_mg": None if counted_mg is None else counted_mg - expected,
            "on_hand_mg": there + sum(map(moved, after), Decimal(0)),
        }
    return found


def variances(lots: Mapping[Any, list[Row]], *, received: bool) -> Iterable[Event]:
    for (clinic, lot, _), rows in lots.items():
        expected, seen = Decimal(0), False
        for row in rows:
            expected += moved(row)
            seen |= row["kind"] == "received"
            if row["kind"] == "count" and seen == received:
                yield clinic, lot, row["entry_id"], float(abs(row["amount_mg"] - expected))


def partial_entries(world: World, signal: Mapping[str, Any]) -> Iterable[Event]:
    device = Decimal(str(signal["parameters"]["device_mg"]))
    for row in world.book():
        partial = row["drug"] == "esketamine" and row["amount_mg"] % device
        if partial and world.recent(row["occurred_at"], signal):
            yield row["clinic_id"], row["lot"], row["entry_id"], 1


def partial_doses(world: World, signal: Mapping[str, Any]) -> Iterable[Event]:
    device = Decimal(str(signal["parameters"]["device_mg"]))
    for row in world.doses:
        other = row["devices"] is not None and row["amount_mg"] != device * row["devices"]
        partial = row["drug"] == "esketamine" and (row["amount_mg"] % device or other)
        if partial and world.recent(row["started_at"], signal):
            yield row["clinic_id"], row["lot"] or "no lot", row["dose_id"], 1


def given_by_session(world: World) -> tuple[dict[Any, list[Row]], dict[Any, list[Row]]]:
    """Doses and entries of what was given, each by clinic, drug, session and lot."""
    doses: dict[Any, list[Row]] = defaultdict(list)
    entries: dict[Any, list[Row]] = defaultdict(list)
    given = [r for r in world.entries if r["kind"] == "administered"]
    for row in given:
        entries[row["clinic_id"], row["drug"], row["session_id"], row["lot"]].append(row)
    for row in world.doses:
        lot = row["lot"]
        if lot is None and row["session_id"] is not None:
            booked = [e for e in given if (e["clinic_id"], e["drug"], e["session_id"])
                      == (row["clinic_id"], row["drug"], row["session_id"])]  # fmt: skip
            booked.sort(key=lambda e: (e["occurred_at"], e["entry_id"]))
            lot = booked[0]["lot"] if booked else None
        doses[row["clinic_id"], row["drug"], row["session_id"], lot].append(row)
    return doses, entries


def unknown_doses(world: World, signal: Mapping[str, Any]) -> Iterable[Event]:
    doses, entries = given_by_session(world)
    named = {(r["clinic_id"], r["drug"]) for r in world.entries}
    for (clinic, drug, session, lot), rows in doses.items():
        mine = [r for r in rows if r["started_at"] <= world.cut(clinic, "inventory")]
        known = entries.get((clinic, drug, session, lot), [])
        if (clinic, drug) in named:
            yield from beyond(world, signal, mine, known, "inventory", "dose_id", "started_at", lot)


def unknown_entries(world: World, signal: Mapping[str, Any]) -> Iterable[Event]:
    doses, entries = given_by_session(world)
    for (clinic, drug, session, lot), rows in entries.items():
        mine = [r for r in rows if r["occurred_at"] <= world.cut(clinic, "doses")]
        known = doses.get((clinic, drug, session, lot), [])
        yield from beyond(world, signal, mine, known, "doses", "entry_id", "occurred_at", lot)


def beyond(
    world: World, signal: Mapping[str, Any], mine: list[Row], known: list[Row], feed: str,
    row_id: str, at: str, lot: str | None,
) -> Iterable[Event]:  # fmt: skip
    """One event where these rows hold more milligrams than those."""
    more = sum((r["amount_mg"] for r in mine), Decimal(0))
    more -= sum((r["amount_mg"] for r in known), Decimal(0))
    if not mine or more <= Decimal(str(signal["parameters"]["tolerance_mg"])):
        return
    last = max(mine, key=lambda r: (r[at], r[row_id]))
    lost = (last["clinic_id"], feed, last["session_id"]) in world.quarantined
    if not lost and world.recent(last[at], signal):
        yield last["clinic_id"], lot or "no lot", last[row_id], 1


def unrecorded(world: World, signal: Mapping[str, Any]) -> Iterable[Event]:
    days: dict[Any, list[Row]] = defaultdict(list)
    for row in world.doses:
        if row["drug"] in signal["kinds"] and world.recent(row["started_at"], signal):
            clinic = row["clinic_id"]
            day = world.day(clinic, row["started_at"]) if clinic in world.zones else None
            days[clinic, row["drug"], row["lot"], day].append(row)
    for (clinic, _, lot, _), rows in days.items():
        left = sum(
            ((r["opened_mg"] or 0) - r["amount_mg"] - (r["wasted_mg"] or 0) for r in rows),
            Decimal(0),
        )
        for row in rows if left > 0 else ():
            yield clinic, lot or "no lot", row["dose_id"], float(left)


def monthly(world: World, lots: Mapping[Any, list[Row]], signal: Mapping[str, Any]) -> Any:
    held = balances(world)
    for key, rows in lots.items():
        if held[key]["on_hand_mg"] > 0:
            yield from overdue(world, rows, key[1], signal)


def biennial(world: World, lots: Mapping[Any, list[Row]], signal: Mapping[str, Any]) -> Any:
    held = balances(world)
    drugs: dict[Any, list[Row]] = defaultdict(list)
    for (clinic, _, drug), rows in lots.items():
        drugs[clinic, drug] += rows
    for (clinic, drug), rows in drugs.items():
        if any(b["on_hand_mg"] > 0 for (c, _, d), b in held.items() if (c, d) == (clinic, drug)):
            yield from overdue(world, rows, clinic, signal)


def overdue(
    world: World, rows: list[Row], subject: str, signal: Mapping[str, Any]
) -> Iterable[Event]:
    counts = [r for r in rows if r["kind"] == "count"]
    order = sorted(counts or rows, key=lambda r: (r["occurred_at"], r["entry_id"]))
    since = order[-1] if counts else order[0]
    clinic = since["clinic_id"]
    due = months_later(world.day(clinic, since["occurred_at"]), int(signal["parameters"]["months"]))
    late = (world.day(clinic, world.cut(clinic, "inventory")) - due).days
    yield clinic, subject, since["entry_id"], late


def months_later(day: date, months: int) -> date:
    """The same day of the month, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError


def losses(world: World) -> list[Row]:
    return [r for r in world.book() if r["kind"] == "lost" or r["discovered_at"] is not None]


def told_late(world: World, holidays: set[date]) -> Iterable[Event]:
    for row, start, end in clocks(world, "dea_notified_at"):
        passed = 0
        for number in range(1, (end - start).days + 1):
            day = start + timedelta(days=number)
            passed += day.weekday() < 5 and day not in holidays
        yield row["clinic_id"], row["lot"], row["entry_id"], passed


def form_late(world: World) -> Iterable[Event]:
    for row, start, end in clocks(world, "form106_submitted_at"):
        yield row["clinic_id"], row["lot"], row["entry_id"], (end - start).days


def clocks(world: World, ended: str) -> Iterable[tuple[Row, date, date]]:
    """Losses, the day of discovery, and the day on which the clock stopped or the export ends."""
    for row in losses(world):
        clinic = row["clinic_id"]
        cut = world.cut(clinic, "inventory")
        if row["discovered_at"] is not None and row["discovered_at"] <= cut:
            stopped = min(row[ended] or cut, cut)
            yield row, world.day(clinic, row["discovered_at"]), world.day(clinic, stopped)
