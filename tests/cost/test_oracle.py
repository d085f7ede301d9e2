"""Each table of cost is what the oracle says, of small random networks."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cost import oracle
from tests.cost.engine import Network, Row, found
from tests.cost.worlds import network

MONTH = ("clinic_id", "program", "month")


def by(rows: list[Row], *names: str) -> dict[tuple[Any, ...], Row]:
    held = {tuple(row[name] for name in names): row for row in rows}
    assert len(held) == len(rows)
    return held


def same(found: dict[tuple[Any, ...], Row], expected: dict[Any, Row]) -> None:
    """Money to the millionth; shares and means as floating point is."""
    assert set(found) == set(expected)
    for key, row in expected.items():
        for name, value in row.items():
            if isinstance(value, float):
                assert found[key][name] == pytest.approx(value, rel=1e-12), (key, name)
            else:
                assert found[key][name] == value, (key, name)


def compare(held: Network) -> None:
    """Every table, row by row."""
    told = found(held)
    sessions = by(told["cost_sessions"], "clinic_id", "session_id")
    for row in sessions.values():
        row["lacks"] = set(row["missing"])
    same(sessions, oracle.sessions(held))
    same(by(told["cost_monthly"], "clinic_id", "program", "payer_kind", "month"),
         oracle.monthly(held))  # fmt: skip
    counts = by(told["cost_missing"], *MONTH, "missing")
    assert {key: row["sessions"] for key, row in counts.items()} == oracle.missing(held)
    same(by(told["cost_no_shows"], *MONTH), oracle.no_shows(held))
    courses = ("clinic_id", "patient_id", "protocol", "course")
    same(by(told["cost_courses"], *courses), oracle.courses(held))
    same(by(told["cost_cohorts"], *MONTH), oracle.cohorts(held))
    checked = by(told["billing_findings"], "clinic_id", "charge_id", "check_id")
    assert {key: row["status"] for key, row in checked.items()} == oracle.findings(held)


def test_a_larger_network_is_what_the_oracle_says() -> None:
    compare(network(Random("larger"), clinics=30))


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_random_networks_are_what_the_oracle_says(random: Random) -> None:
    compare(network(random))


def test_buckets_and_order_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    held = network(Random("buckets"), clinics=4)
    before = found(held)
    monkeypatch.setattr("flows.shares.BUCKET_SUBJECTS", 3)
    backwards = {feed: rows[::-1] for feed, rows in held.facts.items()}
    again = Network(backwards, held.as_of, held.cutoffs, held.versions, held.subjects,
                    held.outcomes, held.lost, held.programs)  # fmt: skip
    assert found(again) == before
    assert all(before.values())
