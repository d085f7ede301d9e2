"""What is wrong in the stock book, and what a count then shows.

Planted after the book was written. Whoever takes an entry out of it makes the next count differ;
the truth says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.demo.breaches import last_of_patient
from flows.demo.calendar import LAST_DAY
from flows.demo.people import NURSES, PHARMACIST
from flows.demo.planting import Planting, Truth
from flows.demo.programs import DEVICE_MG
from flows.demo.tables import Column, Table, rows_of, size, stacked

RISK = "risk"
_OVERDUE_DAYS, _FORM_DAYS = 33, 46
_LEAST_VARIANCE_MG, _LEAST_WASTE_MG = 5, 1
_SHORT_MG, _LOST_MG = 60.0, 100.0


def spoil_stock(planting: Planting) -> None:
    """Receipts and counts that are missing, losses, waste nobody saw, entries at night."""
    _without_receipt(planting)
    _uncounted(planting)
    _short_count(planting)
    _forgotten_box(planting)
    _half_a_device(planting)
    _lose(planting)
    _dose_without_stock(planting)
    _unrecorded_waste(planting)
    _in_grams(planting)
    _unwitnessed_waste(planting)
    _at_night(planting)
    _note_off_shift(planting)
    _note_partial_doses(planting)
    book = planting.care.tables["inventory"]
    book["entry_id"] = np.arange(1, size(book) + 1)


def _book(planting: Planting) -> Table:
    return planting.care.tables["inventory"]


def _lots(planting: Planting, letter: str) -> list[str]:
    """Lots of a letter that were counted, the earliest first."""
    book = _book(planting)
    mine = (book["kind"] == "count") & (np.char.find(book["lot"], f"-{letter}") > 0)
    return sorted(set(book["lot"][mine].tolist()))


def _without_receipt(planting: Planting) -> None:
    """A lot of esketamine that was there before the book began."""
    for lot in _lots(planting, "E")[:1]:
        book = _book(planting)
        gone = (book["lot"] == lot) & (book["kind"] == "received")
        planting.care.tables["inventory"] = rows_of(book, ~gone)
        _lot(planting, "lot-not-received", lot, "no receipt in the book")


def _uncounted(planting: Planting) -> None:
    """A lot for home that was neither counted nor used up."""
    for lot in _lots(planting, "T")[:1]:
        book = _book(planting)
        mine = book["lot"] == lot
        if book["occurred_at"][mine].min() > np.datetime64(LAST_DAY) - _OVERDUE_DAYS:
            return
        kept = ("received", "dispensed", "broken")
        planting.care.tables["inventory"] = rows_of(book, ~mine | np.isin(book["kind"], kept))
        _lot(planting, "count-overdue-monthly", lot, "in stock and never counted")


def _short_count(planting: Planting) -> None:
    """A count 60 mg below what the movements say, and what is left leaves as counted."""
    for lot in _lots(planting, "K")[:1]:
        _less_from(planting, lot, _SHORT_MG)
        _lot(planting, "lot-variance", lot, "count 60 mg short")


def _less_from(planting: Planting, lot: str, amount_mg: float) -> np.datetime64:
    """So much less in a lot's count and in what leaves after it; gives the instant of the count."""
    book = _book(planting)
    mine = book["lot"] == lot
    counted = book["occurred_at"][mine & (book["kind"] == "count")].min()
    book["amount_mg"][mine & (book["occurred_at"] > counted)] -= amount_mg
    book["amount_mg"][mine & (book["kind"] == "count")] -= amount_mg
    return np.datetime64(counted, "m")


def _forgotten_box(planting: Planting) -> None:
    """Midazolam for an emergency, received long ago and never counted."""
    if planting.care.clinic.carelessness < 2:
        return
    lot = f"{planting.care.clinic.clinic_id}-M001"
    _write(planting, lot=lot, drug="midazolam", kind="received", amount_mg=50.0,
           occurred_at=np.datetime64(LAST_DAY) - 800, actor_id=PHARMACIST)  # fmt: skip
    _lot(planting, "count-overdue-monthly", lot, "never counted")
    planting.truth.append(
        Truth(RISK, planting.care.clinic.clinic_id, "inventory", "clinic",
              planting.care.clinic.clinic_id, "count-overdue-biennial", reason="never counted")
    )  # fmt: skip


