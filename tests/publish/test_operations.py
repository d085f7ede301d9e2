"""Operations through whole nights: from deliveries to published tables."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.publish.nights import Nights

TABLES = ("operations_monthly", "credentials_due", "rems_forms_due")
NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)


@pytest.fixture(scope="module")
def busy_once(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Chicago in May: a chair that two programmes share, and what did not take place."""
    nights = Nights(tmp_path_factory.mktemp("busy"), programs={"Spravato": "esketamine"})
    nights.deliver(
        "_network/clinics_2026-01-02.csv",
        "clinic_id,name,time_zone,chairs\nnorth,North,America/Chicago,2\n"
        "south,South,America/Phoenix,\n",
    )
    nights.rows(
        "_network/hours_a.csv",
        [{"clinic_id": "", "hours_id": "h1", "weekday": "1", "opens": "09:00", "closes": "17:00",
          "effective_from": "2026-01-01"}],
    )  # fmt: skip
    stay = {"scheduled_at": "2026-05-04T09:30", "arrived_at": "2026-05-04T09:40", "chair": "1",
            "monitoring_ended_at": "2026-05-04T11:50"}  # fmt: skip
    esketamine, dose = nights.session(
        "s2", patient="p2", program="Spravato", scheduled_at="2026-05-04T11:30", chair="1",
        arrived_at="2026-05-04T11:30", discharged_at="2026-05-04T13:40", started_at="",
        ended_at="2026-05-04T11:55", monitoring_ended_at="2026-05-04T13:30",
    )  # fmt: skip
    assert dose is not None
    dose |= {"drug": "esketamine", "started_at": "2026-05-04T11:50"}
    off = {"started_at": "", "ended_at": ""}
    nights.sessions(
        "north/a",
        nights.session("s1", discharged_at="2026-05-04T12:00", **stay),
        (esketamine, dose),
        nights.session("s3", status="no_show", dose=None, scheduled_at="2026-05-05T09:00", **off),
        nights.session("s4", status="cancelled", dose=None, scheduled_at="2026-05-06T09:00",
                       cancelled_at="2026-05-05T10:00", **off),
        nights.session("s5", status="scheduled", dose=None, scheduled_at="2026-05-07T09:00", **off),
        nights.session("s6", status="scheduled", dose=None, scheduled_at="2026-06-07T09:00", **off),
        nights.session("s7", day="2026-05-29", scheduled_at="2026-05-29T09:00"),
    )  # fmt: skip
    nights.sessions("south/a", nights.session("s1"))
    nights.rows(
        "north/staff_a.csv",
        [{"staff_id": "u1", "role": "nurse", "license_expires_on": "2026-05-01",
          "bls_expires_on": "2026-12-01"},
         {"staff_id": "u2", "role": "nurse", "license_expires_on": "2026-05-01",
          "active_to": "2026-04-30"}],
    )  # fmt: skip
    nights.publish(as_of=NOW)
    return nights


@pytest.fixture
def busy(busy_once: Nights, tmp_path: Path) -> Nights:
    return busy_once.copied(tmp_path)


def test_bookings_are_counted_by_programme_and_month(busy: Nights) -> None:
    assert busy.read(
        "SELECT clinic_id, program, month, booked, completed, no_show, cancelled_late, "
        "unreconciled, upcoming, unscheduled FROM marts.operations_monthly ORDER BY 1, 2, 3"
    ) == [
        ("north", "esketamine", MAY, 1, 1, 0, 0, 0, 0, 0),
        ("north", "iv_ketamine", MAY, 4, 1, 1, 1, 1, 0, 0),  # s7 began after as_of
        ("north", "iv_ketamine", JUNE, 1, 0, 0, 0, 0, 1, 0),
        ("south", "iv_ketamine", MAY, 0, 1, 0, 0, 0, 0, 1),
    ]


def test_a_shared_chair_counts_once_against_the_opening_hours(busy: Nights) -> None:
    open_minutes = 3 * 480.0 * 2  # Mondays up to 20 May, two chairs
    assert busy.read(
        "SELECT program, chair_minutes, shared_minutes, open_minutes, utilisation "
        "FROM marts.operations_monthly WHERE clinic_id = 'north' AND month = '2026-05-01' "
        "ORDER BY 1"
    ) == [
        ("esketamine", 100, 30, open_minutes, pytest.approx(100 / open_minutes)),
        ("iv_ketamine", 140, 0, open_minutes, pytest.approx(140 / open_minutes)),
    ]
    assert busy.read(
        "SELECT chair_minutes, chair_time_unknown, open_minutes, utilisation "
        "FROM marts.operations_monthly WHERE clinic_id = 'south'"
    ) == [(0, 1, None, None)]


def test_a_session_without_a_start_began_with_its_first_dose(busy: Nights) -> None:
    assert busy.read(
        "SELECT program, waits, wait_minutes_median, observations, observation_minutes_median "
        "FROM marts.operations_monthly WHERE clinic_id = 'north' AND month = '2026-05-01' "
        "ORDER BY 1"
    ) == [("esketamine", 1, 20, 1, 95), ("iv_ketamine", 1, 20, 1, 70)]


def test_what_is_due_is_listed_without_names(busy: Nights) -> None:
    assert busy.read("SELECT * FROM marts.credentials_due") == [
        ("north", "u1", "nurse", "license", date(2026, 5, 1), -19, "expired")
    ]
    assert busy.read(
        "SELECT session_id, patient_id[1], program, due_on, days_left, status "
        "FROM marts.rems_forms_due"
    ) == [("s2", "P", "esketamine", date(2026, 5, 11), -9, "overdue")]


def test_a_later_night_is_as_one_that_judged_everything(busy: Nights) -> None:
    busy.sessions(
        "north/b",
        busy.session("s5", day="2026-05-07", scheduled_at="2026-05-07T09:00"),
    )
    busy.publish()
    later = {name: rows for name, rows in busy.marts().items() if name in TABLES}
    assert busy.read("SELECT sum(unreconciled) FROM marts.operations_monthly") == [(0,)]
    busy.publish(full=True)
    assert {name: rows for name, rows in busy.marts().items() if name in TABLES} == later


def test_buckets_give_the_same_tables(busy: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: rows for name, rows in busy.marts().items() if name in TABLES}
    monkeypatch.setattr("flows.shares.BUCKET_SUBJECTS", 1)
    busy.publish()
    assert {name: rows for name, rows in busy.marts().items() if name in TABLES} == before
