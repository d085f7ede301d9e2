"""What is wrong with supplies handed out for home, each with another one."""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.planting import NOT_MET, Planting
from flows.demo.tables import Column

_HOME = "take-home-ketamine"
_OLD_DAYS = 250
# From this year on a prescription needs a visit before it.
_EVALUATED_FROM = np.datetime64("2026-01-01")


def mishandle_supplies(planting: Planting) -> None:
    """Break each rule of handing out a few times; and find which came too early."""
    care = planting.care
    dispenses = care.tables["dispenses"]
    dispenses["form"] = dispenses["form"].astype("<U12")
    turn = care.clinic.carelessness
    rows = _plain(planting)
    for at, row in enumerate(rows[: max(len(_WAYS), len(rows) // 10)].tolist()):
        reason, values, rules = _WAYS[(at + turn) % len(_WAYS)]
        for column, value in values.items():
            dispenses[column][row] = value
        planting.breach(np.array([row]), reason, _of_home(rules), "dispenses")
    if len(rows) > len(_WAYS):
        _prescribe_long_ago(planting, int(rows[-1]))
    _note_early(planting)


def _plain(planting: Planting) -> Column:
    """Supplies of patients who bear no risk, in any order."""
    care = planting.care
    dispenses = care.tables["dispenses"]
    risky = {truth.subject_id for truth in planting.truth if truth.kind == "risk"}
    plain = np.array([
        planting.shown("patient_id", number) not in risky
        for number in dispenses["patient_id"].tolist()
    ], dtype=bool)  # fmt: skip
    plain &= dispenses["dispensed_at"] < np.datetime64(LAST_DAY) - 7
    return care.rng.permutation(np.flatnonzero(plain))


# Why, what is charted then, and which rules must notice.
_WAYS: tuple[tuple[str, dict[str, object], tuple[str, ...]], ...] = (
    ("handed out as a spray", {"form": "nasal_spray"}, ("form",)),
    ("a sixth refill", {"refill_number": 6, "refills_authorized": 6},
     ("refill-number", "refills-authorized")),
    ("one unit of 800 mg", {"strength_mg": 800.0, "quantity": 1}, ("unit-strength",)),
    ("a supply for thirty days", {"days_supply": 30}, ("days-supply",)),
    ("a refill that was not authorized", {"refill_number": 4}, ("within-authorization",)),
)  # fmt: skip


def _prescribe_long_ago(planting: Planting, row: int) -> None:
    dispenses = planting.care.tables["dispenses"]
    issued = dispenses["dispensed_at"][row].astype("datetime64[D]") - _OLD_DAYS
    dispenses["issued_on"][row] = issued
    rules: tuple[str, ...] = ("within-six-months",)
    if issued >= _EVALUATED_FROM:
        rules = (*rules, "evaluated-2026")
    planting.breach(
        np.array([row]), "handed out eight months after the prescription", _of_home(rules),
        "dispenses",
    )  # fmt: skip


def _note_early(planting: Planting) -> None:
    """Whatever was fetched more than three days before the supply before it was used up."""
    dispenses = planting.care.tables["dispenses"]
    order = np.lexsort((dispenses["dispensed_at"], dispenses["patient_id"]))
    day = planting.care.days_of(dispenses["dispensed_at"])[order]
    lasts = day + dispenses["days_supply"][order]
    patient = dispenses["patient_id"][order]
    early = (patient[1:] == patient[:-1]) & (lasts[:-1] - day[1:] > 3)
    planting.breach(
        order[1:][early], "fetched before the last supply was used up",
        _of_home(("early-refill",)), "dispenses",
    )  # fmt: skip


def _of_home(rules: tuple[str, ...]) -> dict[str, str]:
    return {f"{_HOME}/{rule}": NOT_MET for rule in rules}
