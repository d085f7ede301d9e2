"""What a night must judge again: the subjects whose verdicts may differ from the last judging's.

| what is different | what is judged again |
| --- | --- |
| protocols, contracts, programmes, Keel; a clock set back; nothing judged before | everything |
| a judged row, or a dose of a session, came, was corrected, withdrawn, or went into or out of quarantine; time reached its event | it; of sessions, the patient's from its start on, since courses, counts and intervals may change; of dispenses, the patient's |
| so did another row | subjects whose rules look at such rows of their session, patient or clinic (`flows.reach`), where its event may lie in the window |
| a patient's row | all that is the patient's |
| a row of staff | as if every row that names the person had changed |
| a waiver began or ended | its subject |
| a cut-off passed the end that a pending verdict waits for | its subject |
| somebody asks for days anew (`keel backfill`) | the rows of those days |
| a clinic's row; a first delivery of a feed, or a cut-off that moved back | all that is the clinic's |
"""  # noqa: E501

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import polars as pl

from checks.contract import contract, contracts
from flows import __version__
from flows.arrivals import event_at, find_touched, whose
from flows.days import Days, add_days
from flows.evidence import evidence
from flows.frames import cutoffs
from flows.reach import STALE_SUBJECTS, find_subjects, reaches, spread_doses, spread_staff
from flows.runs import Run
from flows.settings import Settings
from flows.sources import quoted
from flows.warehouse import Warehouse, table_definitions
from protocols.evaluate import SUBJECT_KINDS
from protocols.facts import EVENT_TIMES
from protocols.judged import IDS
from protocols.model import Protocol

STALE_PATIENTS = "stale_patients"
WHOLE_CLINICS = "whole_clinics"
_ALWAYS = ("clinics", "patients", "sessions", "doses", "dispenses", "outcomes")


@dataclass(frozen=True)
class Scope:
    """Whether `everything` is judged again, or what the temp tables `stale_subjects` (clinic_id,
    subject_kind, subject_id) and `stale_patients` (clinic_id, patient_id; all whose rows bear on
    it) name; `touched` says whether `touched_rows` has been found on the way. Where not everything
    is, `reached`, `whole_clinics` and `new_cutoffs` are there too, until `forget_scope`."""

    everything: bool
    touched: bool


def find_scope(
    warehouse: Warehouse,
    protocols: Sequence[Protocol],
    run: Run,
    settings: Settings,
    waived: pl.DataFrame,
    *,
    full: bool,
    days: Days | None = None,
) -> Scope:
    """Find what is to be judged again; the rows of `days` in any case."""
    before = warehouse.db.execute("SELECT run_id, as_of, circumstances FROM ops.judged").fetchone()
    if full or before is None or before[2] != circumstances(protocols, settings):
        return Scope(everything=True, touched=False)
    if before[1] > run.as_of or any(_names(p, "extracted_at") for p in protocols):
        return Scope(everything=True, touched=False)
    feeds = _looked_at(protocols)
    find_touched(warehouse, contracts())
    if _any(warehouse, f"SELECT 1 FROM touched_rows WHERE clinic_id IS NULL AND {_among(feeds)}"):
        return Scope(everything=True, touched=True)
    _find_reached(warehouse, feeds, before[0], before[1], run)
    spread_staff(warehouse)
    spread_doses(warehouse)
    _find_whole_clinics(warehouse, run)
    _forget_when(warehouse, any(_names(p, "next_started_at") for p in protocols))
    find_subjects(warehouse, reaches(protocols), [protocol.judges for protocol in protocols])
    _add_decided(warehouse)
    _add_waived(warehouse, waived)
    if days is not None:
        add_days(warehouse, days)
    _find_patients(warehouse)
    return Scope(everything=False, touched=True)


def forget_scope(warehouse: Warehouse) -> None:
    """Drop the temp tables."""
    for table in (STALE_SUBJECTS, STALE_PATIENTS, WHOLE_CLINICS, "reached", "new_cutoffs"):
        warehouse.db.execute(f"DROP TABLE IF EXISTS {table}")


def _looked_at(protocols: Sequence[Protocol]) -> set[str]:
    """Feeds that can change a verdict."""
    rests = {feed for p in protocols for rule in p.rules for feed, _ in evidence(p, rule)}
    return {*_ALWAYS, *rests}


