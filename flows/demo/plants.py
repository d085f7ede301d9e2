"""Planted truth: breaches of good practice and rows not fit to be read, each written down.

A plant changes some sessions and says which rules (by name, as plain data) must notice and how.
Each session carries at most one plant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flows.demo.calendar import LAST_DAY
from flows.demo.care import SCORE_WEEKS, Care

Picked = NDArray[np.int64]


@dataclass
class Truth:
    """One line of truth.csv."""

    kind: str
    clinic_id: str
    feed: str
    subject_kind: str = ""
    subject_id: str = ""
    rule_id: str = ""
    status: str = ""
    file: str = ""
    row_number: str = ""
    reason: str = ""


@dataclass
class Planting:
    """Truth so far, rows to leave out, and rows to spoil on writing (position -> column, text)."""

    care: Care
    truth: list[Truth] = field(default_factory=list)
    spoiled: list[tuple[str, int, str, str, str]] = field(default_factory=list)

    def breach(self, picked: Picked, reason: str, **statuses: str) -> None:
        """Write down what each picked session's rules must say."""
        sessions = self.care.tables["sessions"]
        for session in sessions["session_id"][picked].tolist():
            for rule, status in statuses.items():
                self.truth.append(
                    Truth("breach", self.care.clinic.clinic_id, "sessions", "session", session,
                          rule.replace("_", "-"), status, reason=reason)
                )  # fmt: skip


def plant(care: Care, hurried: int, rng: np.random.Generator, *, latest: np.datetime64) -> Planting:
    """Break each rule a few times, and spoil a few rows of deliveries up to `latest`."""
    planting = Planting(care)
    sessions = care.tables["sessions"]
    days = sessions["started_at"].astype("datetime64[D]")
    plain = (sessions["patient"] >= hurried) & (days <= latest)
    free = rng.permutation(np.flatnonzero(plain))
    room = len(free) // (len(_SESSION_PLANTS) * 6)
    habit = care.clinic.carelessness
    gone: list[Picked] = []
    taken = 0
    for at, (reason, change, statuses) in enumerate(_SESSION_PLANTS):
        each = max(1, min(room, habit + (at * 7 + habit * 5) % 4))
        picked = free[taken : taken + each]
        taken += each
        gone.append(change(care, picked))
        planting.breach(picked, reason, **statuses)
    _plant_haste(planting, hurried)
    _plant_scores(planting, free[taken:], hurried)
    _spoil(planting, free[taken:], rng)
    _leave_out(care, "vitals", np.concatenate(gone) if gone else np.array([], dtype=np.int64))
    return planting


# Each change gives the vital signs (positions) that were never taken.


def _triple_dose(care: Care, picked: Picked) -> Picked:
    doses = care.tables["doses"]
    doses["amount_mg"][picked] = (doses["amount_mg"][picked] * 3).round(1)
    doses["opened_mg"][picked] = np.ceil(doses["amount_mg"][picked] / 100) * 100
    doses["wasted_mg"][picked] = (doses["opened_mg"][picked] - doses["amount_mg"][picked]).round(1)
    return _none()


def _no_weight(care: Care, picked: Picked) -> Picked:
    care.tables["sessions"]["weight_kg"][picked] = np.nan
    return _none()


def _hasty_infusion(care: Care, picked: Picked) -> Picked:
    end = care.tables["sessions"]["started_at"][picked] + np.timedelta64(20, "m")
    care.tables["sessions"]["ended_at"][picked] = end
    care.tables["doses"]["ended_at"][picked] = end
    return _none()


def _no_end(care: Care, picked: Picked) -> Picked:
    care.tables["sessions"]["ended_at"][picked] = np.datetime64("NaT")
    return _none()


def _no_baseline(care: Care, picked: Picked) -> Picked:
    return _readings(care, picked, 0)


def _high_pressure(care: Care, picked: Picked) -> Picked:
    care.tables["vitals"]["systolic_mmhg"][_readings(care, picked, 0)] = 192
    return _none()


def _gap_during(care: Care, picked: Picked) -> Picked:
    return _readings(care, picked, 1, 2)


def _gap_after(care: Care, picked: Picked) -> Picked:
    return _readings(care, picked, 4, 5)


def _low_saturation(care: Care, picked: Picked) -> Picked:
    care.tables["vitals"]["spo2_pct"][_readings(care, picked, 2)] = 86
    return _none()


def _early_leave(care: Care, picked: Picked) -> Picked:
    sessions = care.tables["sessions"]
    sessions["ready_at"][picked] = sessions["ended_at"][picked] + np.timedelta64(40, "m")
    sessions["discharged_at"][picked] = sessions["ended_at"][picked] + np.timedelta64(45, "m")
    return _none()


def _left_unfit(care: Care, picked: Picked) -> Picked:
    sessions = care.tables["sessions"]
    sessions["ready_at"][picked] = sessions["discharged_at"][picked] + np.timedelta64(6, "m")
    return _none()


