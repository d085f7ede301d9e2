"""What surrounds sessions: scores, contacts, screenings, adverse events."""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.people import ESKETAMINE, IV, KAP, PRESCRIBERS, TAKE_HOME, THERAPIST, Care
from flows.demo.tables import Column, Table, numbers, rows_of, size, stacked

SCORE_WEEKS = np.array([0, 2, 4, 8, 12, 16])
REFILL_DAYS = 28
# In a cohort of 537 patients 53.6 % responded and 28.9 % remitted (McInnes 2022, clinical-facts
# 7a), and of those who had responded about six in ten still did after eight weeks.
RESPONDING_SHARE, RELAPSING_SHARE = 0.54, 0.35
# Per session: IV from the first week of esketamine's phase 3 trials (n = 928), esketamine from its
# REMS (clinical-facts 7b).
_EVENTS = {
    IV: (("dizziness", 0.206), ("nausea", 0.14), ("dissociation", 0.167)),
    ESKETAMINE: (("dissociation", 0.41), ("sedation", 0.347), ("hypertension", 0.009)),
    KAP: (("nausea", 0.14), ("dissociation", 0.167)),
}
_SERIOUS_SHARE = 0.0005
_SAFETY_HOURS = 3


def follow(care: Care) -> None:
    """Outcomes, contacts, screenings and events of one clinic."""
    care.tables["outcomes"] = _outcomes(care)
    care.tables["contacts"] = _contacts(care)
    care.tables["screenings"] = _screenings(care)
    care.tables["events"] = _events(care)


