"""Risk signals of patients, reckoned slowly and plainly; numbers come from protocols/risk.yaml."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from checks.strict_yaml import parse

Row = dict[str, Any]
HELD: dict[str, Any] = parse(
    (Path(__file__).parents[2] / "protocols" / "risk.yaml").read_text()
).data
SIGNALS: dict[str, Row] = {signal["id"]: signal for signal in HELD["signals"]}
SHARES = {route["route"]: route["share"] for route in HELD["exposure"]["routes"]}
FORMS = {form: SHARES[route] for form, route in HELD["exposure"]["forms"]["routes"].items()}
# The least total of each band, by sex.
BANDS = {"audit-c": {"F": 3, "M": 4}, "dast-10": {}, "urinary-symptoms": {}}
LEAST = {"audit-c": 4, "dast-10": 3, "urinary-symptoms": 19}
SLACK = 1e-9


@dataclass
class PatientWorld:
    """Rows by name, up to `as_of`; each has clinic_id, patient_id and person."""

    as_of: datetime
    zones: dict[str, str]
    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    screened_until: dict[str, datetime] = field(default_factory=dict)
    unsure: set[tuple[str, str]] = field(default_factory=set)

    def day(self, clinic: str, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zones[clinic])).date()


@dataclass
class Observed:
    """What one signal saw at one subject: the most, and the rows that it rests on."""

    observed: float
    threshold: float
    row_ids: list[str]
    first_at: datetime
    last_at: datetime


Found = dict[tuple[str, str, str], Observed]
# clinic, patient, row, instant, observed
Event = tuple[str, str, str, datetime, float]


def observations(world: PatientWorld) -> Found:
    found: Found = {}
    for signal, events, counts in (
        ("early-refill", early_refills(world), False),
        ("overlapping-supply", overlaps(world), False),
        ("several-prescribers", prescribers(world), False),
        ("several-clinics", clinics(world), False),
        ("pdmp-not-queried", not_queried(world), True),
        ("refill-despite-missed-review", missed_reviews(world), False),
        ("over-protocol-frequency", too_often(world), True),
        ("rising-dose", rising_dose(world), False),
        ("rising-frequency", rising_frequency(world), False),
        ("unexpected-uds", screens(world, explained=True), True),
        ("unexplained-uds", screens(world, explained=False), True),
        ("high-exposure-given", exposed(world, "doses"), False),
        ("high-exposure-dispensed", exposed(world, "dispenses"), False),
    ):
        least = float(SIGNALS[signal]["at_least"])
        for (clinic, patient), mine in by_subject(recent(world, signal, events)).items():
            found[clinic, patient, signal] = summed_up(mine, least, counts=counts)
    found |= scales(world)
    return found


def by_subject(events: Iterable[Event]) -> Mapping[tuple[str, str], list[Event]]:
    found: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event[3], event[2])):
        found[event[0], event[1]].append(event)
    return found


def summed_up(events: list[Event], least: float, *, counts: bool) -> Observed:
    most = float(len(events)) if counts else max(event[4] for event in events)
    kept = [e for e in events if counts or e[4] >= least - SLACK or e[4] == most]
    return Observed(most, least, [e[2] for e in kept], kept[0][3], kept[-1][3])


def recent(world: PatientWorld, signal: str, events: Iterable[Event]) -> list[Event]:
    days = int(SIGNALS[signal]["window"].removesuffix("d"))
    return [e for e in events if e[3] >= world.as_of - timedelta(days=days)]


def supplies(world: PatientWorld) -> list[Row]:
    rows = sorted(world.rows["dispenses"], key=lambda r: (r["dispensed_at"], r["dispense_id"]))
    last: dict[tuple[str, str, str], Row] = {}
    found = []
    for row in rows:
        key = (row["clinic_id"], row["patient_id"], row["drug"])
        held = row | {"day": world.day(row["clinic_id"], row["dispensed_at"]),
                      "before": last.get(key)}  # fmt: skip
        last[key] = held
        found.append(held)
    return found


def event(row: Row, observed: float) -> Event:
    return (row["clinic_id"], row["patient_id"], row["dispense_id"], row["dispensed_at"], observed)


def early_refills(world: PatientWorld) -> Iterable[Event]:
    for row in supplies(world):
        if row["before"] is not None:
            ends = row["before"]["day"] + timedelta(days=row["before"]["days_supply"])
            if (ends - row["day"]).days > 0:
                yield event(row, (ends - row["day"]).days)


def pairs(world: PatientWorld, *, itself: bool) -> Iterable[tuple[Row, Row]]:
    """Each supply with those of the same person and drug before it."""
    order = ("dispensed_at", "clinic_id", "dispense_id")
    rows = sorted(supplies(world), key=lambda row: [row[name] for name in order])
    for at, now in enumerate(rows):
        for before in rows[: at + itself]:
            if (before["person"], before["drug"]) == (now["person"], now["drug"]):
                yield before, now


def overlaps(world: PatientWorld) -> Iterable[Event]:
    most: dict[tuple[str, str], Event] = {}
    for before, now in pairs(world, itself=False):
        names = ("clinic_id", "prescriber_id", "rx_id")
        if [before[n] for n in names] == [now[n] for n in names]:
            continue
        ends = min(row["day"] + timedelta(days=row["days_supply"]) for row in (before, now))
        days = (ends - now["day"]).days
        for row in (before, now) if days > 0 else ():
            key = (row["clinic_id"], row["dispense_id"])
            if key not in most or most[key][4] < days:
                most[key] = event(row, days)
    return most.values()


def prescribers(world: PatientWorld) -> Iterable[Event]:
    within = timedelta(days=SIGNALS["several-prescribers"]["parameters"]["within_days"])
    seen: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    rows = {}
    for before, now in pairs(world, itself=True):
        key = (now["clinic_id"], now["dispense_id"])
        rows[key] = now
        near = before["dispensed_at"] >= now["dispensed_at"] - within
        if near and before["prescriber_id"] is not None:
            seen[key].add((before["clinic_id"], before["prescriber_id"]))
    return [event(rows[key], len(who)) for key, who in seen.items() if len(who) > 1]


def clinics(world: PatientWorld) -> Iterable[Event]:
    rows = [(r, "dose_id", r["started_at"]) for r in world.rows["doses"]]
    given = {(r["clinic_id"], r["patient_id"]) for r in world.rows["doses"]}
    rows += [(r, "dispense_id", r["dispensed_at"]) for r in world.rows["dispenses"]]
    days = int(SIGNALS["several-clinics"]["window"].removesuffix("d"))
    rows = [row for row in rows if row[2] >= world.as_of - timedelta(days=days)]
    where = defaultdict(set)
    for row, _, _ in rows:
        where[row["person"]].add(row["clinic_id"])
    for row, name, at in rows:
        record = (row["clinic_id"], row["patient_id"])
        number = len(where[row["person"]])
        if number > 1 and (name == "dose_id" or record not in given):
            yield (*record, row[name], at, float(number))


def not_queried(world: PatientWorld) -> Iterable[Event]:
    days = SIGNALS["pdmp-not-queried"]["parameters"]["before_days"]
    for row in supplies(world):
        record = (row["clinic_id"], row["patient_id"])
        until = world.screened_until.get(row["clinic_id"])
        if record in world.unsure or until is None or row["dispensed_at"] > until:
            continue
        asked = [
            world.day(s["clinic_id"], s["at"])
            for s in world.rows["screenings"]
            if (s["clinic_id"], s["patient_id"]) == record
            and s["kind"] == "pdmp" and s["result"] != "declined"
            and s["at"] <= row["dispensed_at"]
        ]  # fmt: skip
        if not any(day >= row["day"] - timedelta(days=days) for day in asked):
            yield event(row, 1)


def missed_reviews(world: PatientWorld) -> Iterable[Event]:
    for row in supplies(world):
        if row["before"] is None:
            continue
        between = [
            review["held"]
            for review in world.rows["reviews"]
            if (review["clinic_id"], review["patient_id"]) == (row["clinic_id"], row["patient_id"])
            and review["kind"] in SIGNALS["refill-despite-missed-review"]["kinds"]
            and row["before"]["dispensed_at"] < review["at"] <= row["dispensed_at"]
        ]
        if between and not any(between):
            yield event(row, len(between))


def too_often(world: PatientWorld) -> Iterable[Event]:
    kinds = SIGNALS["over-protocol-frequency"]["kinds"]
    return {
        (r["clinic_id"], r["patient_id"], r["session_id"], r["started_at"], 1.0)
        for r in world.rows["findings"]
        if r["kind"] in kinds
    }


def courses(world: PatientWorld) -> Iterable[list[Row]]:
    """Sessions of each course without a response, in order."""
    found = defaultdict(list)
    for row in world.rows["courses"]:
        if row["response_latest"] is False:
            clinic = row["clinic_id"]
            day = world.day(clinic, row["started_at"])
            first = world.day(clinic, row["course_started_at"])
            doses = [d["amount_mg"] * SHARES[d["route"]] for d in world.rows["doses"]
                     if (d["clinic_id"], d["session_id"]) == (clinic, row["session_id"])
                     and d["route"] in SHARES]  # fmt: skip
            key = tuple(row[name] for name in ("clinic_id", "patient_id", "protocol", "course"))
            found[key].append(row | {"day": day, "number": (day - first).days + 1,
                                     "dose": sum(round(d * 1e6) for d in doses)})  # fmt: skip
    for rows in found.values():
        yield sorted(rows, key=lambda r: (r["day"], r["started_at"], r["session_id"]))


def risen(events: Iterable[tuple[Row, float]]) -> Iterable[Event]:
    most: dict[tuple[str, str], Event] = {}
    for row, observed in events:
        key = (row["clinic_id"], row["session_id"])
        if observed > 0 and (key not in most or most[key][4] < observed):
            most[key] = (key[0], row["patient_id"], key[1], row["started_at"], observed)
    return most.values()


def rising_dose(world: PatientWorld) -> Iterable[Event]:
    said = SIGNALS["rising-dose"]["parameters"]
    number = int(said["sessions"])
    told = []
    for rows in courses(world):
        held = [row for row in rows if row["number"] > said["settled_days"] and row["dose"] > 0]
        for at in range(2 * number - 1, len(held)):
            doses = [row["dose"] for row in held[at - 2 * number + 1 : at + 1]]
            before, now = median(doses[:number]), median(doses[number:])
            told.append((held[at], (now / before - 1) * 100))
    return risen(told)


def rising_frequency(world: PatientWorld) -> Iterable[Event]:
    said = SIGNALS["rising-frequency"]["parameters"]
    days = timedelta(days=said["within_days"])
    told = []
    for rows in courses(world):
        for row in rows:
            now = sum(row["day"] - days < other["day"] <= row["day"] for other in rows)
            before = sum(
                row["day"] - 2 * days < other["day"] <= row["day"] - days for other in rows
            )
            settled = row["number"] > said["settled_days"] + 2 * said["within_days"]
            if settled and before and now - before >= said["sessions_more_least"]:
                told.append((row, (now / before - 1) * 100))
    return risen(told)


def screens(world: PatientWorld, *, explained: bool) -> Iterable[Event]:
    for row in world.rows["screenings"]:
        if row["kind"] != "uds":
            continue
        unexpected = row["expected"] is False and row["result"] in ("positive", "negative")
        unexplained = row["expected"] is None and row["result"] == "positive"
        if unexpected if explained else unexplained:
            yield (row["clinic_id"], row["patient_id"], row["screening_id"], row["at"], 1.0)


def weighed(world: PatientWorld, feed: str) -> Iterable[tuple[Row, str, datetime, int]]:
    """Rows with a known route: id, instant, and millionths of a milligram as if into a vein."""
    names = {"doses": ("dose_id", "started_at", "route", SHARES),
             "dispenses": ("dispense_id", "dispensed_at", "form", FORMS)}  # fmt: skip
    name, at, by, shares = names[feed]
    for row in world.rows[feed]:
        if row[by] in shares:
            yield row, row[name], row[at], round(row["amount_mg"] * 1e6 * shares[row[by]])


def exposed(world: PatientWorld, feed: str) -> Iterable[Event]:
    signal = "high-exposure-given" if feed == "doses" else "high-exposure-dispensed"
    days = timedelta(days=SIGNALS[signal]["parameters"]["within_days"])
    rows = list(weighed(world, feed))
    for row, name, at, _ in rows:
        clinic, today = row["clinic_id"], world.day(row["clinic_id"], at)
        total = sum(
            amount
            for other, _, when, amount in rows
            if all(other[n] == row[n] for n in ("clinic_id", "patient_id", "drug"))
            and today - days < world.day(clinic, when) <= today
        )
        yield (clinic, row["patient_id"], name, at, total / 1e6)


def scales(world: PatientWorld) -> Found:
    found: Found = {}
    for signal, scale in (("audit-c", "AUDIT-C"), ("dast-10", "DAST-10"),
                          ("urinary-symptoms", "BPIC-SS")):  # fmt: skip
        latest: dict[tuple[str, str], Row] = {}
        for row in sorted(world.rows["scores"], key=lambda r: (r["at"], r["outcome_id"])):
            scored = row["scale"] == scale and row["score"] is not None
            if scored and recent(world, signal, [("", "", "", row["at"], 0.0)]):
                latest[row["clinic_id"], row["patient_id"]] = row
        for (clinic, patient), row in latest.items():
            least = float(BANDS[signal].get(row["sex"], LEAST[signal]))
            observed = float(row["score"])
            if signal == "urinary-symptoms":
                most = [_most(world, feed, clinic, patient) for feed in ("doses", "dispenses")]
                known = [amount for amount in most if amount is not None]
                if observed < least - SLACK or not known:
                    continue
                observed, least = max(known), float(SIGNALS[signal]["at_least"])
            found[clinic, patient, signal] = Observed(
                observed, least, [row["outcome_id"]], row["at"], row["at"]
            )
    return found


def _most(world: PatientWorld, feed: str, clinic: str, patient: str) -> float | None:
    """The greatest sum of a drug in the signal's window; none without a row of it."""
    days = int(SIGNALS["urinary-symptoms"]["window"].removesuffix("d"))
    since = world.as_of - timedelta(days=days)
    at = "started_at" if feed == "doses" else "dispensed_at"
    mine = [r for r in world.rows[feed] if (r["clinic_id"], r["patient_id"]) == (clinic, patient)]
    sums = {r["drug"]: 0 for r in mine if r[at] >= since}
    for row, _, when, amount in weighed(world, feed):
        if (row["clinic_id"], row["patient_id"]) == (clinic, patient) and when >= since:
            sums[row["drug"]] += amount
    return max(sums.values()) / 1e6 if sums else None