def _half_a_device(planting: Planting) -> None:
    """Half a device of esketamine breaks."""
    half = DEVICE_MG / 2
    for lot in _lots(planting, "E")[-1:]:
        counted = _less_from(planting, lot, half)
        _write(planting, lot=lot, drug="esketamine", kind="broken", amount_mg=half,
               occurred_at=counted - np.timedelta64(45, "m"), actor_id=PHARMACIST,
               witness_id=int(NURSES[0]))  # fmt: skip
        _lot(planting, "partial-device", lot, "half a device broken")


def _lose(planting: Planting) -> None:
    """A loss told a week late, one without its form, or one of which nobody knows the day."""
    turn = planting.care.clinic.carelessness
    for lot in _lots(planting, "K")[1:2]:
        counted = _less_from(planting, lot, _LOST_MG)
        found = counted + np.timedelta64(1, "h")
        told = found + np.timedelta64(8 * 24 if turn >= 4 else 1, "h")
        form = found + np.timedelta64(10 * 24, "h")
        over = found < np.datetime64(LAST_DAY) - _FORM_DAYS
        never = np.datetime64("NaT")
        ways: dict[str, tuple[Any, ...]] = {
            "loss-told-late": (found, told, form), "loss-form-late": (found, told, never),
            "loss-undated": (never, never, never),
        }  # fmt: skip
        signal = "loss-told-late" if turn >= 4 else "loss-form-late" if over else "loss-undated"
        if turn in (1, 2):
            signal = "loss-undated"
        if signal == "loss-told-late" and told > np.datetime64(LAST_DAY):
            signal = "loss-undated"
        at, dea, form106 = ways[signal]
        _write(planting, lot=lot, drug="ketamine", kind="lost", amount_mg=_LOST_MG,
               occurred_at=counted - np.timedelta64(1, "h"), actor_id=PHARMACIST,
               discovered_at=at, dea_notified_at=dea, form106_submitted_at=form106)  # fmt: skip
        _lot(planting, signal, lot, "a possible loss")


def _dose_without_stock(planting: Planting) -> None:
    """A dose that the stock book does not know."""
    sessions = planting.care.tables["sessions"]["session_id"][planting.take(1)]
    for number in sessions.tolist():
        for lot in _take_out(planting, number, "administered"):
            _lot(planting, "dose-not-in-stock", lot, "the stock book has no entry for the dose")


def _unrecorded_waste(planting: Planting) -> None:
    """More was opened than was given, and nothing was written down as wasted."""
    care = planting.care
    picked = planting.take(1)
    care.tables["doses"]["wasted_mg"][picked] = 0
    for number in care.tables["sessions"]["session_id"][picked].tolist():
        for lot in _take_out(planting, number, "wasted"):
            _lot(planting, "unrecorded-waste", lot, "more opened than given and wasted")


def _take_out(planting: Planting, session: int, kind: str) -> list[str]:
    """A session's entries of a kind are missing, and the lot's count is short by them."""
    book = _book(planting)
    gone = (book["session_id"] == session) & (book["kind"] == kind)
    lots: list[str] = book["lot"][gone].tolist()
    short = book["amount_mg"][gone].sum() >= _LEAST_VARIANCE_MG
    planting.care.tables["inventory"] = rows_of(book, ~gone)
    for lot in lots if short else ():
        _lot(planting, "lot-variance", lot, f"an entry is missing: {kind}")
    return lots


def _in_grams(planting: Planting) -> None:
    """A dose charted in grams, while the stock book has it in milligrams."""
    doses = planting.care.tables["doses"]
    in_grams = planting.take(1, where=last_of_patient(planting), dose=True)
    opened = doses["opened_mg"][in_grams]
    doses["amount_mg"][in_grams] = (doses["amount_mg"][in_grams] / 1000).round(4)
    planting.breach(in_grams, "mistaken unit: a dose in grams", {"dose-lowest": "not_met"})
    left = opened - doses["amount_mg"][in_grams] - doses["wasted_mg"][in_grams]
    for lot in doses["lot"][in_grams].tolist():
        _lot(planting, "stock-not-in-doses", lot, "charted in grams")
    for lot in doses["lot"][in_grams[left >= _LEAST_WASTE_MG]].tolist():
        _lot(planting, "unrecorded-waste", lot, "charted in grams")


