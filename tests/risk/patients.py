"""What Keel observes of patients in a small world, and random small worlds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from flows.metrics.risk_patients import PatientFacts, patient_risk
from protocols.risk import risk
from protocols.times import INSTANT
from tests.risk.oracle_patients import Found, Observed, PatientWorld

AS_OF = datetime(2026, 3, 20, 12, tzinfo=UTC)
_WHO: dict[str, Any] = {"clinic_id": pl.String, "patient_id": pl.String, "person": pl.String,
                        "_zone": pl.String}  # fmt: skip
SCHEMAS: dict[str, dict[str, Any]] = {
    "dispenses": {
        "dispense_id": pl.String, "prescriber_id": pl.String, "rx_id": pl.String,
        "drug": pl.String, "form": pl.String, "amount_mg": pl.Float64, "days_supply": pl.Int64,
        "dispensed_at": INSTANT,
    },
    "doses": {
        "dose_id": pl.String, "session_id": pl.String, "drug": pl.String, "route": pl.String,
        "amount_mg": pl.Float64, "started_at": INSTANT,
    },
    "screenings": {
        "screening_id": pl.String, "kind": pl.String, "result": pl.String, "expected": pl.Boolean,
        "at": INSTANT,
    },
    "scores": {
        "outcome_id": pl.String, "at": INSTANT, "scale": pl.String, "score": pl.Float64,
        "sex": pl.String,
    },
    "reviews": {"contact_id": pl.String, "kind": pl.String, "at": INSTANT, "held": pl.Boolean},
    "findings": {
        "session_id": pl.String, "started_at": INSTANT, "kind": pl.String, "reason": pl.String,
    },
    "courses": {
        "session_id": pl.String, "started_at": INSTANT, "protocol": pl.String, "course": pl.Int64,
        "course_started_at": INSTANT, "response_latest": pl.Boolean,
    },
}  # fmt: skip


def observed(world: PatientWorld) -> Found:
    """What the engine observes, by clinic, patient and signal."""
    found: Found = {}
    for row in told(world):
        key = (row["clinic_id"], row["subject_id"], row["signal"])
        assert key not in found and row["subject_kind"] == "patient"
        found[key] = Observed(row["observed"], row["threshold"], row["row_ids"],
                              row["first_at"], row["last_at"])  # fmt: skip
    return found


def told(world: PatientWorld) -> list[dict[str, Any]]:
    """The engine's observations as rows."""
    frames = {
        name: pl.LazyFrame(
            [row | {"_zone": world.zones[row["clinic_id"]]} for row in world.rows[name]],
            schema=_WHO | schema,
        )
        for name, schema in SCHEMAS.items()
    }
    facts = PatientFacts(
        **frames,
        screened_until=pl.LazyFrame(
            [{"clinic_id": c, "cutoff": at} for c, at in world.screened_until.items()],
            schema={"clinic_id": pl.String, "cutoff": INSTANT},
        ),
        unsure=pl.LazyFrame(
            [{"clinic_id": c, "patient_id": p} for c, p in world.unsure],
            schema={"clinic_id": pl.String, "patient_id": pl.String},
        ),
        as_of=world.as_of,
        zones=sorted(set(world.zones.values())),
    )
    return [
        row for rows in pl.collect_all(list(patient_risk(facts, risk()))) for row in rows.to_dicts()
    ]


_ZONES = {"a": "America/Phoenix", "b": "America/New_York"}
_RECORDS = [("a", "p1", "1"), ("a", "p2", "2"), ("b", "p1", "1"), ("b", "p3", "3")]
_DRUGS = st.sampled_from(["ketamine", "ketamine", "esketamine"])


