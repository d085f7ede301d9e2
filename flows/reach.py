"""Whose verdicts a row can change: the judged rows in whose rules' windows its event may lie.

A window that hangs on what the judged row's own columns don't say is taken as open: rather judge a
row too many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checks.contract import contract, contracts
from flows.arrivals import event_at, whose
from flows.evidence import linked_parts
from flows.sources import identifier
from flows.warehouse import Warehouse
from protocols.durations import Bound, Span
from protocols.evaluate import SUBJECT_KINDS
from protocols.judged import IDS
from protocols.model import Judges, Linked, Protocol
from protocols.model import Link as By
from protocols.scope import PEOPLE

STALE_SUBJECTS = "stale_subjects"
# A calendar day begins at the clinic's midnight, up to a day from Greenwich's.
_SLACK = "INTERVAL 2 DAY"
_NOT_AFTER_THE_START = ("course_started_at", "previous_started_at")


@dataclass(frozen=True)
class Reach:
    """Rows of `feed` that a rule on rows of `judges` looks at, linked `by` session, patient or
    clinic; a bound that is None is open."""

    judges: Judges
    feed: str
    by: By
    start: Bound | None = None
    end: Bound | None = None


def reaches(protocols: Iterable[Protocol]) -> list[Reach]:
    """Every way in which the protocols' rules look at a feed, each once."""
    found: dict[Reach, None] = {}
    for protocol in protocols:
        for rule in protocol.rules:
            for part in linked_parts(protocol, rule):
                window = part.window if isinstance(part, Linked) else None
                ends = _ends(protocol.judges, window) if window else (None, None)
                found[Reach(protocol.judges, part.of, part.by, *ends)] = None
    return list(found)


def _ends(judges: Judges, window: Span) -> tuple[Bound | None, Bound | None]:
    own = contract(judges).names
    start, end = window.start, window.end
    if end is not None and end.anchor in _NOT_AFTER_THE_START:
        end = Bound("started_at", end.sign, end.step)
    return (
        start if start is not None and start.anchor in own else None,
        end if end is not None and end.anchor in own else None,
    )


def spread_staff(warehouse: Warehouse) -> None:
    """Add to `reached` every row that names a person whose row was reached."""
    named = {key for people in PEOPLE.values() for key in people.values()} | {"staff_id"}
    for feed, held in contracts().items():
        for column in sorted(named.intersection(held.names)) if feed != "staff" else ():
            warehouse.db.execute(
                f"INSERT INTO reached BY NAME SELECT '{feed}' AS feed, {whose(held)}, "
                f"{event_at(held)} AS event_at FROM facts.{feed} f "
                "LEFT JOIN facts.clinics z ON z.clinic_id = f.clinic_id "
                "JOIN (SELECT DISTINCT clinic_id, key_id FROM reached WHERE feed = 'staff') r "
                f"ON r.clinic_id = f.clinic_id AND r.key_id = f.{column}"
            )


def spread_doses(warehouse: Warehouse) -> None:
    """Add to `reached` the sessions of reached doses, which make them count and may be their start,
    and when sessions began that don't say so themselves.
    """
    warehouse.db.execute(
        "INSERT INTO reached BY NAME SELECT 'sessions' AS feed, s.clinic_id, "
        "s.session_id AS key_id, s.session_id, s.patient_id, "
        "unnest([s.started_at, r.event_at, d.started_at]) AS event_at "
        "FROM reached r JOIN facts.sessions s "
        "ON s.clinic_id = r.clinic_id AND s.session_id = r.session_id "
        "LEFT JOIN facts.doses d ON d.clinic_id = s.clinic_id AND d.session_id = s.session_id "
        "AND s.started_at IS NULL "
        "WHERE r.feed = 'doses' OR (r.feed = 'sessions' AND r.event_at IS NULL)"
    )