def _unwitnessed_waste(planting: Planting) -> None:
    """In careless clinics one nurse wastes without a witness, or witnesses for herself."""
    if planting.care.clinic.carelessness < 3:
        return
    book, nurse = _book(planting), int(NURSES[-1])
    hers = np.flatnonzero((book["kind"] == "wasted") & (book["actor_id"] == nurse))
    book["witness_id"][hers[::3]] = 0
    book["witness_id"][hers[1::7]] = nurse
    for signal, seen in (("unwitnessed-waste", 0), ("self-witnessed-waste", nurse)):
        if (book["witness_id"][hers] == seen).any():
            _staff(planting, signal, nurse, "waste without a second person")


def _at_night(planting: Planting) -> None:
    """Somebody comes back at night, and wastes what was left in the afternoon."""
    care = planting.care
    if care.clinic.carelessness < 2:
        return
    book, nurse = _book(planting), int(NURSES[0])
    last_days = {care.days_of(book["occurred_at"][book["kind"] == "count"])[at]
                 for at in range(int((book["kind"] == "count").sum()))}  # fmt: skip
    day = care.days_of(book["occurred_at"])
    hers = (book["kind"] == "wasted") & (book["actor_id"] == nurse)
    for at in np.flatnonzero(hers & ~np.isin(day, list(last_days)))[:1].tolist():
        night = care.clinic.instants(care.first_day + day[at : at + 1], np.array([22 * 60]))
        book["occurred_at"][at] = night[0]
        for signal in ("entries-off-shift", "entries-out-of-hours"):
            _staff(planting, signal, nurse, "wasted at night")


def _note_off_shift(planting: Planting) -> None:
    """Who worked on the day on which nobody had a shift."""
    care = planting.care
    shifts, book = care.tables["shifts"], _book(planting)
    if "left_out" not in shifts:
        return
    gone = np.flatnonzero(shifts["left_out"])
    day = care.days_of(book["occurred_at"])
    for staff, on in zip(shifts["staff_id"][gone].tolist(), shifts["day"][gone].tolist(),
                         strict=True):  # fmt: skip
        if ((book["actor_id"] == staff) & (day == on)).any():
            _staff(planting, "entries-off-shift", staff, "no shift that day")


def _note_partial_doses(planting: Planting) -> None:
    """Doses of esketamine that another plant has made no whole number of devices."""
    doses = planting.care.tables["doses"]
    spray = doses["drug"] == "esketamine"
    odd = spray & (
        (doses["amount_mg"] % DEVICE_MG != 0) | (doses["amount_mg"] != doses["devices"] * DEVICE_MG)
    )
    for lot in sorted(set(doses["lot"][odd].tolist())):
        _lot(planting, "partial-dose", lot, "no whole number of devices")
    book = _book(planting)
    partial = (book["drug"] == "esketamine") & (book["amount_mg"] % DEVICE_MG != 0)
    for lot in sorted(set(book["lot"][partial].tolist())):
        _lot(planting, "partial-device", lot, "no whole number of devices")


def _write(planting: Planting, **values: Any) -> None:
    """One more entry in the book."""
    one: dict[str, Column] = {name: np.array([value]) for name, value in values.items()}
    book = stacked(_book(planting), one | {"entry_id": np.array([0])})
    planting.care.tables["inventory"] = rows_of(
        book, np.argsort(book["occurred_at"], kind="stable")
    )


def _lot(planting: Planting, signal: str, lot: str, reason: str) -> None:
    """Once for each lot and signal."""
    truth = Truth(RISK, planting.care.clinic.clinic_id, "inventory", "lot", lot, signal,
                  reason=reason)  # fmt: skip
    said = {(each.subject_id, each.rule_id) for each in planting.truth}
    if (lot, signal) not in said:
        planting.truth.append(truth)


def _staff(planting: Planting, signal: str, number: int, reason: str) -> None:
    """Once for each person and signal."""
    person = planting.shown("staff_id", number)
    if (person, signal) not in {(each.subject_id, each.rule_id) for each in planting.truth}:
        planting.note(RISK, "inventory", "staff", "staff_id", number, signal, "", reason=reason)
