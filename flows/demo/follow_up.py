"""What surrounds sessions: scores, contacts, screenings, adverse events."""

from __future__ import annotations

import numpy as np

from flows.demo.contacts import contacts
from flows.demo.people import Care
from flows.demo.programs import ESKETAMINE, IV, KAP
from flows.demo.scores import outcomes
from flows.demo.screenings import screenings
from flows.demo.tables import Table, numbers, rows_of, size, stacked

# Per session: IV from the first week of esketamine's phase 3 trials (n = 928), esketamine from its
# REMS (clinical-facts 7b).
_EVENTS = {
    IV: (("dizziness", 0.206), ("nausea", 0.14), ("dissociation", 0.167)),
    ESKETAMINE: (("dissociation", 0.41), ("sedation", 0.347), ("hypertension", 0.009)),
    KAP: (("nausea", 0.14), ("dissociation", 0.167)),
}
_SERIOUS_SHARE = 0.0005


def follow(care: Care) -> None:
    """Outcomes, contacts, screenings and events of one clinic."""
    care.tables["outcomes"] = outcomes(care)
    care.tables["contacts"] = contacts(care)
    care.tables["screenings"] = screenings(care)
    care.tables["events"] = _events(care)


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
