"""What is done wrong to a patient, which several of their sessions show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flows.demo.people import TWICE_HERE, TWICE_THERE, Care
from flows.demo.planting import NOT_MET, REPEATED, Planting, given, leave_out, readings
from flows.demo.programs import IV
from flows.demo.tables import Column, size, stacked

_SCALES = ("PHQ-9", "GAD-7")
# Fewer patients than this have no lapses of their own: one would bear too many.
_LEAST_PATIENTS = 8

# What a lapse of one patient breaks: which of their sessions, by rule.
Lapse = Callable[[Planting, int, Column], dict[str, Column]]


def neglect_patients(planting: Planting) -> None:
    """One patient with infusions for each lapse; a patient may have two of different kinds."""
    care = planting.care
    mine = np.flatnonzero(care.tables["patients"]["program"] == IV)
    mine = mine[(mine >= care.restless) & ~np.isin(mine, (*TWICE_HERE, *TWICE_THERE))]
    if len(mine) < _LEAST_PATIENTS:
        return
    mine = care.rng.permutation(mine)
    for at, (reason, lapse) in enumerate(_LAPSES):
        patient = int(mine[at % len(mine)])
        for rule, sessions in lapse(planting, patient, _of_patient(care, patient)).items():
            planting.breach(sessions, reason, {rule: NOT_MET})
    _miss_pregnancy_test(planting, mine)


def _of_patient(care: Care, patient: int) -> Column:
    return np.flatnonzero(given(care) & (care.tables["sessions"]["patient"] == patient))


def _days_since_start(care: Care, sessions: Column, patient: int) -> Column:
    start = care.tables["patients"]["treatment_started_on"][patient] - care.first_day
    return np.asarray(care.tables["sessions"]["day"][sessions] - start.astype(int))


def _shown(
    rule: str, change: Callable[[Care, int], None], *, from_day: int = 0, to_day: int = 9999,
    after_sessions: int = 0,
) -> Lapse:  # fmt: skip
    """A change that breaks a rule of all sessions between two days of the course, and after so
    many completed ones."""

    def lapse(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
        care = planting.care
        change(care, patient)
        day = _days_since_start(care, theirs, patient)
        completed = care.tables["sessions"]["status"][theirs] == "completed"
        before = np.cumsum(completed) - completed
        shown = (day >= from_day) & (day <= to_day) & (before >= after_sessions)
        return {rule: theirs[shown]}

    return lapse


def _is(column: str, value: object) -> Callable[[Care, int], None]:
    def change(care: Care, patient: int) -> None:
        care.tables["patients"][column][patient] = value

    return change


def _dated(column: str, days: int) -> Callable[[Care, int], None]:
    """A date of the patient's so many days from the first session."""

    def change(care: Care, patient: int) -> None:
        patients = care.tables["patients"]
        patients[column][patient] = patients["treatment_started_on"][patient] + days

    return change


def _found(kind: str, result: str) -> Callable[[Care, int], None]:
    def change(care: Care, patient: int) -> None:
        screenings = care.tables["screenings"]
        mine = (screenings["patient_id"] == patient + 1) & (screenings["kind"] == kind)
        screenings["result"][mine] = result

    return change


def _urinary(care: Care, patient: int) -> Column:
    outcomes = care.tables["outcomes"]
    return np.asarray((outcomes["patient"] == patient) & (outcomes["instrument"] == "BPIC-SS"))


def _urinary_never_scored(care: Care, patient: int) -> None:
    leave_out(care, "outcomes", _urinary(care, patient))


def _urinary_scored_high(care: Care, patient: int) -> None:
    care.tables["outcomes"]["total"][_urinary(care, patient)] = 22


def _urinary_event(care: Care, patient: int) -> None:
    """Symptoms on the sixth day of the course."""
    day = care.tables["patients"]["treatment_started_on"][patient] + 5
    at = care.clinic.instants(np.array([day]), np.array([12 * 60]))
    events = care.tables["events"]
    care.tables["events"] = stacked(events, {
        "event_id": np.array([size(events) + 1]), "patient_id": np.array([patient + 1]),
        "kind": np.array(["urinary_symptoms"]), "serious": np.array([False]),
        "started_at": at, "resolved_at": at + np.timedelta64(72, "h"),
    })  # fmt: skip