def remember_scope(
    warehouse: Warehouse,
    protocols: Sequence[Protocol],
    run: Run,
    settings: Settings,
    waived: pl.DataFrame,
    counts: tuple[int, int],
) -> None:
    """Write down what the marts now rest on besides deliveries; `counts` are the subjects that were
    judged and those left as they were."""
    db = warehouse.db
    _keep_cutoffs(warehouse, cutoffs(warehouse, run.as_of))
    for table in ("judged", "judged_cutoffs", "judged_waivers"):
        db.execute(f"DELETE FROM ops.{table}")
    db.execute(
        "INSERT INTO ops.judged VALUES (?, ?, ?, ?, ?)",
        [run.run_id, run.as_of, circumstances(protocols, settings), *counts],
    )
    db.execute("INSERT INTO ops.judged_cutoffs BY NAME FROM new_cutoffs")
    db.execute(
        "INSERT INTO ops.judged_waivers BY NAME SELECT clinic_id, subject_id, rule_id FROM waived"
    )


def circumstances(protocols: Iterable[Protocol], settings: Settings) -> str:
    """A digest of what decides over every verdict and mart besides rows, waivers and time."""
    parts = [
        sorted(protocol.sha256 for protocol in protocols),
        {feed: held.sha256 for feed, held in contracts().items()},
        settings.programs, __version__, table_definitions("marts"), _said_by_keel(),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _said_by_keel() -> dict[str, str]:
    """What Keel says of scales, costs and risks, which its marts rest on."""
    there = sorted(files("protocols").iterdir(), key=lambda entry: entry.name)
    return {entry.name: entry.read_text("utf-8") for entry in there if entry.name.endswith(".yaml")}


def _names(protocol: Protocol, text: str) -> bool:
    return text in protocol.model_dump_json(exclude={"examples"})


def _find_reached(
    warehouse: Warehouse, feeds: Iterable[str], judged_run: str, judged_as_of: object, run: Run
) -> None:
    """`reached`: one row is one that is new as evidence, or gone (feed, clinic_id, key_id,
    session_id, patient_id, event_at); where it is not `timed`, nothing is known of its event. What
    is `lost` in quarantine is missed by its session or patient alone. A reading is its session's
    patient's.
    """
    db = warehouse.db
    db.execute(
        "CREATE OR REPLACE TEMP TABLE reached (feed VARCHAR, clinic_id VARCHAR, key_id VARCHAR, "
        "session_id VARCHAR, patient_id VARCHAR, event_at TIMESTAMPTZ, timed BOOLEAN DEFAULT true, "
        "lost BOOLEAN DEFAULT false)"
    )
    db.execute(
        "INSERT INTO reached BY NAME SELECT DISTINCT feed, clinic_id, key_id, session_id, "
        f"patient_id, event_at, timed, lost FROM touched_rows WHERE {_among(feeds)}"
    )
    db.execute(
        "INSERT INTO reached BY NAME SELECT feed, clinic_id, session_id, patient_id, "
        "false AS timed, true AS lost FROM ops.quarantine "
        "WHERE quarantined_run > $judged_run OR released_run > $judged_run",
        {"judged_run": judged_run},
    )
    for feed in sorted(feeds):
        if in_time := reached_by_time(feed):
            db.execute(
                f"INSERT INTO reached BY NAME SELECT '{feed}' AS feed, {whose(contract(feed))}, "
                f"{event_at(contract(feed))} AS event_at FROM facts.{feed} f "
                f"LEFT JOIN facts.clinics z ON z.clinic_id = f.clinic_id WHERE {in_time}",
                {"before": judged_as_of, "now": run.as_of},
            )
    db.execute(
        "UPDATE reached SET patient_id = s.patient_id FROM facts.sessions s "
        "WHERE reached.patient_id IS NULL AND s.clinic_id = reached.clinic_id "
        "AND s.session_id = reached.session_id"
    )


def _among(feeds: Iterable[str]) -> str:
    return f"feed IN ({', '.join(map(quoted, sorted(feeds)))})"


def reached_by_time(feed: str) -> str:
    """SQL: whether time has come to a row `f` between the instants $before and $now; empty for a
    feed that says of no row when it happens."""
    return " OR ".join(f"({_between(feed, column)})" for column in _moments(feed))


def _moments(feed: str) -> list[str]:
    """Columns that say when a row happens."""
    found = [EVENT_TIMES[feed]] if feed in EVENT_TIMES else []
    return [*found, "scheduled_at"] if feed in ("sessions", "contacts") else found


def _between(feed: str, column: str) -> str:
    """Whether time has reached it since; of a date, with a day to spare on both sides."""
    if contract(feed).column(column).type == "date":
        return f"f.{column} BETWEEN $before::DATE - 1 AND $now::DATE + 1"
    return f"f.{column} > $before AND f.{column} <= $now"


def _find_whole_clinics(warehouse: Warehouse, run: Run) -> None:
    """`whole_clinics`: clinics of which everything is judged again; `new_cutoffs` on the way."""
    _keep_cutoffs(warehouse, cutoffs(warehouse, run.as_of))
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE {WHOLE_CLINICS} AS "
        "SELECT clinic_id FROM reached WHERE feed = 'clinics' "
        "OR (feed = 'staff' AND key_id IS NULL) UNION "
        "SELECT coalesce(n.clinic_id, o.clinic_id) FROM new_cutoffs n "
        "FULL JOIN ops.judged_cutoffs o USING (clinic_id, feed) "
        "WHERE n.cutoff IS NULL OR o.cutoff IS NULL OR n.cutoff < o.cutoff"
    )


