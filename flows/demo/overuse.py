"""Who has more and more: doses within every limit, which together are too many; supplies and
screens that tell of it."""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.people import Care
from flows.demo.planting import Planting, given
from flows.demo.programs import TAKE_HOME
from flows.demo.tables import Column, rows_of, size, stacked

RISK = "risk"
_STEP, _MOST = 1.2, 1.98
# Session (from 0) of an eager patient's course from which each dose is a step above the last, and
# the one by which both doses and sessions have become more.
_RISES_FROM, _RISEN_BY = 10, 13
# Troches handed out at once to one who has many, and supplies until that is too much.
_MANY_TROCHES, _SUPPLIES = 30, 3
_HEAVY_SESSIONS = 11


def ask_for_more(care: Care) -> None:
    """Doses of those who have as much as is allowed, and of those whose doses rise late."""
    sessions, doses = care.tables["sessions"], care.tables["doses"]
    held = rows_of(sessions, np.arange(size(doses)))
    heavy, eager = (np.isin(held["patient"], care.of_kind(kind)) for kind in ("heavy", "eager"))
    steps = np.where(heavy, held["number"], 0)
    steps = np.where(eager, (held["number"] - _RISES_FROM).clip(0), steps)
    more = np.flatnonzero(steps)
    amount = (doses["amount_mg"][more] * np.minimum(_STEP ** steps[more], _MOST)).round(1)
    doses["amount_mg"][more] = amount
    doses["opened_mg"][more] = np.ceil(amount / 100) * 100
    doses["wasted_mg"][more] = (doses["opened_mg"][more] - amount).round(1)


def note_overuse(planting: Planting) -> None:
    """Write down whose sessions have become, or were, too many."""
    hurried, crowded, eager, heavy = (
        planting.care.of_kind(kind) for kind in ("hurried", "crowded", "eager", "heavy")
    )
    for kind, number, signals in (
        (hurried, 3, ("over-protocol-frequency",)),
        (crowded, 12, ("over-protocol-frequency",)),
        (crowded, _RISEN_BY, ("rising-frequency",)),
        (eager, _RISEN_BY, ("rising-frequency", "rising-dose")),
        (heavy, _HEAVY_SESSIONS, ("high-exposure-given",)),
    ):
        sessions = planting.care.tables["sessions"]
        held = given(planting.care) & np.isin(sessions["patient"], kind)
        for patient in sessions["patient_id"][held & (sessions["number"] == number)].tolist():
            for signal in signals:
                _noted(planting, signal, patient, "more and more")


def plant_habits(planting: Planting) -> None:
    """Each with another patient who takes ketamine at home, while there are any."""
    care = planting.care
    mine = np.flatnonzero(care.tables["patients"]["program"] == TAKE_HOME)
    fetched = care.tables["dispenses"]
    afar = np.isin(mine, fetched["patient"][fetched["source"] == "pharmacy"])
    often = np.array([(fetched["patient"] == who).sum() > _SUPPLIES - 1 for who in mine], bool)
    for patient in mine[afar & often][-1:].tolist():
        _stock_up(planting, patient)
    near = mine[~afar]
    for at, habit in enumerate((_score_high, _leave_unexplained) if len(near) else ()):
        habit(planting, int(near[at % len(near)]))
    for patient in mine[often & ~afar][-1:].tolist():
        _stay_away(planting, patient)


def _stock_up(planting: Planting, patient: int) -> None:
    """Thirty troches at once from a pharmacy, and in time urinary symptoms."""
    dispenses = planting.care.tables["dispenses"]
    theirs = np.flatnonzero((dispenses["patient"] == patient) & (dispenses["source"] == "pharmacy"))
    theirs = theirs[dispenses["strength_mg"][theirs] <= 100]
    if len(theirs) < _SUPPLIES:
        return
    dispenses["quantity"][theirs] = _MANY_TROCHES
    dispenses["form"][theirs] = "troche"
    _noted(planting, "high-exposure-dispensed", patient + 1, "thirty troches each time")
    _scored(planting, patient, "BPIC-SS", 24)
    _noted(planting, "urinary-symptoms", patient + 1, "urinary symptoms, and much handed out")


def _stay_away(planting: Planting, patient: int) -> None:
    """A refill before which the patient did not come to the review."""
    care = planting.care
    dispenses, contacts = care.tables["dispenses"], care.tables["contacts"]
    theirs = (dispenses["patient"] == patient) & (dispenses["number"] == 2)
    for at in dispenses["dispensed_at"][theirs].tolist():
        since = np.datetime64(at, "m") - contacts["scheduled_at"]
        review = (contacts["patient_id"] == patient + 1) & (contacts["kind"] == "review")
        review &= (since > np.timedelta64(0, "m")) & (since < np.timedelta64(3 * 1440, "m"))
        if not review.any():
            return
        contacts["status"][review] = "no_show"
        for column in ("started_at", "ended_at"):
            contacts[column][review] = np.datetime64("NaT")
        _noted(planting, "refill-despite-missed-review", patient + 1, "did not come to the review")


def _score_high(planting: Planting, patient: int) -> None:
    for instrument, total in (("AUDIT-C", 9), ("DAST-10", 6)):
        _scored(planting, patient, instrument, total)
        _noted(planting, instrument.lower(), patient + 1, f"{instrument} of {total}")


def _leave_unexplained(planting: Planting, patient: int) -> None:
    """A positive urine screen of which nobody wrote whether it was expected."""
    screenings = planting.care.tables["screenings"]
    theirs = (screenings["patient_id"] == patient + 1) & (screenings["kind"] == "uds")
    screenings["result"][theirs] = "positive"
    screenings["expected"][theirs] = ""
    _noted(planting, "unexplained-uds", patient + 1, "positive, nobody wrote whether expected")


def _scored(planting: Planting, patient: int, instrument: str, total: int) -> None:
    """One more score, two weeks before the last day."""
    outcomes = planting.care.tables["outcomes"]
    one = rows_of(outcomes, np.flatnonzero(outcomes["patient"] == patient)[:1])
    day: Column = np.array([np.datetime64(LAST_DAY) - 14])
    one |= {
        "outcome_id": np.array([int(outcomes["outcome_id"].max()) + 1]),
        "instrument": np.array([instrument]), "total": np.array([float(total)]),
        "items": np.array([""]), "left_out": np.array([False]),
        "administered_at": planting.care.clinic.instants(day, np.array([9 * 60])),
    }  # fmt: skip
    planting.care.tables["outcomes"] = stacked(outcomes, one)


def _noted(planting: Planting, signal: str, patient: int, reason: str) -> None:
    planting.note(RISK, "patients", "patient", "patient_id", patient, signal, "", reason=reason)
