"""Who is in the sample: patients, staff, their shifts, what patients take besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from flows.demo.calendar import LAST_DAY, Clinic
from flows.demo.programs import BY_NAME, CYCLE, IV, SPRAYS
from flows.demo.tables import NEVER, Column, Table, numbers, rows_of

PRESCRIBERS, NURSES = np.array([1, 2]), np.array([3, 4, 5, 6])
THERAPIST, PHARMACIST, ADMIN = 7, 8, 9
ROLES = ("prescriber",) * 2 + ("nurse",) * 4 + ("therapist", "pharmacist", "admin")

# The first few patients are known by a number of the whole network.
SHARED = 4
# Those after them by none; these are patients of a neighbour too, as three of its own patients.
TWICE_HERE, TWICE_THERE = (4, 5, 6), (8, 9, 10)
_GIVEN = """
Alex Blair Casey Dana Drew Ellis Emery Finley Frankie Harper Hayden Jamie Jesse Jordan Kendall Kim
Lee Logan Marley Morgan Noel Parker Quinn Reese Riley Robin Rowan Sam Sidney Taylor
"""
_FAMILY = """
Archer Baker Barber Brewer Butler Carter Cooper Draper Dyer Farmer Fisher Fletcher Fowler Gardner
Glover Harper Hunter Mason Miller Parker Porter Potter Sawyer Shepherd Skinner Smith Taylor Thatcher
Turner Weaver
"""
HEAVY_KG = 110.0
OPENS_MINUTE, CLOSES_MINUTE = 7 * 60 + 30, 19 * 60 + 30


@dataclass
class Care:
    """One clinic's care over `days` up to the sample's last: tables by feed. `hurried` patients
    have infusions four in one week, as many after them nine in four weeks (`crowded`); `eager` ones
    come more often and have more each time in the third month, `heavy` ones are heavy and have as
    much as is allowed from the start."""

    clinic: Clinic
    days: int
    rng: np.random.Generator
    hurried: int = 0
    crowded: int = 0
    eager: int = 0
    heavy: int = 0
    # Which of three strengths habits of this network have.
    turn: int = 0
    chairs: int = 0
    tables: dict[str, Table] = field(default_factory=dict)
    # Of each session that took place, the position of the first reading of its vital signs.
    first_reading: Column = field(default_factory=lambda: np.array([], dtype=np.int64))

    @property
    def restless(self) -> int:
        """How many of the first patients keep to no plan."""
        return self.hurried + self.crowded + self.eager + self.heavy

    def of_kind(self, name: str) -> range:
        """Positions of the patients of one kind of those who keep to no plan."""
        kinds = ("hurried", "crowded", "eager", "heavy")
        before = sum(getattr(self, kind) for kind in kinds[: kinds.index(name)])
        return range(before, before + getattr(self, name))

    @property
    def first_day(self) -> np.datetime64:
        """The first local day."""
        return np.datetime64(LAST_DAY - timedelta(days=self.days - 1))

    def days_of(self, at: Column) -> Column:
        """Local days of some instants, counted from the first."""
        offset = self.clinic.offset_minutes(at).astype("timedelta64[m]")
        day = (at.astype("datetime64[m]") + offset).astype("datetime64[D]")
        return np.asarray((day - self.first_day).astype(int))


def admit(care: Care, count: int) -> None:
    """Patients, and what they take."""
    care.tables["patients"] = _patients(care, count)
    care.tables["medications"] = _medications(care)


def employ(care: Care) -> None:
    """As many nurses as the chairs ask for, and the others."""
    roles = (*ROLES, *("nurse",) * (len(nurses(care)) - len(NURSES)))
    care.tables["staff"] = _staff(roles)
    care.tables["shifts"] = _shifts(care, len(roles))


def nurses(care: Care) -> Column:
    """The clinic's nurses: one for each four chairs, no fewer than four."""
    more = max(0, -(-care.chairs // 4) - len(NURSES))
    return np.concatenate([NURSES, len(ROLES) + numbers(more)])


def held_in(care: Care, programs: tuple[str, ...]) -> Table:
    """Sessions of some programmes that took place."""
    sessions = care.tables["sessions"]
    mine = np.isin(sessions["program"], programs) & ~np.isnat(sessions["started_at"])
    return rows_of(sessions, mine)


def _patients(care: Care, count: int) -> Table:
    rng, clinic = care.rng, care.clinic
    begins = rng.integers(3, max(4, care.days - 25), count)
    given, family = np.array(_GIVEN.split()), np.array(_FAMILY.split())
    started = care.first_day + begins
    every = np.arange(count)
    program = np.where(every < care.restless, IV, CYCLE[every % len(CYCLE)])
    # Who keeps to no plan comes early, so that all of it is seen.
    started = np.where(every < care.restless, care.first_day + 3, started)
    # 61.1 % of the patients in the REMS are women, two thirds of them 26 to 55 years old
    # (clinical-facts, "REMS population").
    birth = np.datetime64("1951-01-01") + rng.normal(11_500, 4_000, count).clip(0, 19_000).astype(
        int
    )
    person = np.char.add(f"n-{clinic.clinic_id}-", numbers(count).astype(str))
    named = rng.random(count) < 0.7
    named[:SHARED] = True
    named[SHARED : max(TWICE_THERE) + 1] = False
    rems = np.where(np.isin(program, SPRAYS), started - rng.integers(2, 5, count), NEVER)
    weight = rng.normal(80, 14, count).clip(50, 112).round(1)
    weight[care.of_kind("heavy").start : care.of_kind("heavy").stop] = HEAVY_KG
    return {
        "patient_id": numbers(count),
        "program": program,
        "person_id": np.where(named, person, ""),
        "birth_date": birth,
        "sex": rng.choice(["F", "M"], count, p=[0.611, 0.389]),
        "indication": _indications(program),
        "state": clinic.state,
        "enrolled_on": started - rng.integers(20, 30, count),
        "rems_enrolled_on": rems,
        "consent_signed_on": started - rng.integers(1, 4, count),
        "treatment_started_on": started,
        "prior_sessions": np.zeros(count),
        "failed_trials": rng.integers(2, 6, count),
        "given_name": given[rng.integers(0, len(given), count)].astype("<U16"),
        "family_name": family[rng.integers(0, len(family), count)].astype("<U16"),
        "postal_code": np.char.zfill(rng.integers(10_000, 99_999, count).astype(str), 5),
        "phone": np.char.add("555-01", np.char.zfill(rng.integers(0, 100, count).astype(str), 2)),
        "weight_kg": weight,
        "height_cm": rng.normal(170, 9, count).clip(148, 200).round(0),
    }


def _indications(program: Column) -> Column:
    """What each is treated for, by programme; of several diagnoses one after the other."""
    found = np.full(len(program), "F33.2", dtype="<U8")
    for name in np.unique(program).tolist():
        mine = program == name
        kinds = np.array(BY_NAME.get(name, BY_NAME[IV]).indications)
        found[mine] = kinds[np.arange(int(mine.sum())) % len(kinds)]
    return found


def _medications(care: Care) -> Table:
    """An antidepressant for most, a benzodiazepine or a stimulant for some, and what the programme
    asks for."""
    patients = care.tables["patients"]
    count = len(patients["patient_id"])
    chance = care.rng.random((4, count))
    kinds = (("antidepressant", "sertraline", 0.85), ("benzodiazepine", "lorazepam", 0.12),
             ("psychostimulant", "methylphenidate", 0.06), ("mood_stabilizer", "lithium", 0.0),
             )  # fmt: skip
    who = [
        np.flatnonzero((chance[at] < share) | _needs(patients["program"], kind))
        for at, (kind, _, share) in enumerate(kinds)
    ]
    every = np.concatenate(who)
    return {
        "medication_id": numbers(len(every)),
        "patient_id": every + 1,
        "class": np.repeat([kind[0] for kind in kinds], [len(each) for each in who]),
        "name": np.repeat([kind[1] for kind in kinds], [len(each) for each in who]),
        "started_on": patients["enrolled_on"][every] - care.rng.integers(30, 900, len(every)),
    }


def _needs(program: Column, medication: str) -> Column:
    asked = [name for name, of in BY_NAME.items() if of.medication == medication]
    return np.isin(program, asked)


def _staff(roles: tuple[str, ...]) -> Table:
    count = len(roles)
    ahead = np.datetime64(LAST_DAY) + 60 + 35 * (np.arange(count) % 30)
    prescribes = np.array([role == "prescriber" for role in roles])
    nurse = np.array([role in ("prescriber", "nurse") for role in roles])
    never = np.full(count, NEVER, dtype="datetime64[D]")
    return {
        "staff_id": numbers(count),
        "role": np.array(roles),
        "license_expires_on": ahead + 200,
        "bls_expires_on": np.where(nurse, ahead + 90, never),
        "acls_expires_on": np.where(nurse, ahead + 30, never),
        "dea_expires_on": np.where(prescribes, ahead + 300, never),
        "rems_trained_on": np.full(count, np.datetime64("2024-02-01")),
        "active_from": np.full(count, np.datetime64("2023-01-02")),
    }


def _shifts(care: Care, staff: int) -> Table:
    """Everybody works every day, from opening to closing."""
    days = np.repeat(np.arange(care.days), staff)
    who = np.tile(numbers(staff), care.days)
    return {
        "shift_id": numbers(len(days)),
        "staff_id": who,
        "day": days,
        "started_at": care.clinic.instants(care.first_day + days, _minute(days, OPENS_MINUTE)),
        "ended_at": care.clinic.instants(care.first_day + days, _minute(days, CLOSES_MINUTE)),
    }


def _minute(like: Column, minute: int) -> Column:
    return np.full(len(like), minute)
