"""Risk through whole nights: from deliveries to published tables, and who is whom on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.shares import portions
from flows.what_if import thresholds, what_if
from tests.load.network import NORTH, SOUTH
from tests.publish.nights import Nights, plain_nights

AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
NAMES = ("Quentin", "Quixwood")


def patient(name: str, given: str = NAMES[0], postal_code: str = "10001") -> dict[str, str]:
    return {"patient_id": name, "given_name": given, "family_name": NAMES[1], "sex": "F",
            "birth_date": "1980-02-03", "postal_code": postal_code, "phone": "+1 555-0100",
            "extracted_at": "2026-06-30T12:00:00Z"}  # fmt: skip


def supply(name: str, who: str, day: str, **more: str) -> dict[str, str]:
    return {
        "dispense_id": name, "patient_id": who, "drug": "ketamine", "form": "troche",
        "strength_mg": "100", "quantity": "8", "days_supply": "28", "rx_id": "x1",
        "prescriber_id": "d1", "dispensed_at": f"2026-{day}T15:00",
        "extracted_at": "2026-06-30T12:00:00Z",
    } | more  # fmt: skip


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A network of which nothing more is delivered."""
    return published(tmp_path_factory.mktemp("risk"))


def published(folder: Path) -> Nights:
    """One person fetches supplies at two clinics, a stranger at one."""
    with plain_nights():
        nights = Nights(folder)
        nights.rows(f"{NORTH}/patients_a.csv", [patient("p1"), patient("p2", "Zebulon")])
        nights.rows(f"{SOUTH}/patients_a.csv", [patient("p7", "Quentyn", "99999")])
        nights.rows(
            f"{NORTH}/dispenses_a.csv",
            [supply("n1", "p1", "05-01"), supply("n2", "p1", "05-15"), supply("n3", "p2", "05-01")],
        )
        nights.rows(f"{SOUTH}/dispenses_a.csv", [supply("s1", "p7", "06-01")])
        nights.rows(f"{NORTH}/screenings_a.csv", [])
        nights.publish(as_of=AS_OF)
    return nights


def flags(nights: Nights) -> set[tuple[str, ...]]:
    return set(
        nights.read(
            "SELECT clinic_id, signal, observed, unnest(row_ids) FROM marts.risk_flags "
            "WHERE subject_kind = 'patient'"
        )
    )


def test_each_flag_rests_on_rows_of_its_clinic(nights: Nights) -> None:
    assert flags(nights) == {
        (NORTH, "early-refill", 14, "n2"),
        (NORTH, "overlapping-supply", 11, "n2"), (SOUTH, "overlapping-supply", 11, "s1"),
        (SOUTH, "several-prescribers", 2, "s1"),
        (NORTH, "several-clinics", 2, "n1"), (NORTH, "several-clinics", 2, "n2"),
        (SOUTH, "several-clinics", 2, "s1"),
        (NORTH, "pdmp-not-queried", 2, "n1"), (NORTH, "pdmp-not-queried", 2, "n2"),
        (NORTH, "pdmp-not-queried", 1, "n3"),
    }  # fmt: skip


def test_a_score_is_the_sum_of_its_flags(nights: Nights) -> None:
    assert (
        nights.read(
            "SELECT subject_id, sum(points), list(signal ORDER BY signal) FROM marts.risk_flags "
            "GROUP BY ALL EXCEPT SELECT subject_id, score, signals FROM marts.risk_scores"
        )
        == []
    )
    found = nights.read("SELECT score, level FROM marts.risk_scores ORDER BY ALL")
    assert found == [(1, "low"), (8, "high"), (9, "high")]


def test_patients_are_pseudonyms_and_names_are_nowhere(nights: Nights) -> None:
    subjects = nights.read("SELECT DISTINCT subject_id FROM marts.risk_observations")
    assert {len(subject) for (subject,) in subjects} == {21}
    published = [path for path in nights.current.rglob("*") if path.is_file()]
    for path in published:
        assert not [name for name in NAMES if name.encode() in path.read_bytes()], path
    with nights.opened() as warehouse:
        columns = warehouse.db.execute(
            "SELECT DISTINCT schema_name, table_name FROM duckdb_columns() "
            "WHERE column_name IN ('given_name', 'family_name', 'phone')"
        ).fetchall()
        people = warehouse.db.execute("FROM ops.people ORDER BY ALL").fetchall()
    assert {table for _, table in columns} == {"patients", "patients_history"}
    assert people == [(NORTH, "p1", 1, "scores"), (SOUTH, "p7", 1, "scores")]


def test_another_threshold_is_tried_without_judging(nights: Nights) -> None:
    with nights.opened() as warehouse:
        found = what_if(warehouse, thresholds(["early-refill=15", "pdmp-not-queried=2"]))
    signals = {row["signal"]: (row["now"], row["then"]) for row in found.signals.to_dicts()}
    assert signals == {
        "early-refill": (1, 0), "overlapping-supply": (2, 2), "several-prescribers": (1, 1),
        "several-clinics": (2, 2), "pdmp-not-queried": (2, 1), "high-exposure-dispensed": (0, 0),
    }  # fmt: skip
    levels = {row["level"]: (row["now"], row["then"]) for row in found.levels.to_dicts()}
    assert levels == {"none": (0, 1), "low": (1, 0), "high": (2, 2)}


def test_a_person_whose_clinics_are_in_several_buckets_is_seen_whole(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = nights.marts()
    monkeypatch.setattr("flows.shares.BUCKET_SUBJECTS", 1)
    with nights.opened() as warehouse:
        assert [share.of_clinics for share in portions(warehouse)] == [
            f"f.clinic_id IN ('{NORTH}')", f"f.clinic_id NOT IN ('{NORTH}')"
        ]  # fmt: skip
    with plain_nights():
        nights.publish(full=True, as_of=AS_OF)
    assert nights.marts() == before


def test_what_is_out_of_the_window_is_forgotten(tmp_path: Path) -> None:
    nights = published(tmp_path)
    before = flags(nights)
    with plain_nights():
        nights.publish(as_of=AS_OF + timedelta(days=310))  # the supplies of 1 May are out of it
    kept = {(clinic, signal, row) for clinic, signal, _, row in before if row not in ("n1", "n3")}
    assert {(clinic, signal, row) for clinic, signal, _, row in flags(nights)} == kept
    assert (NORTH, "pdmp-not-queried", 1, "n2") in flags(nights)
    by_night = nights.marts()
    with plain_nights():
        nights.publish(full=True)
    assert nights.marts() == by_night
