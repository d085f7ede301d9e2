"""What a night must judge again: the patients whose verdicts may differ from the last judging's.

| what is different | who is judged again |
| --- | --- |
| protocols, contracts, programmes, Keel; a clock set back; nothing judged before | everything |
| a row came, was corrected, withdrawn, or went into or out of quarantine | its patient, and the patient of its session |
| time reached a row's event | its patient, and the patient of its session |
| a waiver began or ended | the patient of its subject |
| a cut-off passed the end that a pending verdict waits for | its patient |
| a clinic, or a row that its clinic's rules look at without a patient; a first delivery of a feed, or a cut-off that moved back | every patient of the clinic |
"""  # noqa: E501

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from checks.contract import contract, contracts
from flows import __version__
from flows.arrivals import find_touched
from flows.evidence import evidence
from flows.frames import cutoffs
from flows.runs import Run
from flows.settings import Settings
from flows.sources import identifier
from flows.warehouse import Warehouse, table_definitions
from protocols.facts import EVENT_TIMES
from protocols.model import Protocol

STALE = "stale"
_ALWAYS = ("clinics", "patients", "sessions", "doses", "dispenses", "outcomes")


@dataclass(frozen=True)
class Scope:
    """`among` is the table of the patients to judge again, or None for everybody; `touched` says
    whether `touched_rows` has been found on the way."""

    among: str | None
    touched: bool


def find_scope(
    warehouse: Warehouse,
    protocols: Sequence[Protocol],
    run: Run,
    settings: Settings,
    waived: pl.DataFrame,
    *,
    full: bool,
) -> Scope:
    """Make the temp table `stale` (clinic_id, patient_id), unless everything is to be judged."""
    before = warehouse.db.execute("SELECT run_id, as_of, circumstances FROM ops.judged").fetchone()
    if full or before is None or before[2] != circumstances(protocols, settings):
        return Scope(None, touched=False)
    if before[1] > run.as_of or any(_names(p, "extracted_at") for p in protocols):
        return Scope(None, touched=False)
    rests = {pair for p in protocols for rule in p.rules for pair in evidence(p, rule)}
    feeds = {*_ALWAYS, *(feed for feed, _ in rests)}
    find_touched(warehouse, feeds)
    if _any(warehouse, "SELECT 1 FROM touched_rows WHERE clinic_id IS NULL"):
        return Scope(None, touched=True)
    _find_reached(warehouse, feeds, before[0], before[1], run)
    _find_clinics(warehouse, {feed for feed, whose in rests if whose == "clinic"}, run)
    _find_stale(warehouse, waived, run)
    for table in ("reached", "whole_clinics", "new_cutoffs"):
        warehouse.db.execute(f"DROP TABLE {table}")
    return Scope(STALE, touched=True)


def remember_scope(
    warehouse: Warehouse,
    protocols: Sequence[Protocol],
    run: Run,
    settings: Settings,
    waived: pl.DataFrame,
) -> None:
    """Write down what the marts now rest on besides deliveries."""
    db = warehouse.db
    held = cutoffs(warehouse, run.as_of)
    for table in ("judged", "judged_cutoffs", "judged_waivers"):
        db.execute(f"DELETE FROM ops.{table}")
    db.execute(
        "INSERT INTO ops.judged VALUES (?, ?, ?)",
        [run.run_id, run.as_of, circumstances(protocols, settings)],
    )
    db.execute("INSERT INTO ops.judged_cutoffs BY NAME SELECT * FROM held")
    db.execute(
        "INSERT INTO ops.judged_waivers BY NAME SELECT clinic_id, subject_id, rule_id FROM waived"
    )
    assert held is not None


