"""Small random networks with a stock book: lots that do not add up, losses, people off shift."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

from checks.contract import contracts
from tests.risk.stock_engine import Network, Row
from tests.worlds import DAYS, FRAMES, ZONES, Clinic

DRUGS = ("ketamine", "ketamine", "esketamine", "midazolam", "ondansetron")
AMOUNTS = tuple(map(Decimal, ("28", "56", "84", "40", "40.1", "0.000001", "70", "500", "39.95")))
KINDS = (
    "received", "received", "received", "administered", "administered", "wasted", "wasted",
    "count", "count", "count", "dispensed", "returned", "transferred", "destroyed", "expired",
    "broken", "lost", "lost",
)  # fmt: skip
STAFF = ("u1", "u2", "u3", None)


def network(random: Random, clinics: int = 2) -> Network:
    """Clinics of a few lots, sessions and people."""
    facts: dict[str, list[Row]] = {feed: [] for feed in contracts()}
    first = random.choice(FRAMES)
    # Long after, a year's window has passed the first rows, and counts are overdue.
    as_of = first + timedelta(days=random.choice([DAYS, DAYS, 20, 380, 790]), minutes=15)
    cutoffs: dict[tuple[str, str], datetime] = {}
    quarantined = []
    for number in range(clinics):
        clinic = Clinic(f"c{number}", random.choice(ZONES), first, random, facts)
        clinic.add("clinics", clinic_id=clinic.id, name=clinic.id, time_zone=clinic.zone)
        for session in ("s1", "s2", "s3"):
            if random.randint(0, 4):
                clinic.add("sessions", session_id=session, patient_id="p1", program="iv_ketamine",
                           status="completed", prescriber_id=clinic.pick(*STAFF),
                           weight_kg=clinic.maybe(clinic.pick(50.0, 80.0, 0.0)))  # fmt: skip
        _book(clinic)
        _give(clinic)
        _work(clinic)
        for feed in ("inventory", "doses", "sessions", "shifts"):
            if random.randint(0, 7):
                cutoffs[clinic.id, feed] = clinic.pick(as_of, as_of, clinic.instant())
        quarantined += [
            (clinic.id, clinic.pick("inventory", "doses", "sessions"), clinic.pick("s1", "s2"))
            for _ in clinic.some(1)
        ]
    _open(Clinic(None, "UTC", first, random, facts))  # type: ignore[arg-type]
    for rows in facts.values():
        random.shuffle(rows)
    return Network(facts, as_of, cutoffs, quarantined)


def _book(clinic: Clinic) -> None:
    for number in clinic.some(14):
        kind = clinic.pick(*KINDS)
        at = clinic.instant()
        found = clinic.maybe(clinic.near(at)) if kind == "lost" else None
        told = [clinic.maybe(found + timedelta(days=clinic.pick(0, 1, 2, 3, 4, 5, 45, 46)))
                if found else None for _ in range(2)]  # fmt: skip
        clinic.add(
            "inventory", entry_id=f"i{number:02}", lot=clinic.pick("L1", "L1", "L2"),
            drug=clinic.pick(*DRUGS[:4]), kind=kind, amount_mg=clinic.pick(*AMOUNTS),
            occurred_at=at, actor_id=clinic.pick(*STAFF), witness_id=clinic.pick(*STAFF),
            session_id=clinic.pick("s1", "s2", "s3", None), discovered_at=found,
            dea_notified_at=told[0], form106_submitted_at=told[1],
        )  # fmt: skip


def _give(clinic: Clinic) -> None:
    """Doses, some of them as an entry of the book says."""
    booked = [e for e in clinic.facts["inventory"]
              if e["clinic_id"] == clinic.id and e["kind"] == "administered"]  # fmt: skip
    for number in clinic.some(7):
        like = clinic.pick(*booked) if booked and clinic.random.randint(0, 2) else {}
        at = like.get("occurred_at") or clinic.instant()
        clinic.add(
            "doses", dose_id=f"d{number}", patient_id="p1",
            session_id=clinic.pick(like.get("session_id"), "s1", "s2", "s9"),
            drug=like.get("drug") or clinic.pick(*DRUGS), amount_mg=like.get("amount_mg")
            or clinic.pick(*AMOUNTS), opened_mg=clinic.maybe(clinic.pick(*AMOUNTS)),
            wasted_mg=clinic.maybe(clinic.pick(*AMOUNTS)),
            devices=clinic.pick(None, None, 1, 2, 3), started_at=at,
            lot=like.get("lot") or clinic.pick("L1", "L2", None),
            administered_by=clinic.pick(*STAFF),
        )  # fmt: skip


def _work(clinic: Clinic) -> None:
    for number in clinic.some(6):
        at = clinic.instant()
        clinic.add("shifts", shift_id=f"h{number}", staff_id=clinic.pick("u1", "u2", "u3"),
                   started_at=at, ended_at=at + timedelta(hours=clinic.pick(1, 8, 40)))  # fmt: skip
    if clinic.random.randint(0, 1):
        _open(clinic)


def _open(clinic: Clinic) -> None:
    """Opening hours of a clinic or of the network, on most weekdays, changed now and then."""
    first: date = clinic.first.date()
    for number in range(clinic.pick(0, 9)):
        opens, closes = clinic.pick(
            ("07:30", "19:00"), ("09:00", "17:00"), ("20:00", "06:00"), ("00:00", "23:59"),
            ("08:00", "08:00"),
        )  # fmt: skip
        clinic.add("hours", hours_id=f"o{number}", weekday=clinic.random.randint(1, 7),
                   opens=opens, closes=closes,
                   effective_from=first + timedelta(days=clinic.pick(-30, -30, 0, 12)))  # fmt: skip


def crowd(random: Random, clinics: int = 2) -> Network:
    """People with enough doses, patients and supplies to be compared, now and then one unlike the
    others."""
    facts: dict[str, list[Row]] = {feed: [] for feed in contracts()}
    first = random.choice(FRAMES)
    for number in range(clinics):
        clinic = Clinic(f"c{number}", random.choice(ZONES), first, random, facts)
        clinic.add("clinics", clinic_id=clinic.id, name=clinic.id, time_zone=clinic.zone)
        unlike = clinic.pick(None, 0, 1)
        for person in range(random.randint(3, 6)):
            excess = clinic.pick(3, 7) if person == unlike else 1
            for at in range(random.randint(20, 50)):
                _dose_of(clinic, f"u{person}", at, excess)
            for at in range(random.randint(8, 36)):
                clinic.add(
                    "dispenses", dispense_id=f"x{person}-{at}", patient_id=f"p{at // 2}",
                    prescriber_id=clinic.pick(*[f"u{person}"] * 5, None),
                    drug="ketamine", form="troche", strength_mg=Decimal(100),
                    quantity=Decimal(clinic.pick(8, 8, 8, 8, 12) * excess),
                    days_supply=clinic.pick(28, 28, 28, 28, 0), dispensed_at=clinic.instant(),
                )  # fmt: skip
    for rows in facts.values():
        random.shuffle(rows)
    return Network(facts, first + timedelta(days=DAYS), {})


def _dose_of(clinic: Clinic, person: str, number: int, excess: int) -> None:
    """A dose in a session of its own, given and prescribed by one person."""
    name, started = f"{person}-{number}", clinic.instant()
    late = timedelta(hours=clinic.pick(*[25] * (excess - 1), 0, 1, 24, 2))
    clinic.add("sessions", session_id=name, patient_id=f"p{number // 2}", program="iv_ketamine",
               status="completed", prescriber_id=person, weight_kg=80.0)  # fmt: skip
    clinic.add(
        "doses", dose_id=name, session_id=name, patient_id=f"p{number // 2}", started_at=started,
        drug=clinic.pick(*["ketamine"] * 5, "esketamine"),
        amount_mg=Decimal(clinic.pick(*[60] * (excess - 1), 40, 40, 50, 60)),
        wasted_mg=clinic.maybe(Decimal(clinic.random.randint(0, 99) * excess)),
        administered_by=clinic.pick(*[person] * 5, None), lot="L1",
        recorded_at=clinic.maybe(started + late + timedelta(microseconds=clinic.pick(0, 0, 1))),
    )  # fmt: skip
