"""What happens in the sample network: courses of sessions as they should be, in numpy.

Everything is an array over sessions, vital signs or outcomes of one clinic. Instants are UTC to
the minute. Nothing here breaks a rule of good practice; `plants` does that afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.demo.calendar import LAST_DAY, Clinic

Table = dict[str, NDArray[Any]]

# Six infusions, then further ones at growing distance; days from the first. No more than three
# lie within seven days.
COURSE_DAYS = np.array([0, 3, 7, 10, 14, 17, 24, 31, 45, 59, 73, 87, 101, 115])
HURRIED_DAYS = np.concatenate([[0, 2, 4, 6], COURSE_DAYS[4:]])
VITAL_OFFSETS = np.array([-12, 12, 26, 38, 62, 90, 112, 120])
SCORE_WEEKS = (0, 2, 4, 8, 12, 16)


@dataclass
class Care:
    """One clinic's care: tables by feed, all columns as arrays of one length; `started` etc. of
    sessions and vitals stay numbers until they are written."""

    clinic: Clinic
    tables: dict[str, Table] = field(default_factory=dict)


def give_care(
    clinic: Clinic, patients: int, days: int, hurried: int, rng: np.random.Generator
) -> Care:
    """One clinic's patients, sessions, doses, vital signs and outcomes over the last `days`.

    The first `hurried` patients are given four sessions within a week.
    """
    care = Care(clinic)
    first_day = np.datetime64(LAST_DAY - timedelta(days=days - 1))
    care.tables["patients"] = _patients(clinic, patients, days, first_day, rng)
    care.tables["sessions"] = _sessions(care, first_day, days, hurried, rng)
    care.tables["doses"] = _doses(care)
    care.tables["vitals"] = _vitals(care, rng)
    care.tables["outcomes"] = _outcomes(care, rng)
    return care


def _patients(
    clinic: Clinic, count: int, days: int, first_day: np.datetime64, rng: np.random.Generator
) -> Table:
    numbers = np.arange(1, count + 1)
    begins = rng.integers(3, max(4, days - 25), count)
    given = np.array(["Alex", "Casey", "Drew", "Jordan", "Kim", "Lee", "Morgan", "Robin", "Sam"])
    family = np.array(["Archer", "Baker", "Carter", "Dyer", "Fisher", "Mason", "Potter", "Turner"])
    birth = np.datetime64("1950-01-01") + rng.integers(0, 19_000, count)
    started = first_day + begins
    return {
        "patient_id": np.char.add(f"{clinic.clinic_id}-p", np.char.zfill(numbers.astype(str), 5)),
        "birth_date": birth,
        "sex": rng.choice(["F", "M"], count, p=[0.6, 0.4]),
        "indication": rng.choice(["F33.2", "F32.2", "F33.1"], count),
        "enrolled_on": started - rng.integers(5, 20, count),
        "consent_signed_on": started - rng.integers(1, 4, count),
        "treatment_started_on": started,
        "failed_trials": rng.integers(2, 6, count),
        "given_name": given[rng.integers(0, len(given), count)],
        "family_name": family[rng.integers(0, len(family), count)],
        "postal_code": np.char.zfill(rng.integers(10_000, 99_999, count).astype(str), 5),
        "phone": np.char.add("555-01", np.char.zfill(rng.integers(0, 100, count).astype(str), 2)),
        "weight_kg": rng.normal(80, 14, count).clip(48, 130).round(1),
    }


def _sessions(
    care: Care, first_day: np.datetime64, days: int, hurried: int, rng: np.random.Generator
) -> Table:
    patients = care.tables["patients"]
    count = len(patients["patient_id"])
    start_days = (patients["treatment_started_on"] - first_day).astype(int)
    planned = rng.integers(5, len(COURSE_DAYS) + 1, count)
    who, number = np.nonzero(np.arange(len(COURSE_DAYS))[None, :] < planned[:, None])
    plan = np.where((who < hurried)[:, None], HURRIED_DAYS, COURSE_DAYS)
    day = start_days[who] + plan[np.arange(len(who)), number]
    within = day < days
    who, number, day = who[within], number[within], day[within]
    minute = 9 * 60 + 30 * (who % 13) + rng.integers(0, 4, len(who)) * 5
    scheduled = care.clinic.instants(first_day + day, minute)
    late = rng.integers(0, 12, len(who)).astype("timedelta64[m]")
    started = scheduled + late
    took = rng.integers(38, 41, len(who)).astype("timedelta64[m]")
    watched = rng.integers(78, 84, len(who)).astype("timedelta64[m]")
    return {
        "session_id": _ids(f"{care.clinic.clinic_id}-s", len(who)),
        "patient": who,
        "patient_id": patients["patient_id"][who],
        "number": number,
        "program": np.full(len(who), "iv_ketamine"),
        "status": np.full(len(who), "completed"),
        "route": np.full(len(who), "IV"),
        "indication": patients["indication"][who],
        "scheduled_at": scheduled,
        "scheduled_minutes": np.full(len(who), 150),
        "arrived_at": started - np.timedelta64(22, "m"),
        "started_at": started,
        "ended_at": started + took,
        "monitoring_ended_at": started + took + watched,
        "ready_at": started + took + watched + np.timedelta64(3, "m"),
        "discharged_at": started + took + watched + np.timedelta64(9, "m"),
        "weight_kg": (patients["weight_kg"][who] + rng.normal(0, 0.4, len(who))).round(1),
        "prescriber_id": np.full(len(who), f"{care.clinic.clinic_id}-dr1"),
        "monitor_id": np.char.add(
            f"{care.clinic.clinic_id}-rn", rng.integers(1, 4, len(who)).astype(str)
        ),
        "chair": (who % care.clinic.chairs + 1).astype(str),
        "escort_confirmed": np.full(len(who), "true", dtype="<U5"),
    }


def _doses(care: Care) -> Table:
    sessions = care.tables["sessions"]
    amount = (sessions["weight_kg"] * 0.5).round(1)
    vial = np.ceil(amount / 100) * 100
    return {
        "dose_id": np.char.replace(sessions["session_id"].astype(str), "-s", "-d"),
        "session_id": sessions["session_id"],
        "patient_id": sessions["patient_id"],
        "drug": np.full(len(amount), "ketamine"),
        "route": np.full(len(amount), "IV"),
        "amount_mg": amount,
        "opened_mg": vial,
        "wasted_mg": (vial - amount).round(1),
        "started_at": sessions["started_at"],
        "ended_at": sessions["ended_at"],
        "lot": np.full(len(amount), f"K-{care.clinic.clinic_id}-1"),
        "acquisition": np.full(len(amount), "clinic_stock"),
        "administered_by": sessions["monitor_id"],
    }


def _vitals(care: Care, rng: np.random.Generator) -> Table:
    """Eight readings a session: before, three during, four after."""
    sessions = care.tables["sessions"]
    number = len(VITAL_OFFSETS)
    of = np.repeat(np.arange(len(sessions["session_id"])), number)
    offset = np.tile(VITAL_OFFSETS, len(sessions["session_id"]))
    at = sessions["started_at"][of] + offset.astype("timedelta64[m]")
    # The last reading of the infusion and the last of all are taken at their very end.
    at = np.where(offset == 38, sessions["ended_at"][of], at)
    at = np.where(offset == 120, sessions["monitoring_ended_at"][of], at)
    rise = np.where((offset > 0) & (offset < 70), 16, 0)
    return {
        "vital_id": _ids(f"{care.clinic.clinic_id}-v", len(of)),
        "session": of,
        "reading": np.tile(np.arange(number), len(sessions["session_id"])),
        "session_id": sessions["session_id"][of],
        "measured_at": at,
        "systolic_mmhg": (rng.normal(124, 9, len(of)) + rise).clip(96, 172).round(),
        "diastolic_mmhg": (rng.normal(78, 6, len(of)) + rise / 2).clip(55, 105).round(),
        "heart_rate_bpm": (rng.normal(74, 8, len(of)) + rise / 2).clip(54, 115).round(),
        "spo2_pct": rng.normal(97.5, 1, len(of)).clip(95, 100).round(),
        "respiratory_rate_bpm": rng.normal(15, 2, len(of)).clip(10, 24).round(),
        "position": np.full(len(of), "sitting"),
    }


def _outcomes(care: Care, rng: np.random.Generator) -> Table:
    """PHQ-9 at home two days before the first session, then every few weeks.

    About half of the patients respond; the share that responds and remits lies within the range of
    clinic cohorts, and the fall begins within days. The numbers shape the sample only.
    """
    patients = care.tables["patients"]
    count = len(patients["patient_id"])
    baseline = rng.normal(19, 3.2, count).clip(11, 27)
    fall = np.where(
        rng.random(count) < 0.5, rng.uniform(0.5, 0.9, count), rng.uniform(0, 0.45, count)
    )
    who = np.repeat(np.arange(count), len(SCORE_WEEKS))
    week = np.tile(np.array(SCORE_WEEKS), count)
    day = patients["treatment_started_on"][who] + np.where(week == 0, -2, week * 7 + 5)
    within = day <= np.datetime64(LAST_DAY)
    who, week, day = who[within], week[within], day[within]
    gone = fall[who] * (1 - np.exp(-week / 2.0))
    total = (
        (baseline[who] * (1 - gone) + rng.normal(0, 1, len(who))).clip(0, 27).round().astype(int)
    )
    minute = np.full(len(who), 11 * 60) + 7 * (who % 50)
    return {
        "outcome_id": _ids(f"{care.clinic.clinic_id}-o", len(who)),
        "patient": who,
        "week": week,
        "patient_id": patients["patient_id"][who],
        "instrument": np.full(len(who), "PHQ-9"),
        "administered_at": care.clinic.instants(day, minute),
        "total": total,
        "items": _items(total),
    }


def _items(totals: NDArray[np.int64]) -> NDArray[np.str_]:
    """Nine item scores of 0 to 3 that add up to each total."""
    low = totals[:, None] // 9
    extra = np.arange(9)[None, :] < (totals % 9)[:, None]
    texts = (low + extra).astype(str)
    joined = texts[:, 0]
    for item in range(1, 9):
        joined = np.char.add(np.char.add(joined, ";"), texts[:, item])
    return joined


def _ids(prefix: str, count: int) -> NDArray[np.str_]:
    return np.char.add(prefix, np.char.zfill(np.arange(1, count + 1).astype(str), 6))
