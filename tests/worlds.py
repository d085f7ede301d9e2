"""Small random worlds for the oracle and the engine: nulls, ties, edges, clock changes.

A world is drawn from a `random.Random`: a seeded one gives a world that can be drawn again, one of
hypothesis (`st.randoms(use_true_random=False)`) gives one that shrinks. Clinics know nothing of
each other, so `apart` gives each as a world of its own for the oracle, while the engine judges all
of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from checks.contract import contracts
from protocols.facts import Facts, schema
from tests.oracle import World

Row = dict[str, Any]
STEP = timedelta(minutes=15)
DAYS = 36
# Half-hour offsets, a half-hour clock change, one at midnight, and zones that never change.
ZONES = (
    "America/New_York", "Australia/Lord_Howe", "America/Phoenix", "Asia/Kolkata",
    "America/Havana", "America/St_Johns", "Europe/London", "Africa/Cairo",
)  # fmt: skip
# Each runs for DAYS: the leap day, clock changes of spring and of autumn, the turn of a year.
FRAMES = (
    datetime(2024, 2, 8, 12, tzinfo=UTC),
    datetime(2025, 3, 6, 12, tzinfo=UTC),
    datetime(2025, 10, 2, 12, tzinfo=UTC),
    datetime(2025, 4, 2, 12, tzinfo=UTC),
    datetime(2023, 12, 10, 12, tzinfo=UTC),
)
PATIENTS = ("p1", "p2")
BIRTHS = (date(1960, 2, 29), date(1999, 3, 20), date(1959, 10, 20), date(1959, 3, 1))
# Four doses lie on a limit or within the slack of 1e-9 mg/kg, one just beyond it.
AMOUNTS = (20.0, 40.0, 40.0, 40.0 + 4e-8, 40.0 + 4e-7, 30.0, 0.0)


@dataclass
class Clinic:
    """One clinic while its rows are drawn."""

    id: str
    zone: str
    first: datetime
    random: Random
    facts: dict[str, list[Row]]

    def add(self, feed: str, **values: Any) -> Row:
        """A fact with every column of its feed; those not named are null."""
        blank = {c.name: None for c in contracts()[feed].columns if c.name != "deleted"}
        held = {**blank, "clinic_id": self.id, **values}
        self.facts[feed].append(held)
        return held

    def some(self, most: int) -> range:
        return range(self.random.randint(0, most))

    def pick(self, *values: Any) -> Any:
        return self.random.choice(values)

    def maybe(self, value: Any) -> Any:
        """The value, or null now and then."""
        return value if self.random.randint(0, 3) else None

    def instant(self) -> datetime:
        """On a quarter-hour grid, so that ties and edges are common; or the start of a day."""
        at = self.first + self.random.randint(0, DAYS * 96) * STEP
        return at if self.random.randint(0, 7) else self.day_start(at)

    def near(self, at: datetime) -> datetime:
        """Within a few hours of another, seldom a microsecond off the grid."""
        off = self.pick(0, 0, 0, 0, 0, 0, 0, 0, -1, 1) * timedelta(microseconds=1)
        return at + self.random.randint(-12, 20) * STEP + off

    def after(self, at: datetime) -> datetime:
        """Days later to the hour, by the sun or by the clinic's clock; a microsecond off at times;
        or on the edge of a day."""
        days = timedelta(days=self.pick(1, 2, 3, 5, 7, 10, 11, 14))
        wall = (at.astimezone(ZoneInfo(self.zone)) + days).astimezone(UTC)
        off = self.pick(0, 0, 0, 0, -1, 1) * timedelta(microseconds=1)
        return self.pick(at + days, at + days, wall, self.day_start(wall)) + off

    def day_start(self, at: datetime) -> datetime:
        zone = ZoneInfo(self.zone)
        day = at.astimezone(zone).date()
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def world(random: Random, clinics: int = 2) -> World:
    """A network of clinics in several zones, seen at one instant."""
    facts: dict[str, list[Row]] = {feed: [] for feed in contracts()}
    first = random.choice(FRAMES)
    as_of = random.choice([first + timedelta(days=DAYS), first + timedelta(days=20, minutes=15)])
    quarantined: list[Row] = []
    cutoffs: dict[tuple[str, str], datetime] = {}
    for number in range(clinics):
        clinic = Clinic(f"c{number}", random.choice(ZONES), first, random, facts)
        _fill(clinic)
        silent = clinic.pick("doses", "vitals", "outcomes", "contacts", *[None] * 16)
        if silent:
            facts[silent] = [held for held in facts[silent] if held["clinic_id"] != clinic.id]
        for feed, rows in facts.items():
            has_rows = rows and rows[-1]["clinic_id"] == clinic.id
            if has_rows or (feed != silent and random.randint(0, 4) > 0):
                cutoffs[clinic.id, feed] = min(
                    as_of, clinic.pick(as_of, as_of, first + timedelta(days=9), clinic.instant())
                )
        quarantined += [_quarantined(clinic) for _ in clinic.some(2)]
    for rows in facts.values():
        random.shuffle(rows)
    return World(facts, cutoffs, quarantined, as_of)


def apart(network: World) -> dict[str, World]:
    """Each clinic as a world of its own."""
    clinics = [held["clinic_id"] for held in network.facts["clinics"]]
    facts: dict[str, dict[str, list[Row]]] = {
        clinic: {feed: [] for feed in contracts()} for clinic in clinics
    }
    for feed, rows in network.facts.items():
        for held in rows:
            facts[held["clinic_id"]][feed].append(held)
    return {
        clinic: World(
            facts[clinic],
            {key: at for key, at in network.cutoffs.items() if key[0] == clinic},
            [bad for bad in network.quarantined if bad["clinic_id"] == clinic],
            network.as_of,
        )
        for clinic in clinics
    }


def _fill(clinic: Clinic) -> None:
    clinic.add("clinics", clinic_id=clinic.id, name=clinic.id, time_zone=clinic.zone,
               state=clinic.maybe("NY"))  # fmt: skip
    for patient in PATIENTS:
        if clinic.random.randint(0, 5):
            clinic.add(
                "patients", patient_id=patient, birth_date=clinic.maybe(clinic.pick(*BIRTHS)),
                sex=clinic.maybe(clinic.pick("F", "M")), indication=clinic.maybe("F33.2"),
                prior_sessions=clinic.maybe(clinic.random.randint(0, 3)),
            )  # fmt: skip
    for name, role in (("nurse", "nurse"), ("doctor", "prescriber")):
        if clinic.random.randint(0, 4):
            clinic.add("staff", staff_id=name, role=role,
                       license_expires_on=clinic.maybe(clinic.instant().date()))  # fmt: skip
    starts: list[tuple[str, datetime]] = []
    for number in clinic.some(6):
        _session(clinic, f"s{number}", starts)
    moments = [at for _, at in starts] or [clinic.instant()]
    for number in clinic.some(4):
        _outcome(clinic, f"o{number}", moments)
    for number in clinic.some(3):
        _dispense(clinic, f"d{number}")
    for number in clinic.some(3):
        _contact(clinic, f"c{number}", moments)
    _paperwork(clinic, moments)


def _paperwork(clinic: Clinic, moments: Sequence[datetime]) -> None:
    """Medications, charges and shifts, each close to a session."""
    for number in clinic.some(2):
        day = clinic.pick(*moments).astimezone(ZoneInfo(clinic.zone)).date()
        clinic.add("medications", medication_id=f"m{number}", patient_id=clinic.pick(*PATIENTS),
                   **{"class": clinic.pick("antidepressant", "opioid")},
                   started_on=day + timedelta(days=clinic.random.randint(-1, 1)))  # fmt: skip
    for number in clinic.some(1):
        day = clinic.pick(*moments).astimezone(ZoneInfo(clinic.zone)).date()
        clinic.add("charges", charge_id=f"x{number}", patient_id=clinic.pick(*PATIENTS),
                   service_on=day, code="J3490", payer_kind="self_pay", billed_usd=10.0,
                   status="self_pay")  # fmt: skip
    for number in clinic.some(2):
        at = clinic.near(clinic.pick(*moments))
        clinic.add("shifts", shift_id=f"h{number}", staff_id=clinic.pick("nurse", "doctor"),
                   started_at=at, ended_at=at + 4 * STEP)  # fmt: skip


def _session(clinic: Clinic, session: str, starts: list[tuple[str, datetime]]) -> None:
    """A session with its doses, vitals and events; often some days to the hour after another."""
    patient = clinic.pick(*PATIENTS)
    before = [at for whose, at in starts if whose == patient]
    start = clinic.instant()
    if before and clinic.random.randint(0, 3):
        start = clinic.pick(clinic.after(before[-1]), clinic.after(before[-1]), before[-1])
    starts.append((patient, start))
    end = start + clinic.random.randint(-1, 4) * STEP
    clinic.add(
        "sessions", session_id=session, patient_id=patient,
        program=clinic.pick("iv_ketamine", "iv_ketamine", "iv_ketamine", "other"),
        status=clinic.pick("completed", "completed", "completed", "aborted", "no_show"),
        scheduled_at=clinic.maybe(start), started_at=clinic.maybe(start),
        ended_at=clinic.maybe(end), monitoring_ended_at=clinic.maybe(end + 4 * STEP),
        discharged_at=clinic.maybe(clinic.near(end)),
        weight_kg=clinic.maybe(clinic.pick(70.0, 80.0, 76.0)),
        prescriber_id=clinic.maybe("doctor"), monitor_id=clinic.maybe("nurse"),
        discharge_score=clinic.maybe(clinic.pick(0.0, 10.0, 15.0, 10.0 + 4e-10)),
        escort_confirmed=clinic.maybe(clinic.pick(False, True)),
    )  # fmt: skip
    for number in clinic.some(2):
        clinic.add(
            "doses", dose_id=f"{session}-{number}", session_id=clinic.maybe(session),
            patient_id=patient, drug=clinic.pick("ketamine", "ketamine", "ketamine", "midazolam"),
            amount_mg=clinic.pick(*AMOUNTS), started_at=clinic.near(start),
            ended_at=clinic.maybe(end), devices=clinic.maybe(clinic.random.randint(1, 2)),
        )  # fmt: skip
    for number in clinic.some(5):
        clinic.add(
            "vitals", vital_id=f"{session}-{clinic.random.randint(0, 9)}-{number}",
            session_id=session, measured_at=clinic.near(start),
            systolic_mmhg=clinic.maybe(clinic.pick(120.0, 180.0, 190.0)),
            spo2_pct=clinic.maybe(clinic.pick(88.0, 90.0, 97.0)),
            oxygen=clinic.maybe(clinic.pick(False, True)),
        )  # fmt: skip
    for number in clinic.some(1):
        at = clinic.near(start)
        clinic.add("events", event_id=f"{session}-{number}", session_id=clinic.maybe(session),
                   patient_id=patient, kind=clinic.pick("nausea", "hypertension"),
                   serious=clinic.maybe(clinic.pick(False, True)), started_at=at,
                   resolved_at=clinic.maybe(at + STEP))  # fmt: skip


def _outcome(clinic: Clinic, name: str, moments: Sequence[datetime]) -> None:
    at = clinic.pick(clinic.instant(), clinic.after(clinic.pick(*moments)), clinic.pick(*moments))
    scores = [clinic.pick("0", "1", "3", "") for _ in clinic.some(9)]
    clinic.add(
        "outcomes", outcome_id=name, patient_id=clinic.pick(*PATIENTS),
        session_id=clinic.maybe(clinic.pick("s0", "s1")),
        instrument=clinic.pick("PHQ-9", "PHQ-9", "MADRS"), administered_at=at,
        total=clinic.maybe(float(clinic.pick(0, 9, 10, 20, 21, 27, 28))),
        items=";".join(scores) or None,
    )  # fmt: skip


def _dispense(clinic: Clinic, name: str) -> None:
    held = clinic.facts["dispenses"]
    before = [row["dispensed_at"] for row in held[-3:] if row["clinic_id"] == clinic.id]
    at = clinic.after(before[-1]) if before and clinic.random.randint(0, 2) else clinic.instant()
    clinic.add(
        "dispenses", dispense_id=name, patient_id=clinic.pick(*PATIENTS),
        drug=clinic.pick("ketamine", "ketamine", "esketamine"), form="troche", strength_mg=100.0,
        quantity=clinic.pick(3.0, 4.0, 8.0), days_supply=clinic.random.randint(1, 14),
        prescriber_id=clinic.maybe("doctor"),
        refill_number=clinic.maybe(clinic.random.randint(0, 2)), dispensed_at=at,
    )  # fmt: skip


def _contact(clinic: Clinic, name: str, moments: Sequence[datetime]) -> None:
    at = clinic.pick(clinic.instant(), clinic.after(clinic.pick(*moments)))
    clinic.add(
        "contacts", contact_id=name, patient_id=clinic.pick(*PATIENTS),
        kind=clinic.pick("integration", "crisis"), scheduled_at=clinic.maybe(at),
        staff_id=clinic.maybe("nurse"), started_at=clinic.maybe(at + clinic.pick(0, 0, 1) * STEP),
    )  # fmt: skip


def _quarantined(clinic: Clinic) -> Row:
    return {
        "clinic_id": clinic.id,
        "feed": clinic.pick("vitals", "outcomes", "doses", "contacts", "sessions"),
        "session_id": clinic.maybe(clinic.pick("s0", "s1", "s2")),
        "patient_id": clinic.maybe(clinic.pick(*PATIENTS)),
    }


def as_facts(network: World) -> Facts:
    """The same world as the engine takes it."""
    frames = {
        feed: pl.LazyFrame(
            [{name: held.get(name) for name in schema(contracts()[feed])} for held in rows],
            schema=schema(contracts()[feed]),
        )
        for feed, rows in network.facts.items()
    }
    cutoffs = pl.DataFrame(
        [{"clinic_id": c, "feed": f, "cutoff": at} for (c, f), at in network.cutoffs.items()],
        schema={"clinic_id": pl.String, "feed": pl.String, "cutoff": pl.Datetime("us", "UTC")},
    )
    names = ("clinic_id", "feed", "session_id", "patient_id")
    quarantined = pl.DataFrame(list(network.quarantined), schema=dict.fromkeys(names, pl.String))
    return Facts(frames, cutoffs, quarantined, network.as_of)
