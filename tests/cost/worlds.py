"""Small random networks with money: missing rates and times, ties, corrections, late starts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from checks.contract import contracts
from tests.cost.engine import Network, Row
from tests.worlds import ZONES, Clinic

FIRST = datetime(2025, 9, 20, 12, tzinfo=UTC)
PROGRAMS = {"ours": "iv_ketamine"}
RESOURCES = tuple(contracts()["rates"].column("resource").closed or ())
AMOUNTS = tuple(
    Decimal(text) for text in ("0", "0.010001", "7", "33.333333", "120.5", "999.999999")
)
USD = tuple(Decimal(text) for text in ("-20.5", "0", "0.01", "80", "80", "341.333333", "550"))


def network(random: Random, clinics: int = 2) -> Network:
    """Clinics with a few patients, whose sessions fill some months around the turn of a year."""
    facts: dict[str, list[Row]] = {feed: [] for feed in contracts()}
    as_of = FIRST + timedelta(days=random.choice([40, 130, 250]))
    cutoffs, lost = {}, []
    versions: list[Row] = []
    for number in range(clinics):
        clinic = Clinic(f"c{number}", random.choice(ZONES), FIRST, random, facts)
        known = bool(random.randint(0, 15))
        if known:
            clinic.add("clinics", clinic_id=clinic.id, name=clinic.id, time_zone=clinic.zone)
        _add_rates(clinic)
        for patient in ("p1", "p2"):
            _treat(clinic, patient)
        versions += _bill(clinic, as_of)
        for feed in ("sessions", "doses", "charges") if known else ():
            if random.randint(0, 5):
                cutoffs[clinic.id, feed] = clinic.pick(as_of, FIRST + timedelta(days=100))
        lost += [(clinic.id, f"p1-{number}") for number in clinic.some(2)]
    _add_rates(Clinic(None, "UTC", FIRST, random, facts))  # type: ignore[arg-type]
    for rows in facts.values():
        random.shuffle(rows)
    held = Network(facts, as_of, cutoffs, versions, lost=lost, programs=PROGRAMS)
    subjects = _subjects(random, held)
    return Network(facts, as_of, cutoffs, versions, subjects, _outcomes(random, subjects), lost,
                   PROGRAMS)  # fmt: skip


def _add_rates(clinic: Clinic) -> None:
    """In most clinics every resource has a rate, in some places of its own."""
    for number, resource in enumerate(RESOURCES):
        for again in range(clinic.pick(1, 1, 1, 0, 2, 3)):
            clinic.add(
                "rates", rate_id=f"{clinic.id}-{number}-{again}", resource=resource,
                amount=clinic.pick(*AMOUNTS),
                program=clinic.pick(None, None, "ours", "iv_ketamine", "other"),
                effective_from=(FIRST + timedelta(days=clinic.pick(-400, -9, 0, 30, 30))).date(),
            )  # fmt: skip


def _treat(clinic: Clinic, patient: str) -> None:
    at = clinic.instant()
    for number in clinic.some(7):
        start = clinic.maybe(at)
        came = at - timedelta(microseconds=clinic.pick(1, 1_200_000_000, 1_333_333_333, -99))
        left = at + timedelta(minutes=clinic.pick(100, 131, 0, -60))
        session = f"{patient}-{number}"
        clinic.add(
            "sessions", session_id=session, patient_id=patient, arrived_at=clinic.maybe(came),
            program=clinic.pick("ours", "iv_ketamine", "iv_ketamine", "other"),
            status=clinic.pick("completed", "completed", "completed", "aborted", "no_show",
                               "cancelled", "scheduled"),
            route=clinic.maybe(clinic.pick("IV", "IM", "IN")),
            scheduled_at=clinic.maybe(at), scheduled_minutes=clinic.maybe(clinic.pick(0, 95, 150)),
            started_at=start, discharged_at=clinic.pick(left, left, clinic.maybe(left)),
            ended_at=clinic.maybe(at + timedelta(minutes=clinic.pick(15, 16, 40, 91))),
        )  # fmt: skip
        for dose in clinic.some(2):
            clinic.add(
                "doses", dose_id=f"{session}-{dose}", session_id=clinic.maybe(session),
                patient_id=patient, drug=clinic.pick("ketamine", "esketamine", "midazolam"),
                amount_mg=clinic.pick(*map(Decimal, ("56", "84", "28", "35.123457", "0"))),
                wasted_mg=clinic.maybe(clinic.pick(*AMOUNTS)), started_at=clinic.near(at),
                acquisition=clinic.maybe(clinic.pick("clinic_stock", "buy_and_bill", "sample",
                                                     "specialty_pharmacy")),
            )  # fmt: skip
        at += clinic.pick(*(timedelta(days=d) for d in (0, 1, 3, 7, 20, 60, 61, 90)))


def _bill(clinic: Clinic, as_of: datetime) -> list[Row]:
    """Charges of the clinic, and earlier versions of some."""
    versions = []
    mine = [row for row in clinic.facts["sessions"] if row["clinic_id"] == clinic.id]
    for number in clinic.some(12 if mine else 0):
        session = clinic.pick(*mine)
        at = session["started_at"] or session["scheduled_at"] or FIRST
        around = as_of.date() + timedelta(days=clinic.pick(-1, 0, 0, 1))
        on = clinic.pick(at.date(), at.date(), around, date(2025, 12, 31), date(2026, 1, 1))
        charge = clinic.add("charges", charge_id=f"x{number}", patient_id=session["patient_id"],
                            session_id=clinic.pick(session["session_id"], session["session_id"],
                                                   clinic.maybe("elsewhere")),
                            service_on=on, **_said(clinic, on))  # fmt: skip
        for version in clinic.some(clinic.pick(0, 0, 1, 3)):
            said_at = FIRST + timedelta(days=version)
            gone = {"_withdrawn": True} if not clinic.random.randint(0, 5) else {}
            versions.append(charge | _said(clinic, on) | gone | {"said_at": said_at})
    clinic.random.shuffle(versions)
    return versions


def _said(clinic: Clinic, on: date) -> Row:
    """What a version of a charge says."""

    def day(*offsets: int) -> Any:
        return clinic.maybe(on + timedelta(days=clinic.pick(*offsets)))

    return {
        "code": clinic.pick("J0013", " s0013", "G2082", "G2083", "96365", "96366", "96372",
                            "99215", "J3490"),
        "units": clinic.maybe(clinic.pick(*map(Decimal, ("1", "56", "84", "28.5")))),
        "payer_kind": clinic.pick("medicare", "commercial", "self_pay"),
        "billed_usd": clinic.pick(*USD), "allowed_usd": clinic.maybe(clinic.pick(*USD)),
        "payer_paid_usd": clinic.maybe(clinic.pick(*USD)),
        "patient_owed_usd": clinic.maybe(clinic.pick(*USD)),
        "patient_paid_usd": clinic.maybe(clinic.pick(*USD)),
        "status": clinic.pick("paid", "paid", "denied", "pending", "self_pay", "written_off"),
        "submitted_on": day(-1, 0, 1, 5), "adjudicated_on": day(0, 10, 40),
        "billed_to_patient_on": day(0, 12, 31),
    }  # fmt: skip


def _subjects(random: Random, held: Network) -> list[Row]:
    """Sessions as they might be judged: most by one protocol, in courses, some by another too."""
    from tests.cost import oracle

    told: list[Row] = []
    last: dict[tuple[str, str], Row] = {}
    rows = oracle.sessions(held)
    clinics = {row["clinic_id"] for row in held.facts["clinics"]}
    for session in sorted(held.facts["sessions"], key=lambda s: s["started_at"] or FIRST):
        key = session["clinic_id"], session["session_id"]
        start = session["started_at"]
        if key not in rows or start is None or key[0] not in clinics or not random.randint(0, 4):
            continue
        who = key[0], session["patient_id"]
        before = last.get(who)
        new = before is None or start - before["started_at"] > oracle.GAP
        subject = {
            "clinic_id": key[0], "subject_id": key[1], "patient_id": who[1],
            "protocol": "spec", "program": rows[key]["program"], "started_at": start,
            "local_date": rows[key]["local_date"], "session_id": key[1],
            "course": (before["course"] if before else 0) + new,
            "course_started_at": start if before is None or new else before["course_started_at"],
            "status": random.choice(["compliant", "minor_misses", "non_compliant", "pending"]),
        }  # fmt: skip
        last[who] = subject
        told.append(subject)
        if not random.randint(0, 2):
            status = random.choice(["compliant", "incomplete"])
            told.append(subject | {"protocol": "second", "course": None, "status": status,
                                   "course_started_at": None})  # fmt: skip
    return told


def _outcomes(random: Random, subjects: list[Row]) -> list[Row]:
    """What courses might have achieved."""
    first: dict[tuple[Any, ...], Row] = {}
    last: dict[tuple[Any, ...], Row] = {}
    for subject in subjects:
        if subject["course"] is not None:
            key = subject["clinic_id"], subject["patient_id"], subject["course"]
            first.setdefault(key, subject)
            last[key] = subject
    found = []
    for key, start in first.items():
        until = last[key]["started_at"] + timedelta(days=60)
        days = [random.choice([None, 1, 9, 28, 59, 200]) for _ in range(2)]
        responded, relapsed = (
            None if day is None else start["started_at"] + timedelta(days=day) for day in days
        )
        followed = None if responded is None else max(responded, until - timedelta(days=3))
        found.append({
            "clinic_id": key[0], "patient_id": key[1], "protocol": "spec", "course": key[2],
            "program": start["program"], "course_started_at": start["course_started_at"],
            "mature": random.choice([True, True, True, False]),
            "induction_end": random.choice([None, 4.0]), "treated_until": until,
            "response_at_induction_end": random.choice([None, True, False]),
            "remission_at_induction_end": random.choice([None, True, False]),
            "responded_at": responded, "followed_until": followed,
            "relapsed_at": relapsed if responded and relapsed and relapsed > responded else None,
        })  # fmt: skip
    return found