@st.composite
def worlds(draw: st.DrawFn) -> PatientWorld:
    """A few patients, one of them known at two clinics; days on which much happens at once."""
    world = PatientWorld(AS_OF, _ZONES)
    number = iter(range(10_000))

    def at(days: int = 400) -> datetime:
        return AS_OF - timedelta(
            days=draw(st.integers(0, days)), minutes=draw(st.sampled_from([0, 300, 720]))
        )

    for clinic, patient, person in _RECORDS:
        who = {"clinic_id": clinic, "patient_id": patient, "person": person}

        def add(name: str, key: str, who: dict[str, Any] = who, **values: Any) -> str:
            named = f"r{next(number):04}"
            world.rows[name].append(who | {key: named} | values)
            return named

        _supplies(draw, add, at)
        _screens(draw, add, at)
        _sessions(draw, add)
        if draw(st.booleans()):
            world.unsure.update([(clinic, patient)] if draw(st.integers(0, 5)) == 0 else [])
    for clinic in _ZONES:
        if draw(st.integers(0, 5)):
            world.screened_until[clinic] = AS_OF - timedelta(days=draw(st.sampled_from([0, 30])))
    return world


def _supplies(draw: st.DrawFn, add: Any, at: Any) -> None:
    for _ in range(draw(st.integers(0, 5))):
        add("dispenses", "dispense_id", prescriber_id=draw(st.sampled_from(["d1", "d2", None])),
            rx_id=draw(st.sampled_from(["x1", "x2", None])), drug=draw(_DRUGS),
            form=draw(st.sampled_from(["troche", "tablet", "nasal_spray", "jelly"])),
            amount_mg=float(draw(st.sampled_from([800, 1200, 3000.3]))),
            days_supply=draw(st.integers(7, 30)), dispensed_at=at(90))  # fmt: skip


def _screens(draw: st.DrawFn, add: Any, at: Any) -> None:
    for _ in range(draw(st.integers(0, 4))):
        add("screenings", "screening_id", kind=draw(st.sampled_from(["uds", "pdmp", "pdmp"])),
            result=draw(st.sampled_from(["negative", "positive", "done", "declined"])),
            expected=draw(st.sampled_from([True, False, None])), at=at(120))  # fmt: skip
    sex = draw(st.sampled_from(["F", "M", "X", None]))
    for _ in range(draw(st.integers(0, 4))):
        scale, most = draw(st.sampled_from([("AUDIT-C", 6), ("DAST-10", 6), ("BPIC-SS", 25)]))
        score = draw(st.none() | st.integers(0, most).map(float))
        add("scores", "outcome_id", scale=scale, score=score, sex=sex, at=at())
    for _ in range(draw(st.integers(0, 3))):
        add("reviews", "contact_id", kind=draw(st.sampled_from(["review", "follow_up", "therapy"])),
            held=draw(st.sampled_from([True, False, False])), at=at(90))  # fmt: skip


def _sessions(draw: st.DrawFn, add: Any) -> None:
    """A course of sessions in a few phases: so many sessions, so far apart, of so much each."""
    start = AS_OF - timedelta(days=draw(st.sampled_from([160, 200, 420])), hours=2)
    response = draw(st.sampled_from([False, False, True, None]))
    began, number = start, 0
    for _ in range(draw(st.integers(0, 5))):
        gap, amount = draw(st.sampled_from([1, 3, 7, 14])), draw(st.sampled_from([40.0, 55.5, 150]))
        route = draw(st.sampled_from(["IV", "IV", "IM", "rectal", None]))
        for _ in range(draw(st.integers(0, 6))):
            began = began + timedelta(days=gap, minutes=(-1) ** number * 300) if number else start
            number += 1
            if began > AS_OF:
                return
            session = add("courses", "session_id", protocol="iv", course=1, started_at=began,
                          course_started_at=start, response_latest=response)  # fmt: skip
            for _ in range(2 if number % 7 == 0 else number % 5 > 0):
                add("doses", "dose_id", session_id=session, drug="ketamine", route=route,
                    amount_mg=float(amount), started_at=began)  # fmt: skip
            for kind in ("rate", "value", "rate")[: (0, 1, 0, 3)[number % 4]]:
                add("findings", "finding_id", session_id=session, started_at=began, kind=kind,
                    reason="too many")  # fmt: skip
