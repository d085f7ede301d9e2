"""Planted risks: what a patient does that must be noticed, and what goes wrong with stock.

They are planted after care and stock were written down, so that charts, stock book and charges
disagree where the truth says so. `rule_id` of such a line of truth.csv is the signal's name.
"""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.counter import mishandle_supplies
from flows.demo.identity import note_twice
from flows.demo.overuse import plant_habits
from flows.demo.people import PRESCRIBERS, SHARED, Care
from flows.demo.planting import Planting, Truth, given
from flows.demo.programs import IV
from flows.demo.stock_book import spoil_stock
from flows.demo.tables import rows_of, size, stacked

RISK = "risk"


def plant_risks(planting: Planting) -> None:
    """A mistaken unit, and the risks of patients, stock and staff."""
    _mistaken_unit(planting)
    _early_refill(planting)
    _overlapping_supply(planting)
    plant_habits(planting)
    mishandle_supplies(planting)
    _unexpected_screen(planting)
    _unqueried_monitoring(planting)
    spoil_stock(planting)
    _waiver(planting)


def share_persons(care: Care, other: Care, planting: Planting) -> None:
    """One patient is treated at two clinics; the network's number says so."""
    mine = care.tables["patients"]
    if min(size(mine), size(other.tables["patients"])) < SHARED:
        return
    mine["person_id"][SHARED - 1] = other.tables["patients"]["person_id"][SHARED - 1]
    note_twice(planting, other, SHARED - 1, SHARED - 1, "person_id")


def _mistaken_unit(planting: Planting) -> None:
    """A saturation charted as a fraction."""
    vitals = planting.care.tables["vitals"]
    fraction = planting.take(1)
    at = np.isin(vitals["session"], fraction) & (vitals["reading"] == 2)
    for reading in np.flatnonzero(at).tolist():
        planting.spoiled.append(("vitals", reading, "spo2_pct", "0.97", "spo2_pct: out_of_bounds"))
    planting.breach(
        fraction, "mistaken unit: saturation as a fraction",
        {"vitals-during-infusion": "not_evaluable"},
    )  # fmt: skip


def _early_refill(planting: Planting) -> None:
    """A supply for four weeks is fetched again after two and a half."""
    dispenses = planting.care.tables["dispenses"]
    for at in np.flatnonzero(dispenses["number"] == 2)[:1].tolist():
        dispenses["dispensed_at"][at] -= np.timedelta64(10 * 24, "h")
        _noted(planting, "early-refill", dispenses["patient_id"][at], "refill ten days early")


def _overlapping_supply(planting: Planting) -> None:
    """Another prescriber's supply, from a pharmacy, in the middle of one."""
    dispenses = planting.care.tables["dispenses"]
    picked = np.flatnonzero(dispenses["number"] == 1)[-1:]
    if not len(picked) or (dispenses["dispensed_at"][picked[0]] > _days_ago(15)):
        return
    again = rows_of(dispenses, picked)
    again["dispensed_at"] = again["dispensed_at"] + np.timedelta64(9 * 24, "h")
    again["issued_on"] = again["dispensed_at"].astype("datetime64[D]")
    again["prescriber_id"] = PRESCRIBERS[::-1][again["patient"] % len(PRESCRIBERS)]
    again["rx_id"] = again["rx_id"] + 100_000
    again |= {"source": np.array(["pharmacy"]), "lot": np.array([""]), "number": np.array([90]),
              "refill_number": np.array([0])}  # fmt: skip
    again["dispense_id"] = np.array([size(dispenses) + 1])
    planting.care.tables["dispenses"] = stacked(dispenses, again)
    for signal in ("overlapping-supply", "several-prescribers", "early-refill"):
        _noted(planting, signal, again["patient_id"][0], "a second prescriber's supply meanwhile")


def _unexpected_screen(planting: Planting) -> None:
    screenings = planting.care.tables["screenings"]
    at = int(np.flatnonzero(screenings["kind"] == "uds")[0])
    screenings["result"][at] = "positive"
    screenings["expected"][at] = "false"
    analyte = np.full(size(screenings), "", dtype="<U12")
    analyte[at] = "cocaine"
    screenings["analyte"] = analyte
    patient = int(screenings["patient_id"][at])
    _noted(planting, "unexpected-uds", patient, "cocaine, not expected")
    sessions = planting.care.tables["sessions"]
    theirs = given(planting.care) & (sessions["patient_id"] == patient)
    theirs &= sessions["program"] == IV
    planting.breach(
        np.flatnonzero(theirs), "cocaine in the urine, not expected", {"drug-screen": "not_met"}
    )


def _unqueried_monitoring(planting: Planting) -> None:
    screenings = planting.care.tables["screenings"]
    asked = screenings["kind"] == "pdmp"
    supplied = np.unique(planting.care.tables["dispenses"]["patient_id"])
    asked_for = np.flatnonzero(asked & np.isin(screenings["patient_id"], supplied))
    if not len(asked_for):
        return
    patient = int(screenings["patient_id"][asked_for[-1]])
    gone = asked & (screenings["patient_id"] == patient)
    planting.care.tables["screenings"] = rows_of(screenings, ~gone)
    _noted(planting, "pdmp-not-queried", patient, "the prescription monitor was never asked")
    theirs = planting.care.tables["dispenses"]["patient_id"] == patient
    planting.breach(
        np.flatnonzero(theirs), "the prescription monitor was never asked",
        {"take-home-ketamine/monitoring-program": "not_met"}, "dispenses",
    )  # fmt: skip


def _waiver(planting: Planting) -> None:
    """The medical director excuses one breach."""
    first = next((truth for truth in planting.truth if truth.rule_id == "escort-confirmed"), None)
    if first is None:
        return
    planting.care.tables["waivers"] = {
        "waiver_id": np.array([1]),
        "subject_id": np.array([int(first.subject_id.rsplit("s", 1)[1])]),
        "rule_id": np.array([first.rule_id]),
        "reason": np.array(["went home with a nurse"]),
        "approved_by": np.array(["medical director"]),
        "approved_on": np.array([np.datetime64(LAST_DAY) - 3]),
    }
    planting.truth.append(
        Truth("waiver", first.clinic_id, "waivers", "session", first.subject_id, first.rule_id,
              reason="excused by the medical director")
    )  # fmt: skip


def _noted(planting: Planting, signal: str, patient: int, reason: str) -> None:
    planting.note(RISK, "patients", "patient", "patient_id", int(patient), signal, "",
                  reason=reason)  # fmt: skip


def _days_ago(days: int) -> np.datetime64:
    return np.datetime64(LAST_DAY) - days
