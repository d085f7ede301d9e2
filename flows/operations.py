"""Operations, from facts to their marts, made anew each night.

In buckets of clinics, as a chair, an opening hour and a month are each one clinic's.
"""

from __future__ import annotations

import polars as pl

from flows.frames import cutoffs, fetched, number_of_buckets
from flows.marts import insert, instants
from flows.metrics.due import credentials_due, rems_forms_due
from flows.metrics.operations import operations_monthly
from flows.runs import Run
from flows.settings import Settings
from flows.warehouse import Warehouse
from protocols.times import INSTANT

MARTS = ("operations_monthly", "credentials_due", "rems_forms_due")
# A session without a start began with its first dose of any drug.
_SESSIONS = (
    "SELECT s.clinic_id, session_id, s.program, s.status, s.scheduled_at, s.cancelled_at, "
    "s.arrived_at, coalesce(s.started_at, d.first_at) AS started_at, s.ended_at, "
    "s.monitoring_ended_at, s.discharged_at, s.chair FROM facts.sessions s LEFT JOIN ("
    "SELECT clinic_id, session_id, min(started_at) AS first_at FROM facts.doses "
    "WHERE started_at <= $as_of GROUP BY ALL) d USING (clinic_id, session_id) "
    "WHERE (s.started_at IS NULL OR s.started_at <= $as_of)"
)
# The form is asked for after each dose, whatever became of the session.
_DOSED = (
    "SELECT s.clinic_id, session_id, s.patient_id, s.program, s.rems_form_sent_at, d.dosed_at "
    "FROM facts.sessions s JOIN (SELECT clinic_id, session_id, min(started_at) AS dosed_at "
    "FROM facts.doses WHERE drug = 'esketamine' AND started_at <= $as_of GROUP BY ALL) d "
    "USING (clinic_id, session_id) "
    "WHERE s.rems_form_sent_at IS NULL OR s.rems_form_sent_at > $as_of"
)


def update_operations(warehouse: Warehouse, run: Run, settings: Settings) -> None:
    """Replace the marts of operations."""
    for table in MARTS:
        warehouse.db.execute(f"DELETE FROM marts.{table}")
    clinics = _clinics(warehouse, run)
    zones = sorted(set(clinics["_zone"].to_list())) or ["UTC"]
    hours = fetched(warehouse, "SELECT * FROM facts.hours").lazy()
    number = number_of_buckets(warehouse)
    for bucket in range(number):
        mine = f" AND hash(clinic_id) % {number} = {bucket}" if number > 1 else ""
        sessions = _sessions(warehouse, _SESSIONS + mine, run, settings)
        rows = operations_monthly(sessions, clinics.lazy(), hours, run.as_of, zones)
        insert(warehouse, "operations_monthly", rows)
    staff = fetched(warehouse, "SELECT * FROM facts.staff").lazy()
    due = credentials_due(staff, clinics.lazy(), run.as_of, zones)
    insert(warehouse, "credentials_due", due)
    dosed = _sessions(warehouse, _DOSED, run, settings)
    insert(warehouse, "rems_forms_due", rems_forms_due(dosed, clinics.lazy(), run.as_of, zones))


def _clinics(warehouse: Warehouse, run: Run) -> pl.DataFrame:
    """clinic_id, _zone, chairs and `cutoff` of sessions, null where none were ever delivered."""
    known = cutoffs(warehouse, run.as_of).filter(pl.col("feed") == "sessions")
    clinics = fetched(warehouse, "SELECT clinic_id, time_zone AS _zone, chairs FROM facts.clinics")
    return clinics.join(
        known.select("clinic_id", pl.col("cutoff").cast(INSTANT)), on="clinic_id", how="left"
    )


def _sessions(warehouse: Warehouse, query: str, run: Run, settings: Settings) -> pl.LazyFrame:
    """Sessions, with their programmes named as the protocols name them."""
    rows = instants(fetched(warehouse, query, as_of=run.as_of)).lazy()
    return rows.with_columns(pl.col("program").replace(settings.programs))
