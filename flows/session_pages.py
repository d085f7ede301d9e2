"""Sessions that get a page in the report, and the evidence for it, chosen at publication.

At a million sessions a page each would drown the reader: those that breached a critical or major
rule get one, the newest that nobody waived first, and some by lot, so that a good session can be
looked at too. The rest are counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from checks.contract import contract
from flows.frames import buckets, fetched
from flows.runs import Run
from flows.settings import Settings
from flows.sources import quoted
from flows.warehouse import Warehouse
from protocols.model import Protocol
from protocols.vital_limits import VitalLimit, vital_limits
from protocols.windows import WINDOWS, session_windows

MOST_BREACHED, SAMPLED = 300, 30
MARTS = ("session_pages", "session_events", "session_rules", "vital_limits")
_MOMENTS = ("arrived_at", "started_at", "ended_at", "monitoring_ended_at", "ready_at",
            "discharged_at")  # fmt: skip
_VITALS = ("systolic_mmhg", "diastolic_mmhg", "heart_rate_bpm", "spo2_pct", "respiratory_rate_bpm",
           "sedation_moaas", "dissociation_cadss")  # fmt: skip
# Feed to its moment, the end of it, its kind, a number and a word of a closed list.
_EVENTS = {
    "doses": ("started_at", "ended_at", "drug", "amount_mg::DOUBLE", "route"),
    "screenings": ("performed_at", "NULL", "kind", "NULL", "result"),
    "contacts": ("coalesce(started_at, scheduled_at)", "ended_at", "kind", "NULL", "status"),
    "events": ("started_at", "resolved_at", "kind", "NULL", "NULL"),
    "outcomes": ("administered_at", "NULL", "instrument", "NULL", "NULL"),
}


def update_session_pages(
    warehouse: Warehouse, protocols: tuple[Protocol, ...], run: Run, settings: Settings
) -> None:
    """Choose the sessions and replace what their pages show, in one transaction."""
    with warehouse.transaction():
        for table in MARTS:
            warehouse.db.execute(f"DELETE FROM marts.{table}")
        _choose(warehouse)
        _gather_events(warehouse, run)
        _gather_rules(warehouse, protocols, run, settings)
        _note_limits(warehouse, vital_limits(protocols))


def _choose(warehouse: Warehouse) -> None:
    """By lot: the least digests of clinic and session, which nobody can steer and which hold."""
    breached = (
        "SELECT clinic_id, session_id, min(waived) AS waived, max(started_at) AS latest_at "
        "FROM marts.findings WHERE status = 'not_met' AND severity IN ('critical', 'major') "
        "AND subject_kind = 'session' GROUP BY ALL "
        f"ORDER BY waived, latest_at DESC NULLS LAST, clinic_id, session_id LIMIT {MOST_BREACHED}"
    )
    judged = (
        "SELECT DISTINCT clinic_id, session_id FROM marts.subjects WHERE subject_kind = 'session'"
    )
    warehouse.db.execute(
        f"INSERT INTO marts.session_pages WITH breached AS ({breached}), "
        f"sampled AS (SELECT * FROM ({judged}) ANTI JOIN breached USING (clinic_id, session_id) "
        "ORDER BY md5(concat_ws(chr(31), clinic_id, session_id)), clinic_id, session_id "
        f"LIMIT {SAMPLED}), "
        "chosen AS (SELECT clinic_id, session_id, 'breached' AS why FROM breached UNION ALL "
        "SELECT clinic_id, session_id, 'sampled' FROM sampled) "
        "SELECT clinic_id, session_id, f.patient_id, why, s.program, f.status, s.started_at "
        "FROM chosen JOIN facts.sessions f USING (clinic_id, session_id) JOIN ("
        "SELECT clinic_id, subject_id AS session_id, min(program) AS program, "
        "min(started_at) AS started_at "
        "FROM marts.subjects WHERE subject_kind = 'session' GROUP BY ALL) s "
        "USING (clinic_id, session_id) ORDER BY clinic_id, session_id"
    )


def _gather_events(warehouse: Warehouse, run: Run) -> None:
    parts = [_moments(), _vitals(), *(_of_feed(feed) for feed in _EVENTS)]
    warehouse.db.execute(
        "INSERT INTO marts.session_events BY NAME SELECT e.* FROM "
        f"({' UNION ALL BY NAME '.join(parts)}) e "
        "WHERE happened_at <= $as_of::TIMESTAMPTZ ORDER BY ALL",
        {"as_of": run.as_of},
    )


def _shown(feed: str) -> str:
    """A feed's rows of the sessions with a page."""
    return f"(FROM facts.{feed} SEMI JOIN marts.session_pages USING (clinic_id, session_id))"