def circumstances(protocols: Iterable[Protocol], settings: Settings) -> str:
    """A digest of what decides over every verdict besides rows, waivers and time."""
    parts = [
        sorted(protocol.sha256 for protocol in protocols),
        {feed: held.sha256 for feed, held in contracts().items()},
        settings.programs, __version__, table_definitions("marts"),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _names(protocol: Protocol, column: str) -> bool:
    return column in protocol.model_dump_json()


def _find_reached(
    warehouse: Warehouse, feeds: Iterable[str], judged_run: str, judged_as_of: object, run: Run
) -> None:
    """`reached`: feed, clinic_id, session_id, patient_id of rows that are new as evidence."""
    parts = [
        "SELECT feed, clinic_id, key_id, session_id, patient_id FROM touched_rows",
        "SELECT feed, clinic_id, NULL, session_id, patient_id FROM ops.quarantine "
        "WHERE quarantined_run > $judged_run OR released_run > $judged_run",
    ]
    for feed in sorted(feeds):
        names = contract(feed).names
        session = "session_id" if "session_id" in names else "NULL"
        patient = "patient_id" if "patient_id" in names else "NULL"
        key = identifier(contract(feed).id_column)
        parts += [
            f"SELECT '{feed}', clinic_id, {key}, {session}, {patient} FROM facts.{feed} "
            f"WHERE {_between(feed, column)}"
            for column in _moments(feed)
        ]
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE reached AS " + " UNION ALL ".join(parts),
        {"judged_run": judged_run, "before": judged_as_of, "now": run.as_of},
    )


def _moments(feed: str) -> list[str]:
    """Columns that say when a row happens."""
    found = [EVENT_TIMES[feed]] if feed in EVENT_TIMES else []
    return [*found, "scheduled_at"] if feed in ("sessions", "contacts") else found


def _between(feed: str, column: str) -> str:
    """Whether time has reached it since; of a date, with a day to spare on both sides."""
    if contract(feed).column(column).type == "date":
        return f"{column} BETWEEN $before::DATE - 1 AND $now::DATE + 1"
    return f"{column} > $before AND {column} <= $now"


def _find_clinics(warehouse: Warehouse, by_clinic: set[str], run: Run) -> None:
    """`whole_clinics`: clinics of which everybody is judged again; `new_cutoffs` on the way."""
    held = cutoffs(warehouse, run.as_of)
    warehouse.db.execute("CREATE OR REPLACE TEMP TABLE new_cutoffs AS FROM held")
    assert held is not None
    listed = ", ".join(f"'{feed}'" for feed in sorted(by_clinic | {"clinics"}))
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE whole_clinics AS "
        f"SELECT clinic_id FROM reached WHERE feed IN ({listed}) UNION "
        "SELECT coalesce(n.clinic_id, o.clinic_id) FROM new_cutoffs n "
        "FULL JOIN ops.judged_cutoffs o USING (clinic_id, feed) "
        "WHERE n.cutoff IS NULL OR o.cutoff IS NULL OR n.cutoff < o.cutoff"
    )


def _find_stale(warehouse: Warehouse, waived: pl.DataFrame, run: Run) -> None:
    patients = " UNION ".join(
        f"SELECT clinic_id, patient_id FROM {table}"
        for table in ("facts.sessions", "facts.dispenses", "facts.outcomes", "marts.subjects",
                      "marts.governance")
    )  # fmt: skip
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE {STALE} AS "
        "SELECT clinic_id, patient_id FROM reached WHERE patient_id IS NOT NULL UNION "
        "SELECT s.clinic_id, s.patient_id FROM reached r "
        "JOIN facts.sessions s USING (clinic_id, session_id) UNION "
        f"FROM ({patients}) WHERE clinic_id IN (FROM whole_clinics) UNION "
        "SELECT f.clinic_id, f.patient_id FROM marts.findings f "
        "LEFT JOIN (SELECT clinic_id, max(cutoff) AS latest FROM new_cutoffs GROUP BY ALL) c "
        "USING (clinic_id) WHERE f.status = 'pending' "
        "AND (f.due_at IS NULL OR c.latest IS NULL OR f.due_at <= c.latest) UNION "
        "SELECT s.clinic_id, s.patient_id FROM marts.subjects s JOIN ("
        "(SELECT clinic_id, subject_id, rule_id FROM waived EXCEPT FROM ops.judged_waivers) "
        "UNION (FROM ops.judged_waivers EXCEPT SELECT clinic_id, subject_id, rule_id FROM waived)"
        ") w USING (clinic_id, subject_id)"
    )
    assert waived is not None


def _any(warehouse: Warehouse, query: str) -> bool:
    return warehouse.db.execute(f"{query} LIMIT 1").fetchone() is not None
