"""Screenings of the sample's patients: before treatment, around sessions, when at risk."""

from __future__ import annotations

import numpy as np

from flows.demo.contacts import SAFETY_HOURS
from flows.demo.people import PRESCRIBERS, Care, held_in
from flows.demo.programs import ALCOHOL, EMERGENCY, SPRAYS
from flows.demo.supply import fills
from flows.demo.tables import Column, Table, numbers, rows_of, size, stacked


def screenings(care: Care) -> Table:
    """Before treatment: prescription monitoring, urine drug screen, liver, ECG, psychosis,
    pregnancy; before each session a review of contraindications and what its programme asks for;
    with a positive PHQ-9 item 9 a safety plan."""
    patients, sessions, outcomes = (care.tables[f] for f in ("patients", "sessions", "outcomes"))
    every = np.arange(size(patients))
    at = care.clinic.instants(patients["treatment_started_on"] - 3, np.full(len(every), 10 * 60))
    female = patients["sex"] == "F"
    first = [
        _screening(every, "pdmp", at, "done"),
        _screening(every, "uds", at, "negative") | {"expected": np.full(len(every), True)},
        _screening(every, "lft", at, "normal"),
        _screening(every, "urinalysis", at, "normal"),
        _screening(every, "ecg", at, "normal"),
        _screening(every, "psychosis", at, "negative"),
        _screening(every[female], "pregnancy", at[female], "negative"),
    ]
    held = rows_of(sessions, ~np.isnat(sessions["started_at"]))
    reviewed = _screening(
        held["patient"], "contraindication_review",
        held["started_at"] - np.timedelta64(15, "m"), "done",
    ) | {"session_id": held["session_id"]}  # fmt: skip
    who, number, day = fills(care)
    again = number > 0
    queried = _screening(
        who[again], "pdmp",
        care.clinic.instants(day[again] - 1, np.full(int(again.sum()), 9 * 60)), "done",
    )  # fmt: skip
    positive = rows_of(outcomes, outcomes["level"] > 0)
    plans = _screening(
        positive["patient"], "safety_plan",
        positive["administered_at"] + np.timedelta64(SAFETY_HOURS * 60 - 5, "m"), "done",
    )  # fmt: skip
    done = stacked(*first, reviewed, queried, plans, *_before_sessions(care))
    return done | {"screening_id": numbers(size(done))}


def _before_sessions(care: Care) -> list[Table]:
    """Fasting before a spray, breath before an infusion for alcohol use, psychosis before and a
    safety plan after an emergency dose; a decision where the pressure is high before a spray."""
    asked: tuple[tuple[tuple[str, ...], str, int, str], ...] = (
        (SPRAYS, "fasting", -14, "done"),
        ((ALCOHOL,), "breath_alcohol", -20, "negative"),
        ((EMERGENCY,), "psychosis", -35, "negative"),
        ((EMERGENCY,), "safety_plan", 90, "done"),
    )
    found = [
        _around(held_in(care, programs), kind, minutes, result)
        for programs, kind, minutes, result in asked
    ]
    sessions, vitals = care.tables["sessions"], care.tables["vitals"]
    before = np.flatnonzero(vitals["reading"] == 0)
    high = (vitals["systolic_mmhg"][before] > 140) | (vitals["diastolic_mmhg"][before] > 90)
    decided = rows_of(sessions, vitals["session"][before[high]])
    decided = rows_of(decided, np.isin(decided["program"], SPRAYS))
    return [*found, _around(decided, "bp_decision", -10, "done")]


def _around(sessions: Table, kind: str, minutes: int, result: str) -> Table:
    at = sessions["started_at"] + np.timedelta64(minutes, "m")
    return _screening(sessions["patient"], kind, at, result) | {
        "session_id": sessions["session_id"]
    }


def _screening(who: Column, kind: str, at: Column, result: str) -> Table:
    return {
        "patient_id": who + 1,
        "kind": np.full(len(who), kind),
        "performed_at": at,
        "result": np.full(len(who), result),
        "staff_id": PRESCRIBERS[who % len(PRESCRIBERS)],
    }
