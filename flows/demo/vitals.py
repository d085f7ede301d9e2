"""Vital signs of the sample's sessions, as they should be."""

from __future__ import annotations

import numpy as np

from flows.demo.people import Care
from flows.demo.programs import PROGRAMS, SPRAYS, Program
from flows.demo.tables import Table, numbers, rows_of, size, stacked


def vital_signs(care: Care, given: Table) -> Table:
    vitals = stacked(*(_readings(given, program) for program in PROGRAMS))
    rng, count = care.rng, size(vitals)
    offset, session = vitals["offset"], vitals["session"]
    rise = np.where((offset > 0) & (offset < 70), 16, 0)
    spray = np.isin(given["program"], SPRAYS)[session]
    peak = offset == np.where(spray, 40, 45)
    peak |= ~spray & (offset == 38)
    care.first_reading = np.empty(size(given), dtype=np.int64)
    first = np.flatnonzero(vitals["reading"] == 0)
    care.first_reading[session[first]] = first
    # Per session in the REMS: sedation 34.7 %, dissociation 41.0 % (clinical-facts 7b).
    sleepy, apart = peak & (rng.random(count) < 0.347), peak & (rng.random(count) < 0.41)
    # A patient's pressure of the day, and what each reading adds to it.
    sessions = size(given)
    highest = np.where(np.isin(given["program"], SPRAYS), 138, 128)
    systolic = rng.normal(122, 8, sessions).clip(98, highest)[session]
    diastolic = rng.normal(76, 5, sessions).clip(60, highest - 50)[session]
    return vitals | {
        "vital_id": numbers(count),
        "systolic_mmhg": (systolic + rise + rng.normal(0, 4, count).clip(-8, 8)).round(),
        "diastolic_mmhg": (diastolic + rise / 2 + rng.normal(0, 3, count).clip(-6, 6)).round(),
        "heart_rate_bpm": (rng.normal(74, 8, count) + rise / 2).clip(54, 115).round(),
        "spo2_pct": rng.normal(97.5, 1, count).clip(95, 100).round(),
        "respiratory_rate_bpm": rng.normal(15, 2, count).clip(10, 24).round(),
        "position": "sitting",
        "sedation_moaas": np.where(sleepy, 4.0, 5.0),
        "dissociation_cadss": np.where(spray, np.where(apart, 12.0, 0.0), np.nan),
    }


def _readings(given: Table, program: Program) -> Table:
    how = program.readings
    of = np.flatnonzero(given["program"] == program.name)
    sessions = rows_of(given, of)
    number = len(how.minutes)
    each = np.repeat(np.arange(len(of)), number)
    reading = np.tile(np.arange(number), len(of))
    offset = np.array(how.minutes)[reading]
    at = sessions["started_at"][each] + offset.astype("timedelta64[m]")
    if how.during_last is not None:
        at = np.where(reading == how.during_last, sessions["ended_at"][each], at)
    at = np.where(reading == number - 1, sessions["monitoring_ended_at"][each], at)
    return {
        "session": of[each],
        "session_id": sessions["session_id"][each],
        "reading": reading,
        "offset": offset,
        "measured_at": at,
    }
