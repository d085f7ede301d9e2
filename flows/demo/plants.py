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
from flows.demo.follow_up import SCORE_WEEKS
from flows.demo.people import IV, Care
from flows.demo.tables import shown_id, size

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
    """Truth so far, sessions that nothing was done to yet, and rows to spoil on writing."""

    care: Care
    free: list[int] = field(default_factory=list)
    truth: list[Truth] = field(default_factory=list)
    spoiled: list[tuple[str, int, str, str, str]] = field(default_factory=list)

    def take(self, count: int) -> Picked:
        """So many sessions (positions) that carry no plant yet."""
        taken, self.free = self.free[:count], self.free[count:]
        return np.array(taken, dtype=np.int64)

    def breach(self, picked: Picked, reason: str, **statuses: str) -> None:
        """Write down what each picked session's rules must say."""
        for session in self.care.tables["sessions"]["session_id"][picked].tolist():
            for rule, status in statuses.items():
                self.note("breach", "sessions", "session", "session_id", session,
                          rule.replace("_", "-"), status, reason=reason)  # fmt: skip

    def note(
        self, kind: str, feed: str, subject_kind: str, id_column: str, number: int,
        rule_id: str, status: str, *, reason: str,
    ) -> None:  # fmt: skip
        """Write down one planted truth about a subject."""
        clinic = self.care.clinic
        subject = shown_id(clinic, id_column, number)
        self.truth.append(
            Truth(kind, clinic.clinic_id, feed, subject_kind, subject, rule_id, status,
                  reason=reason)
        )  # fmt: skip


def plant(care: Care, hurried: int, *, latest: np.datetime64) -> Planting:
    """Break each rule a few times, and spoil a few rows of deliveries up to `latest`."""
    sessions = care.tables["sessions"]
    plain = (sessions["patient"] >= hurried) & (sessions["status"] == "completed")
    plain &= (sessions["program"] == IV) & (sessions["started_at"] < latest)
    planting = Planting(care, care.rng.permutation(np.flatnonzero(plain)).tolist())
    room = len(planting.free) // (len(_SESSION_PLANTS) * 6)
    habit = care.clinic.carelessness
    gone: list[Picked] = []
    for at, (reason, change, statuses) in enumerate(_SESSION_PLANTS):
        picked = planting.take(max(1, min(room, habit + (at * 7 + habit * 5) % 4)))
        gone.append(change(care, picked))
        planting.breach(picked, reason, **statuses)
    _plant_haste(planting, hurried)
    _plant_scores(planting, hurried)
    _spoil(planting)
    _leave_out(care, "vitals", np.concatenate(gone))
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
    mine = (sessions["patient"] < hurried) & (sessions["number"] == 3)
    fourth = np.flatnonzero(mine & ~np.isnat(sessions["started_at"]))
    planting.breach(fourth, "fourth session within a week", sessions_per_week="not_met")


def _plant_scores(planting: Planting, hurried: int) -> None:
    """A patient without a score before the course, one without one after the sixth session."""
    care = planting.care
    sessions, outcomes = care.tables["sessions"], care.tables["outcomes"]
    given = (sessions["program"] == IV) & ~np.isnat(sessions["started_at"])
    sixth = np.flatnonzero(given & (sessions["number"] == 5) & (sessions["patient"] >= hurried))
    over = sessions["started_at"][sixth].astype("datetime64[D]") + 16 <= np.datetime64(LAST_DAY)
    patients = list(dict.fromkeys(sessions["patient"][sixth[over]].tolist()))
    if len(patients) < 2:
        return
    before, after = patients[:2]
    gone = (outcomes["patient"] == before) & (outcomes["week"] == 0)
    gone |= (outcomes["patient"] == after) & (outcomes["week"] == SCORE_WEEKS[1])
    _leave_out(care, "outcomes", np.flatnonzero(gone))
    theirs = np.flatnonzero(given & (sessions["patient"] == before))
    planting.breach(theirs, "no score before the course", score_before_course="not_met")
    last = sixth[sessions["patient"][sixth] == after]
    planting.breach(last, "no score after the sixth session", score_after_induction="not_met")


def _spoil(planting: Planting) -> None:
    """Rows that must be quarantined: one reading of a session each, so that it can't be judged."""
    ways = (
        ("spo2_pct", "120", "spo2_pct: out_of_bounds"),
        ("systolic_mmhg", "see note", "systolic_mmhg: unreadable"),
        ("position", "upside down", "position: not_in_list"),
        ("measured_at", "2026-02-30T10:00", "measured_at: unreadable"),
    )
    vitals = planting.care.tables["vitals"]
    room = min(len(planting.free) // 4, len(vitals["vital_id"]) // 300, 8)
    picked = planting.take(room)
    planting.breach(picked, "a reading is in quarantine", vitals_during_recovery="not_evaluable")
    for at, session in enumerate(picked.tolist()):
        (reading,) = _readings(planting.care, np.array([session]), 5).tolist()
        column, text, reason = ways[at % len(ways)]
        planting.spoiled.append(("vitals", reading, column, text, reason))


def _readings(care: Care, picked: Picked, *numbers: int) -> Picked:
    vitals = care.tables["vitals"]
    mine = np.isin(vitals["session"], picked) & np.isin(vitals["reading"], numbers)
    return np.flatnonzero(mine)


def _leave_out(care: Care, feed: str, gone: Picked) -> None:
    """Mark rows that were never charted; the writer leaves them out."""
    table = care.tables[feed]
    table.setdefault("left_out", np.zeros(size(table), dtype=bool))
    table["left_out"][gone] = True


def _none() -> Picked:
    return np.array([], dtype=np.int64)
