"""Operations, from facts to their marts: months that the night touched, and all that is due.

In buckets of clinics, as a chair, an opening hour and a month are each one clinic's.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flows.frames import FIRST_DOSES, cutoffs, fetched
from flows.marts import clear, insert, instants
from flows.metrics.due import credentials_due, rems_forms_due
from flows.metrics.operations import operations_monthly
from flows.runs import Run
from flows.settings import Settings
from flows.shares import whole_clinics
from flows.touched import Touched, touch_months
from flows.warehouse import Warehouse
from protocols.times import INSTANT

_SESSIONS = (
    "SELECT s.clinic_id, session_id, s.program, s.status, s.scheduled_at, s.cancelled_at, "
    "s.arrived_at, coalesce(s.started_at, d.first_dose_at) AS started_at, s.ended_at, "
    "s.monitoring_ended_at, s.discharged_at, s.chair FROM facts.sessions s "
    f"LEFT JOIN ({FIRST_DOSES}) d USING (clinic_id, session_id) "
    "WHERE (s.started_at IS NULL OR s.started_at <= $as_of)"
)
# A session counts in the month of its appointment, and in those in which it has a chair.
_IN_MONTHS = (
    "SEMI JOIN (SELECT f.clinic_id, f.session_id FROM (SELECT clinic_id, session_id, unnest(["
    "scheduled_at, coalesce(arrived_at, scheduled_at), coalesce(discharged_at, scheduled_at)]) "
    "AS at FROM (SELECT * REPLACE (coalesce(scheduled_at, started_at) AS scheduled_at) "
    f"FROM ({_SESSIONS}))) f LEFT JOIN facts.clinics z USING (clinic_id) WHERE {{0}}) "
    "USING (clinic_id, session_id)"
)
_MONTH = "date_trunc('month', timezone(z.time_zone, f.at))::DATE"
_AWAITED = "SELECT clinic_id, month FROM marts.operations_monthly WHERE awaiting_delivery > 0"
# The form is asked for after each dose, whatever became of the session.
_DOSED = (
    "SELECT s.clinic_id, session_id, s.patient_id, s.program, s.rems_form_sent_at, d.dosed_at "
    "FROM facts.sessions s JOIN (SELECT clinic_id, session_id, min(started_at) AS dosed_at "
    "FROM facts.doses WHERE drug = 'esketamine' AND started_at <= $as_of GROUP BY ALL) d "
    "USING (clinic_id, session_id) "
    "WHERE s.rems_form_sent_at IS NULL OR s.rems_form_sent_at > $as_of"
)


def update_operations(warehouse: Warehouse, run: Run, settings: Settings, touched: Touched) -> None:
    """Replace the marts of operations."""
    clinics = _clinics(warehouse, run)
    zones = sorted(set(clinics["_zone"].to_list())) or ["UTC"]
    _update_months(warehouse, run, settings, touched, clinics, zones)
    clear(warehouse, ("credentials_due", "rems_forms_due"))
    staff = fetched(warehouse, "SELECT * FROM facts.staff").lazy()
    due = credentials_due(staff, clinics.lazy(), run.as_of, zones)
    insert(warehouse, "credentials_due", due)
    dosed = _sessions(warehouse, _DOSED, run, settings)
    insert(warehouse, "rems_forms_due", rems_forms_due(dosed, clinics.lazy(), run.as_of, zones))


def _update_months(
    warehouse: Warehouse,
    run: Run,
    settings: Settings,
    touched: Touched,
    clinics: pl.DataFrame,
    zones: Sequence[str],
) -> None:
    """Months that are only part of the fetched sessions' are left as they are."""
    touch_months(warehouse, touched, _AWAITED)
    clear(warehouse, ("operations_monthly",), touched.months("f.month"))
    hours = fetched(warehouse, "SELECT * FROM facts.hours").lazy()
    lie = "" if touched.everything else _IN_MONTHS.format(touched.months(_MONTH))
    for share in whole_clinics(touched.shares):
        query = f"FROM ({_SESSIONS}) f {lie} WHERE {share.of_clinics}"
        sessions = _sessions(warehouse, query, run, settings)
        rows = operations_monthly(sessions, clinics.lazy(), hours, run.as_of, zones)
        insert(warehouse, "operations_monthly", rows, touched.months("f.month"))


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