def _moments() -> str:
    listed = ", ".join(f"('{name}', {name})" for name in _MOMENTS)
    return (
        "SELECT clinic_id, session_id, moment.happened_at, 'sessions' AS feed, moment.kind FROM "
        f"{_shown('sessions')}, (VALUES {listed}) moment(kind, happened_at)"
    )


def _vitals() -> str:
    listed = ", ".join(f"('{name}', {name}::DOUBLE)" for name in _VITALS)
    return (
        "SELECT clinic_id, session_id, measured_at AS happened_at, 'vitals' AS feed, sign.kind, "
        f"sign.value FROM {_shown('vitals')}, (VALUES {listed}) sign(kind, value) "
        "WHERE sign.value IS NOT NULL"
    )


def _of_feed(feed: str) -> str:
    """A kind that is none of the usual ones may be anything: it goes out as `other`."""
    at, until, kind, value, word = _EVENTS[feed]
    column = contract(feed).column(kind)
    known = ", ".join(quoted(name) for name in (*(column.closed or ()), *(column.suggested or ())))
    return (
        f"SELECT clinic_id, session_id, {at} AS happened_at, {until} AS until_at, "
        f"'{feed}' AS feed, CASE WHEN {kind} IN ({known}) THEN {kind} ELSE 'other' END AS kind, "
        f"{value} AS value, {word} AS word FROM {_shown(feed)}"
    )


def _gather_rules(
    warehouse: Warehouse, protocols: tuple[Protocol, ...], run: Run, settings: Settings
) -> None:
    windows = _windows(warehouse, protocols, run, settings)
    warehouse.db.execute(
        "INSERT INTO marts.session_rules BY NAME "
        "SELECT s.clinic_id, s.subject_id AS session_id, s.protocol, s.protocol_version, "
        "r.rule_id, v.status, v.observed, v.waived, w.starts_at, w.ends_at "
        "FROM marts.verdicts v JOIN marts.subjects s USING (subject_no) "
        "JOIN marts.rules r USING (rule_no) "
        "JOIN marts.session_pages p ON p.clinic_id = s.clinic_id AND p.session_id = s.subject_id "
        "LEFT JOIN windows w ON w.clinic_id = s.clinic_id AND w.subject_id = s.subject_id "
        "AND w.protocol = s.protocol AND w.protocol_version = s.protocol_version "
        "AND w.rule_id = r.rule_id WHERE s.subject_kind = 'session' ORDER BY ALL"
    )
    del windows


def _windows(
    warehouse: Warehouse, protocols: Sequence[Protocol], run: Run, settings: Settings
) -> pl.DataFrame:
    """When rules look, from all rows of the patients whose sessions have a page."""
    wanted = fetched(warehouse, "SELECT clinic_id, session_id FROM marts.session_pages")
    if wanted.is_empty():
        return pl.DataFrame(schema=WINDOWS)
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE shown_patients AS "
        "SELECT DISTINCT clinic_id, patient_id FROM marts.session_pages"
    )
    parts = buckets(warehouse, tuple(protocols), settings, run.as_of, "shown_patients")
    found = [session_windows(protocols, bucket.facts, wanted) for bucket in parts]
    warehouse.db.execute("DROP TABLE shown_patients")
    return pl.concat(found)


def _note_limits(warehouse: Warehouse, limits: Sequence[VitalLimit]) -> None:
    rows = pl.DataFrame(limits, schema=list(VitalLimit._fields), orient="row")
    if not rows.is_empty():
        warehouse.db.execute("INSERT INTO marts.vital_limits BY NAME SELECT * FROM rows")