def _pressure_history(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    """Three sessions begun at a pressure of 180, which is just not too high to begin."""
    care = planting.care
    high = readings(care, theirs[:3], 0)
    care.tables["vitals"]["systolic_mmhg"][high] = 180
    planting.drop(theirs)
    near = _days_since_start(care, theirs, patient) < 90
    return {f"{REPEATED}/pressure-history": theirs[2:][near[2:]]}


def _no_early_score(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    return _unscored(planting, patient, theirs, 0) | {"score-before-course": theirs}


def _no_score_after(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    sessions = planting.care.tables["sessions"]
    sixth = theirs[sessions["number"][theirs] == 5]
    over = sessions["day"][sixth] + 14 < planting.care.days
    return _unscored(planting, patient, theirs, 2) | {"score-after-induction": sixth[over]}


def _unscored(planting: Planting, patient: int, theirs: Column, week: int) -> dict[str, Column]:
    """Leave out the scores of a week, and see which sessions have none lately for that."""
    care = planting.care
    outcomes, sessions = care.tables["outcomes"], care.tables["sessions"]
    mine = outcomes["patient"] == patient
    gone = mine & np.isin(outcomes["instrument"], _SCALES) & (outcomes["week"] == week)
    leave_out(care, "outcomes", gone)
    kept = mine & ~outcomes["left_out"]
    day = sessions["day"][theirs]
    depression = care.days_of(
        outcomes["administered_at"][kept & (outcomes["instrument"] == "PHQ-9")]
    )
    scored = care.days_of(outcomes["administered_at"][kept & ~np.isnan(outcomes["total"])])
    later = sessions["number"][theirs] > 0
    return {
        "score-during-course": theirs[~_within(depression, day, 28)],
        f"{REPEATED}/outcome-tracked": theirs[later & ~_within(scored, day, 30)],
    }


def _within(days: Column, of: Column, most: int) -> Column:
    """Whether one of the days lies in the so many days up to each."""
    apart = of[:, None] - days[None, :]
    return np.asarray(((apart >= 0) & (apart <= most)).any(axis=1))


_LAPSES: tuple[tuple[str, Lapse], ...] = (
    ("treated at seventeen", _shown("adult", _dated("birth_date", -17 * 365))),
    ("no score before the course", _no_early_score),
    ("psychotic at the screening", _shown("psychosis-screen", _found("psychosis", "positive"))),
    ("consent signed ten days late",
     _shown("consent", _dated("consent_signed_on", 10), to_day=9)),
    ("urinary symptoms never scored",
     _shown(f"{REPEATED}/urinary-symptoms", _urinary_never_scored, after_sessions=6)),
    ("no review after abnormal liver values",
     _shown(f"{REPEATED}/liver-answered", _found("lft", "abnormal"), to_day=87)),
    ("three sessions begun at 180 systolic", _pressure_history),
    ("only one treatment before", _shown("failed-trials", _is("failed_trials", 1))),
    ("no score after the sixth session", _no_score_after),
    ("a consent more than a year old",
     _shown(f"{REPEATED}/consent-renewed", _dated("consent_signed_on", -400))),
    ("earlier sessions not charted",
     _shown(f"{REPEATED}/exposure-known", _is("prior_sessions", np.nan))),
    ("a high score of urinary symptoms, not looked into",
     _shown(f"{REPEATED}/urinary-score-answered", _urinary_scored_high, to_day=28)),
    ("urinary symptoms, not looked into",
     _shown(f"{REPEATED}/urinary-event-answered", _urinary_event, from_day=6, to_day=35)),
)  # fmt: skip


def _miss_pregnancy_test(planting: Planting, mine: Column) -> None:
    """A woman who was not tested."""
    care = planting.care
    patients, screenings = care.tables["patients"], care.tables["screenings"]
    born = patients["birth_date"][mine]
    asked = mine[(patients["sex"][mine] == "F") & (born > np.datetime64("1975-01-01"))]
    for patient in asked[-1:].tolist():
        test = (screenings["patient_id"] == patient + 1) & (screenings["kind"] == "pregnancy")
        leave_out(care, "screenings", test)
        planting.breach(
            _of_patient(care, patient), "never tested for pregnancy", {"pregnancy-test": NOT_MET}
        )


def keep_no_plan(planting: Planting) -> None:
    """Four sessions in a week, nine in four weeks, two a week later on."""
    care = planting.care
    sessions = care.tables["sessions"]
    hurried, crowded = (
        np.isin(sessions["patient"], care.of_kind(kind)) for kind in ("hurried", "crowded")
    )
    for who, number, reason, rules in (
        (hurried, 3, "fourth session within a week", ("sessions-per-week",)),
        (crowded, 8, "ninth session in four weeks", ("induction-size",)),
        (crowded, 12, "twice a week in the third month",
         ("spaced-from-month-3", f"{REPEATED}/frequency-after-month-two")),
    ):  # fmt: skip
        picked = np.flatnonzero(given(care) & who & (sessions["number"] == number))
        planting.breach(picked, reason, dict.fromkeys(rules, NOT_MET))
