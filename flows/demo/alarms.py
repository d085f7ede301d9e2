"""What was not done after a positive item 9 of the PHQ-9, each with another patient."""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.people import Care
from flows.demo.planting import NOT_MET, Planting, leave_out
from flows.demo.programs import ALCOHOL, EMERGENCY, KAP, TAKE_HOME
from flows.demo.tables import Column, Table, size

_SUICIDALITY = "suicidality"


def leave_unanswered(planting: Planting) -> None:
    """Break each rule about positive screens a few times, where there is room."""
    care = planting.care
    outcomes = care.tables["outcomes"]
    left_out = outcomes.setdefault("left_out", np.zeros(size(outcomes), dtype=bool))
    outcomes["recorded_at"] = np.full(size(outcomes), np.datetime64("NaT", "m"))
    program = care.tables["patients"]["program"][outcomes["patient"]]
    settled = outcomes["administered_at"] < np.datetime64(LAST_DAY) - 30
    fits = settled & ~left_out & ~np.isin(program, (ALCOHOL, EMERGENCY, KAP, TAKE_HOME))
    phq = np.flatnonzero(fits & (outcomes["instrument"] == "PHQ-9") & (outcomes["week"] > 0))
    _miss_item(planting, phq)
    screened = fits & (outcomes["instrument"] == "C-SSRS")
    ways = {
        1: (_no_contact, _no_plan, _no_screener, _not_again),
        2: (_no_contact_at_high_risk, _no_weekly_contact),
    }
    for level, lapses in ways.items():
        found = screened & (outcomes["level"] == level)
        if level > 1:
            # At high risk more than once, one month of contacts would answer for another.
            found &= ~_often_at_risk(outcomes, level)
        rows = care.rng.permutation(np.flatnonzero(found))
        _, first = np.unique(outcomes["patient"][rows], return_index=True)
        rows = rows[np.sort(first)]
        turn = care.clinic.carelessness
        for at, row in enumerate(rows[: max(len(lapses), len(rows) // 8)].tolist()):
            positive = _asked_before(outcomes, row)
            if positive is not None:
                lapses[(at + turn) % len(lapses)](planting, positive, row)


def _often_at_risk(outcomes: Table, level: int) -> Column:
    """Scores of patients who were found at this level more than once."""
    at_level = outcomes["patient"][outcomes["level"] == level]
    patients, often = np.unique(at_level, return_counts=True)
    return np.isin(outcomes["patient"], patients[often > 1])


def _asked_before(outcomes: Table, row: int) -> int | None:
    """The PHQ-9 that a C-SSRS followed."""
    at = outcomes["administered_at"][row] - np.timedelta64(30, "m")
    asked = (outcomes["patient"] == outcomes["patient"][row]) & (outcomes["administered_at"] == at)
    found = np.flatnonzero(asked & (outcomes["instrument"] == "PHQ-9") & ~outcomes["left_out"])
    return int(found[0]) if len(found) else None


def _miss_item(planting: Planting, phq: Column) -> None:
    """An item 9 that was not answered, and a score charted three days late."""
    outcomes = planting.care.tables["outcomes"]
    unanswered = [at for at in phq.tolist() if str(outcomes["items"][at]).endswith(";0")]
    for at in unanswered[:1]:
        outcomes["items"][at] = str(outcomes["items"][at])[:-1]
        _say(planting, [at], "item 9 was not answered", "item-9-answered")
    for at in unanswered[1:2]:
        outcomes["recorded_at"][at] = outcomes["administered_at"][at] + np.timedelta64(72, "h")
        _say(planting, [at], "charted three days later", "charted-in-time")


def _say(planting: Planting, rows: list[int], reason: str, *rules: str) -> None:
    planting.breach(
        np.array(rows), reason, {f"{_SUICIDALITY}/{rule}": NOT_MET for rule in rules}, "outcomes"
    )


def _contacts_after(care: Care, row: int, days: float, *kinds: str) -> Column:
    """The patient's contacts of some kinds within so many days of a score."""
    outcomes, contacts = care.tables["outcomes"], care.tables["contacts"]
    since = contacts["started_at"] - outcomes["administered_at"][row]
    mine = contacts["patient_id"] == outcomes["patient_id"][row]
    mine &= ~contacts.get("left_out", np.zeros(size(contacts), dtype=bool))
    mine &= (since >= np.timedelta64(0, "m")) & (since / np.timedelta64(1440, "m") <= days)
    return np.flatnonzero(mine & np.isin(contacts["kind"], kinds))


def _no_contact(planting: Planting, positive: int, row: int) -> None:
    care = planting.care
    leave_out(care, "contacts", _contacts_after(care, row, 1, "crisis"))
    _say(planting, [positive], "nobody called after a positive screen", "contact")
    if not len(_contacts_after(care, positive, 14, "crisis", "therapy")):
        _say(planting, [positive], "nobody called after a positive screen", "follow-up-visit")


def _no_plan(planting: Planting, positive: int, row: int) -> None:
    care = planting.care
    outcomes, screenings = care.tables["outcomes"], care.tables["screenings"]
    since = screenings["performed_at"] - outcomes["administered_at"][row]
    plans = (screenings["patient_id"] == outcomes["patient_id"][row]) & (
        screenings["kind"] == "safety_plan"
    )
    plans &= (since > np.timedelta64(0, "m")) & (since < np.timedelta64(1440, "m"))
    leave_out(care, "screenings", np.flatnonzero(plans))
    _say(planting, [positive], "no safety plan after a positive screen", "safety-plan")


def _no_screener(planting: Planting, positive: int, row: int) -> None:
    leave_out(planting.care, "outcomes", np.array([row]))
    _say(planting, [positive], "no C-SSRS after a positive item 9", "screener-after-item-9")


def _not_again(planting: Planting, positive: int, row: int) -> None:
    outcomes = planting.care.tables["outcomes"]
    since = outcomes["administered_at"] - outcomes["administered_at"][row]
    again = (outcomes["patient"] == outcomes["patient"][row]) & (outcomes["level"] == 0)
    again &= since == np.timedelta64(5 * 24 * 60, "m")
    leave_out(planting.care, "outcomes", np.flatnonzero(again))
    _say(planting, [positive], "not screened again", "screened-again")


def _no_contact_at_high_risk(planting: Planting, positive: int, row: int) -> None:
    care = planting.care
    leave_out(care, "contacts", _contacts_after(care, row, 1, "crisis"))
    reason = "nobody called at high risk"
    _say(planting, [positive, row], reason, "contact")
    _say(planting, [row], reason, "contact-high")


def _no_weekly_contact(planting: Planting, positive: int, row: int) -> None:
    """Nobody but who answers a screen calls for four weeks."""
    care = planting.care
    del positive
    leave_out(care, "contacts", _contacts_after(care, row, 30, "therapy"))
    started = care.tables["contacts"]["started_at"][_contacts_after(care, row, 28, "crisis")]
    asked = care.tables["outcomes"]["administered_at"][row]
    times = np.sort(np.r_[asked, started, asked + np.timedelta64(28 * 1440, "m")])
    if np.diff(times).max() > np.timedelta64(8 * 1440, "m"):
        _say(planting, [row], "weeks at high risk without a contact", "weekly-contact")
