"""What became of the verdicts on one session, dispense or outcome, for a person to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flows.errors import UsageError
from flows.warehouse import Warehouse

_CAUSES = {
    "protocol_change": "the protocol changed",
    "correction": "a row was corrected or withdrawn",
    "late_data": "rows came in since",
    "time_passed": "time passed",
}
_SUBJECT = "clinic_id, subject_kind, subject_id, protocol"
_WANTED = "subject_id = $subject AND ($clinic IS NULL OR clinic_id = $clinic)"
_Key = tuple[Any, ...]


@dataclass(frozen=True)
class Change:
    """A verdict that a run changed; `judged_as_of` is the clinic's local time."""

    run_id: str
    judged_as_of: str
    status_before: str | None
    status_after: str | None
    waived_before: bool | None
    waived_after: bool | None
    cause: str
    reason: str | None
    note: str | None

    def line(self) -> str:
        """One line: when, what, why."""
        before = _said(self.status_before, self.waived_before, "not judged")
        after = _said(self.status_after, self.waived_after, "not judged")
        if self.cause == "waiver":
            why = f"a waiver {'began' if self.waived_after else 'ended'}"
        else:
            why = ", ".join(part for part in (_CAUSES[self.cause], self.note) if part)
            after += f" [{self.reason}]" if self.reason else ""
        return f"{self.judged_as_of}  {before} -> {after}: {why} ({self.cause})"


@dataclass(frozen=True)
class Verdict:
    """A rule's verdict now (null: judged no more) and its changes, oldest first."""

    rule_id: str
    severity: str | None
    status: str | None
    waived: bool | None
    reason: str | None
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Subject:
    """A judged row under one protocol, as it stands now, with the verdict of each rule."""

    clinic_id: str
    subject_kind: str
    subject_id: str
    protocol: str
    protocol_version: str | None
    local_date: str | None
    status: str | None
    verdicts: tuple[Verdict, ...]

    def lines(self) -> Iterator[str]:
        """What a person reads: verdicts that changed, then the others on one line."""
        day = f" on {self.local_date}" if self.local_date else ""
        version = f" {self.protocol_version}" if self.protocol_version else ""
        status = self.status or "judged no more"
        yield (
            f"{self.subject_kind} {self.subject_id} at {self.clinic_id}{day}, "
            f"{self.protocol}{version}: {status}"
        )
        for verdict in (v for v in self.verdicts if v.changes):
            severity = f" ({verdict.severity})" if verdict.severity else ""
            now = _said(verdict.status, verdict.waived, "judged no more")
            reason = f": {verdict.reason}" if verdict.reason else ""
            yield f"  {verdict.rule_id}{severity} is {now}{reason}"
            yield from (f"    {change.line()}" for change in verdict.changes)
        same = [
            f"{v.rule_id} {_said(v.status, v.waived, '')}" for v in self.verdicts if not v.changes
        ]
        if same:
            yield f"  never changed: {', '.join(same)}"


def subject_history(warehouse: Warehouse, subject_id: str, clinic: str | None) -> list[Subject]:
    """The subjects of that id in one clinic: one for each kind of row and protocol.

    Raises UsageError when there is none, or when several clinics have one and none is chosen.
    """
    wanted = {"subject": subject_id, "clinic": clinic}
    subjects = _rows(
        warehouse,
        f"SELECT {_SUBJECT}, s.protocol_version, s.local_date::VARCHAR, s.status FROM ("
        f"SELECT {_SUBJECT} FROM marts.subjects WHERE {_WANTED} UNION "
        f"SELECT {_SUBJECT} FROM ops.verdict_changes WHERE {_WANTED}) "
        f"LEFT JOIN marts.subjects s USING ({_SUBJECT}) ORDER BY ALL",
        wanted,
    )
    clinics = sorted({row[0] for row in subjects})
    if not subjects:
        where = f" at {clinic}" if clinic else ""
        raise UsageError(
            f"{subject_id}: no session, dispense or outcome of this id was judged{where}; "
            "take one from a published run's findings."
        )
    if len(clinics) > 1:
        raise UsageError(
            f"{subject_id}: {', '.join(clinics)} have this id each; choose one with --clinic."
        )
    changes = _changes(warehouse, wanted)
    now = _verdicts(warehouse, wanted)
    return [
        Subject(
            where,
            kind,
            name,
            protocol,
            version,
            day,
            status,
            tuple(_of_subject((where, kind, name, protocol), now, changes)),
        )
        for where, kind, name, protocol, version, day, status in subjects
    ]


def _of_subject(
    subject: _Key, now: dict[_Key, _Key], changes: dict[_Key, list[Change]]
) -> Iterator[Verdict]:
    for key in sorted({key for key in (*now, *changes) if key[:-1] == subject}):
        severity, status, waived, reason = now.get(key, (None, None, None, None))
        yield Verdict(key[-1], severity, status, waived, reason, tuple(changes.get(key, ())))


def _verdicts(warehouse: Warehouse, wanted: dict[str, str | None]) -> dict[_Key, _Key]:
    """Identity of each verdict to severity, status, waived and reason."""
    rows = _rows(
        warehouse,
        f"WITH s AS (SELECT subject_no, {_SUBJECT} FROM marts.subjects WHERE {_WANTED}), "
        "v AS (SELECT s.* EXCLUDE (subject_no), r.rule_id, r.severity, v.status, v.waived "
        "FROM s JOIN marts.verdicts v USING (subject_no) JOIN marts.rules r "
        "ON r.rule_no = v.rule_no) "
        f"SELECT {_SUBJECT}, rule_id, v.severity, v.status, v.waived, f.reason FROM v "
        f"LEFT JOIN (SELECT {_SUBJECT}, rule_id, reason FROM marts.findings WHERE {_WANTED}) f "
        f"USING ({_SUBJECT}, rule_id)",
        wanted,
    )
    return {row[:5]: row[5:] for row in rows}


def _changes(warehouse: Warehouse, wanted: dict[str, str | None]) -> dict[_Key, list[Change]]:
    found: dict[_Key, list[Change]] = {}
    for row in _rows(
        warehouse,
        "SELECT clinic_id, subject_kind, subject_id, protocol, rule_id, run_id, "
        "strftime(timezone(coalesce(z.time_zone, 'UTC'), as_of), '%Y-%m-%d %H:%M'), "
        "status_before, status_after, waived_before, waived_after, cause, reason, note "
        f"FROM (SELECT * FROM ops.verdict_changes WHERE {_WANTED}) "
        "LEFT JOIN facts.clinics z USING (clinic_id) ORDER BY run_id",
        wanted,
    ):
        found.setdefault(row[:5], []).append(Change(*row[5:]))
    return found


def _said(status: str | None, waived: bool | None, nothing: str) -> str:
    return f"{status or nothing}{', waived' if waived else ''}"


def _rows(warehouse: Warehouse, query: str, wanted: dict[str, str | None]) -> list[_Key]:
    return warehouse.db.execute(query, wanted).fetchall()
