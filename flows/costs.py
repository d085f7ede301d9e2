"""Cost, from facts and judged sessions to its marts, made anew each night.

Sessions in buckets, then courses and charges in buckets of patients, so that memory does not grow
with the network; only sums by month, courses of cohorts and what disagrees are held together.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flows.frames import cutoffs, fetched, number_of_buckets
from flows.marts import insert, instants
from flows.metrics.billing import billing_findings
from flows.metrics.cost import cost_missing, cost_no_shows, cost_sessions, in_dollars
from flows.metrics.cost_groups import cost_cohorts, cost_courses, cost_monthly, monthly_sums
from flows.metrics.money import millionths
from flows.metrics.outcomes import COURSE, courses_of
from flows.metrics.revenue import session_revenue
from flows.runs import Run
from flows.settings import Settings
from flows.warehouse import Warehouse
from protocols.costs import Costs, costs
from protocols.model import Protocol
from protocols.times import INSTANT

MARTS = ("cost_sessions", "cost_monthly", "cost_courses", "cost_cohorts", "cost_no_shows",
         "cost_missing", "billing_findings")  # fmt: skip
# A session's start is that of its first dose where it has none of its own; none after as_of.
_FIRST_DOSES = (
    "SELECT clinic_id, session_id, min(started_at) AS first_dose_at FROM facts.doses "
    "WHERE started_at <= $as_of AND session_id IS NOT NULL GROUP BY ALL"
)
_SESSIONS = (
    "SELECT f.clinic_id, f.session_id, f.program AS own_program, f.status, f.arrived_at, "
    "f.discharged_at, f.scheduled_at, f.scheduled_minutes, z.time_zone AS _zone, "
    "coalesce(f.started_at, d.first_dose_at) AS started_at FROM facts.sessions f "
    f"LEFT JOIN ({_FIRST_DOSES}) d USING (clinic_id, session_id) "
    "LEFT JOIN facts.clinics z USING (clinic_id) "
)
_HELD = (
    "WHERE f.status IN ('completed', 'aborted') "
    "AND (f.started_at IS NULL OR f.started_at <= $as_of) "
)
_MISSED = "WHERE f.status = 'no_show' AND f.scheduled_at <= $as_of "
_DOSES = (
    "SELECT clinic_id, session_id, drug, acquisition, amount_mg, wasted_mg, started_at "
    "FROM facts.doses f WHERE started_at <= $as_of "
)
_RATES = "SELECT clinic_id, rate_id, resource, amount, program, effective_from FROM facts.rates"
_CHARGES = (
    "SELECT f.clinic_id, f.charge_id, f.patient_id, f.session_id, f.payer_kind, f.status, f.code, "
    "f.units, f.billed_usd, f.allowed_usd, f.payer_paid_usd, f.patient_owed_usd, "
    "f.patient_paid_usd, f.service_on, f.submitted_on, f.adjudicated_on, f.billed_to_patient_on "
    "FROM facts.charges f JOIN facts.clinics z USING (clinic_id) "
    "WHERE f.service_on <= timezone(z.time_zone, $as_of::TIMESTAMPTZ)::DATE "
)
_CHARTED = "SELECT clinic_id, session_id, route, started_at, ended_at FROM facts.sessions"
# Earlier versions of charges; one that was absent from a full export is no version of its own.
_VERSIONS = (
    "SELECT h.clinic_id, h.charge_id, h.status, h._extracted_at AS said_at, h._content AS content "
    "FROM facts.charges_history h JOIN facts.charges f USING (clinic_id, charge_id) "
    "WHERE NOT h._withdrawn AND NOT h._absent "
)
_COMPLIANT = (
    "SELECT clinic_id, subject_id AS session_id FROM marts.subjects "
    "WHERE subject_kind = 'session' GROUP BY ALL "
    "HAVING bool_and(status IN ('compliant', 'minor_misses'))"
)
_OF_COURSES = (
    "SELECT s.clinic_id, s.patient_id, s.subject_id, s.protocol, s.protocol_version, s.program, "
    "s.started_at, s.course, s.course_started_at, s.local_date, c.cost_usd, c.billed_usd, "
    "c.allowed_usd, c.payer_paid_usd, c.patient_owed_usd, c.patient_paid_usd, "
    "c.billed_to_patient_on FROM marts.subjects s LEFT JOIN marts.cost_sessions c "
    "ON c.clinic_id = s.clinic_id AND c.session_id = s.subject_id WHERE s.course IS NOT NULL"
)
_OUTCOMES = (
    "SELECT clinic_id, patient_id, protocol, course, program, instrument, course_started_at, "
    "is_primary, mature, induction_end, response_at_induction_end, remission_at_induction_end, "
    "responded_at, relapsed_at, treated_until, followed_until FROM marts.outcome_courses "
    "WHERE is_primary AND mature"
)


def update_costs(
    warehouse: Warehouse, protocols: Sequence[Protocol], run: Run, settings: Settings
) -> None:
    """Replace the marts of cost; `marts.subjects` and `marts.outcome_courses` must be whole."""
    for table in MARTS:
        warehouse.db.execute(f"DELETE FROM marts.{table}")
    held = costs()
    rates = fetched(warehouse, _RATES)
    zones = fetched(warehouse, "SELECT clinic_id, time_zone AS _zone FROM facts.clinics")
    names = sorted(set(zones["_zone"].to_list())) or ["UTC"]
    delivered = cutoffs(warehouse, run.as_of).with_columns(pl.col("cutoff").cast(INSTANT))
    _cost_sessions(warehouse, run, settings, held, rates, delivered, names)
    no_shows = instants(fetched(warehouse, _SESSIONS + _MISSED, as_of=run.as_of))
    missed = no_shows.with_columns(_program(settings)).lazy()
    _insert(warehouse, "cost_no_shows", cost_no_shows(missed, rates.lazy(), held, names))
    _cost_courses(warehouse, protocols, held, delivered, zones, names)
    _check_charges(warehouse, run, held, delivered)


def _cost_sessions(
    warehouse: Warehouse,
    run: Run,
    settings: Settings,
    held: Costs,
    rates: pl.DataFrame,
    delivered: pl.DataFrame,
    zones: Sequence[str],
) -> None:
    """Sessions, and what is summed over them."""
    number = number_of_buckets(warehouse)
    billing = delivered.filter(pl.col("feed") == "charges").select("clinic_id").lazy()
    compliant = fetched(warehouse, _COMPLIANT).lazy()
    sums: list[pl.DataFrame] = []
    missing: list[pl.DataFrame] = []
    for bucket in range(number):
        mine = f" AND hash(f.clinic_id, f.session_id) % {number} = {bucket}" if number > 1 else ""
        sessions = instants(fetched(warehouse, _SESSIONS + _HELD + mine, as_of=run.as_of))
        doses = fetched(warehouse, _DOSES + mine, as_of=run.as_of).lazy()
        charges = fetched(warehouse, _CHARGES + mine, as_of=run.as_of).lazy()
        versions = fetched(warehouse, _VERSIONS + mine).lazy()
        rows = cost_sessions(
            sessions.with_columns(_program(settings)).lazy(),
            doses,
            rates.lazy(),
            session_revenue(charges, versions, held),
            billing,
            held,
            zones,
        ).collect()
        _insert(warehouse, "cost_sessions", rows.lazy())
        sums.append(monthly_sums(rows.lazy(), compliant).collect())
        missing.append(cost_missing(rows.lazy()).collect())
    _insert(warehouse, "cost_monthly", cost_monthly(pl.concat(sums).lazy()))
    _insert(warehouse, "cost_missing", _together(missing))


def _together(missing: Sequence[pl.DataFrame]) -> pl.LazyFrame:
    return (
        pl.concat(missing)
        .lazy()
        .group_by("clinic_id", "program", "month", "missing")
        .agg(pl.col("sessions").sum(), pl.col("first_on").min(), pl.col("last_on").max())
    )


def _cost_courses(
    warehouse: Warehouse,
    protocols: Sequence[Protocol],
    held: Costs,
    delivered: pl.DataFrame,
    zones: pl.DataFrame,
    names: Sequence[str],
) -> None:
    """Courses, in buckets of patients, and the cohorts of those that are mature."""
    number = number_of_buckets(warehouse)
    seen = delivered.filter(pl.col("feed") == "sessions").select("clinic_id", "cutoff").lazy()
    kept: list[pl.DataFrame] = []
    for bucket in range(number):
        mine = f" AND hash(s.clinic_id, s.patient_id) % {number} = {bucket}" if number > 1 else ""
        rows = instants(fetched(warehouse, _OF_COURSES + mine))
        usd = [name for name in rows.columns if name.endswith("_usd")]
        costed = rows.lazy().with_columns(millionths(pl.col(name)).alias(name) for name in usd)
        found = cost_courses(
            courses_of(rows.lazy(), protocols, zones.lazy()), costed, seen, held, names
        ).collect()
        _insert(warehouse, "cost_courses", found.lazy())
        kept.append(found.select(*COURSE, "_zone", "cost_usd", "cost_by_outcome_usd"))
    outcomes = instants(fetched(warehouse, _OUTCOMES)).lazy()
    _insert(
        warehouse, "cost_cohorts", cost_cohorts(outcomes, pl.concat(kept).lazy(), held, names)
    )  # fmt: skip


def _check_charges(warehouse: Warehouse, run: Run, held: Costs, delivered: pl.DataFrame) -> None:
    """Charges against the checks of their codes."""
    number = number_of_buckets(warehouse)
    dosing = delivered.filter(pl.col("feed") == "doses").select("clinic_id").lazy()
    lost = fetched(
        warehouse,
        "SELECT DISTINCT clinic_id, session_id FROM ops.quarantine WHERE released_run IS NULL "
        "AND feed = 'doses' AND clinic_id IS NOT NULL AND session_id IS NOT NULL",
    ).lazy()
    for bucket in range(number):
        mine = f" AND hash(f.clinic_id, f.patient_id) % {number} = {bucket}" if number > 1 else ""
        charges = fetched(warehouse, _CHARGES + mine, as_of=run.as_of)
        if charges.is_empty():
            continue
        named = (
            f"SEMI JOIN (SELECT clinic_id, session_id FROM facts.charges f WHERE true{mine}) "
            "USING (clinic_id, session_id)"
        )
        sessions = fetched(warehouse, f"{_CHARTED} {named}")
        doses = fetched(warehouse, f"FROM ({_DOSES}) {named}", as_of=run.as_of)
        found = billing_findings(
            charges.lazy(),
            instants(sessions).lazy(),
            instants(doses).lazy(),
            dosing,
            lost,
            held.checks,
        )
        _insert(warehouse, "billing_findings", found)


def _program(settings: Settings) -> pl.Expr:
    """The programme as protocols call it."""
    return pl.col("own_program").replace(settings.programs).alias("program")


def _insert(warehouse: Warehouse, table: str, rows: pl.LazyFrame) -> None:
    """Millionths as dollars."""
    insert(warehouse, table, in_dollars(rows))
