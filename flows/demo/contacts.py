"""Contacts of the sample's patients with the clinic, besides sessions."""

from __future__ import annotations

import numpy as np

from flows.demo.calendar import LAST_DAY
from flows.demo.people import NURSES, PRESCRIBERS, THERAPIST, Care, held_in
from flows.demo.programs import ALCOHOL, EMERGENCY, KAP
from flows.demo.supply import fills
from flows.demo.tables import Column, Table, numbers, rows_of, size, stacked

SAFETY_HOURS = 3


def contacts(care: Care) -> Table:
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
    every = stacked(met, missed)
    return every | {"contact_id": numbers(size(every))}


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
    held = held_in(care, (ALCOHOL,))
    at = held["started_at"] + np.timedelta64(50, "h")
    return _contact(held["patient"], "therapy", at, 50, "in_person")


def _after_emergency(care: Care) -> Table:
    held = held_in(care, (EMERGENCY,))
    at = held["discharged_at"] + np.timedelta64(30, "h")
    return _contact(held["patient"], "follow_up", at, 20, "video") | {
        "staff_id": np.full(size(held), NURSES[0])
    }


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
    at = positive["administered_at"] + np.timedelta64(SAFETY_HOURS, "h")
    soon = _contact(positive["patient"], "crisis", at, 25, "video") | {
        "staff_id": PRESCRIBERS[positive["patient"] % len(PRESCRIBERS)]
    }
    high = rows_of(positive, positive["level"] > 1)
    who, week = np.repeat(high["patient"], 4), np.tile(np.arange(1, 5), size(high))
    at = np.repeat(high["administered_at"], 4) + ((week * 7 - 2) * 24 + 2).astype("timedelta64[h]")
    return stacked(soon, _contact(who, "therapy", at, 40, "video"))
