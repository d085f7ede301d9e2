"""Scores of the sample's patients: how they fare, what safety asks for."""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.people import Care
from flows.demo.programs import BIPOLAR, BY_NAME, EMERGENCY
from flows.demo.supply import REFILL_DAYS, fills
from flows.demo.tables import Column, Table, numbers, rows_of, size, stacked

SCORE_WEEKS = np.array([0, 2, 4, 8, 12, 16])
# Days between the first session and the score of the first week, where the programme has a scale of
# its own.
FIRST_WEEK = 7
# In a cohort of 537 patients 53.6 % responded and 28.9 % remitted (McInnes 2022, clinical-facts
# 7a), and of those who had responded about six in ten still did after eight weeks.
RESPONDING_SHARE, RELAPSING_SHARE = 0.54, 0.35
_HIGH_SHARE = 0.3
# Answers to the C-SSRS: thoughts; thoughts with an intent; none.
_LOW, _HIGH, _NONE = "1;1;0;0;0;0", "1;1;1;1;0;0", "0;0;0;0;0;0"


def outcomes(care: Care) -> Table:
    """PHQ-9 and GAD-7 two days before treatment, every few weeks and before each refill; the
    programme's own scale; what safety asks for."""
    patients, rng = care.tables["patients"], care.rng
    count = size(patients)
    responds = rng.random(count) < RESPONDING_SHARE
    # Who wants more and more is ill, and no better for it.
    restless = np.arange(count) < care.restless
    responds &= ~restless
    course = {
        "baseline": rng.normal(19, 3.2, count).clip(11, 27),
        "fall": np.where(responds, rng.uniform(0.57, 1.03, count), rng.uniform(0, 0.42, count)),
        "relapses": responds & (rng.random(count) < RELAPSING_SHARE),
        "at_risk": rng.random(count) < 0.12,
    }
    course["baseline"][restless] = course["baseline"][restless].clip(16)
    course["fall"][restless] = course["fall"][restless].clip(0, 0.25)
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
    scored = stacked(
        asked | phq, asked | gad, _own_scales(care, asked, phq), _safety_tests(care),
        _mania_scores(care), _screeners(care, asked, phq),
    )  # fmt: skip
    return scored | {"outcome_id": numbers(size(scored))}


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
