"""Whose rows are older than the network keeps them: patients nobody has seen for that long.

What is a patient's is every row that names the patient, their sessions' rows that name no patient
(vital readings), and waivers of their sessions, dispenses and outcomes. Entries of the stock ledger
(`inventory`) are the drug's and stay.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path

from checks.contract import contracts
from flows.errors import UsageError
from flows.settings import Settings
from flows.sources import identifier
from flows.warehouse import Warehouse

# `gone`: one row is one id (kind patient, session or subject of a waiver) whose rows must go.
GONE = "gone"
_NOT_THEIRS = "inventory"
_NO_ACTIVITY = {"birth_date", "extracted_at"}
_SUBJECTS = {"sessions": "session_id", "dispenses": "dispense_id", "outcomes": "outcome_id"}


def theirs(columns: Collection[str], test: Callable[[str, str], str]) -> str:
    """SQL that is true for a row of a patient who passes: `test` gives SQL for a kind and a column.

    A row that names a patient is that patient's, whatever session it names.
    """
    if "patient_id" in columns:
        parts = [test("patient", "patient_id")]
        if "session_id" in columns:
            parts.append(f"(coalesce(patient_id, '') = '' AND {test('session', 'session_id')})")
    else:
        parts = [
            test(kind, column)
            for kind, column in (("session", "session_id"), ("subject", "subject_id"))
            if column in columns
        ]
        if "subject_kind" in columns:
            parts.append(f"(subject_kind = 'patient' AND {test('patient', 'subject_id')})")
    return f"coalesce({' OR '.join(parts) or 'false'}, false)"


def of_people(feed: str) -> bool:
    """Whether a feed holds rows of patients."""
    names = {*contracts()[feed].names}
    return feed != _NOT_THEIRS and bool({"patient_id", "session_id", "subject_id"} & names)


def cutoff(settings: Settings) -> datetime:
    """Who was last active before it is kept no longer. Raises UsageError where none is set."""
    if settings.retention_days is None:
        raise UsageError(
            "retention_days: is not set, so everything is kept; set it in keel.toml or give "
            "--retention-days."
        )
    return settings.now() - timedelta(days=settings.retention_days)


def find_gone(warehouse: Warehouse, settings: Settings) -> None:
    """Make the temporary table `gone` of all whose last activity lies before the cutoff and whom
    no legal hold keeps.

    Raises UsageError when a hold names a clinic or a patient that is not known.
    """
    db = warehouse.db
    db.execute(f"CREATE OR REPLACE TEMP TABLE activity AS {_activity()}")
    db.execute("CREATE OR REPLACE TEMP TABLE held (clinic_id VARCHAR, patient_id VARCHAR)")
    _hold(warehouse, settings)
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE {GONE} AS SELECT 'patient' AS kind, clinic_id, "
        "patient_id AS id FROM activity ANTI JOIN held USING (clinic_id, patient_id) "
        "WHERE last_at < ?",
        [cutoff(settings)],
    )
    mine = f"(clinic_id, patient_id) IN (SELECT (clinic_id, id) FROM {GONE} WHERE kind = 'patient')"
    named = " UNION ALL ".join(
        f"SELECT clinic_id, patient_id, session_id AS id FROM facts.{table}"
        for held in contracts().values()
        if {"patient_id", "session_id"} <= {*held.names}
        for table in (held.feed, f"{held.feed}_history")
    )
    _add_ids(warehouse, "session", named, mine)
    subjects = " UNION ALL ".join(
        f"SELECT clinic_id, patient_id, {key} AS id FROM facts.{table}"
        for feed, key in _SUBJECTS.items()
        for table in (feed, f"{feed}_history")
    )
    _add_ids(warehouse, "subject", subjects, mine)
    for table in ("activity", "held"):
        db.execute(f"DROP TABLE {table}")


def _add_ids(warehouse: Warehouse, kind: str, named: str, mine: str) -> None:
    """Ids that rows of theirs name, and no row of anybody else."""
    warehouse.db.execute(
        f"INSERT INTO {GONE} SELECT '{kind}', clinic_id, id FROM ({named}) WHERE id IS NOT NULL "
        f"GROUP BY clinic_id, id HAVING bool_and(coalesce({mine}, false))"
    )


def _activity() -> str:
    """One row is a patient and the latest date or time in any of their rows; where there is none,
    as with one of whom only quarantined rows came, when their rows were extracted."""
    selects = ["SELECT clinic_id, patient_id, NULL AS active_at, extracted_at FROM ops.quarantine"]
    for held in contracts().values():
        if "patient_id" not in held.names:
            continue
        times = [
            f"{identifier(column.name)}::TIMESTAMPTZ"
            for column in held.columns
            if column.type in ("date", "timestamp") and column.name not in _NO_ACTIVITY
        ]
        latest = f"greatest({', '.join(times)})" if times else "NULL"
        selects += [
            f"SELECT clinic_id, patient_id, {latest}, _extracted_at FROM facts.{table}"
            for table in (held.feed, f"{held.feed}_history")
        ]
    return (
        "SELECT clinic_id, patient_id, coalesce(max(active_at), max(extracted_at)) AS last_at "
        f"FROM ({' UNION ALL '.join(selects)}) "
        "WHERE clinic_id IS NOT NULL AND patient_id IS NOT NULL GROUP BY ALL"
    )


def _hold(warehouse: Warehouse, settings: Settings) -> None:
    db = warehouse.db
    known = {row[0] for row in db.execute("SELECT DISTINCT clinic_id FROM activity").fetchall()}
    known |= {row[0] for row in db.execute("SELECT clinic_id FROM facts.clinics").fetchall()}
    for clinic in settings.legal_hold:
        if clinic not in known:
            raise UsageError(f"legal_hold: there is no clinic {clinic}; mend its name.")
        db.execute(
            "INSERT INTO held SELECT clinic_id, patient_id FROM activity WHERE clinic_id = ?",
            [clinic],
        )
    if settings.legal_hold_file is not None:
        path = settings.legal_hold_file
        for number, (clinic, patient) in _listed(path):
            there = db.execute(
                "INSERT INTO held SELECT clinic_id, patient_id FROM activity "
                "WHERE clinic_id = ? AND patient_id = ? RETURNING 1",
                [clinic, patient],
            ).fetchone()
            if there is None:
                raise UsageError(
                    f"{path}: line {number} names no patient who is known here; mend it, so that "
                    "nobody is left out of the hold by a slip."
                )


def _listed(path: Path) -> list[tuple[int, tuple[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            return [(n, (row["clinic_id"], row["patient_id"])) for n, row in enumerate(rows, 2)]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check its rights.") from None
    except (KeyError, UnicodeDecodeError, csv.Error):
        raise UsageError(
            f"{path}: is no UTF-8 CSV with the columns clinic_id and patient_id; write it so."
        ) from None
