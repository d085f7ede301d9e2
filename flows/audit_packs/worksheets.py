"""Worksheets of a chart audit: what Keel has of a session, line by line, for someone to check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from flows.audit_packs.scope import PSEUDONYM, Scope, Table, local, read
from flows.warehouse import Warehouse

_DRAWN = "drawn d JOIN facts.{} f ON f.clinic_id = $clinic AND f.session_id = d.session_id"
_FACTS = f"""
SELECT d.number, f.session_id, n.pseudonym AS patient, s.local_date, f.program, f.prescriber_id,
    f.status, f.route, {local("scheduled_at", "scheduled")}, {local("arrived_at", "arrived")},
    {local("f.started_at", "started")}, {local("ended_at", "administration_ended")},
    {local("monitoring_ended_at", "monitoring_ended")}, {local("ready_at", "fit_to_leave")},
    {local("discharged_at", "discharged")}, f.weight_kg::DOUBLE AS weight_kg,
    f.height_cm::DOUBLE AS height_cm, f.monitor_id, f.chair, f.escort_confirmed,
    f.discharge_score::DOUBLE AS discharge_score, f.discharge_scale,
    {local("rems_form_sent_at", "rems_form_sent")}, f.rems_form_minutes::DOUBLE AS rems_form_minutes
FROM {_DRAWN.format("sessions")} {
    PSEUDONYM.replace(
        "USING (clinic_id, patient_id)",
        "ON n.clinic_id = f.clinic_id AND n.patient_id = f.patient_id",
    )
}
JOIN (SELECT subject_id, min(local_date) AS local_date FROM marts.subjects
    WHERE clinic_id = $clinic AND subject_kind = 'session' GROUP BY ALL) s
    ON s.subject_id = f.session_id
ORDER BY d.number
"""
_DOSES = f"""
SELECT d.number, {local("f.started_at", "started")}, {local("f.ended_at", "ended")}, f.drug,
    f.route, f.amount_mg::DOUBLE AS amount_mg, f.wasted_mg::DOUBLE AS wasted_mg, f.lot,
    f.administered_by, f.waste_witness_id
FROM {_DRAWN.format("doses")} ORDER BY d.number, f.started_at, f.dose_id
"""
_READINGS = f"""
SELECT d.number, {local("f.measured_at", "measured")}, f.systolic_mmhg::DOUBLE AS systolic_mmhg,
    f.diastolic_mmhg::DOUBLE AS diastolic_mmhg, f.heart_rate_bpm::DOUBLE AS heart_rate_bpm,
    f.spo2_pct::DOUBLE AS spo2_pct, f.respiratory_rate_bpm::DOUBLE AS respiratory_rate_bpm,
    f.sedation_moaas::DOUBLE AS sedation_moaas, f.dissociation_cadss::DOUBLE AS dissociation_cadss
FROM {_DRAWN.format("vitals")} ORDER BY d.number, f.measured_at, f.vital_id
"""
_VERDICTS = """
SELECT d.number, r.title, r.severity, r.tier, v.status, v.waived, r.asks, f.reason
FROM drawn d JOIN marts.subjects u ON u.clinic_id = $clinic AND u.subject_kind = 'session'
    AND u.subject_id = d.session_id
JOIN marts.verdicts v USING (subject_no) JOIN marts.rules r USING (rule_no)
LEFT JOIN marts.findings f ON f.clinic_id = u.clinic_id AND f.subject_kind = u.subject_kind
    AND f.subject_id = u.subject_id AND f.protocol = u.protocol AND f.rule_id = r.rule_id
WHERE v.status <> 'excluded'
ORDER BY d.number, r.protocol, CASE r.severity WHEN 'critical' THEN 0 WHEN 'major' THEN 1
    ELSE 2 END, r.rule_id
"""


@dataclass(frozen=True)
class Chart:
    """One session: its facts as (name, value), and its doses, readings and verdicts as tables."""

    number: int
    session_id: str
    patient: str | None
    local_date: date
    program: str
    prescriber_id: str | None
    facts: Sequence[tuple[str, Any]]
    doses: Table
    readings: Table
    verdicts: Table


def charts(warehouse: Warehouse, scope: Scope, sessions: Sequence[str]) -> list[Chart]:
    """What Keel has of each session, in the order given; numbered from 1."""
    numbered = pa.table({"number": range(1, len(sessions) + 1), "session_id": list(sessions)})
    warehouse.db.register("drawn", numbered)
    try:
        facts = read(warehouse, scope, "facts", "Session", "", _FACTS)
        doses = _by_chart(read(warehouse, scope, "doses", "Doses", "", _DOSES))
        readings = _by_chart(read(warehouse, scope, "readings", "Readings", "", _READINGS))
        verdicts = _by_chart(read(warehouse, scope, "verdicts", "Verdicts", "", _VERDICTS))
    finally:
        warehouse.db.unregister("drawn")
    return [
        Chart(
            number, session_id, patient, local_date, program, prescriber_id,
            facts=list(zip(facts.header[-len(more) :], more, strict=True)),
            doses=doses(number), readings=readings(number), verdicts=verdicts(number),
        )
        for number, session_id, patient, local_date, program, prescriber_id, *more in facts.rows
    ]  # fmt: skip


class _by_chart:  # noqa: N801  (reads as what it gives)
    """A chart's own rows of a table that begins with the chart's number."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for number, *row in table.rows:
            self._rows[number].append(tuple(row))

    def __call__(self, number: int) -> Table:
        whole = self._table
        return Table(whole.name, whole.title, "", whole.header[1:], self._rows.get(number, []))


def worksheet_rows(sheets: Sequence[Chart]) -> list[tuple[Any, ...]]:
    """Each line of each worksheet, with three blanks for the auditor."""
    return [
        (sheet.number, sheet.session_id, part, item, has, "", "", "")
        for sheet in sheets
        for part, item, has in _lines(sheet)
    ]


def _lines(sheet: Chart) -> Iterator[tuple[str, str, Any]]:
    yield from (("session", name, value) for name, value in sheet.facts)
    for part, table in (("dose", sheet.doses), ("reading", sheet.readings)):
        for at, row in enumerate(table.rows, start=1):
            for name, value in zip(table.header, row, strict=True):
                if value is not None:
                    yield part, f"{at}: {name}", value
    for title, _, _, status, waived, asks, reason in sheet.verdicts.rows:
        said = f"{status.replace('_', ' ')}{', waived' if waived else ''}"
        yield "verdict", f"{title} ({asks})", f"{said}: {reason}" if reason else said
