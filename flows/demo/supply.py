"""Drugs that leave the cabinet: take-home supplies, and stock with every movement.

A drug's lots follow one another every thirty days. Each lot is received before its first use, and
counted at the end of its last day; what is left then leaves the clinic. Amounts are reckoned in
tenths of a milligram, so that a count is exactly what the movements say.
"""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.people import (
    CLOSES_MINUTE,
    NURSES,
    OPENS_MINUTE,
    PHARMACIST,
    PRESCRIBERS,
    Care,
)
from flows.demo.programs import DEVICE_MG, TAKE_HOME
from flows.demo.tables import Column, Table, numbers, rows_of, size, stacked

LOT_DAYS = 30
REFILL_DAYS = 28
TROCHE_MG, TROCHES = 100.0, 8
FILLS_PER_PRESCRIPTION = 3
# Lot letter, drug, smallest package in mg.
_STOCK = (("K", "ketamine", 500), ("E", "esketamine", DEVICE_MG), ("T", "ketamine", 1000))
_LEFTOVER = ("returned", "transferred", "destroyed", "expired")


def dispense(care: Care) -> None:
    """Supplies for home."""
    care.tables["dispenses"] = _dispenses(care)


def supply(care: Care) -> None:
    """Lots of doses, and the entries of the stock book."""
    doses = care.tables["doses"]
    doses["lot"] = _lots(care, doses["started_at"], np.where(doses["drug"] == "ketamine", "K", "E"))
    care.tables["inventory"] = _inventory(care)


