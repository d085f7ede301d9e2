"""What is done in the sample network: sessions with their doses and vital signs, as they should be.

Three programmes have sessions: infusions, esketamine, and injections with psychotherapy. Nothing
here breaks a rule of good practice; `plants` does that afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flows.demo.people import ESKETAMINE, IV, KAP, NURSES, PRESCRIBERS, Care
from flows.demo.tables import Column, Table, numbers, rows_of, size, stacked

# Days from the first session. Infusions: six, then at growing distance, no more than three within
# seven days. Esketamine by its label: twice weekly, weekly, every other week.
IV_DAYS = np.array([0, 3, 7, 10, 14, 17, 24, 31, 45, 59, 73, 87, 101, 115])
HURRIED_DAYS = np.concatenate([[0, 2, 4, 6], IV_DAYS[4:]])
ESKETAMINE_DAYS = np.array([0, 3, 7, 10, 14, 17, 21, 24, 28, 35, 42, 49, 63, 77, 91, 105])
KAP_DAYS = np.array([0, 14, 28])
DEVICE_MG = 28


@dataclass(frozen=True)
class Reading:
    """Eight readings a session at these minutes from the start. The reading at `during_last` is
    moved to the end of administration where there is one, the last to the end of monitoring."""

    minutes: tuple[int, ...]
    during_last: int | None


IV_READINGS = Reading((-12, 12, 26, 38, 62, 90, 112, 120), 3)
ESKETAMINE_READINGS = Reading((-15, 10, 25, 40, 60, 80, 105, 135), None)
KAP_READINGS = Reading((-12, 0, 15, 30, 45, 60, 90, 120), None)


def treat(care: Care, hurried: int) -> None:
    """Sessions (infusions that were given come first), doses and vital signs."""
    iv, ahead_iv = _infusions(care, hurried)
    esketamine, ahead_esketamine = _esketamine(care)
    kap, ahead_kap = _injections(care)
    ahead = stacked(ahead_iv, ahead_esketamine, ahead_kap)
    given = [iv, esketamine, kap]
    missed = _missed(stacked(*given), hurried, care.rng)
    sessions = stacked(*given, missed, ahead)
    sessions["session_id"] = numbers(size(sessions))
    care.tables["sessions"] = sessions
    parts = np.split(np.arange(sum(map(size, given))), np.cumsum([size(each) for each in given]))
    care.tables["doses"] = _doses(care, parts)
    care.tables["vitals"] = _vitals(care, parts)


def _appointments(care: Care, program: str, plan: Column, least: int) -> tuple[Column, ...]:
    """Patient, number in the course and day of each session, and which lie ahead."""
    patients = care.tables["patients"]
    mine = np.flatnonzero(patients["program"] == program)
    planned = care.rng.integers(least, plan.shape[-1] + 1, len(mine))
    at, number = np.nonzero(np.arange(plan.shape[-1])[None, :] < planned[:, None])
    who = mine[at]
    start = (patients["treatment_started_on"] - care.first_day).astype(int)
    day = start[who] + np.broadcast_to(plan, (len(mine), plan.shape[-1]))[at, number]
    within = day < care.days + 7
    return who[within], number[within], day[within], day[within] >= care.days


def _booked(care: Care, program: str, plan: Column, least: int) -> tuple[Table, Column]:
    """Sessions as booked, and which of them lie ahead."""
    who, number, day, ahead = _appointments(care, program, plan, least)
    patients, rng = care.tables["patients"], care.rng
    minute = 9 * 60 + 30 * (who % 13) + rng.integers(0, 4, len(who)) * 5
    booked: Table = {
        "patient": who,
        "number": number,
        "patient_id": who + 1,
        "program": np.full(len(who), program),
        "indication": patients["indication"][who],
        "scheduled_at": care.clinic.instants(care.first_day + day, minute),
        "prescriber_id": PRESCRIBERS[who % len(PRESCRIBERS)],
        "chair": who % care.clinic.chairs + 1,
        "height_cm": patients["height_cm"][who],
    }
    return booked, ahead


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
        "monitor_id": rng.choice(NURSES, count),
        "escort_confirmed": np.full(count, fill_value=True),
        "discharge_score": rng.choice([9, 10], count),
        "discharge_scale": np.full(count, "aldrete_10"),
    }


def _split(booked: Table, ahead: Column) -> tuple[Table, Table]:
    """Those that lie behind, and those ahead, which are only scheduled."""
    coming = rows_of(booked, ahead)
    return rows_of(booked, ~ahead), coming | {"status": np.full(size(coming), "scheduled")}


def _infusions(care: Care, hurried: int) -> tuple[Table, Table]:
    mine = np.flatnonzero(care.tables["patients"]["program"] == IV)
    plan = np.where((mine < hurried)[:, None], HURRIED_DAYS, IV_DAYS)
    booked, ahead = _booked(care, IV, plan, 5)
    booked |= {"route": "IV", "scheduled_minutes": np.full(size(booked), 150)}
    done, coming = _split(booked, ahead)
    rng, count = care.rng, size(done)
    took, watched = rng.integers(38, 41, count), rng.integers(78, 84, count)
    # A few infusions are stopped for nausea, after half an hour; the patient is watched as ever.
    stopped = (rng.random(count) < 0.015) & (done["number"] > 5)
    took = np.where(stopped, 34, took)
    held = _held(care, done, took, watched)
    held["status"] = np.where(stopped, "aborted", held["status"])
    return held, coming


def _esketamine(care: Care) -> tuple[Table, Table]:
    booked, ahead = _booked(care, ESKETAMINE, ESKETAMINE_DAYS, 8)
    booked |= {"route": "IN", "scheduled_minutes": np.full(size(booked), 165)}
    done, coming = _split(booked, ahead)
    # 56 mg on day 1, then 56 or 84 mg; five minutes between devices.
    devices = np.where((done["number"] == 0) | (done["patient"] % 3 == 0), 2, 3)
    held = _held(care, done, 5 * (devices - 1), care.rng.integers(124, 134, size(done)))
    held["devices"] = devices
    held["rems_form_sent_at"] = held["discharged_at"] + np.timedelta64(26, "h")
    held["rems_form_minutes"] = (
        (held["monitoring_ended_at"] - held["started_at"]).astype("timedelta64[m]").astype(int)
    )
    return held, coming


def _injections(care: Care) -> tuple[Table, Table]:
    booked, ahead = _booked(care, KAP, KAP_DAYS, 2)
    booked |= {"route": "IM", "scheduled_minutes": np.full(size(booked), 180)}
    done, coming = _split(booked, ahead)
    return _held(care, done, np.full(size(done), 1), np.full(size(done), 119)), coming


def _missed(given: Table, hurried: int, rng: np.random.Generator) -> Table:
    """Appointments the day before a session, to which the patient did not come, or which were
    cancelled in good time or late, or stopped before the dose."""
    could = np.flatnonzero((given["number"] > 0) & (given["patient"] >= hurried))
    picked = could[rng.random(len(could)) < 0.09]
    kept = ("patient", "number", "patient_id", "program", "indication", "scheduled_at",
            "prescriber_id", "chair", "height_cm", "route", "scheduled_minutes")  # fmt: skip
    template = rows_of(given, picked)
    missed: Table = {name: template[name] for name in kept}
    missed["scheduled_at"] = missed["scheduled_at"] - np.timedelta64(24, "h")
    what = rng.choice(4, len(picked), p=[0.45, 0.25, 0.2, 0.1])
    notice = np.array([np.timedelta64("NaT", "m"), np.timedelta64(50, "h"), np.timedelta64(5, "h"),
                       np.timedelta64("NaT", "m")])  # fmt: skip
    missed["status"] = np.array(["no_show", "cancelled", "cancelled", "aborted"])[what]
    missed["cancelled_at"] = missed["scheduled_at"] - notice[what]
    return missed


def _doses(care: Care, parts: list[Column]) -> Table:
    sessions, patients = care.tables["sessions"], care.tables["patients"]
    iv, esketamine, kap = (rows_of(sessions, part) for part in parts[:3])
    amount = (iv["weight_kg"] * 0.5 * np.where(iv["status"] == "aborted", 0.85, 1)).round(1)
    iv_doses = _from_vials(amount) | {"ended_at": iv["ended_at"]}
    mg = DEVICE_MG * esketamine["devices"]
    pharmacy = esketamine["patient"] % 2 == 0
    esketamine_doses = {
        "amount_mg": mg.astype(float), "opened_mg": mg.astype(float),
        "wasted_mg": np.zeros(len(mg)), "drug": "esketamine", "ended_at": esketamine["ended_at"],
        "devices": esketamine["devices"],
        "acquisition": np.where(pharmacy, "specialty_pharmacy", "buy_and_bill"),
    }  # fmt: skip
    amount = (patients["weight_kg"][kap["patient"]] * 0.7).round(1)
    kap_doses = _from_vials(amount)
    doses = stacked(
        *(
            rows_of(of, np.arange(size(of))) | given
            for of, given in zip(
                (_for_doses(iv), _for_doses(esketamine), _for_doses(kap)),
                (iv_doses, esketamine_doses, kap_doses),
                strict=True,
            )
        )
    )
    count = size(doses)
    witness = NURSES[(doses["administered_by"] - NURSES[0] + 1) % len(NURSES)]
    return doses | {
        "dose_id": numbers(count),
        "waste_witness_id": np.where(doses["wasted_mg"] > 0, witness, 0),
    }


def _from_vials(amount_mg: Column) -> Table:
    """Ketamine from vials of 100 mg; what is left is wasted."""
    opened = np.ceil(amount_mg / 100) * 100
    return {
        "drug": "ketamine",
        "amount_mg": amount_mg,
        "opened_mg": opened,
        "wasted_mg": (opened - amount_mg).round(1),
        "acquisition": "clinic_stock",
    }


def _for_doses(sessions: Table) -> Table:
    kept = ("session_id", "patient", "patient_id", "route", "started_at")
    return {name: sessions[name] for name in kept} | {"administered_by": sessions["monitor_id"]}


def _vitals(care: Care, parts: list[Column]) -> Table:
    readings = (IV_READINGS, ESKETAMINE_READINGS, KAP_READINGS)
    taken = [_readings(care, of, how) for of, how in zip(parts, readings, strict=False)]
    vitals = stacked(*taken)
    rng, count = care.rng, size(vitals)
    offset = vitals["offset"]
    rise = np.where((offset > 0) & (offset < 70), 16, 0)
    esketamine = care.tables["sessions"]["program"][vitals["session"]] == ESKETAMINE
    peak = esketamine & (offset == 40)
    # Per session in the REMS: sedation 34.7 %, dissociation 41.0 % (clinical-facts 7b).
    sleepy, apart = peak & (rng.random(count) < 0.347), peak & (rng.random(count) < 0.41)
    return vitals | {
        "vital_id": numbers(count),
        "systolic_mmhg": (rng.normal(124, 9, count) + rise).clip(96, 172).round(),
        "diastolic_mmhg": (rng.normal(78, 6, count) + rise / 2).clip(55, 105).round(),
        "heart_rate_bpm": (rng.normal(74, 8, count) + rise / 2).clip(54, 115).round(),
        "spo2_pct": rng.normal(97.5, 1, count).clip(95, 100).round(),
        "respiratory_rate_bpm": rng.normal(15, 2, count).clip(10, 24).round(),
        "position": "sitting",
        "sedation_moaas": np.where(esketamine, np.where(sleepy, 4.0, 5.0), np.nan),
        "dissociation_cadss": np.where(esketamine, np.where(apart, 12.0, 0.0), np.nan),
    }


def _readings(care: Care, of: Column, how: Reading) -> Table:
    sessions = rows_of(care.tables["sessions"], of)
    number = len(how.minutes)
    each = np.repeat(np.arange(len(of)), number)
    reading = np.tile(np.arange(number), len(of))
    offset = np.array(how.minutes)[reading]
    at = sessions["started_at"][each] + _minutes(offset)
    if how.during_last is not None:
        at = np.where(reading == how.during_last, sessions["ended_at"][each], at)
    at = np.where(reading == number - 1, sessions["monitoring_ended_at"][each], at)
    return {
        "session": of[each],
        "session_id": sessions["session_id"][each],
        "reading": reading,
        "offset": offset,
        "measured_at": at,
    }


def _minutes(count: Column) -> Column:
    return np.asarray(count).astype("timedelta64[m]")
