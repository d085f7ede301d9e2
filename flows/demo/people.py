"""Who is in the sample: patients, staff, their shifts, what patients take besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from flows.demo.calendar import LAST_DAY, Clinic
from flows.demo.tables import NEVER, Column, Table, numbers

PRESCRIBERS, NURSES = np.array([1, 2]), np.array([3, 4, 5, 6])
THERAPIST, PHARMACIST, ADMIN = 7, 8, 9
ROLES = ("prescriber",) * 2 + ("nurse",) * 4 + ("therapist", "pharmacist", "admin")

IV, ESKETAMINE, KAP, TAKE_HOME = "iv_ketamine", "esketamine", "kap", "take_home"
# Six in ten patients have infusions, two esketamine, one injections with psychotherapy, one
# lozenges at home.
_PROGRAMS = np.array([IV, ESKETAMINE, IV, KAP, IV, IV, TAKE_HOME, IV, ESKETAMINE, IV])
# The first few patients are known by a number of the whole network.
SHARED = 4
OPENS_MINUTE, CLOSES_MINUTE = 7 * 60 + 30, 19 * 60 + 30


@dataclass
class Care:
    """One clinic's care over `days` up to the sample's last: tables by feed."""

    clinic: Clinic
    days: int
    rng: np.random.Generator
    tables: dict[str, Table] = field(default_factory=dict)

    @property
    def first_day(self) -> np.datetime64:
        """The first local day."""
        return np.datetime64(LAST_DAY - timedelta(days=self.days - 1))


def admit(care: Care, count: int, hurried: int) -> None:
    """Patients and staff; the first `hurried` patients have infusions, four in one week."""
    care.tables["patients"] = _patients(care, count, hurried)
    care.tables["medications"] = _medications(care)
    care.tables["staff"] = _staff()
    care.tables["shifts"] = _shifts(care)


def _patients(care: Care, count: int, hurried: int) -> Table:
    rng, clinic = care.rng, care.clinic
    begins = rng.integers(3, max(4, care.days - 25), count)
    given = np.array(["Alex", "Casey", "Drew", "Jordan", "Kim", "Lee", "Morgan", "Robin", "Sam"])
    family = np.array(["Archer", "Baker", "Carter", "Dyer", "Fisher", "Mason", "Potter", "Turner"])
    started = care.first_day + begins
    program = np.where(np.arange(count) < hurried, IV, _PROGRAMS[np.arange(count) % len(_PROGRAMS)])
    # 61.1 % of the patients in the REMS are women, two thirds of them 26 to 55 years old
    # (clinical-facts, "REMS population").
    birth = np.datetime64("1951-01-01") + rng.normal(11_500, 4_000, count).clip(0, 19_000).astype(
        int
    )
    person = np.char.add(f"n-{clinic.clinic_id}-", numbers(count).astype(str))
    named = rng.random(count) < 0.7
    named[:SHARED] = True
    rems = np.where(program == ESKETAMINE, started - rng.integers(2, 5, count), NEVER)
    return {
        "patient_id": numbers(count),
        "program": program,
        "person_id": np.where(named, person, ""),
        "birth_date": birth,
        "sex": rng.choice(["F", "M"], count, p=[0.611, 0.389]),
        "indication": rng.choice(["F33.2", "F32.2", "F33.1"], count),
        "state": clinic.state,
        "enrolled_on": started - rng.integers(20, 30, count),
        "rems_enrolled_on": rems,
        "consent_signed_on": started - rng.integers(1, 4, count),
        "treatment_started_on": started,
        "prior_sessions": np.zeros(count, dtype=int),
        "failed_trials": rng.integers(2, 6, count),
        "given_name": given[rng.integers(0, len(given), count)],
        "family_name": family[rng.integers(0, len(family), count)],
        "postal_code": np.char.zfill(rng.integers(10_000, 99_999, count).astype(str), 5),
        "phone": np.char.add("555-01", np.char.zfill(rng.integers(0, 100, count).astype(str), 2)),
        "weight_kg": rng.normal(80, 14, count).clip(48, 130).round(1),
        "height_cm": rng.normal(170, 9, count).clip(148, 200).round(0),
    }


def _medications(care: Care) -> Table:
    """An antidepressant for most, a benzodiazepine or a stimulant for some."""
    patients = care.tables["patients"]
    count = len(patients["patient_id"])
    chance = care.rng.random((3, count))
    kinds = (("antidepressant", "sertraline", 0.85), ("benzodiazepine", "lorazepam", 0.12),
             ("psychostimulant", "methylphenidate", 0.06))  # fmt: skip
    who = [np.flatnonzero(chance[at] < kinds[at][2]) for at in range(len(kinds))]
    every = np.concatenate(who)
    return {
        "medication_id": numbers(len(every)),
        "patient_id": every + 1,
        "class": np.repeat([kind[0] for kind in kinds], [len(each) for each in who]),
        "name": np.repeat([kind[1] for kind in kinds], [len(each) for each in who]),
        "started_on": patients["enrolled_on"][every] - care.rng.integers(30, 900, len(every)),
    }


def _staff() -> Table:
    count = len(ROLES)
    ahead = np.datetime64(LAST_DAY) + 60 + 35 * np.arange(count)
    prescribes = np.array([role == "prescriber" for role in ROLES])
    nurse = np.array([role in ("prescriber", "nurse") for role in ROLES])
    never = np.full(count, NEVER, dtype="datetime64[D]")
    return {
        "staff_id": numbers(count),
        "role": np.array(ROLES),
        "license_expires_on": ahead + 200,
        "bls_expires_on": np.where(nurse, ahead + 90, never),
        "acls_expires_on": np.where(nurse, ahead + 30, never),
        "dea_expires_on": np.where(prescribes, ahead + 300, never),
        "rems_trained_on": np.full(count, np.datetime64("2024-02-01")),
        "active_from": np.full(count, np.datetime64("2023-01-02")),
    }


def _shifts(care: Care) -> Table:
    """Everybody works every day, from opening to closing."""
    days = np.repeat(np.arange(care.days), len(ROLES))
    who = np.tile(numbers(len(ROLES)), care.days)
    return {
        "shift_id": numbers(len(days)),
        "staff_id": who,
        "started_at": care.clinic.instants(care.first_day + days, _minute(days, OPENS_MINUTE)),
        "ended_at": care.clinic.instants(care.first_day + days, _minute(days, CLOSES_MINUTE)),
    }


def _minute(like: Column, minute: int) -> Column:
    return np.full(len(like), minute)
