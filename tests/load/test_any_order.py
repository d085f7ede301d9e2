"""Whatever the order of deliveries and however they are split over nights: the same facts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.load.network import NORTH, SOUTH, Network
from tests.load.oracle import COLUMNS, File, expected

INSTANTS = [f"2026-01-{day:02d}T06:00:00Z" for day in range(1, 6)]

rows = st.tuples(
    st.sampled_from(["ann", "ben", "cy"]),
    st.sampled_from(["nurse", "nurse", "therapist", "wizard", ""]),
    st.sampled_from(["", "2027-01-01", "2027-13-01"]),
    st.sampled_from(INSTANTS),
    st.sampled_from(["", "", "", "false", "true"]),
)
files = st.builds(
    File, st.sampled_from([NORTH, SOUTH]), st.lists(rows, min_size=1, max_size=4).map(tuple)
)
nights = st.lists(st.tuples(files, st.integers(0, 2)), min_size=1, max_size=6)


def one_instant(file: File) -> File:
    """A full export is taken at one instant."""
    at = COLUMNS.index("extracted_at")
    instant = file.rows[0][at]
    return File(file.clinic, tuple((*row[:at], instant, *row[at + 1 :]) for row in file.rows))


@pytest.mark.parametrize("full", [False, True])
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=nights)
def test_facts_are_those_of_the_oracle(full: bool, plan: list[tuple[File, int]]) -> None:
    if full:
        plan = [(one_instant(file), night) for file, night in plan]
    with tempfile.TemporaryDirectory() as folder:
        network = Network(Path(folder), full=["staff"] if full else [])
        for night in sorted({night for _, night in plan}):
            for number, (file, when) in enumerate(plan):
                if when == night:
                    network.rows(f"{file.clinic}/staff_{number}.csv", file.dicts, COLUMNS)
            network.night(["clinics", "staff"])
        wanted = expected([file for file, _ in plan], full=full)
        facts = network.ask(
            "SELECT clinic_id, staff_id, role, license_expires_on::VARCHAR, "
            "strftime(extracted_at, '%Y-%m-%dT%H:%M:%SZ') FROM facts.staff ORDER BY ALL"
        )
        assert facts == wanted.facts
        quarantined = network.ask(
            "SELECT clinic_id, key_id, count(*) FROM ops.quarantine WHERE released_run IS NULL "
            "AND feed = 'staff' GROUP BY ALL"
        )
        assert {(clinic, key): count for clinic, key, count in quarantined} == wanted.quarantined
        for path, state, count, loaded, unchanged, bad in network.batches("staff"):
            if state != "blocked":
                assert count == loaded + unchanged + bad, path
