"""A night judges what it must, and the marts are as if everything had been judged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.load.network import AS_OF, NORTH, SOUTH
from tests.publish.nights import INFUSIONS, Nights, plain_nights
from tests.publish.test_nights import with_known_key

NIGHTS = int(os.environ.get("KEEL_TEST_NIGHTS", "2"))


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Ten patients of two clinics have been judged."""
    nights = Nights(tmp_path_factory.mktemp("first"))
    for clinic in (NORTH, SOUTH):
        nights.rows(f"{clinic}/outcomes_2026-05-30.csv", [])
        nights.sessions(
            f"{clinic}/2026-05-30",
            *(nights.session(f"s{at}", patient=f"p{at}", day=f"2026-05-{at + 10}")
              for at in range(10)),
        )  # fmt: skip
    nights.publish()
    return nights


@pytest.fixture(scope="module")
def wide_night(first_night: Nights, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """And judged again, after a protocol came that looks at rows in every way."""
    nights = first_night.copied(tmp_path_factory.mktemp("wide"))
    nights.write_protocol("wide.yaml", WIDE)
    _, counts = nights.publish()
    assert counts.judged == 40
    return nights


@pytest.fixture
def first(first_night: Nights, tmp_path: Path) -> Nights:
    return first_night.copied(tmp_path)


@pytest.fixture
def wide(wide_night: Nights, tmp_path: Path) -> Nights:
    return wide_night.copied(tmp_path)


def test_a_night_that_brings_nothing_judges_nobody(first: Nights) -> None:
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (0, 20)


def test_a_corrected_row_has_its_patient_judged_again(first: Nights) -> None:
    first.sessions("north/2026-05-31", first.session("s3", patient="p3", dose=100))
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (1, 19)
    assert first.read("SELECT subject_id FROM marts.findings WHERE rule_id = 'dose'") == [("s3",)]


def test_a_session_that_moves_to_another_patient_has_both_judged(first: Nights) -> None:
    first.sessions("north/2026-05-31", first.session("s3", patient="p4", day="2026-05-13"))
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (2, 18)


def test_a_clinics_new_zone_has_the_clinic_judged_again(first: Nights) -> None:
    first.deliver(
        "_network/clinics_2026-05-31.csv",
        f"clinic_id,name,time_zone\n{NORTH},North,America/Denver\n",
    )
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (10, 10)


def test_what_runs_out_of_time_is_judged_again(first: Nights) -> None:
    first.sessions("north/2026-05-31", first.session("late", patient="p1", day="2026-05-31"))
    first.rows("north/outcomes_2026-06-01.csv", [])
    first.publish()
    assert first.read("SELECT status FROM marts.findings WHERE subject_id = 'late'") == [
        ("pending",)
    ]
    first.rows("north/outcomes_2026-06-20.csv", [])
    _, counts = first.publish(as_of=AS_OF + timedelta(days=30))
    assert 0 < counts.judged < 20
    assert first.read("SELECT status FROM marts.findings WHERE subject_id = 'late'") == [
        ("not_met",)
    ]


def test_the_manifest_counts_what_was_judged(first: Nights) -> None:
    assert first.manifest()["subjects"] == {"judged": 20, "skipped": 0}
    first.sessions("north/2026-05-31", first.session("s3", patient="p3", dose=100))
    first.publish()
    assert first.manifest()["subjects"] == {"judged": 1, "skipped": 19}


def test_a_later_session_leaves_the_patients_earlier_ones_alone(first: Nights) -> None:
    first.sessions("north/2026-05-31", first.session("s21", patient="p3", day="2026-05-31"))
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (1, 20)


def test_a_shift_has_sessions_of_its_time_judged_again(wide: Nights) -> None:
    row = {"shift_id": "h1", "staff_id": "ann", "started_at": "2026-05-11T08:00"}
    for clinic in (NORTH, SOUTH):
        wide.rows(f"{clinic}/shifts_1.csv", [{**row, "ended_at": "2026-05-11T16:00"}])
    wide.publish()  # the first delivery of a feed concerns everybody
    row |= {"shift_id": "h2", "started_at": "2026-05-15T08:00", "ended_at": "2026-05-15T16:00"}
    wide.rows(f"{NORTH}/shifts_2.csv", [row])
    _, counts = wide.publish()
    assert counts.judged == 2 * 1  # of 15 May, under both protocols
    wide.rows(f"{NORTH}/staff_1.csv", [{"staff_id": "ben", "role": "nurse"}])
    wide.publish()
    wide.rows(f"{NORTH}/staff_2.csv", [{"staff_id": "ann", "role": "nurse"}])
    _, counts = wide.publish()
    assert counts.judged == 2 * 2  # of 11 and 15 May: those within both of her shifts


def test_a_session_without_a_start_is_reached_where_its_first_dose_lies(first: Nights) -> None:
    first.write_protocol("wide.yaml", WIDE)
    first.sessions("north/2026-05-31", first.session("s5", patient="p5", day="2026-05-15",
                                                     started_at="", dose=40))  # fmt: skip
    first.sessions("north/2026-05-31b", first.session("booked", patient="p6", dose=None,
                                                      started_at="", status="no_show"))  # fmt: skip
    first.rows("north/shifts_0.csv", [])
    first.publish()
    row = {"shift_id": "h1", "staff_id": "ann", "started_at": "2026-05-15T08:00"}
    first.rows("north/shifts_1.csv", [{**row, "ended_at": "2026-05-15T16:00"}])
    _, counts = first.publish()
    assert counts.judged == 2 * 1


def test_a_reading_of_an_earlier_session_has_the_patients_later_ones_judged_again(
    first: Nights,
) -> None:
    first.write_protocol("wide.yaml", WIDE)
    for clinic in (NORTH, SOUTH):
        first.rows(f"{clinic}/vitals_0.csv", [])
    first.sessions("north/2026-05-31", first.session("s3b", patient="p3", day="2026-05-18"))
    first.publish()
    high = {"vital_id": "v3", "session_id": "s3", "systolic_mmhg": "190",
            "measured_at": "2026-05-13T11:00"}  # fmt: skip
    pressure = "SELECT subject_id FROM marts.findings WHERE rule_id = 'pressure' AND observed > 0"
    first.rows("north/vitals_1.csv", [high | {"position": "standing"}])
    _, counts = first.publish()
    assert (counts.judged, first.read(pressure)) == (0, [])
    first.rows("north/vitals_2.csv", [high | {"position": "sitting"}])
    _, counts = first.publish()
    assert (counts.judged, first.read(pressure)) == (2 * 1, [("s3b",)])
    first.rows("north/vitals_3.csv", [high | {"position": "standing", "spo2_pct": "97"}])
    first.publish()
    assert first.read(pressure) == []


def test_a_session_judged_alone_still_sees_the_clinics_others(wide: Nights) -> None:
    alone = "SELECT status FROM marts.findings WHERE rule_id = 'alone' AND subject_id = 's3'"
    assert wide.read(alone) == []
    day = "2026-05-13"
    wide.sessions("north/2026-05-31", wide.session("other", patient="p9", day=day, started_at="",
                                                     minutes=20))  # fmt: skip
    wide.publish()
    assert wide.read(alone) == [("not_met",)]
    score = {"outcome_id": "o3", "patient_id": "p3", "instrument": "PHQ-9", "total": "9"}
    wide.rows("north/outcomes_2026-05-31.csv", [{**score, "administered_at": f"{day}T09:00"}])
    _, counts = wide.publish()
    assert 0 < counts.judged < 5
    assert wide.read(alone) == [("not_met",)]


def test_a_session_has_other_patients_of_its_time_judged_again(wide: Nights) -> None:
    wide.sessions("north/2026-05-31", wide.session("s10", patient="p0", day="2026-05-15"))
    _, counts = wide.publish()
    assert counts.judged > 0
    alone = "SELECT subject_id FROM marts.findings WHERE rule_id = 'alone' ORDER BY 1"
    by_night = wide.read(alone)
    wide.publish(full=True)
    assert by_night == wide.read(alone)
    assert ("s5",) in by_night


def test_a_session_that_cannot_be_read_is_missed_by_its_own_patient_alone(wide: Nights) -> None:
    broken = wide.session("s11", patient="p0", day="2026-05-31", dose=None, weight_kg="heavy")
    wide.sessions("north/2026-05-31", broken)
    _, counts = wide.publish()
    assert wide.read("SELECT count(*) FROM ops.quarantine") == [(1,)]
    own = "FROM marts.subject_adherence WHERE clinic_id = 'north' AND subject_id = 's0'"
    assert wide.read(f"SELECT count(*) {own}") == [(counts.judged,)]


def test_another_protocol_or_full_judges_everything(first: Nights) -> None:
    first.write_protocol("infusions.yaml", INFUSIONS.replace("max: 1.0", "max: 0.4"))
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (20, 0)
    _, counts = first.publish(full=True)
    assert (counts.judged, counts.skipped) == (20, 0)


def test_months_that_did_not_change_are_hard_links(first: Nights) -> None:
    before = {path: inode(first.current / "verdicts" / path) for path in first.verdicts()}
    first.sessions(
        "north/2026-06-01",
        first.session("june", patient="p1", day="2026-06-01"),
        first.session("s3", patient="p3", dose=100),
    )
    first.publish()
    after = {path: inode(first.current / "verdicts" / path) for path in first.verdicts()}
    same = {path for path in before if after[path] == before[path]}
    assert same == {"clinic_id=south/month=2026-05/part.parquet"}
    assert json.loads((first.current / "manifest.json").read_text())["files"].keys() >= {
        f"verdicts/{path}" for path in after
    }


def inode(path: Path) -> int:
    return path.stat().st_ino


# --- incremental = full ---

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


@settings(
    max_examples=NIGHTS,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(happenings)
def test_any_nights_end_where_judging_everything_does(plan: list[tuple[object, ...]]) -> None:
    with TemporaryDirectory() as name, plain_nights():
        folder = Path(name)
        nights = with_known_key(Nights(folder / "by-night"))
        for file, text in (("wide", WIDE), ("later", LATER), ("ahead", AHEAD), ("home", REFILLS)):
            nights.write_protocol(f"{file}.yaml", text)
        at = AS_OF - timedelta(days=20)
        for number, (what, *how) in enumerate(plan):
            at = happen(nights, number, str(what), how, at)
        nights.publish(as_of=at)
        at_once = with_known_key(Nights(folder / "at-once"))
        at_once.set(**{name: getattr(nights.settings, name) for name in
                       ("landing", "protocols", "as_of")})  # fmt: skip
        at_once.publish(full=True)
        assert nights.marts() == at_once.marts()
        assert nights.verdicts() == at_once.verdicts()


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
