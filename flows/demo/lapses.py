"""What is done wrong beyond a single session: to a patient, on a day, after a score, at the counter
where supplies are handed out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flows.demo.breaches import NOT_MET, break_rules
from flows.demo.calendar import LAST_DAY
from flows.demo.people import Care
from flows.demo.plants import Planting, given, leave_out, readings, spoil
from flows.demo.programs import ALCOHOL, EMERGENCY, IV, KAP, SPRAYS, TAKE_HOME
from flows.demo.tables import Column, Table, size, stacked

_REPEATED, _SITE, _SUICIDALITY = "repeated-use", "staff-and-site", "suicidality"
_HOME = "take-home-ketamine"
_SCALES = ("PHQ-9", "GAD-7")
# Fewer patients than this have no lapses of their own: one would bear too many.
_LEAST_PATIENTS = 8

# What a lapse of one patient breaks: which of their sessions, by rule.
Lapse = Callable[[Planting, int, Column], dict[str, Column]]


def plant(care: Care, *, latest: np.datetime64) -> Planting:
    """Break each rule a few times, and spoil a few rows of deliveries up to `latest`."""
    sessions = care.tables["sessions"]
    _hire(care)
    plain = (sessions["patient"] >= care.restless) & (sessions["status"] == "completed")
    plain &= sessions["started_at"] < latest
    planting = Planting(care, care.rng.permutation(np.flatnonzero(plain)))
    _plant_lapses(planting)
    break_rules(planting)
    _plant_haste(planting)
    _plant_absence(planting, latest)
    _plant_overlap(planting)
    _plant_screens(planting)
    spoil(planting)
    return planting


def _hire(care: Care) -> None:
    """A locum and a nurse of an agency, whose papers are not in order; they have no shifts."""
    staff = care.tables["staff"]
    count = size(staff)
    over, ahead = np.datetime64("2024-12-31"), np.datetime64(LAST_DAY) + 400
    never = np.datetime64("NaT", "D")
    care.tables["staff"] = stacked(staff, {
        "staff_id": np.array([count + 1, count + 2]),
        "role": np.array(["prescriber", "nurse"]),
        "license_expires_on": np.array([over, over]),
        "bls_expires_on": np.array([ahead, over]),
        "acls_expires_on": np.array([ahead, over]),
        "dea_expires_on": np.array([over, never]),
        "rems_trained_on": np.array([np.datetime64("2024-02-01"), ahead]),
        "active_from": np.array([np.datetime64("2023-01-02")] * 2),
        "active_to": np.array([over, never]),
    })  # fmt: skip


def _of_patient(care: Care, patient: int) -> Column:
    return np.flatnonzero(given(care) & (care.tables["sessions"]["patient"] == patient))


def _start(care: Care, patient: int) -> int:
    """The day of a patient's first session."""
    began = care.tables["patients"]["treatment_started_on"][patient] - care.first_day
    return int(began.astype(int))


def _plant_lapses(planting: Planting) -> None:
    """One patient with infusions for each lapse; a patient may have two of different kinds."""
    care = planting.care
    patients = care.tables["patients"]
    mine = np.flatnonzero(patients["program"] == IV)
    mine = mine[mine >= care.restless]
    if len(mine) < _LEAST_PATIENTS:
        return
    mine = care.rng.permutation(mine)
    for at, (reason, lapse) in enumerate(_LAPSES):
        patient = int(mine[at % len(mine)])
        theirs = _of_patient(care, patient)
        for rule, sessions in lapse(planting, patient, theirs).items():
            planting.breach(sessions, reason, {rule: NOT_MET})
    _plant_pregnancy(planting, mine)