def fills(care: Care) -> tuple[Column, Column, Column]:
    """Patient, number and day of each take-home supply."""
    patients = care.tables["patients"]
    mine = np.flatnonzero(patients["program"] == TAKE_HOME)
    most = max(1, care.days // REFILL_DAYS + 1)
    who, number = np.repeat(mine, most), np.tile(np.arange(most), len(mine))
    day = patients["treatment_started_on"][who] + REFILL_DAYS * number
    within = day <= np.datetime64(LAST_DAY)
    return who[within], number[within], day[within]


def _dispenses(care: Care) -> Table:
    who, number, day = fills(care)
    prescription = number // FILLS_PER_PRESCRIPTION
    issued = care.tables["patients"]["treatment_started_on"][who] + (
        prescription * FILLS_PER_PRESCRIPTION * REFILL_DAYS
    )
    at = care.clinic.instants(day, np.full(len(who), 14 * 60))
    here = who % 20 < 10
    lots = _lots(care, at, np.full(len(who), "T"))
    return {
        "dispense_id": numbers(len(who)),
        "patient": who,
        "number": number,
        "patient_id": who + 1,
        "prescriber_id": PRESCRIBERS[who % len(PRESCRIBERS)],
        "rx_id": who * 20 + prescription + 1,
        "drug": np.full(len(who), "ketamine"),
        "form": np.full(len(who), "troche"),
        "strength_mg": np.full(len(who), TROCHE_MG),
        "quantity": np.full(len(who), TROCHES),
        "days_supply": np.full(len(who), REFILL_DAYS),
        "refill_number": number % FILLS_PER_PRESCRIPTION,
        "refills_authorized": np.full(len(who), FILLS_PER_PRESCRIPTION - 1),
        "issued_on": issued,
        "dispensed_at": at,
        "source": np.where(here, "clinic", "pharmacy"),
        "lot": np.where(here, lots, ""),
    }


def _periods(care: Care, at: Column) -> Column:
    return np.asarray(care.days_of(at) // LOT_DAYS)


def _lots(care: Care, at: Column, letters: Column) -> Column:
    names = np.array([f"{period + 1:03d}" for period in range(care.days // LOT_DAYS + 2)])
    return np.char.add(np.char.add(f"{care.clinic.clinic_id}-", letters), names[_periods(care, at)])


def _inventory(care: Care) -> Table:
    uses = _uses(care)
    kept = [uses]
    for letter, drug, package in _STOCK:
        kept += _lot_entries(care, letter, drug, package, uses)
    entries = stacked(*kept)
    order = np.argsort(entries["occurred_at"], kind="stable")
    entries = rows_of(entries, order)
    entries["amount_mg"] = (entries.pop("tenths") / 10).round(1)
    return entries | {"entry_id": numbers(size(entries))}


def _uses(care: Care) -> Table:
    """Given, wasted and dispensed, one entry each. What a specialty pharmacy sends for one
    patient passes through the book as well."""
    doses, dispenses = care.tables["doses"], care.tables["dispenses"]
    given = {
        "lot": doses["lot"], "drug": doses["drug"], "tenths": _tenths(doses["amount_mg"]),
        "kind": np.full(size(doses), "administered"), "occurred_at": doses["started_at"],
        "actor_id": doses["administered_by"], "session_id": doses["session_id"],
    }  # fmt: skip
    some = rows_of(doses, doses["wasted_mg"] > 0)
    wasted = {
        "lot": some["lot"], "drug": some["drug"], "tenths": _tenths(some["wasted_mg"]),
        "kind": np.full(size(some), "wasted"),
        "occurred_at": some["started_at"] + np.timedelta64(50, "m"),
        "actor_id": some["administered_by"], "witness_id": some["waste_witness_id"],
        "session_id": some["session_id"],
    }  # fmt: skip
    here = rows_of(dispenses, dispenses["source"] == "clinic")
    dispensed = {
        "lot": here["lot"], "drug": here["drug"],
        "tenths": _tenths(here["strength_mg"] * here["quantity"]),
        "kind": np.full(size(here), "dispensed"), "occurred_at": here["dispensed_at"],
        "actor_id": np.full(size(here), PHARMACIST),
    }  # fmt: skip
    return stacked(given, wasted, dispensed)


def _lot_entries(care: Care, letter: str, drug: str, package: int, uses: Table) -> list[Table]:
    """Receipt, a broken package now and then, the count, and what became of the rest."""
    used = np.unique(uses["lot"][np.char.find(uses["lot"], f"-{letter}") > 0])
    if not len(used):
        return []
    period = np.char.replace(used, f"{care.clinic.clinic_id}-{letter}", "").astype(int) - 1
    names, index = np.unique(uses["lot"], return_inverse=True)
    totals = np.bincount(index, weights=uses["tenths"], minlength=len(names)).round().astype(int)
    needed = totals[np.searchsorted(names, used)]
    unit = package * 10
    received = (np.ceil(needed / unit).astype(int) + 2) * unit
    broken = np.where(period % 3 == 1, unit, 0)
    left = received - needed - broken
    first = care.first_day + LOT_DAYS * period
    last = np.minimum(first + LOT_DAYS - 1, np.datetime64(LAST_DAY))
    opening = care.clinic.instants(first, np.full(len(used), OPENS_MINUTE + 5))
    closing = care.clinic.instants(last, np.full(len(used), CLOSES_MINUTE - 5))
    common = {"lot": used, "drug": np.full(len(used), drug),
              "actor_id": np.full(len(used), PHARMACIST)}  # fmt: skip
    entries = [
        common | {"kind": np.full(len(used), "received"), "occurred_at": opening,
                  "tenths": received},
        common | {"kind": np.full(len(used), "count"), "occurred_at": closing, "tenths": left,
                  "witness_id": np.full(len(used), NURSES[0])},
    ]  # fmt: skip
    breaks = broken > 0
    entries.append(
        rows_of(common, breaks) | {
            "kind": np.full(int(breaks.sum()), "broken"), "tenths": broken[breaks],
            "occurred_at": opening[breaks] + np.timedelta64(30, "m"),
            "witness_id": np.full(int(breaks.sum()), NURSES[0]),
        }
    )  # fmt: skip
    ended = (last < np.datetime64(LAST_DAY)) & (left > 0)
    entries.append(
        rows_of(common, ended) | {
            "kind": np.array(_LEFTOVER)[period[ended] % len(_LEFTOVER)], "tenths": left[ended],
            "occurred_at": closing[ended] + np.timedelta64(2, "m"),
            "witness_id": np.full(int(ended.sum()), NURSES[1]),
        }
    )  # fmt: skip
    return entries


def _tenths(amount_mg: Column) -> Column:
    return (amount_mg * 10).round().astype(int)
