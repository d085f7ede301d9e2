"""Small random worlds for the oracle and the engine: nulls, ties, edges, clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from checks.contract import contracts
from protocols.facts import Facts, schema
from tests.oracle import World

Row = dict[str, Any]
ZONES = {"north": "America/New_York", "south": "Australia/Lord_Howe"}
# Both zones change their clocks within these days.
FIRST = datetime(2025, 3, 6, 12, tzinfo=UTC)
STEP = timedelta(minutes=15)
STEPS = 36 * 24 * 4
AS_OF = FIRST + timedelta(days=36)


def instants(within: int = STEPS) -> st.SearchStrategy[datetime]:
    """Instants on a quarter-hour grid, so that ties and edges are common."""
    return st.integers(0, within).map(lambda steps: FIRST + steps * STEP)


def near(at: datetime) -> st.SearchStrategy[datetime]:
    """An instant within a few hours of another."""
    return st.integers(-12, 20).map(lambda steps: at + steps * STEP)


def sometimes(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, or null now and then."""
    return st.one_of(values, values, values, st.none())


@st.composite
def worlds(draw: st.DrawFn) -> World:  # noqa: C901
    """A network of two clinics in two zones, seen at one instant."""
    facts: dict[str, list[Row]] = {feed: [] for feed in contracts()}
    for clinic, zone in ZONES.items():
        facts["clinics"].append(
            row("clinics", clinic, clinic_id=clinic, name=clinic, time_zone=zone)
        )
        for patient in ("p1", "p2"):
            if draw(st.integers(0, 5)) > 0:
                facts["patients"].append(_patient(draw, clinic, patient))
        for number in range(draw(st.integers(0, 5))):
            _session(draw, facts, clinic, f"s{number}")
        for number in range(draw(st.integers(0, 4))):
            facts["outcomes"].append(_outcome(draw, clinic, f"o{number}"))
        for number in range(draw(st.integers(0, 3))):
            facts["dispenses"].append(_dispense(draw, clinic, f"d{number}"))
        for number in range(draw(st.integers(0, 3))):
            facts["contacts"].append(_contact(draw, clinic, f"c{number}"))
        for number in range(draw(st.integers(0, 2))):
            facts["medications"].append(_medication(draw, clinic, f"m{number}"))
    as_of = draw(st.sampled_from([AS_OF, FIRST + timedelta(days=20, minutes=15)]))
    cutoffs = {}
    for clinic in ZONES:
        for feed in contracts():
            has_rows = any(held["clinic_id"] == clinic for held in facts[feed])
            if has_rows or draw(st.integers(0, 4)) > 0:
                late = draw(st.sampled_from([as_of, min(as_of, FIRST + timedelta(days=9))]))
                cutoffs[(clinic, feed)] = late
    quarantined = draw(st.lists(_quarantined(), max_size=2))
    return World(facts, cutoffs, quarantined, as_of)


def row(feed: str, clinic: str, **values: Any) -> Row:
    """A fact with every column of its feed; those not named are null."""
    blank = {column.name: None for column in contracts()[feed].columns if column.name != "deleted"}
    return {**blank, "clinic_id": clinic, **values}


def _patient(draw: st.DrawFn, clinic: str, patient: str) -> Row:
    return row(
        "patients", clinic, patient_id=patient,
        birth_date=draw(sometimes(st.sampled_from([date(1960, 2, 29), date(1999, 3, 20)]))),
        sex=draw(sometimes(st.sampled_from("FM"))),
        prior_sessions=draw(sometimes(st.integers(0, 3))),
    )  # fmt: skip


