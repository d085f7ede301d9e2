"""Each table of operations is what the oracle says, of small random networks."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.contract import contracts
from tests.operations import oracle
from tests.operations.engine import found_credentials, found_forms, found_monthly
from tests.oracle import World
from tests.worlds import DAYS, FRAMES, STEP, ZONES, Clinic

STATUSES = ("completed", "completed", "completed", "aborted", "no_show", "cancelled", "scheduled")
CLOCKS = ("00:00", "01:30", "02:00", "02:30", "09:00", "17:00", "23:30")


def network(random: Random, clinics: int = 2) -> World:
    """Clinics around changes of the clocks, months and years."""
    facts: dict[str, list[dict[str, Any]]] = {feed: [] for feed in contracts()}
    first = random.choice(FRAMES)
    as_of = random.choice([first + timedelta(days=DAYS), first + timedelta(days=20, minutes=15)])
    cutoffs = {}
    for number in range(clinics):
        clinic = Clinic(f"c{number}", random.choice(ZONES), first, random, facts)
        clinic.add("clinics", clinic_id=clinic.id, name=clinic.id, time_zone=clinic.zone,
                   chairs=clinic.pick(None, 0, 1, 2, 3))  # fmt: skip
        for session in clinic.some(10):
            _session(clinic, f"s{session}")
        _rows(clinic, clinic.some(7))
        if clinic.random.randint(0, 3):
            cut = clinic.pick(as_of, clinic.instant(), clinic.day_start(as_of))
            cutoffs[clinic.id, "sessions"] = min(as_of, cut)
    network_wide = Clinic("network", "UTC", first, random, facts)
    _rows(network_wide, network_wide.some(5), clinic_id=None)
    for rows in facts.values():
        random.shuffle(rows)
    return World(facts, cutoffs, [], as_of)


def _session(clinic: Clinic, name: str) -> None:
    """Often in the same chair at the same time as the one before."""
    before = [row["arrived_at"] for row in clinic.facts["sessions"][-3:]
              if row["clinic_id"] == clinic.id and row["arrived_at"]]  # fmt: skip
    at = clinic.near(clinic.pick(*before)) if before and clinic.pick(0, 1) else clinic.instant()
    scheduled = clinic.maybe(clinic.pick(at, clinic.near(at), clinic.after(at)))
    notice = clinic.pick(timedelta(hours=24), timedelta(hours=24, microseconds=1),
                         timedelta(hours=5), timedelta(days=3), -STEP)  # fmt: skip
    start = at + clinic.pick(-1, 0, 1, 2) * STEP
    long = clinic.pick(-1, 0, 2, 8, 8, 40, 96, 97) * STEP
    clinic.add(
        "sessions", session_id=name, patient_id="p", program=clinic.pick("iv", "in"),
        status=clinic.pick(*STATUSES), scheduled_at=scheduled,
        cancelled_at=clinic.maybe(scheduled - notice) if scheduled else None,
        arrived_at=clinic.maybe(at), started_at=clinic.maybe(start),
        ended_at=clinic.maybe(start + STEP), chair=clinic.maybe(clinic.pick("1", "1", "2")),
        monitoring_ended_at=clinic.maybe(start + clinic.pick(0, 1, 5, 9) * STEP),
        discharged_at=clinic.maybe(at + long),
        rems_form_sent_at=clinic.pick(None, None, start + STEP, clinic.after(start)),
    )  # fmt: skip
    for number in clinic.some(2):
        clinic.add("doses", dose_id=f"{name}-{number}", session_id=clinic.maybe(name),
                   patient_id="p", drug=clinic.pick("ketamine", "esketamine", "esketamine"),
                   amount_mg=28.0, started_at=clinic.near(start))  # fmt: skip


def _rows(clinic: Clinic, numbers: range, **whose: Any) -> None:
    """Opening hours, and staff."""
    for number in numbers:
        clinic.add("hours", hours_id=f"{clinic.id}-{number}", weekday=clinic.pick(*range(1, 8)),
                   opens=clinic.pick(*CLOCKS), closes=clinic.pick(*CLOCKS), **whose,
                   effective_from=clinic.instant().date() - timedelta(days=clinic.pick(0, 20)),
                   )  # fmt: skip
    for number in clinic.some(2):
        last = (clinic.instant() + timedelta(days=clinic.pick(0, 30, 80, 90, 100))).date()
        days = (clinic.instant().date(), clinic.instant().date())
        clinic.add("staff", staff_id=f"{clinic.id}-{number}", role=clinic.pick("nurse", "admin"),
                   license_expires_on=clinic.maybe(last), acls_expires_on=clinic.maybe(last),
                   active_from=clinic.pick(None, None, min(days)),
                   active_to=clinic.pick(None, None, max(days)), **whose)  # fmt: skip


def compare(world: World) -> None:
    """Every table, row by row."""
    rows = {(r["clinic_id"], r["program"], r["month"]): r for r in found_monthly(world)}
    expected = oracle.monthly(world)
    assert set(rows) == set(expected)
    for key, row in expected.items():
        for name, value in row.items():
            told = None if value is None else pytest.approx(value, rel=1e-12)
            assert rows[key][name] == told, (key, name)
    staff = {(r["clinic_id"], r["staff_id"], r["credential"]):
            (r["expires_on"], r["days_left"], r["status"])
            for r in found_credentials(world)}  # fmt: skip
    assert staff == oracle.credentials(world)
    forms = {(r["clinic_id"], r["session_id"]): (r["due_on"], r["days_left"], r["status"])
             for r in found_forms(world)}  # fmt: skip
    assert forms == oracle.forms(world)


def test_a_larger_network_is_what_the_oracle_says() -> None:
    for seed in range(3):
        compare(network(Random(seed), clinics=60))


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_random_networks_are_what_the_oracle_says(random: Random) -> None:
    compare(network(random))


def test_sessions_of_a_clinic_whose_row_was_withdrawn_are_counted_without_a_month() -> None:
    world = network(Random("withdrawn"), clinics=1)
    world.facts["clinics"].clear()
    counted = sum(row["booked"] + row["cancelled"] + row["unscheduled"]
                  for row in found_monthly(world))  # fmt: skip
    before = [row for row in world.facts["sessions"]
              if row["started_at"] is None or row["started_at"] <= world.as_of]  # fmt: skip
    assert counted == len(before) > 0
    assert {row["month"] for row in found_monthly(world)} == {None}
