"""What may happen at a small network from night to night, in any order, and protocols that look at
rows in every way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.load.network import NORTH, SOUTH
from tests.publish.nights import INFUSIONS, Nights

WIDE = """\
protocol: wide
version: 1.0.0
title: Every way to look at rows
effective: {from: 2020-01-01, to: 2026-05-19}
in_force_by: course
judges: sessions
drug: ketamine
programs: [iv_ketamine]
clinics: [north, south]
course: {gap: 10d}
primary: {instrument: PHQ-9, day: 6, within: 2}
measures:
  scores: {of: outcomes, window: [course_started_at - 3cd, started_at + 2cd], take: count}
  rested: {of: sessions, window: [started_at - 5d, started_at - 1s], take: count}
  nurses: {of: shifts, window: [started_at - 12h, started_at], among: staff.role = 'nurse', take: count}
rules:
  - {id: often, title: Often, kind: rate, severity: major, tier: T4, within: 5d, at_most: 1}
  - {id: often-anywhere, title: Often, kind: rate, severity: major, tier: T4, within: 5d, at_most: 1,
     across: patient}
  - {id: step, title: Step, kind: change, severity: major, tier: T4, expr: dose_mg, max_increase: 10}
  - {id: first, title: First, kind: value, severity: minor, tier: T4, expr: course_index, max: 1}
  - {id: lifetime, title: Lifetime, kind: value, severity: minor, tier: T4, expr: lifetime_index, max: 2}
  - {id: scored, title: Scored, kind: value, severity: minor, tier: T4, expr: scores, min: 1}
  - {id: rested, title: Rested, kind: value, severity: minor, tier: T4, expr: rested, max: 0}
  - {id: nurse, title: Nurse, kind: value, severity: minor, tier: T4, expr: nurses, min: 1}
  - {id: on-site, title: On site, kind: occurrence, severity: major, tier: T4, of: shifts,
     window: [started_at - 12h, started_at], where: ended_at >= this.ended_at}
  - {id: licensed, title: Licensed, kind: value, severity: major, tier: T4,
     expr: prescriber.license_expires_on >= local_date, is: true}
  - {id: alone, title: Alone, kind: occurrence, severity: minor, tier: T4, of: sessions, link: clinic,
     window: [started_at - 2h, started_at + 2h], at_most: 0}
  - {id: called, title: Called, kind: response, severity: major, tier: T4,
     trigger: {of: outcomes, window: [started_at, started_at + 7cd], where: total > 20},
     then: {of: contacts, where: staff.role = 'nurse', within: 2d}}
  - {id: reviewed, title: Reviewed, kind: response, severity: major, tier: T4,
     trigger: {of: outcomes, among: instrument = 'PHQ-9', window: [started_at, started_at + 3cd],
               where: total > 20},
     then: {of: contacts, where: kind = 'review' and status = 'completed', within: 4cd}}
  - {id: on-site-for-doses, title: On site, kind: occurrence, severity: major, tier: T4, of: shifts,
     window: [first_dose_at - 12h, last_dose_at], where: ended_at >= this.last_dose_at}
  - {id: pressure, title: Pressure, kind: occurrence, severity: minor, tier: T4, of: vitals,
     link: patient, window: [started_at - 10d, started_at], among: "(position in ('sitting', 'lying'))",
     where: systolic_mmhg >= 180, at_most: 0}
"""  # noqa: E501
LATER = WIDE.replace("1.0.0", "2.0.0").replace(
    "from: 2020-01-01, to: 2026-05-19", "from: 2026-05-20"
)
AHEAD = """\
protocol: ahead
version: 1.0.0
title: Looks ahead
effective: {from: 2020-01-01}
drug: ketamine
population: sex = 'F'
rules:
  - {id: back, title: Comes back, kind: elapsed, severity: minor, tier: T4, from: started_at,
     to: next_started_at, max: 6d}
"""
REFILLS = """\
protocol: refills
version: 1.0.0
title: Refills
effective: {from: 2020-01-01}
judges: dispenses
rules:
  - {id: early, title: Early, kind: elapsed, severity: major, tier: T4, from: previous_local_date,
     to: dispensed_at, min: 5d}
  - {id: seen, title: Seen, kind: occurrence, severity: major, tier: T4, of: contacts,
     window: [dispensed_at - 5cd, dispensed_at], where: status = 'completed'}
