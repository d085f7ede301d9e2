"""What surrounds sessions: scores, contacts, screenings, adverse events."""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.people import NURSES, PRESCRIBERS, THERAPIST, Care
from flows.demo.programs import (
    ALCOHOL,
    BIPOLAR,
    BY_NAME,
    EMERGENCY,
    ESKETAMINE,
    IV,
    KAP,
    SPRAYS,
    TAKE_HOME,
)
from flows.demo.tables import Column, Table, numbers, rows_of, size, stacked

SCORE_WEEKS = np.array([0, 2, 4, 8, 12, 16])
# Days between the first session and the score of the first week, where the programme has a scale of
# its own.
FIRST_WEEK = 7
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
_HIGH_SHARE = 0.3
# Answers to the C-SSRS: thoughts; thoughts with an intent; none.
_LOW, _HIGH, _NONE = "1;1;0;0;0;0", "1;1;1;1;0;0", "0;0;0;0;0;0"


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
    """PHQ-9 and GAD-7 two days before treatment, every few weeks and before each refill; the
    programme's own scale; what safety asks for."""
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
           "items": _items(gad_total, 7)}  # fmt: skip
    outcomes = stacked(
        asked | phq, asked | gad, _own_scales(care, asked, phq), _safety_tests(care),
        _mania_scores(care), _screeners(care, asked, phq),
    )  # fmt: skip
    outcomes["outcome_id"] = numbers(size(outcomes))
    return outcomes


def _own_scales(care: Care, asked: Table, phq: Table) -> Table:
    """Where a programme has a scale of its own it is asked with the others, and a week after the
    first session; it goes the way of the PHQ-9."""
    patients = care.tables["patients"]
    names, index = np.unique(patients["program"], return_inverse=True)
    programs = [BY_NAME.get(name) for name in names.tolist()]
    scale = np.array([of.instrument if of else "" for of in programs])[index]
    most = np.array([of.instrument_most if of else 0 for of in programs])[index]
    mine = scale[asked["patient"]] != ""
    often = rows_of(asked, mine) | {"share": phq["total"][mine] / 27}
    early = rows_of(often, often["week"] == 0)
    day = patients["treatment_started_on"][early["patient"]] + FIRST_WEEK
    early = rows_of(
        early
        | {
            "administered_at": care.clinic.instants(day, np.full(len(day), 10 * 60)),
            "share": early["share"] * 0.8,
            "week": np.ones(len(day), dtype=int),
        },
        day <= np.datetime64(LAST_DAY),
    )
    scored = stacked(often, early)
    who = scored["patient"]
    return scored | {
        "instrument": scale[who],
        "total": (scored.pop("share") * most[who]).round().astype(int),
    }


def _safety_tests(care: Care) -> Table:
    """Urinary symptoms and cognition, once before treatment."""
    patients, rng = care.tables["patients"], care.rng
    every = np.arange(size(patients))
    at = care.clinic.instants(patients["treatment_started_on"] - 2, np.full(len(every), 15 * 60))
    tested = {"patient": every, "patient_id": every + 1, "administered_at": at,
              "week": np.zeros(len(every), dtype=int)}  # fmt: skip
    return stacked(
        tested | {"instrument": np.full(len(every), "BPIC-SS"),
                  "total": rng.integers(0, 11, len(every))},
        tested | {"instrument": np.full(len(every), "MoCA"),
                  "total": rng.integers(25, 31, len(every))},
    )  # fmt: skip


def _mania_scores(care: Care) -> Table:
    """YMRS before each session in bipolar depression, and two days after."""
    sessions = care.tables["sessions"]
    held = rows_of(sessions, (sessions["program"] == BIPOLAR) & ~np.isnat(sessions["started_at"]))
    scored = {"patient": held["patient"], "patient_id": held["patient_id"],
              "instrument": np.full(size(held), "YMRS"),
              "total": care.rng.integers(0, 4, size(held))}  # fmt: skip
    after = held["started_at"] + np.timedelta64(48, "h")
    over = after.astype("datetime64[D]") < np.datetime64(LAST_DAY)
    before = held["started_at"] - np.timedelta64(30, "m")
    return stacked(
        scored | {"administered_at": before, "session_id": held["session_id"]},
        rows_of(scored | {"administered_at": after}, over),
    )


def _screeners(care: Care, asked: Table, phq: Table) -> Table:
    """The C-SSRS after a positive item 9 and before each emergency dose, and again within days."""
    sessions = care.tables["sessions"]
    positive = rows_of(asked, phq["positive"])
    high = care.rng.random(size(positive)) < _HIGH_SHARE
    urgent = rows_of(
        sessions, (sessions["program"] == EMERGENCY) & ~np.isnat(sessions["started_at"])
    )
    kept = ("patient", "patient_id")
    first = stacked(
        {name: positive[name] for name in kept}
        | {"administered_at": positive["administered_at"] + np.timedelta64(30, "m"),
           "level": np.where(high, 2, 1)},
        {name: urgent[name] for name in kept}
        | {"administered_at": urgent["started_at"] - np.timedelta64(40, "m"),
           "level": np.full(size(urgent), 2)},
    )  # fmt: skip
    days = np.where(np.arange(size(first)) < size(positive), 5 * 24, 20)
    later = first["administered_at"] + days.astype("timedelta64[h]")
    over = later.astype("datetime64[D]") < np.datetime64(LAST_DAY)
    again = rows_of(
        first | {"administered_at": later, "level": np.zeros(size(first), dtype=int)}, over
    )
    screened = stacked(first, again)
    return screened | {
        "instrument": np.full(size(screened), "C-SSRS"),
        "items": np.array([_NONE, _LOW, _HIGH])[screened["level"]],
    }


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
    """Psychotherapy around injections, therapy beside infusions for alcohol use, a visit before
    and a review before each refill, contacts after a positive screen and an emergency dose; one
    appointment in ten was missed and made good the day after."""
    parts = [_psychotherapy(care), _therapy(care), _reviews(care), _crisis_contacts(care),
             _after_emergency(care)]  # fmt: skip
    met = stacked(*parts)
    met = rows_of(met, met["ended_at"].astype("datetime64[D]") <= np.datetime64(LAST_DAY))
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


