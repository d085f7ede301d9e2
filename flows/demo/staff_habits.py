"""What members of staff and prescribers do more of than their peers, at three strengths.

Each clinic has its own habits, by its carelessness. The weakest cannot be told from chance in a
small network, and are planted all the same.
"""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.people import NURSES, PRESCRIBERS, Care
from flows.demo.planting import Planting, given
from flows.demo.programs import IV
from flows.demo.tables import Column, rows_of, size, stacked

RISK = "risk"
# By carelessness: times what peers waste, and chart late.
_WASTE = {1: 1.5, 3: 2.0, 6: 3.0}
_LATE = {3: 1.5, 0: 2.0, 2: 3.0}
# One prescriber of the network, as there are few: times what peers prescribe by weight, and troches
# instead of eight, by the network's turn.
_GENEROUS_AT = 0
_DOSE = (1.15, 1.3, 1.45)
_TROCHES = (9, 11, 14)
_WASTEFUL, _SLOW, _OUTSIDE = (int(NURSES[at]) for at in (1, 2, 0))
_GENEROUS = int(PRESCRIBERS[-1])


def prescribe_by_weight(planting: Planting) -> None:
    """One prescriber's infusions are stronger from the second on."""
    care = planting.care
    if care.clinic.carelessness != _GENEROUS_AT:
        return
    strength = _DOSE[care.turn]
    sessions, doses = care.tables["sessions"], care.tables["doses"]
    mine = given(care) & (sessions["prescriber_id"] == _GENEROUS) & (sessions["program"] == IV)
    mine &= (sessions["patient"] >= care.restless) & (sessions["number"] > 0)
    picked = np.flatnonzero(mine)
    if not len(picked):
        return
    amount = (doses["amount_mg"][picked] * strength).round(1)
    doses["amount_mg"][picked] = amount
    doses["opened_mg"][picked] = np.ceil(amount / 100) * 100
    doses["wasted_mg"][picked] = (doses["opened_mg"][picked] - amount).round(1)
    planting.another_dose |= set(sessions["patient"][picked].tolist())
    _person(planting, "prescriber", _GENEROUS, "dose-above-peers", strength,
            "stronger infusions than peers prescribe")  # fmt: skip


def waste_and_delay(planting: Planting) -> None:
    """One nurse wastes more, another charts late; a third gives a dose in no session."""
    care = planting.care
    doses = care.tables["doses"]
    strength = _WASTE.get(care.clinic.carelessness)
    hers = np.flatnonzero((doses["administered_by"] == _WASTEFUL) & (doses["drug"] == "ketamine"))
    if strength is not None and len(hers):
        doses["wasted_mg"][hers] = (doses["wasted_mg"][hers] * strength).round(1)
        doses["opened_mg"][hers] = doses["amount_mg"][hers] + doses["wasted_mg"][hers]
        _person(planting, "staff", _WASTEFUL, "waste-above-peers", strength, "more waste")
    slow = _LATE.get(care.clinic.carelessness)
    hers = np.flatnonzero(doses["administered_by"] == _SLOW)
    if slow is not None and len(hers):
        late = charted_late(doses["dose_id"][hers], slow)
        doses["recorded_at"][hers[late]] = doses["started_at"][hers[late]] + _A_DAY_AND_MORE
        _person(planting, "staff", _SLOW, "late-charting", slow, "charted after a day")
    if care.clinic.carelessness >= 2:
        _give_outside(planting)


_A_DAY_AND_MORE = np.timedelta64(30, "h")
# Of a hundred doses so many are charted late anywhere.
_LATE_OF_HUNDRED = 8


def charted(care: Care) -> None:
    """Doses are charted within the hour, now and then a day late; the last days' are in time."""
    doses = care.tables["doses"]
    late = charted_late(doses["dose_id"], 1.0)
    late &= doses["started_at"] < np.datetime64(LAST_DAY) - 3
    delay = np.where(late, _A_DAY_AND_MORE, np.timedelta64(50, "m"))
    doses["recorded_at"] = doses["started_at"] + delay


def charted_late(dose_ids: Column, times: float) -> Column:
    """Which doses are charted late: the same ones whatever else is drawn."""
    return np.asarray(dose_ids * 7919 % 1009 < _LATE_OF_HUNDRED * 10.09 * times)


def _give_outside(planting: Planting) -> None:
    """A dose, booked and charted, that belongs to no session."""
    doses = planting.care.tables["doses"]
    hers = (doses["administered_by"] == _OUTSIDE) & (doses["drug"] == "ketamine")
    one = rows_of(doses, np.flatnonzero(hers)[:1])
    if not size(one):
        return
    one |= {
        "dose_id": np.array([size(doses) + 1]), "session_id": np.array([0]),
        "started_at": one["started_at"] + np.timedelta64(5, "h"),
        "ended_at": np.array([np.datetime64("NaT")]),
    }  # fmt: skip
    planting.care.tables["doses"] = stacked(doses, one)
    _person(planting, "staff", _OUTSIDE, "dose-without-session", None, "a dose in no session")


def hand_out_more(planting: Planting) -> None:
    """One prescriber's supplies are larger."""
    care = planting.care
    dispenses = care.tables["dispenses"]
    hers = np.flatnonzero(dispenses["prescriber_id"] == _GENEROUS)
    if care.clinic.carelessness != _GENEROUS_AT or not len(hers):
        return
    troches = _TROCHES[care.turn]
    strength = troches / dispenses["quantity"][hers[0]]
    dispenses["quantity"][hers] = troches
    _person(planting, "prescriber", _GENEROUS, "take-home-above-peers", strength,
            "larger supplies than peers prescribe")  # fmt: skip


def _person(
    planting: Planting, kind: str, number: int, signal: str, strength: float | None, reason: str
) -> None:
    status = "" if strength is None else f"{strength:g} x"
    planting.note(RISK, "doses", kind, "staff_id", number, signal, status, reason=reason)