"""
CLINICS = st.sampled_from([NORTH, SOUTH])
SLOTS = st.integers(0, 3)
STAFF = st.sampled_from(["ann", "ben"])
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("session"), CLINICS, SLOTS, st.integers(0, 2),
                  st.sampled_from([20, 40, 100]), STAFF, st.integers(0, 6)),
        st.tuples(st.just("booking"), CLINICS, SLOTS, st.integers(0, 2), st.integers(0, 6),
                  st.sampled_from(["scheduled", "no_show", "completed"]), st.integers(14, 40)),
        st.tuples(st.just("withdraw"), CLINICS, SLOTS),
        st.tuples(st.just("dose"), CLINICS, SLOTS, st.integers(0, 2), st.integers(0, 6)),
        st.tuples(st.just("outcome"), CLINICS, SLOTS, st.sampled_from(["12", "28", "many"])),
        st.tuples(st.just("answers"), CLINICS, st.integers(4, 9), st.integers(0, 2),
                  st.sampled_from([0, 1, 3]), st.integers(-2, 8)),
        st.tuples(st.just("charge"), CLINICS, SLOTS, SLOTS, st.integers(0, 2),
                  st.sampled_from(["pending", "denied", "paid"]), st.integers(0, 6)),
        st.tuples(st.just("rate"), st.sampled_from([NORTH, ""]), st.sampled_from(["10", "25"]),
                  st.sampled_from(["room_hour", "supplies_session", "ketamine_mg"])),
        st.tuples(st.just("hours"), st.sampled_from([SOUTH, ""]), st.integers(1, 7),
                  st.sampled_from(["17:00", "20:00"])),
        st.tuples(st.just("scores until"), CLINICS),
        st.tuples(st.just("patient"), CLINICS, st.integers(0, 2), st.sampled_from(["F", "M", "Q"]),
                  st.integers(0, 2)),
        st.tuples(st.just("staff"), CLINICS, STAFF, st.sampled_from(["nurse", "prescriber"]),
                  st.booleans()),
        st.tuples(st.just("shift"), CLINICS, SLOTS, STAFF, st.integers(0, 6)),
        st.tuples(st.just("contact"), CLINICS, SLOTS, STAFF, st.integers(0, 6)),
        st.tuples(st.just("vital"), CLINICS, SLOTS, st.sampled_from(["sitting", "standing"]),
                  st.integers(0, 6)),
        st.tuples(st.just("dispense"), CLINICS, SLOTS, st.integers(0, 2), st.integers(0, 6)),
        st.tuples(st.just("zone"), CLINICS),
        st.tuples(st.just("waiver"), SLOTS, st.booleans()),
        st.tuples(st.just("protocol"), st.sampled_from(["0.4", "1.0"])),
        st.tuples(st.just("days pass"), st.integers(1, 9)),
        st.tuples(st.just("night")),
        st.tuples(st.just("night")),
        st.tuples(st.just("night")),
    ),
    min_size=6, max_size=24,
)  # fmt: skip


def happen(nights: Nights, number: int, what: str, how: list[Any], at: datetime) -> datetime:
    """One thing happens at the network; gives the instant it is then."""
    now = at.isoformat()
    if what == "session":
        clinic, session, patient, dose, prescriber, day = how
        nights.sessions(
            f"{clinic}/{number}",
            nights.session(f"s{session}", patient=f"p{patient}", dose=float(dose), day=_day(day),
                           prescriber_id=prescriber, extracted_at=now),
        )  # fmt: skip
    elif what == "night":
        nights.publish(as_of=at)
    elif what == "days pass":
        return at + timedelta(days=how[0])
    elif what == "protocol":
        nights.write_protocol("infusions.yaml", INFUSIONS.replace("max: 1.0", f"max: {how[0]}"))
    else:
        place, feed, row = _ROWS[what](how, now)
        rows = [{**row, "extracted_at": now}] if row else []
        nights.rows(f"{place}/{feed}_{number}{'' if row else '_' + now[:10]}.csv", rows)
    return at


def _day(number: int) -> str:
    return f"2026-05-{12 + 3 * number}"


def _later(day: str, hour: int) -> str:
    """So many hours after midnight: up to the day after next."""
    return (datetime.fromisoformat(day) + timedelta(hours=hour)).isoformat()


_ROWS: dict[str, Callable[[list[Any], str], tuple[str, str, dict[str, str]]]] = {
    "withdraw": lambda how, _: (
        how[0], "sessions", {"session_id": f"s{how[1]}", "deleted": "true"}
    ),
    "outcome": lambda how, _: (
        how[0], "outcomes",
        {"outcome_id": f"o{how[1]}", "patient_id": f"p{how[1] % 3}", "session_id": f"s{how[1]}",
         "instrument": "PHQ-9", "administered_at": f"{_day(how[1])}T09:00", "total": how[2]},
    ),
    "booking": lambda how, _: (
        how[0], "sessions",
        {"session_id": f"s{how[1]}", "patient_id": f"p{how[2]}", "program": "iv_ketamine",
         "status": how[4], "scheduled_at": f"{_day(how[3])}T10:00", "scheduled_minutes": "60",
         "chair": "c1"}
        | ({"started_at": f"{_day(how[3])}T10:00", "arrived_at": f"{_day(how[3])}T09:30",
            "discharged_at": _later(_day(how[3]), how[5]), "weight_kg": "80"}
           if how[4] == "completed" else {}),
    ),
    "dose": lambda how, _: (
        how[0], "doses",
        {"dose_id": f"s{how[1]}-d", "session_id": f"s{how[1]}", "patient_id": f"p{how[2]}",
         "drug": "ketamine", "amount_mg": "40", "started_at": f"{_day(how[3])}T10:00"},
    ),
    "answers": lambda how, _: (
        how[0], "outcomes",
        {"outcome_id": f"o{how[1]}", "patient_id": f"p{how[2]}", "instrument": "PHQ-9",
         "administered_at": f"{_day(how[4])}T09:00", "items": ";".join([str(how[3])] * 9)},
    ),
    "charge": lambda how, _: (
        how[0], "charges",
        {"charge_id": f"x{how[1]}", "patient_id": f"p{how[3]}", "session_id": f"s{how[2]}",
         "service_on": _day(how[5]), "code": "J3490", "units": "1", "payer_kind": "commercial",
         "billed_usd": "100", "status": how[4], "submitted_on": _day(how[5])}
        | ({"payer_paid_usd": "80"} if how[4] == "paid" else {}),
    ),
    "rate": lambda how, now: (
        "_network", "rates",
        {"rate_id": f"{how[0]}-{how[2]}", "clinic_id": how[0], "resource": how[2],
         "amount": how[1], "effective_from": "2026-05-15"},
    ),
    "hours": lambda how, now: (
        "_network", "hours",
        {"hours_id": f"{how[0]}-{how[1]}", "clinic_id": how[0], "weekday": str(how[1]),
         "opens": "08:00", "closes": how[2], "effective_from": "2026-05-01"},
    ),
    "scores until": lambda how, _: (how[0], "outcomes", {}),
    "patient": lambda how, _: (
        how[0], "patients",
        {"patient_id": f"p{how[1]}", "sex": how[2], "prior_sessions": str(how[3])},
    ),
    "staff": lambda how, _: (
        how[0], "staff",
        {"staff_id": how[1], "role": how[2],
         "license_expires_on": "2027-01-01" if how[3] else "2026-05-20"},
    ),
    "shift": lambda how, _: (
        how[0], "shifts",
        {"shift_id": f"h{how[1]}", "staff_id": how[2], "started_at": f"{_day(how[3])}T08:00",
         "ended_at": f"{_day(how[3])}T16:00"},
    ),
    "contact": lambda how, _: (
        how[0], "contacts",
        {"contact_id": f"t{how[1]}", "patient_id": f"p{how[1] % 3}",
         "kind": "review" if how[2] == "ann" else "crisis", "status": "completed",
         "staff_id": how[2], "started_at": f"{_day(how[3])}T15:00"},
    ),
    "vital": lambda how, _: (
        how[0], "vitals",
        {"vital_id": f"v{how[1]}", "session_id": f"s{how[1]}", "position": how[2],
         "systolic_mmhg": "190", "measured_at": f"{_day(how[3])}T11:00"},
    ),
    "dispense": lambda how, _: (
        how[0], "dispenses",
        {"dispense_id": f"d{how[1]}", "patient_id": f"p{how[2]}", "drug": "ketamine",
         "form": "troche", "strength_mg": "100", "quantity": "10", "days_supply": "10",
         "dispensed_at": f"{_day(how[3])}T12:00"},
    ),
    "zone": lambda how, _: (
        "_network", "clinics",
        {"clinic_id": how[0], "name": "Moved", "time_zone": "America/Los_Angeles", "chairs": "2"},
    ),
    "waiver": lambda how, now: (
        "_network", "waivers",
        {"waiver_id": f"w{how[0]}", "subject_id": f"s{how[0]}", "rule_id": "dose",
         "reason": "agreed", "approved_by": "director", "approved_on": now[:10],
         "expires_on": now[:10] if how[1] else "", "clinic_id": ""},
    ),
}  # fmt: skip