def _therapy(care: Care) -> Table:
    held = _held(care, (ALCOHOL,))
    at = held["started_at"] + np.timedelta64(50, "h")
    return _contact(held["patient"], "therapy", at, 50, "in_person")


def _after_emergency(care: Care) -> Table:
    held = _held(care, (EMERGENCY,))
    at = held["discharged_at"] + np.timedelta64(30, "h")
    return _contact(held["patient"], "follow_up", at, 20, "video") | {
        "staff_id": np.full(size(held), NURSES[0])
    }


def _held(care: Care, programs: tuple[str, ...]) -> Table:
    """Sessions of some programmes that took place."""
    sessions = care.tables["sessions"]
    return rows_of(
        sessions, np.isin(sessions["program"], programs) & ~np.isnat(sessions["started_at"])
    )


def _reviews(care: Care) -> Table:
    """Seen in person before the first supply, on video before each refill."""
    who, number, day = fills(care)
    first = number == 0
    before = day - np.where(first, 3, 2)
    at = care.clinic.instants(before, np.full(len(who), 12 * 60 + 30))
    return _contact(who, "review", at, 20, "video") | {
        "modality": np.where(first, "in_person", "video"),
        "staff_id": PRESCRIBERS[who % len(PRESCRIBERS)],
    }


def _crisis_contacts(care: Care) -> Table:
    """A prescriber on the day of a positive screen; at high risk a therapist each week after."""
    outcomes = care.tables["outcomes"]
    kept = outcomes["level"] > 0
    positive = rows_of(outcomes, kept)
    at = positive["administered_at"] + np.timedelta64(_SAFETY_HOURS, "h")
    soon = _contact(positive["patient"], "crisis", at, 25, "video") | {
        "staff_id": PRESCRIBERS[positive["patient"] % len(PRESCRIBERS)]
    }
    high = rows_of(positive, positive["level"] > 1)
    who, week = np.repeat(high["patient"], 4), np.tile(np.arange(1, 5), size(high))
    at = np.repeat(high["administered_at"], 4) + (week * 7 * 24 + 2).astype("timedelta64[h]")
    return stacked(soon, _contact(who, "therapy", at, 40, "video"))


def _screenings(care: Care) -> Table:
    """Before treatment: prescription monitoring, urine drug screen, liver, ECG, psychosis,
    pregnancy; before each session a review of contraindications and what its programme asks for;
    with a positive PHQ-9 item 9 a safety plan."""
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
        _screening(every, "psychosis", at, "negative"),
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
    positive = rows_of(outcomes, outcomes["level"] > 0)
    plans = _screening(
        positive["patient"], "safety_plan",
        positive["administered_at"] + np.timedelta64(_SAFETY_HOURS * 60 - 5, "m"), "done",
    )  # fmt: skip
    screenings = stacked(*first, reviewed, queried, plans, *_before_sessions(care))
    screenings["screening_id"] = numbers(size(screenings))
    return screenings


def _before_sessions(care: Care) -> list[Table]:
    """Fasting before a spray, breath before an infusion for alcohol use, psychosis before and a
    safety plan after an emergency dose; a decision where the pressure is high before a spray."""
    asked: tuple[tuple[tuple[str, ...], str, int, str], ...] = (
        (SPRAYS, "fasting", -14, "done"),
        ((ALCOHOL,), "breath_alcohol", -20, "negative"),
        ((EMERGENCY,), "psychosis", -35, "negative"),
        ((EMERGENCY,), "safety_plan", 90, "done"),
    )
    found = [
        _around(_held(care, programs), kind, minutes, result)
        for programs, kind, minutes, result in asked
    ]
    sessions, vitals = care.tables["sessions"], care.tables["vitals"]
    before = np.flatnonzero(vitals["reading"] == 0)
    high = (vitals["systolic_mmhg"][before] > 140) | (vitals["diastolic_mmhg"][before] > 90)
    decided = rows_of(sessions, vitals["session"][before[high]])
    decided = rows_of(decided, np.isin(decided["program"], SPRAYS))
    return [*found, _around(decided, "bp_decision", -10, "done")]


def _around(sessions: Table, kind: str, minutes: int, result: str) -> Table:
    at = sessions["started_at"] + np.timedelta64(minutes, "m")
    return _screening(sessions["patient"], kind, at, result) | {
        "session_id": sessions["session_id"]
    }


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