def _minor(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    patients = planting.care.tables["patients"]
    born = patients["treatment_started_on"][patient] - 17 * 365
    patients["birth_date"][patient] = born
    return {"adult": theirs}


def _one_trial(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    planting.care.tables["patients"]["failed_trials"][patient] = 1
    return {"failed-trials": theirs}


def _psychosis(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    screenings = planting.care.tables["screenings"]
    at = (screenings["patient_id"] == patient + 1) & (screenings["kind"] == "psychosis")
    screenings["result"][at] = "positive"
    return {"psychosis-screen": theirs}


def _no_consent(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    care = planting.care
    care.tables["patients"]["consent_signed_on"][patient] = np.datetime64(LAST_DAY)
    return {"consent": theirs[care.tables["sessions"]["day"][theirs] < care.days - 1]}


def _no_early_score(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    return _unscored(planting, patient, theirs, 0) | {"score-before-course": theirs}


def _no_score_after(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    sessions = planting.care.tables["sessions"]
    sixth = theirs[sessions["number"][theirs] == 5]
    over = sessions["day"][sixth] + 16 < planting.care.days
    return _unscored(planting, patient, theirs, 2) | {"score-after-induction": sixth[over]}


def _unscored(planting: Planting, patient: int, theirs: Column, week: int) -> dict[str, Column]:
    """Leave out the scores of a week, and see which sessions have none lately for that."""
    care = planting.care
    outcomes, sessions = care.tables["outcomes"], care.tables["sessions"]
    mine = outcomes["patient"] == patient
    gone = mine & np.isin(outcomes["instrument"], _SCALES) & (outcomes["week"] == week)
    leave_out(care, "outcomes", np.flatnonzero(gone))
    kept = mine & ~outcomes["left_out"]
    day = sessions["day"][theirs]
    depression = _local_days(care, outcomes["administered_at"][
        kept & (outcomes["instrument"] == "PHQ-9")
    ])  # fmt: skip
    scored = _local_days(care, outcomes["administered_at"][kept & ~np.isnan(outcomes["total"])])
    later = sessions["number"][theirs] > 0
    return {
        "score-during-course": theirs[~_within(depression, day, 28)],
        f"{_REPEATED}/outcome-tracked": theirs[later & ~_within(scored, day, 30)],
    }


def _within(days: Column, of: Column, most: int) -> Column:
    """Whether one of the days lies in the so many days up to each."""
    apart = of[:, None] - days[None, :]
    return np.asarray(((apart >= 0) & (apart <= most)).any(axis=1))


def _local_days(care: Care, at: Column) -> Column:
    offset = care.clinic.offset_minutes(at).astype("timedelta64[m]")
    day = (at.astype("datetime64[m]") + offset).astype("datetime64[D]")
    return np.asarray((day - care.first_day).astype(int))


def _old_consent(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    patients = planting.care.tables["patients"]
    patients["consent_signed_on"][patient] = patients["treatment_started_on"][patient] - 400
    return {f"{_REPEATED}/consent-renewed": theirs}


def _unknown_past(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    patients = planting.care.tables["patients"]
    known = patients["prior_sessions"].astype(float)
    known[patient] = np.nan
    patients["prior_sessions"] = known
    return {f"{_REPEATED}/exposure-known": theirs}


def _urinary(care: Care, patient: int) -> Column:
    outcomes = care.tables["outcomes"]
    mine = (outcomes["patient"] == patient) & (outcomes["instrument"] == "BPIC-SS")
    return np.flatnonzero(mine)


def _no_urinary_score(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    care = planting.care
    leave_out(care, "outcomes", _urinary(care, patient))
    completed = care.tables["sessions"]["status"][theirs] == "completed"
    before = np.cumsum(completed) - completed
    return {f"{_REPEATED}/urinary-symptoms": theirs[before >= 6]}


def _high_urinary_score(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    care = planting.care
    care.tables["outcomes"]["total"][_urinary(care, patient)] = 22
    scored = _start(care, patient) - 2
    near = care.tables["sessions"]["day"][theirs] - scored <= 30
    return {f"{_REPEATED}/urinary-score-answered": theirs[near]}


def _urinary_event(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    care = planting.care
    day = _start(care, patient) + 5
    at = care.clinic.instants(care.first_day + np.array([day]), np.array([12 * 60]))
    events = care.tables["events"]
    care.tables["events"] = stacked(events, {
        "event_id": np.array([size(events) + 1]), "patient_id": np.array([patient + 1]),
        "kind": np.array(["urinary_symptoms"]), "serious": np.array([False]),
        "started_at": at, "resolved_at": at + np.timedelta64(72, "h"),
    })  # fmt: skip
    since = care.tables["sessions"]["day"][theirs] - day
    return {f"{_REPEATED}/urinary-event-answered": theirs[(since > 0) & (since <= 30)]}


def _abnormal_liver(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    care = planting.care
    screenings = care.tables["screenings"]
    at = (screenings["patient_id"] == patient + 1) & (screenings["kind"] == "lft")
    screenings["result"][at] = "abnormal"
    near = care.tables["sessions"]["day"][theirs] - _start(care, patient) + 3 <= 90
    return {f"{_REPEATED}/liver-answered": theirs[near]}


def _pressure_history(planting: Planting, patient: int, theirs: Column) -> dict[str, Column]:
    """Three sessions begun at a pressure of 180, which is just not too high to begin."""
    care = planting.care
    high = readings(care, theirs[:3], 0)
    care.tables["vitals"]["systolic_mmhg"][high] = 180
    planting.drop(theirs)
    near = care.tables["sessions"]["day"][theirs] - _start(care, patient) < 90
    return {f"{_REPEATED}/pressure-history": theirs[2:][near[2:]]}


_LAPSES: tuple[tuple[str, Lapse], ...] = (
    ("treated at seventeen", _minor),
    ("no score before the course", _no_early_score),
    ("psychotic at the screening", _psychosis),
    ("consent signed after the fact", _no_consent),
    ("urinary symptoms never scored", _no_urinary_score),
    ("no review after abnormal liver values", _abnormal_liver),
    ("three sessions begun at 180 systolic", _pressure_history),
    ("only one treatment before", _one_trial),
    ("no score after the sixth session", _no_score_after),
    ("a consent more than a year old", _old_consent),
    ("earlier sessions not charted", _unknown_past),
    ("a high score of urinary symptoms, not looked into", _high_urinary_score),
    ("urinary symptoms, not looked into", _urinary_event),
)  # fmt: skip


def _plant_pregnancy(planting: Planting, mine: Column) -> None:
    """A woman who was not tested."""
    care = planting.care
    patients, screenings = care.tables["patients"], care.tables["screenings"]
    born = patients["birth_date"][mine]
    asked = mine[(patients["sex"][mine] == "F") & (born > np.datetime64("1975-01-01"))]
    for patient in asked[-1:].tolist():
        test = (screenings["patient_id"] == patient + 1) & (screenings["kind"] == "pregnancy")
        leave_out(care, "screenings", np.flatnonzero(test))
        planting.breach(
            _of_patient(care, patient), "never tested for pregnancy", {"pregnancy-test": NOT_MET}
        )


def _plant_haste(planting: Planting) -> None:
    """Who keeps to no plan: four sessions in a week, nine in four weeks, two a week later on."""
    care = planting.care
    sessions = care.tables["sessions"]
    held, number = given(care), sessions["number"]
    hurried = held & (sessions["patient"] < care.hurried)
    planting.breach(
        np.flatnonzero(hurried & (number == 3)), "fourth session within a week",
        {"sessions-per-week": NOT_MET},
    )  # fmt: skip
    crowded = held & (sessions["patient"] < care.restless) & ~hurried
    planting.breach(
        np.flatnonzero(crowded & (number == 8)), "ninth session in four weeks",
        {"induction-size": NOT_MET},
    )  # fmt: skip
    planting.breach(
        np.flatnonzero(crowded & (number == 12)), "twice a week in the third month",
        {"spaced-from-month-3": NOT_MET, f"{_REPEATED}/frequency-after-month-two": NOT_MET},
    )  # fmt: skip


def _plant_absence(planting: Planting, latest: np.datetime64) -> None:
    """A day on which neither prescriber nor nurse had a shift."""
    care = planting.care
    sessions, shifts = care.tables["sessions"], care.tables["shifts"]
    days = sessions["day"][given(care) & (sessions["started_at"] < latest)]
    if not len(days):
        return
    day = int(np.sort(days)[len(days) // 2])
    roles = care.tables["staff"]["role"][shifts["staff_id"] - 1]
    gone = (shifts["day"] == day) & np.isin(roles, ("prescriber", "nurse"))
    leave_out(care, "shifts", np.flatnonzero(gone))
    then = given(care) & (sessions["day"] == day)
    rules = ("advanced-life-support-at-start", "advanced-life-support-at-discharge",
             "second-person", "prescriber-on-site")  # fmt: skip
    reason = "neither prescriber nor nurse had a shift"
    planting.breach(np.flatnonzero(then), reason, {f"{_SITE}/{rule}": NOT_MET for rule in rules})
    planting.breach(
        np.flatnonzero(then & np.isin(sessions["program"], SPRAYS)), reason,
        {"prescriber-on-site": NOT_MET, "prescriber-until-end": NOT_MET},
    )  # fmt: skip


def _plant_overlap(planting: Planting) -> None:
    """A patient put into a chair that is taken."""
    care = planting.care
    sessions = care.tables["sessions"]
    started = sessions["started_at"]
    held = given(care) & (sessions["status"] == "completed")
    for at in planting.free.tolist():
        beside = held & (sessions["day"] == sessions["day"][at]) & (started < started[at])
        beside &= sessions["discharged_at"] > started[at]
        found = np.flatnonzero(beside)
        if len(found):
            planting.drop(np.array([at]))
            sessions["chair"][at] = sessions["chair"][found[0]]
            planting.breach(
                np.array([at]), "in a chair that was taken", {f"{_SITE}/chair-free": NOT_MET}
            )
            return


def _plant_screens(planting: Planting) -> None:
    """What was not done after a positive item 9, each with another patient."""
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


def plant_supplies(planting: Planting) -> None:
    """What is wrong with supplies handed out, each with another one; and which came too early."""
    care = planting.care
    dispenses = care.tables["dispenses"]
    risky = {truth.subject_id for truth in planting.truth if truth.kind == "risk"}
    plain = np.array([
        planting.shown("patient_id", number) not in risky
        for number in dispenses["patient_id"].tolist()
    ], dtype=bool)  # fmt: skip
    plain &= dispenses["dispensed_at"] < np.datetime64(LAST_DAY) - 7
    rows = care.rng.permutation(np.flatnonzero(plain)).tolist()
    ways = (_sprayed, _sixth_refill, _old_prescription, _strong_units, _long_supply, _unauthorized)
    turn = care.clinic.carelessness
    for at, row in enumerate(rows[: max(len(ways), len(rows) // 10)]):
        reason, rules = ways[(at + turn) % len(ways)](dispenses, row)
        planting.breach(
            np.array([row]), reason, {f"{_HOME}/{rule}": NOT_MET for rule in rules}, "dispenses"
        )
    _note_early(planting)


def _sprayed(dispenses: Table, row: int) -> tuple[str, tuple[str, ...]]:
    dispenses["form"] = dispenses["form"].astype("<U12")
    dispenses["form"][row] = "nasal_spray"
    return "handed out as a spray", ("form",)


def _sixth_refill(dispenses: Table, row: int) -> tuple[str, tuple[str, ...]]:
    dispenses["refill_number"][row] = 6
    dispenses["refills_authorized"][row] = 6
    return "a sixth refill", ("refill-number", "refills-authorized")


def _old_prescription(dispenses: Table, row: int) -> tuple[str, tuple[str, ...]]:
    dispenses["issued_on"][row] = dispenses["dispensed_at"][row].astype("datetime64[D]") - 250
    this_year = dispenses["issued_on"][row] >= np.datetime64("2026-01-01")
    rules = ("within-six-months", "evaluated-2026") if this_year else ("within-six-months",)
    return "handed out eight months after the prescription", rules


def _strong_units(dispenses: Table, row: int) -> tuple[str, tuple[str, ...]]:
    dispenses["strength_mg"][row] *= dispenses["quantity"][row]
    dispenses["quantity"][row] = 1
    return "one unit of 800 mg", ("unit-strength",)


def _long_supply(dispenses: Table, row: int) -> tuple[str, tuple[str, ...]]:
    dispenses["days_supply"][row] = 30
    return "a supply for thirty days", ("days-supply",)


def _unauthorized(dispenses: Table, row: int) -> tuple[str, tuple[str, ...]]:
    dispenses["refill_number"][row] = 4
    return "a refill that was not authorized", ("within-authorization",)


def _note_early(planting: Planting) -> None:
    """Whatever was fetched more than three days before the supply before it was used up."""
    dispenses = planting.care.tables["dispenses"]
    order = np.lexsort((dispenses["dispensed_at"], dispenses["patient_id"]))
    day = _local_days(planting.care, dispenses["dispensed_at"])[order]
    lasts = day + dispenses["days_supply"][order]
    patient = dispenses["patient_id"][order]
    early = (patient[1:] == patient[:-1]) & (lasts[:-1] - day[1:] > 3)
    planting.breach(
        order[1:][early], "fetched before the last supply was used up",
        {f"{_HOME}/early-refill": NOT_MET}, "dispenses",
    )  # fmt: skip
