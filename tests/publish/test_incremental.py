"""A night judges what it must, and the marts are as if everything had been judged."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.load.network import AS_OF, NORTH, SOUTH
from tests.publish.happenings import WIDE
from tests.publish.nights import INFUSIONS, Nights


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
