"""Each table of outcomes is what the oracle says, of small random networks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.contract import contracts
from flows.metrics.durability import kaplan_meier
from tests.oracle import World
from tests.outcomes import oracle
from tests.outcomes.engine import (
    PROTOCOL,
    found_courses,
    found_responses,
    found_screens,
    scores,
)
from tests.worlds import ZONES, Clinic, as_facts

FIRST = datetime(2025, 1, 20, 12, tzinfo=UTC)
MADRS = {**PROTOCOL, "primary": {"instrument": "MADRS", "day": 10, "within": 3, "remission": 12}}
NO_PRIMARY = {name: value for name, value in PROTOCOL.items() if name != "primary"}
PROTOCOLS = {"PHQ-9": PROTOCOL, "MADRS": MADRS, "none": NO_PRIMARY}


def network(random: Random, clinics: int = 2) -> World:
    """Clinics with two patients whose sessions and scores fill half a year."""
    facts: dict[str, list[dict[str, Any]]] = {feed: [] for feed in contracts()}
    quarantined: list[dict[str, Any]] = []
    as_of = FIRST + timedelta(days=random.choice([60, 150, 220]))
    cutoffs = {}
    for number in range(clinics):
        clinic = Clinic(f"c{number}", random.choice(ZONES), FIRST, random, facts)
        clinic.add("clinics", clinic_id=clinic.id, name=clinic.id, time_zone=clinic.zone)
        for patient in ("p1", "p2"):
            _fill(clinic, patient)
        for feed in ("outcomes", "contacts", "sessions"):
            if random.randint(0, 5):
                cut = FIRST + timedelta(days=random.randint(10, 220))
                cutoffs[clinic.id, feed] = min(
                    as_of, clinic.pick(as_of, cut, clinic.day_start(cut))
                )
        if not random.randint(0, 4):
            quarantined.append({"clinic_id": clinic.id, "feed": "contacts", "session_id": None,
                                "patient_id": clinic.maybe("p1")})  # fmt: skip
    for rows in facts.values():
        random.shuffle(rows)
    return World(facts, cutoffs, quarantined, as_of)


def _fill(clinic: Clinic, patient: str) -> None:
    clinic.add("patients", patient_id=patient)
    at = clinic.instant()
    starts = []
    for number in clinic.some(7):
        clinic.add("sessions", session_id=f"{patient}-{number}", patient_id=patient,
                   program=clinic.pick("iv_ketamine", "iv_ketamine", "other"), started_at=at,
                   status=clinic.pick("completed", "completed", "no_show"))  # fmt: skip
        starts.append(at)
        at += clinic.pick(*(timedelta(days=d) for d in (0, 1, 3, 7, 20, 60, 61, 90)))
    anchors = starts or [clinic.instant()]
    for number in clinic.some(12):
        base = clinic.pick(*anchors, clinic.pick(*anchors) + timedelta(days=27))
        days = clinic.pick(-15, -14, -3, 0, 0, 1, 7, 20, 27, 28, 34, 35, 40, 90)
        _score(clinic, patient, f"{patient}-{number}", base + timedelta(days=days))
    for number in clinic.some(4):
        moments = [row["administered_at"] for row in clinic.facts["outcomes"][-5:]] or anchors
        moment = clinic.pick(*moments) + timedelta(hours=clinic.pick(0, 1, 24, 72, 73, 168, -400))
        clinic.add("contacts", contact_id=f"{patient}-{number}", patient_id=patient,
                   kind=clinic.pick("therapy", "integration", "crisis"),
                   status=clinic.maybe(clinic.pick("completed", "completed", "no_show")),
                   scheduled_at=clinic.maybe(moment), started_at=clinic.maybe(moment))  # fmt: skip


def _score(clinic: Clinic, patient: str, name: str, at: datetime) -> None:
    instrument, version = clinic.pick(
        *[("PHQ-9", None)] * 6, *[("MADRS", None)] * 3, ("CADSS", "23"), ("CADSS", "6"),
        ("CADSS", None), ("C-SSRS", None), ("QIDS-SR16", "en"), ("MoCA", None), ("BDI-II", None),
        ("GAD-7", "es"), ("BPI-severity", None),
    )  # fmt: skip
    count = {"PHQ-9": 9, "C-SSRS": 7, "QIDS-SR16": 16, "GAD-7": 7, "BPI-severity": 4}
    items = None
    if instrument in count and clinic.random.randint(0, 2):
        values = clinic.pick(["0", "1"], ["3", "2"], ["1", "1", "2", ""], ["0", "", "9", "5", "x"])
        many = count[instrument] + clinic.pick(0, 0, 0, 0, -1, 1, 2)
        items = ";".join(clinic.pick(*values) for _ in range(many))
    total = clinic.maybe(float(clinic.pick(0, 4, 5, 8, 9, 10, 12, 16, 18, 20, 24, 27, 30, 61)))
    clinic.add("outcomes", outcome_id=name, patient_id=patient, instrument=instrument,
               instrument_version=version, administered_at=at, total=total,
               items=items)  # fmt: skip


def compare(world: World, protocol: dict[str, Any]) -> None:
    """Every table, row by row."""
    told = {row["outcome_id"] + row["clinic_id"]: row
            for row in scores(as_facts(world)).collect().to_dicts()}  # fmt: skip
    for row in world.facts["outcomes"]:
        if row["administered_at"] <= world.as_of:
            expected = oracle.score(row)
            seen = told[row["outcome_id"] + row["clinic_id"]]
            assert {name: seen[name] for name in expected} == expected, row
    expected_rows = oracle.outcome_courses(world, protocol)
    rows = {
        (r["clinic_id"], r["patient_id"], r["course"], r["scale"]): r
        for r in found_courses(world, protocol).to_dicts()
    }
    assert set(rows) == set(expected_rows)
    for key, expected in expected_rows.items():
        assert {name: rows[key][name] for name in expected} == expected, key
    lasting = {
        (r["clinic_id"], r["patient_id"], r["course"]): (
            r["days"], r["relapsed"], r["psychotherapy"]
        )
        for r in found_responses(world, protocol)
    }  # fmt: skip
    assert lasting == oracle.responses(world, protocol)
    screens = {
        (r["clinic_id"], r["outcome_id"]): (r["level"], r["next_contact_at"], r["status"])
        for r in found_screens(world)
    }
    assert screens == oracle.suicidality(world)


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_a_larger_network_is_what_the_oracle_says(name: str) -> None:
    compare(network(Random(name), clinics=60), PROTOCOLS[name])


@pytest.mark.parametrize("name", list(PROTOCOLS))
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_random_networks_are_what_the_oracle_says(name: str, random: Random) -> None:
    compare(network(random), PROTOCOLS[name])


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=25))
def test_a_curve_is_what_the_oracle_says(drawn: list[tuple[int, bool]]) -> None:
    days, relapsed = [day for day, _ in drawn], [event for _, event in drawn]
    found, expected = kaplan_meier(days, relapsed), oracle.kaplan_meier(days, relapsed)
    assert found == [pytest.approx(point, abs=1e-12, nan_ok=False) for point in expected]