def _session(draw: st.DrawFn, facts: dict[str, list[Row]], clinic: str, session: str) -> None:
    start = draw(instants())
    end = start + draw(st.integers(0, 4)) * STEP
    patient = draw(st.sampled_from(["p1", "p2"]))
    facts["sessions"].append(
        row(
            "sessions", clinic, session_id=session, patient_id=patient,
            program=draw(st.sampled_from(["iv_ketamine", "iv_ketamine", "other"])),
            status=draw(st.sampled_from(["completed", "completed", "aborted", "no_show"])),
            scheduled_at=draw(sometimes(st.just(start))),
            started_at=draw(sometimes(st.just(start))),
            ended_at=draw(sometimes(st.just(end))),
            monitoring_ended_at=draw(sometimes(st.just(end + 4 * STEP))),
            discharged_at=draw(sometimes(near(end))),
            weight_kg=draw(sometimes(st.sampled_from([70.0, 80.0]))),
            escort_confirmed=draw(sometimes(st.booleans())),
        )
    )  # fmt: skip
    for number in range(draw(st.integers(0, 2))):
        facts["doses"].append(
            row(
                "doses", clinic, dose_id=f"{session}-{number}", session_id=session,
                patient_id=patient,
                drug=draw(st.sampled_from(["ketamine", "ketamine", "midazolam"])),
                amount_mg=draw(st.sampled_from([20.0, 40.0])), started_at=draw(near(start)),
                ended_at=draw(sometimes(st.just(end))),
                devices=draw(sometimes(st.integers(1, 2))),
            )
        )  # fmt: skip
    for number in range(draw(st.integers(0, 5))):
        facts["vitals"].append(
            row(
                "vitals", clinic, vital_id=f"{session}-{number}", session_id=session,
                measured_at=draw(near(start)),
                systolic_mmhg=draw(sometimes(st.sampled_from([120.0, 190.0]))),
                spo2_pct=draw(sometimes(st.sampled_from([88.0, 90.0, 97.0]))),
                oxygen=draw(sometimes(st.booleans())),
            )
        )  # fmt: skip


def _outcome(draw: st.DrawFn, clinic: str, name: str) -> Row:
    scores = draw(st.lists(st.sampled_from(["0", "1", "3", ""]), max_size=9))
    return row(
        "outcomes", clinic, outcome_id=name, patient_id=draw(st.sampled_from(["p1", "p2"])),
        session_id=draw(sometimes(st.sampled_from(["s0", "s1"]))),
        instrument=draw(st.sampled_from(["PHQ-9", "MADRS"])), administered_at=draw(instants()),
        total=draw(sometimes(st.integers(0, 27).map(float))), items=";".join(scores) or None,
    )  # fmt: skip


def _dispense(draw: st.DrawFn, clinic: str, name: str) -> Row:
    return row(
        "dispenses", clinic, dispense_id=name, patient_id=draw(st.sampled_from(["p1", "p2"])),
        drug="ketamine", form="troche", strength_mg=100.0,
        quantity=draw(st.sampled_from([4.0, 8.0])),
        days_supply=draw(st.integers(1, 20)), dispensed_at=draw(instants()),
    )  # fmt: skip


def _contact(draw: st.DrawFn, clinic: str, name: str) -> Row:
    at = draw(instants())
    return row(
        "contacts", clinic, contact_id=name, patient_id=draw(st.sampled_from(["p1", "p2"])),
        kind=draw(st.sampled_from(["integration", "crisis"])),
        scheduled_at=draw(sometimes(st.just(at))),
        started_at=draw(sometimes(st.just(at + STEP))),
    )  # fmt: skip


def _medication(draw: st.DrawFn, clinic: str, name: str) -> Row:
    day = FIRST.date() + timedelta(days=draw(st.integers(-3, 30)))
    return row(
        "medications", clinic, medication_id=name, patient_id=draw(st.sampled_from(["p1", "p2"])),
        **{"class": "antidepressant"}, started_on=day,
    )  # fmt: skip


@st.composite
def _quarantined(draw: st.DrawFn) -> Row:
    return {
        "clinic_id": draw(st.sampled_from(list(ZONES))),
        "feed": draw(st.sampled_from(["vitals", "outcomes", "doses"])),
        "session_id": draw(sometimes(st.sampled_from(["s0", "s1"]))),
        "patient_id": draw(sometimes(st.sampled_from(["p1", "p2"]))),
    }


def as_facts(world: World) -> Facts:
    """The same world as the engine takes it."""
    frames = {
        feed: pl.LazyFrame(
            [{name: held.get(name) for name in schema(contracts()[feed])} for held in rows],
            schema=schema(contracts()[feed]),
        )
        for feed, rows in world.facts.items()
    }
    cutoffs = pl.DataFrame(
        [{"clinic_id": c, "feed": f, "cutoff": at} for (c, f), at in world.cutoffs.items()],
        schema={"clinic_id": pl.String, "feed": pl.String, "cutoff": pl.Datetime("us", "UTC")},
    )
    names = ("clinic_id", "feed", "session_id", "patient_id")
    quarantined = pl.DataFrame(list(world.quarantined), schema=dict.fromkeys(names, pl.String))
    return Facts(frames, cutoffs, quarantined, world.as_of)
