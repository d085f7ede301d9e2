"""What can be done wrong in a session: changes of its rows, as it would have been charted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flows.demo.people import Care
from flows.demo.planting import Picked, leave_out, readings
from flows.demo.programs import DEVICE_MG
from flows.demo.tables import Column

Change = Callable[[Care, Picked], None]
LAST_READING = 7


def charted(column: str, value: object) -> Change:
    """Another value in the session's row."""

    def change(care: Care, picked: Picked) -> None:
        care.tables["sessions"][column][picked] = value

    return change


def timed(column: str, after: str, minutes: int) -> Change:
    """One of the session's times, so many minutes after another."""

    def change(care: Care, picked: Picked) -> None:
        sessions = care.tables["sessions"]
        sessions[column][picked] = sessions[after][picked] + np.timedelta64(minutes, "m")

    return change


def all_of(*changes: Change) -> Change:
    """Several changes of one session."""

    def change(care: Care, picked: Picked) -> None:
        for each in changes:
            each(care, picked)

    return change


def watched(minutes: int) -> Change:
    """Watched, and then let go, so many minutes after the start."""

    def change(care: Care, picked: Picked) -> None:
        sessions = care.tables["sessions"]
        sessions["rems_form_minutes"][picked] = minutes
        over = sessions["monitoring_ended_at"][picked]
        care.tables["vitals"]["measured_at"][readings(care, picked, LAST_READING)] = over

    return all_of(
        timed("monitoring_ended_at", "started_at", minutes),
        timed("ready_at", "monitoring_ended_at", 2),
        timed("discharged_at", "monitoring_ended_at", 4),
        change,
    )


def infused_in(minutes: int) -> Change:
    """Session and dose end so many minutes after the start."""
    end = timed("ended_at", "started_at", minutes)
    return all_of(end, _dose_ends)


def _dose_ends(care: Care, picked: Picked) -> None:
    care.tables["doses"]["ended_at"][picked] = care.tables["sessions"]["ended_at"][picked]


def dosed(factor: float) -> Change:
    """So many times the dose, from vials of 100 mg."""

    def change(care: Care, picked: Picked) -> None:
        doses = care.tables["doses"]
        amount = (doses["amount_mg"][picked] * factor).round(1)
        doses["amount_mg"][picked] = amount
        doses["opened_mg"][picked] = np.ceil(amount / 100) * 100
        doses["wasted_mg"][picked] = (doses["opened_mg"][picked] - amount).round(1)

    return change


def sprayed(devices: int) -> Change:
    """So many devices, five minutes apart."""

    def change(care: Care, picked: Picked) -> None:
        doses = care.tables["doses"]
        care.tables["sessions"]["devices"][picked] = devices
        doses["devices"][picked] = devices
        for column in ("amount_mg", "opened_mg"):
            doses[column][picked] = devices * DEVICE_MG

    return all_of(change, infused_in(5 * (devices - 1)))


def read(number: int, column: str, value: float) -> Change:
    """Another value in one of the readings of vital signs."""

    def change(care: Care, picked: Picked) -> None:
        care.tables["vitals"][column][readings(care, picked, number)] = value

    return change


def not_read(*numbers: int) -> Change:
    """Readings that were never taken."""

    def change(care: Care, picked: Picked) -> None:
        leave_out(care, "vitals", readings(care, picked, *numbers))

    return change


def risen(before: int) -> Change:
    """At the last reading a systolic pressure 42 above the one taken before the dose."""

    def change(care: Care, picked: Picked) -> None:
        systolic = care.tables["vitals"]["systolic_mmhg"]
        start = systolic[readings(care, picked, before)]
        systolic[readings(care, picked, LAST_READING)] = start + 42

    return change


def screened(kind: str, result: str) -> Change:
    """Another result of a screening around the session."""

    def change(care: Care, picked: Picked) -> None:
        mine = _linked(care, "screenings", picked) & (care.tables["screenings"]["kind"] == kind)
        care.tables["screenings"]["result"][mine] = result

    return change


def not_screened(kind: str) -> Change:
    """A screening around the session that was not done."""

    def change(care: Care, picked: Picked) -> None:
        mine = _linked(care, "screenings", picked) & (care.tables["screenings"]["kind"] == kind)
        leave_out(care, "screenings", mine)

    return change


def scored(instrument: str, total: int) -> Change:
    """Another score at the session."""

    def change(care: Care, picked: Picked) -> None:
        outcomes = care.tables["outcomes"]
        mine = _linked(care, "outcomes", picked) & (outcomes["instrument"] == instrument)
        outcomes["total"][mine] = total

    return change


def alone(care: Care, picked: Picked) -> None:
    """Nobody was with the patient during the session."""
    leave_out(care, "contacts", _linked(care, "contacts", picked))


def monitored_by_prescriber(care: Care, picked: Picked) -> None:
    """The prescriber watches as well."""
    sessions = care.tables["sessions"]
    sessions["monitor_id"][picked] = sessions["prescriber_id"][picked]


def by_hired(column: str, from_last: int) -> Change:
    """By one of those hired last."""

    def change(care: Care, picked: Picked) -> None:
        care.tables["sessions"][column][picked] = care.tables["staff"]["staff_id"][-from_last]

    return change


def _linked(care: Care, feed: str, picked: Picked) -> Column:
    mine = care.tables["sessions"]["session_id"][picked]
    return np.isin(care.tables[feed]["session_id"], mine)
