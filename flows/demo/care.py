"""What is done in the sample network: sessions with their doses and vital signs, as they should be.

Nothing here breaks a rule of good practice; `plants` does that afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flows.demo.people import PRESCRIBERS, Care, nurses
from flows.demo.programs import (
    BY_NAME,
    CROWDED_DAYS,
    DEVICE_MG,
    EAGER_DAYS,
    HURRIED_DAYS,
    IV,
    PROGRAMS,
    SPRAYS,
    Program,
)
from flows.demo.tables import Column, Table, numbers, rows_of, size, stacked
from flows.demo.vitals import vital_signs

# Three rounds a day in each chair, begun at this minute of the day, so far apart that each is over
# before the next.
FIRST_ROUND, ROUNDS, ROUND_MINUTES = 8 * 60, 3, 220


def treat(care: Care) -> None:
    """Sessions (those that were given come first, a dose each), doses and vital signs."""
    held = [_given(care, program) for program in PROGRAMS]
    given = stacked(*(done for done, _ in held))
    missed = _missed(given, care)
    sessions = stacked(given, missed, *(coming for _, coming in held))
    _seat(care, sessions)
    sessions["session_id"] = numbers(size(sessions))
    care.tables["sessions"] = sessions
    given = rows_of(sessions, np.arange(size(given)))
    care.tables["doses"] = _doses(care, given)
    care.tables["vitals"] = vital_signs(care, given)


def _given(care: Care, program: Program) -> tuple[Table, Table]:
    """A programme's sessions as they took place, and those that lie ahead."""
    booked, ahead = _booked(care, program)
    coming = rows_of(booked, ahead)
    done = rows_of(booked, ~ahead)
    rng, count = care.rng, size(done)
    took = rng.integers(*program.minutes, count)
    watched = rng.integers(*program.watched, count)
    if program.spray:
        # 56 mg on day 1, then 56 or 84 mg, or 84 mg throughout; five minutes between devices.
        more = (done["number"] > 0) & (done["patient"] % 3 > 0)
        done["devices"] = np.where(more, 3, program.mg // DEVICE_MG)
        took = 5 * (done["devices"] - 1)
    # A few infusions are stopped for nausea, after half an hour; the patient is watched as ever.
    stopped = (rng.random(count) < program.stopped_share) & (done["number"] > 5)
    stopped &= done["patient"] >= care.restless
    took = np.where(stopped, 34, took)
    held = _held(care, done, took, watched)
    held["status"] = np.where(stopped, "aborted", held["status"])
    if program.spray:
        held["rems_form_sent_at"] = held["discharged_at"] + np.timedelta64(26, "h")
        span = held["monitoring_ended_at"] - held["started_at"]
        held["rems_form_minutes"] = span.astype("timedelta64[m]").astype(int)
    return held, coming | {"status": np.full(size(coming), "scheduled")}


def _appointments(care: Care, program: Program) -> tuple[Column, ...]:
    """Patient, number in the course and day of each session, and which lie ahead."""
    patients = care.tables["patients"]
    mine = np.flatnonzero(patients["program"] == program.name)
    plan = np.broadcast_to(program.plan, (len(mine), len(program.plan)))
    planned = care.rng.integers(program.least, plan.shape[-1] + 1, len(mine))
    if program.name == IV:
        for kind, days in (("hurried", HURRIED_DAYS), ("crowded", CROWDED_DAYS),
                           ("eager", EAGER_DAYS)):  # fmt: skip
            plan = np.where(np.isin(mine, care.of_kind(kind))[:, None], days, plan)
        planned = np.where(mine < care.restless, plan.shape[-1], planned)
    at, number = np.nonzero(np.arange(plan.shape[-1])[None, :] < planned[:, None])
    who = mine[at]
    start = (patients["treatment_started_on"] - care.first_day).astype(int)
    day = start[who] + plan[at, number]
    within = day < care.days + 7
    return who[within], number[within], day[within], day[within] >= care.days


def _booked(care: Care, program: Program) -> tuple[Table, Column]:
    """Sessions as booked, and which of them lie ahead; long ones begin with the first round."""
    who, number, day, ahead = _appointments(care, program)
    patients, rng = care.tables["patients"], care.rng
    turn = np.where(program.long, 0, who % ROUNDS)
    minute = FIRST_ROUND + ROUND_MINUTES * turn + 5 * (who // ROUNDS % 3)
    booked: Table = {
        "patient": who,
        "number": number,
        "day": day,
        "patient_id": who + 1,
        "program": np.full(len(who), program.name),
        "route": np.full(len(who), program.route),
        "indication": patients["indication"][who],
        "scheduled_at": care.clinic.instants(
            care.first_day + day, minute + rng.integers(0, 2, len(who)) * 5
        ),
        "scheduled_minutes": np.full(len(who), program.booked_minutes),
        "prescriber_id": PRESCRIBERS[who % len(PRESCRIBERS)],
        "height_cm": patients["height_cm"][who],
    }
    return booked, ahead


def _seat(care: Care, sessions: Table) -> None:
    """A chair for each, one patient in it at a time, and one nurse for each four chairs. There are
    as many chairs as the fullest day asks for; long sessions have chairs of their own."""
    long = np.isin(sessions["program"], [name for name, of in BY_NAME.items() if of.long])
    rounds = np.where(long, ROUNDS, sessions["patient"] % ROUNDS)
    key = sessions["day"] * (ROUNDS + 1) + rounds
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    begins = np.r_[True, ordered[1:] != ordered[:-1]]
    first = np.maximum.accumulate(np.where(begins, np.arange(len(key)), 0))
    rank = np.empty(len(key), dtype=int)
    rank[order] = np.arange(len(key)) - first
    ordinary = max(care.clinic.chairs, int(rank[~long].max(initial=0)) + 1)
    most_long = int(rank[long].max(initial=-1)) + 1
    care.chairs = ordinary + most_long
    turned = (rank + sessions["day"]) % ordinary
    sessions["chair"] = np.where(long, ordinary + rank, turned) + 1
    watch = nurses(care)
    monitor = watch[(sessions["chair"] + sessions["day"]) % len(watch)]
    sessions["monitor_id"] = np.where(np.isnat(sessions["started_at"]), 0, monitor)


def _held(care: Care, booked: Table, took: Column, watched: Column) -> Table:
    """Booked sessions as they took place: `took` minutes, then `watched` minutes."""
    rng, count = care.rng, size(booked)
    started = booked["scheduled_at"] + _minutes(rng.integers(0, 12, count))
    ended = started + _minutes(took)
    over = ended + _minutes(watched)
    weight = care.tables["patients"]["weight_kg"][booked["patient"]]
    return booked | {
        "status": np.full(count, "completed"),
        "arrived_at": started - np.timedelta64(22, "m"),
        "started_at": started,
        "ended_at": ended,
        "monitoring_ended_at": over,
        "ready_at": over + np.timedelta64(3, "m"),
        "discharged_at": over + np.timedelta64(9, "m"),
        "weight_kg": (weight + rng.normal(0, 0.4, count)).round(1),
        "escort_confirmed": np.full(count, fill_value=True),
        "discharge_score": rng.choice([9, 10], count),
        "discharge_scale": np.full(count, "aldrete_10"),
    }


def _missed(given: Table, care: Care) -> Table:
    """Appointments the day before a session, to which the patient did not come, or which were
    cancelled in good time or late, or stopped before the dose."""
    could = np.flatnonzero((given["number"] > 0) & (given["patient"] >= care.restless))
    rng = care.rng
    picked = could[rng.random(len(could)) < 0.09]
    kept = ("patient", "number", "day", "patient_id", "program", "indication", "scheduled_at",
            "prescriber_id", "height_cm", "route", "scheduled_minutes")  # fmt: skip
    template = rows_of(given, picked)
    missed: Table = {name: template[name] for name in kept}
    missed["scheduled_at"] = missed["scheduled_at"] - np.timedelta64(24, "h")
    missed["day"] = missed["day"] - 1
    what = rng.choice(4, len(picked), p=[0.45, 0.25, 0.2, 0.1])
    notice = np.array([np.timedelta64("NaT", "m"), np.timedelta64(50, "h"), np.timedelta64(5, "h"),
                       np.timedelta64("NaT", "m")])  # fmt: skip
    missed["status"] = np.array(["no_show", "cancelled", "cancelled", "aborted"])[what]
    missed["cancelled_at"] = missed["scheduled_at"] - notice[what]
    return missed


def _doses(care: Care, given: Table) -> Table:
    """One dose a session; from vials of 100 mg, of which what is left is wasted, or a spray."""
    per_kg = _by_program(given, lambda program: program.mg_per_kg or 0.0)
    fixed = _by_program(given, lambda program: float(program.mg))
    stopped = np.where(given["status"] == "aborted", 0.85, 1)
    amount = (np.where(per_kg > 0, given["weight_kg"] * per_kg, fixed) * stopped).round(1)
    spray = np.isin(given["program"], SPRAYS)
    devices = np.where(spray, given["devices"], np.nan)
    amount = np.where(spray, DEVICE_MG * devices, amount)
    opened = np.where(spray, amount, np.ceil(amount / 100) * 100)
    wasted = (opened - amount).round(1)
    watch = nurses(care)
    nurse = np.searchsorted(watch, given["monitor_id"])
    pharmacy = np.where(given["patient"] % 2 == 0, "specialty_pharmacy", "buy_and_bill")
    needle = np.isin(given["route"], ["IM", "SC"])
    return {
        "dose_id": numbers(size(given)),
        "session_id": given["session_id"],
        "patient": given["patient"],
        "patient_id": given["patient_id"],
        "route": given["route"],
        "started_at": given["started_at"],
        "ended_at": np.where(needle, np.datetime64("NaT"), given["ended_at"]),
        "drug": np.where(spray, "esketamine", "ketamine"),
        "amount_mg": amount,
        "opened_mg": opened,
        "wasted_mg": wasted,
        "devices": devices,
        "acquisition": np.where(spray, pharmacy, "clinic_stock"),
        "administered_by": given["monitor_id"],
        "waste_witness_id": np.where(wasted > 0, watch[(nurse + 1) % len(watch)], 0),
    }


def _by_program(given: Table, of: Callable[[Program], float]) -> Column:
    names, index = np.unique(given["program"], return_inverse=True)
    found: Column = np.array([of(BY_NAME[name]) for name in names.tolist()])[index]
    return found


def _minutes(count: Column) -> Column:
    return np.asarray(count).astype("timedelta64[m]")
