"""All that is planted in a clinic's care before its stock and charges are written down."""

from __future__ import annotations

import numpy as np

from flows.demo.alarms import leave_unanswered
from flows.demo.breaches import break_rules
from flows.demo.lapses import keep_no_plan, neglect_patients
from flows.demo.on_site import hire, leave_alone, seat_twice
from flows.demo.overuse import ask_for_more, note_overuse
from flows.demo.people import Care
from flows.demo.planting import NOT_EVALUABLE, Planting, readings
from flows.demo.programs import IV
from flows.demo.staff_habits import prescribe_by_weight, waste_and_delay

# Column of a reading, what is written there, and why that can't be read.
_SPOILED = (
    ("spo2_pct", "120", "spo2_pct: out_of_bounds"),
    ("systolic_mmhg", "see note", "systolic_mmhg: unreadable"),
    ("position", "upside down", "position: not_in_list"),
    ("measured_at", "2026-02-30T10:00", "measured_at: unreadable"),
)


def plant(care: Care, *, latest: np.datetime64) -> Planting:
    """Break each rule a few times, and spoil a few rows of deliveries up to `latest`."""
    sessions = care.tables["sessions"]
    hire(care)
    ask_for_more(care)
    plain = (sessions["patient"] >= care.restless) & (sessions["status"] == "completed")
    plain &= sessions["started_at"] < latest
    planting = Planting(care, care.rng.permutation(np.flatnonzero(plain)))
    prescribe_by_weight(planting)
    neglect_patients(planting)
    break_rules(planting)
    keep_no_plan(planting)
    note_overuse(planting)
    leave_alone(planting, latest)
    seat_twice(planting)
    leave_unanswered(planting)
    waste_and_delay(planting)
    _spoil(planting)
    return planting


def _spoil(planting: Planting) -> None:
    """Rows that must be quarantined: one reading of a session each, so that it can't be judged."""
    vitals = planting.care.tables["vitals"]
    room = min(planting.room(IV) // 4, len(vitals["vital_id"]) // 300, 8)
    picked = planting.take(room)
    planting.breach(picked, "a reading is in quarantine", {"vitals-during-recovery": NOT_EVALUABLE})
    for at, reading in enumerate(readings(planting.care, picked, 5).tolist()):
        planting.spoiled.append(("vitals", reading, *_SPOILED[at % len(_SPOILED)]))