def fills(care: Care) -> tuple[Column, Column, Column]:
    """Patient, number and day of each take-home supply."""
    patients = care.tables["patients"]
    mine = np.flatnonzero(patients["program"] == TAKE_HOME)
    most = max(1, care.days // REFILL_DAYS + 1)
    who, number = np.repeat(mine, most), np.tile(np.arange(most), len(mine))
    day = patients["treatment_started_on"][who] + REFILL_DAYS * number
    within = day <= np.datetime64(LAST_DAY)
    return who[within], number[within], day[within]


def _outcomes(care: Care) -> Table:
    """PHQ-9 and GAD-7 two days before treatment and every few weeks; PHQ-9 before each refill."""
    patients, rng = care.tables["patients"], care.rng
    count = size(patients)
    responds = rng.random(count) < RESPONDING_SHARE
    course = {
        "baseline": rng.normal(19, 3.2, count).clip(11, 27),
        "fall": np.where(responds, rng.uniform(0.57, 1.03, count), rng.uniform(0, 0.42, count)),
        "relapses": responds & (rng.random(count) < RELAPSING_SHARE),
        "at_risk": rng.random(count) < 0.12,
    }
    who, week = np.repeat(np.arange(count), len(SCORE_WEEKS)), np.tile(SCORE_WEEKS, count)
    day = patients["treatment_started_on"][who] + np.where(week == 0, -2, week * 7 + 5)
    refill_who, number, refill_day = fills(care)
    again = number > 0
    who = np.concatenate([who, refill_who[again]])
    week = np.concatenate([week, number[again] * REFILL_DAYS // 7])
    day = np.concatenate([day, refill_day[again] - 2])
    within = day <= np.datetime64(LAST_DAY)
    who, week, day = who[within], week[within], day[within]
    asked: Table = {
        "patient": who,
        "week": week,
        "patient_id": who + 1,
        "administered_at": care.clinic.instants(day, 11 * 60 + 7 * (who % 50)),
    }
    phq = _phq9(course, who, week, rng)
    gad_total = (phq["total"] * 0.7 + rng.normal(0, 1, len(who))).clip(0, 21).round().astype(int)
    gad = {"instrument": np.full(len(who), "GAD-7"), "total": gad_total,
           "items": _items(gad_total, 7), "positive": np.zeros(len(who), dtype=bool)}  # fmt: skip
    outcomes = stacked(asked | phq, asked | gad)
    outcomes["outcome_id"] = numbers(size(outcomes))
    return outcomes


def _phq9(course: Table, who: Column, week: Column, rng: np.random.Generator) -> Table:
    """Scores that fall within days, stay, and in some come back; the last item in a few."""
    gone = course["fall"][who] * (1 - np.exp(-week / 1.5))
    gone = np.where(course["relapses"][who] & (week > 8), gone * 0.25, gone)
    total = course["baseline"][who] * (1 - gone) + rng.normal(0, 0.8, len(who))
    total = total.clip(0, 25).round().astype(int)
    positive = course["at_risk"][who] & (total >= 10)
    items = np.char.add(
        np.char.add(_items(total - positive, 8), ";"), positive.astype(int).astype(str)
    )
    # Eight items hold 24 points at most.
    total = np.minimum(total, 24 + positive)
    return {"instrument": np.full(len(who), "PHQ-9"), "total": total, "items": items,
            "positive": positive}  # fmt: skip


def _items(totals: Column, count: int) -> Column:
    """So many item scores of 0 to 3 that add up to each total."""
    totals = np.minimum(totals, 3 * count)
    scores = totals[:, None] // count + (np.arange(count)[None, :] < (totals % count)[:, None])
    joined = scores[:, 0].astype(str)
    for item in range(1, count):
        joined = np.char.add(np.char.add(joined, ";"), scores[:, item].astype(str))
    return joined


def _contacts(care: Care) -> Table:
    """Psychotherapy around injections, a review before each refill, a call after a positive
    last item of the PHQ-9; one appointment in ten was missed and made good the day after."""
    parts = [_psychotherapy(care), _reviews(care), _crisis_calls(care)]
    met = stacked(*parts)
    met |= {"status": np.full(size(met), "completed")}
    missed = rows_of(met, care.rng.random(size(met)) < 0.1)
    missed = missed | {
        "status": np.full(size(missed), "no_show"),
        "scheduled_at": missed["scheduled_at"] - np.timedelta64(24, "h"),
        "started_at": np.full(size(missed), np.datetime64("NaT", "m")),
        "ended_at": np.full(size(missed), np.datetime64("NaT", "m")),
    }
    contacts = stacked(met, missed)
    contacts["contact_id"] = numbers(size(contacts))
    return contacts


def _contact(who: Column, kind: str, at: Column, minutes: int, modality: str) -> Table:
    return {
        "patient_id": who + 1,
        "kind": np.full(len(who), kind),
        "modality": np.full(len(who), modality),
        "scheduled_at": at,
        "started_at": at,
        "ended_at": at + np.timedelta64(minutes, "m"),
        "staff_id": np.full(len(who), THERAPIST),
    }


def _psychotherapy(care: Care) -> Table:
    patients, sessions = care.tables["patients"], care.tables["sessions"]
    mine = np.flatnonzero(patients["program"] == KAP)
    who, before = np.repeat(mine, 3), np.tile([12, 8, 3], len(mine))
    day = patients["treatment_started_on"][who] - before
    preparation = _contact(
        who, "preparation", care.clinic.instants(day, np.full(len(who), 13 * 60)), 60, "video"
    )
    held = rows_of(sessions, (sessions["program"] == KAP) & (sessions["status"] == "completed"))
    beside = _contact(held["patient"], "dosing_support", held["started_at"], 120, "in_person")
    beside |= {"session_id": held["session_id"]}
    after = held["started_at"] + np.timedelta64(49, "h")
    over = after.astype("datetime64[D]") <= np.datetime64(LAST_DAY)
    integration = _contact(held["patient"][over], "integration", after[over], 60, "in_person")
    return stacked(preparation, beside, integration)


def _reviews(care: Care) -> Table:
    who, number, day = fills(care)
    again = number > 0
    minute = np.full(int(again.sum()), 12 * 60 + 30)
    at = care.clinic.instants(day[again] - 2, minute)
    return _contact(who[again], "review", at, 20, "video") | {
        "staff_id": PRESCRIBERS[who[again] % len(PRESCRIBERS)]
    }


def _crisis_calls(care: Care) -> Table:
    outcomes = care.tables["outcomes"]
    positive = rows_of(outcomes, outcomes["positive"])
    at = positive["administered_at"] + np.timedelta64(_SAFETY_HOURS, "h")
    return _contact(positive["patient"], "crisis", at, 25, "audio") | {
        "staff_id": PRESCRIBERS[positive["patient"] % len(PRESCRIBERS)]
    }


def _screenings(care: Care) -> Table:
    """Before treatment: prescription monitoring, urine drug screen, liver, ECG, pregnancy; before
    each session a review of contraindications; with a positive PHQ-9 item 9 a safety plan."""
    patients, sessions, outcomes = (care.tables[f] for f in ("patients", "sessions", "outcomes"))
    every = np.arange(size(patients))
    at = care.clinic.instants(patients["treatment_started_on"] - 3, np.full(len(every), 10 * 60))
    female = patients["sex"] == "F"
    first = [
        _screening(every, "pdmp", at, "done"),
        _screening(every, "uds", at, "negative") | {"expected": np.full(len(every), True)},
        _screening(every, "lft", at, "normal"),
        _screening(every, "urinalysis", at, "normal"),
        _screening(every, "ecg", at, "normal"),
        _screening(every[female], "pregnancy", at[female], "negative"),
    ]
    held = rows_of(sessions, ~np.isnat(sessions["started_at"]))
    reviewed = _screening(
        held["patient"], "contraindication_review",
        held["started_at"] - np.timedelta64(15, "m"), "done",
    ) | {"session_id": held["session_id"]}  # fmt: skip
    who, number, day = fills(care)
    again = number > 0
    queried = _screening(
        who[again], "pdmp",
        care.clinic.instants(day[again] - 1, np.full(int(again.sum()), 9 * 60)), "done",
    )  # fmt: skip
    positive = rows_of(outcomes, outcomes["positive"])
    plans = _screening(
        positive["patient"], "safety_plan",
        positive["administered_at"] + np.timedelta64(_SAFETY_HOURS + 1, "h"), "done",
    )  # fmt: skip
    screenings = stacked(*first, reviewed, queried, plans)
    screenings["screening_id"] = numbers(size(screenings))
    return screenings


def _screening(who: Column, kind: str, at: Column, result: str) -> Table:
    return {
        "patient_id": who + 1,
        "kind": np.full(len(who), kind),
        "performed_at": at,
        "result": np.full(len(who), result),
        "staff_id": PRESCRIBERS[who % len(PRESCRIBERS)],
    }


def _events(care: Care) -> Table:
    sessions, rng = care.tables["sessions"], care.rng
    held = rows_of(sessions, ~np.isnat(sessions["started_at"]))
    parts = []
    for program, kinds in _EVENTS.items():
        mine = held["program"] == program
        for kind, share in kinds:
            some = rows_of(held, mine & (rng.random(len(mine)) < share))
            parts.append(
                {
                    "patient_id": some["patient_id"],
                    "session_id": some["session_id"],
                    "kind": np.full(size(some), kind),
                    "started_at": some["started_at"] + np.timedelta64(22, "m"),
                    "resolved_at": some["started_at"] + np.timedelta64(75, "m"),
                }
            )
    events = stacked(*parts)
    serious = rng.random(size(events)) < _SERIOUS_SHARE
    reported = events["started_at"] + np.timedelta64(20, "h")
    return events | {
        "event_id": numbers(size(events)),
        "serious": serious,
        "reported_at": np.where(serious, reported, np.datetime64("NaT", "m")),
    }