def find_subjects(warehouse: Warehouse, ways: Sequence[Reach], judged: Iterable[Judges]) -> None:
    """Make `stale_subjects` (clinic_id, subject_kind, subject_id) of `reached` and of
    `whole_clinics`.
    """
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE {STALE_SUBJECTS} "
        "(clinic_id VARCHAR, subject_kind VARCHAR, subject_id VARCHAR)"
    )
    for judges in sorted(set(judged)):
        mine = [way for way in ways if way.judges == judges]
        _know(warehouse, judges, {way.feed for way in mine if way.by == "clinic"})
        _add(warehouse, judges, "SELECT clinic_id, key_id FROM reached WHERE feed = $judges")
        _add(warehouse, judges, _joined("r.patient_id = k.patient_id AND r.feed = 'patients'"))
        _add(warehouse, judges, "SELECT clinic_id, subject_id FROM known "
             "WHERE clinic_id IN (FROM whole_clinics)")  # fmt: skip
        if judges == "sessions":
            _add(warehouse, judges, "SELECT clinic_id, session_id FROM reached "
                 "WHERE feed = 'doses' AND session_id IS NOT NULL")  # fmt: skip
            _add(warehouse, judges, _joined(_FROM_THEN_ON))
        if judges == "dispenses":
            _add(warehouse, judges, _joined("r.patient_id = k.patient_id AND r.feed = $judges"))
        for way in mine:
            _add(warehouse, judges, _joined(f"r.feed = '{way.feed}' AND {_meets(way)}"))
        warehouse.db.execute("DROP TABLE known")


# Courses, intervals and counts of a patient's sessions change from a session's start on.
_FROM_THEN_ON = (
    "r.patient_id = k.patient_id AND r.feed = 'sessions' "
    "AND (NOT r.timed OR coalesce(k.started_at >= r.event_at, r.event_at IS NOT NULL))"
)


def _know(warehouse: Warehouse, judges: Judges, of_all: set[str]) -> None:
    """`known`: rows that may be judged, of patients and clinics that were reached; a row of the
    feeds `of_all` reaches other patients' as well."""
    held = contract(judges)
    session = "f.session_id" if "session_id" in held.names else "NULL::VARCHAR"
    times = ", ".join(
        f"f.{identifier(c.name)}::TIMESTAMPTZ AS {identifier(c.name)}"
        for c in held.columns
        if c.type in ("timestamp", "date")
    )
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE known AS SELECT f.clinic_id, f.{IDS[judges]} AS subject_id, "
        f"f.patient_id, {session} AS session_id, {times} FROM facts.{judges} f WHERE "
        "(f.clinic_id, f.patient_id) IN (SELECT clinic_id, patient_id FROM reached) "
        f"OR (f.clinic_id, {session}) IN (SELECT clinic_id, session_id FROM reached) "
        "OR f.clinic_id IN (SELECT clinic_id FROM reached "
        "WHERE (patient_id IS NULL AND session_id IS NULL) OR feed IN (SELECT unnest($of_all))) "
        "OR f.clinic_id IN (FROM whole_clinics)",
        {"of_all": sorted(of_all)},
    )


def _joined(on: str) -> str:
    return (
        "SELECT DISTINCT k.clinic_id, k.subject_id FROM known k "
        f"JOIN reached r ON r.clinic_id = k.clinic_id AND {on}"
    )


def _meets(way: Reach) -> str:
    """Whether a reached row `r` may be one that a judged row `k` looks at."""
    same = {
        "session": "r.session_id = k.session_id", "patient": "r.patient_id = k.patient_id",
        "clinic": "true",
    }[way.by]  # fmt: skip
    limits = [
        f"r.event_at {sign} {_moment(bound)} {slack}"
        for sign, bound, slack in ((">=", way.start, f"- {_SLACK}"), ("<=", way.end, f"+ {_SLACK}"))
        if bound is not None
    ]
    if not limits:
        return same
    # A session without a start of its own may begin with its first dose.
    anchors = {bound.anchor for bound in (way.start, way.end) if bound is not None}
    unknown = str(way.judges == "sessions" and "started_at" in anchors).lower()
    return f"{same} AND (NOT r.timed OR coalesce({' AND '.join(limits)}, {unknown}))"


def _moment(bound: Bound) -> str:
    step = bound.step
    length = f"to_microseconds({step.microseconds})"
    if step.calendar_days is not None:
        length = f"to_days({step.calendar_days})"
    sign = "-" if bound.sign < 0 else "+"
    return f"(k.{identifier(bound.anchor)} {sign} {length})"


def _add(warehouse: Warehouse, judges: Judges, select: str) -> None:
    parameters = {"kind": SUBJECT_KINDS[judges]}
    if "$judges" in select:
        parameters["judges"] = judges
    warehouse.db.execute(
        f"INSERT INTO {STALE_SUBJECTS} SELECT s.clinic_id, $kind, s.subject_id "
        f"FROM ({select}) s (clinic_id, subject_id)",
        parameters,
    )