def _no_escort(care: Care, picked: Picked) -> Picked:
    care.tables["sessions"]["escort_confirmed"] = care.tables["sessions"][
        "escort_confirmed"
    ].astype("<U5")
    care.tables["sessions"]["escort_confirmed"][picked] = "false"
    return _none()


_SESSION_PLANTS: tuple[tuple[str, Callable[[Care, Picked], Picked], dict[str, str]], ...] = (
    ("three times the dose", _triple_dose, {"dose_per_kg": "not_met"}),
    ("weight not charted", _no_weight,
     {"weight_charted": "not_met", "dose_per_kg": "not_evaluable"}),
    ("infused in 20 minutes", _hasty_infusion, {"infusion_time": "not_met"}),
    ("end of the infusion not charted", _no_end,
     {"infusion_time": "not_evaluable", "vitals_during_infusion": "not_evaluable",
      "vitals_during_recovery": "not_evaluable", "observation_time": "not_evaluable"}),
    ("no vital signs before the infusion", _no_baseline,
     {"baseline_vitals": "not_met", "fit_to_start": "not_evaluable"}),
    ("started at a systolic pressure of 192", _high_pressure, {"fit_to_start": "not_met"}),
    ("38 minutes without vital signs", _gap_during, {"vitals_during_infusion": "not_met"}),
    ("over an hour of recovery without vital signs", _gap_after,
     {"vitals_during_recovery": "not_met"}),
    ("saturation of 86 %", _low_saturation, {"oxygen_saturation": "not_met"}),
    ("left 45 minutes after the end", _early_leave, {"observation_time": "not_met"}),
    ("left before being found fit", _left_unfit, {"fit_to_leave": "not_met"}),
    ("nobody to take the patient home", _no_escort, {"escort_confirmed": "not_met"}),
)  # fmt: skip


def _plant_haste(planting: Planting, hurried: int) -> None:
    sessions = planting.care.tables["sessions"]
    fourth = np.flatnonzero((sessions["patient"] < hurried) & (sessions["number"] == 3))
    planting.breach(fourth, "fourth session within a week", sessions_per_week="not_met")


def _plant_scores(planting: Planting, free: Picked, hurried: int) -> None:
    """A patient without a score before the course, one without one after the sixth session."""
    care = planting.care
    sessions, outcomes = care.tables["sessions"], care.tables["outcomes"]
    sixth = np.flatnonzero((sessions["number"] == 5) & (sessions["patient"] >= hurried))
    over = sessions["started_at"][sixth].astype("datetime64[D]") + 16 <= np.datetime64(LAST_DAY)
    patients = list(dict.fromkeys(sessions["patient"][sixth[over]].tolist()))
    if len(patients) < 2:
        return
    before, after = patients[:2]
    gone = (outcomes["patient"] == before) & (outcomes["week"] == 0)
    gone |= (outcomes["patient"] == after) & (outcomes["week"] == SCORE_WEEKS[1])
    _leave_out(care, "outcomes", np.flatnonzero(gone))
    theirs = np.flatnonzero(sessions["patient"] == before)
    planting.breach(theirs, "no score before the course", score_before_course="not_met")
    last = sixth[sessions["patient"][sixth] == after]
    planting.breach(last, "no score after the sixth session", score_after_induction="not_met")


def _spoil(planting: Planting, free: Picked, rng: np.random.Generator) -> None:
    """Rows that must be quarantined: one reading of a session each, so that it can't be judged."""
    care = planting.care
    vitals = care.tables["vitals"]
    ways = (
        ("spo2_pct", "120", "spo2_pct: out_of_bounds"),
        ("systolic_mmhg", "see note", "systolic_mmhg: unreadable"),
        ("position", "upside down", "position: not_in_list"),
    )
    room = max(0, min(len(free) // 4, len(vitals["vital_id"]) // 300))
    for at, session in enumerate(free[: min(room, 6)].tolist()):
        (reading,) = _readings(care, np.array([session]), 5).tolist()
        column, text, reason = ways[at % len(ways)]
        planting.spoiled.append(("vitals", reading, column, text, reason))
        planting.breach(
            np.array([session]),
            "a reading is in quarantine",
            vitals_during_recovery="not_evaluable",
        )


def _readings(care: Care, picked: Picked, *numbers: int) -> Picked:
    vitals = care.tables["vitals"]
    mine = np.isin(vitals["session"], picked) & np.isin(vitals["reading"], numbers)
    return np.flatnonzero(mine)


def _leave_out(care: Care, feed: str, gone: Picked) -> None:
    """Mark rows that were never charted; the writer leaves them out."""
    table = care.tables[feed]
    table.setdefault("left_out", np.zeros(len(next(iter(table.values()))), dtype=bool))
    table["left_out"][gone] = True


def _none() -> Picked:
    return np.array([], dtype=np.int64)