def _keep_cutoffs(warehouse: Warehouse, found: pl.DataFrame) -> None:
    warehouse.db.execute("CREATE OR REPLACE TEMP TABLE new_cutoffs AS FROM found")


def _forget_when(warehouse: Warehouse, looks_ahead: bool) -> None:
    """Where a rule names the next start, an earlier session's verdict hangs on a later one."""
    if looks_ahead:
        warehouse.db.execute("UPDATE reached SET timed = false WHERE feed = 'sessions'")


def _add_decided(warehouse: Warehouse) -> None:
    """Subjects with a pending verdict whose time may have come."""
    warehouse.db.execute(
        f"INSERT INTO {STALE_SUBJECTS} SELECT f.clinic_id, f.subject_kind, f.subject_id "
        "FROM marts.findings f LEFT JOIN "
        "(SELECT clinic_id, max(cutoff) AS latest FROM new_cutoffs GROUP BY ALL) c "
        "USING (clinic_id) WHERE f.status = 'pending' "
        "AND (f.due_at IS NULL OR c.latest IS NULL OR f.due_at <= c.latest)"
    )


def _add_waived(warehouse: Warehouse, waived: pl.DataFrame) -> None:
    """Subjects of which a rule is waived and was not, or was and is not."""
    warehouse.db.execute(
        f"INSERT INTO {STALE_SUBJECTS} SELECT s.clinic_id, s.subject_kind, s.subject_id "
        "FROM marts.subjects s JOIN ((SELECT clinic_id, subject_id, rule_id FROM waived "
        "EXCEPT FROM ops.judged_waivers) UNION (FROM ops.judged_waivers "
        "EXCEPT SELECT clinic_id, subject_id, rule_id FROM waived)) w USING (clinic_id, subject_id)"
    )


def _find_patients(warehouse: Warehouse) -> None:
    """`stale_patients`: those of the subjects, now and when they were last judged."""
    db = warehouse.db
    db.execute(f"CREATE OR REPLACE TEMP TABLE once AS SELECT DISTINCT * FROM {STALE_SUBJECTS}")
    db.execute(f"DROP TABLE {STALE_SUBJECTS}")
    db.execute(f"ALTER TABLE once RENAME TO {STALE_SUBJECTS}")
    now = " UNION ALL ".join(
        f"SELECT clinic_id, '{SUBJECT_KINDS[judges]}' AS subject_kind, {key} AS subject_id, "
        f"patient_id FROM facts.{judges}"
        for judges, key in IDS.items()
    )
    then = (
        "SELECT clinic_id, subject_kind, subject_id, patient_id FROM marts.subjects UNION ALL "
        "SELECT clinic_id, 'session', session_id, patient_id FROM marts.governance"
    )
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE {STALE_PATIENTS} AS SELECT DISTINCT clinic_id, patient_id "
        f"FROM ({now} UNION ALL {then}) JOIN {STALE_SUBJECTS} "
        "USING (clinic_id, subject_kind, subject_id)"
    )


def _any(warehouse: Warehouse, query: str) -> bool:
    return warehouse.db.execute(f"{query} LIMIT 1").fetchone() is not None
