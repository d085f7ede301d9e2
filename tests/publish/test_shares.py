"""Which bucket a patient's rows are in: exactly one, of judging and of metrics."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flows.shares
from flows.shares import portions, shares, whole_clinics
from flows.warehouse import Warehouse, no_warehouse

# A name that a list in SQL could end at, and one that begins like another.
CLINICS = ["a", "a'b", "ab", "b"]


def holding(warehouse: Warehouse, feed: str, parts: Sequence[str]) -> list[tuple[str, int]]:
    """Each row's clinic, and how many of the parts hold it."""
    held = " + ".join(f"({part})::INTEGER" for part in parts)
    found = warehouse.db.execute(f"SELECT clinic_id, {held} FROM facts.{feed} f").fetchall()
    return [(str(clinic_id), int(number)) for clinic_id, number in found]


def fill(warehouse: Warehouse, feed: str, clinic_id: str, patients: int) -> None:
    key = {"sessions": "session_id", "doses": "dose_id"}[feed]
    for patient in range(patients):
        warehouse.db.execute(
            f"INSERT INTO facts.{feed} BY NAME SELECT ? AS clinic_id, ? AS patient_id, ? AS {key}",
            [clinic_id, f"p{patient}", f"{feed} {patient}"],
        )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sessions=st.dictionaries(st.sampled_from(CLINICS), st.integers(1, 9)),
    doses=st.dictionaries(st.sampled_from([*CLINICS, "dosed alone"]), st.integers(1, 3)),
    most=st.integers(1, 3),
)
def test_each_row_is_in_one_bucket(
    monkeypatch: pytest.MonkeyPatch, sessions: dict[str, int], doses: dict[str, int], most: int
) -> None:
    monkeypatch.setattr(flows.shares, "BUCKET_SUBJECTS", most)
    with no_warehouse() as warehouse:
        for feed, counts in (("sessions", sessions), ("doses", doses)):
            for clinic_id, patients in counts.items():
                fill(warehouse, feed, clinic_id, patients)
        judged = [share.of_patients for share in shares(warehouse)]
        assert {number for _, number in holding(warehouse, "sessions", judged)} <= {1}
        found = portions(warehouse)
        for parts in ([share.of_patients for share in found],
                      [share.of_clinics for share in whole_clinics(found)]):  # fmt: skip
            for feed in ("sessions", "doses"):
                assert {number for _, number in holding(warehouse, feed, parts)} <= {1}
        if max(sessions.values(), default=0) > most * flows.shares.METRICS_HOLD:
            assert len(found) > 1
