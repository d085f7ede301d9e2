"""Cost, from facts and judged sessions to its marts: of patients and months that a night touched.

Sessions, courses and charges in buckets of patients, months in buckets of clinics, so that memory
does not grow with the network; cohorts are made anew from what is one row a course.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import polars as pl

from flows.frames import FIRST_DOSES, cutoffs, fetched
from flows.marts import Facts, clear, fill, insert, instants
from flows.metrics.billing import billing_findings
from flows.metrics.cost import cost_missing, cost_no_shows, cost_sessions, in_dollars
from flows.metrics.cost_groups import cost_cohorts, cost_courses, cost_monthly
from flows.metrics.money import millionths
from flows.metrics.outcomes import courses_of
from flows.metrics.revenue import ANSWERS, session_revenue
from flows.runs import Run
from flows.settings import Settings
from flows.shares import Share, whole_clinics
from flows.touched import Touched, touch
from flows.warehouse import Warehouse
from protocols.costs import Costs, costs
from protocols.model import Protocol
from protocols.times import INSTANT

OF_PATIENTS = ("cost_sessions", "cost_courses", "billing_findings")
OF_MONTHS = ("cost_monthly", "cost_missing", "cost_no_shows")
MARTS = (*OF_PATIENTS, *OF_MONTHS, "cost_cohorts")
_SESSIONS = (
    "SELECT f.clinic_id, f.session_id, f.patient_id, f.program AS own_program, f.status, "
    "f.arrived_at, f.discharged_at, f.scheduled_at, f.scheduled_minutes, z.time_zone AS _zone, "
    "coalesce(f.started_at, d.first_dose_at) AS started_at FROM facts.sessions f "
    f"LEFT JOIN ({FIRST_DOSES}) d USING (clinic_id, session_id) "
    "LEFT JOIN facts.clinics z USING (clinic_id) "
)
_HELD = (
    "WHERE f.status IN ('completed', 'aborted') "
    "AND (f.started_at IS NULL OR f.started_at <= $as_of) AND "
)
_MISSED = "WHERE f.status = 'no_show' AND f.scheduled_at <= $as_of AND "
_MISSED_IN = "date_trunc('month', timezone(z.time_zone, f.scheduled_at))::DATE"
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
_COSTED = (
    "SELECT f.*, date_trunc('month', f.local_date)::DATE AS month FROM marts.cost_sessions f WHERE "
)
_COMPLIANT = (
    "SELECT clinic_id, subject_id AS session_id FROM marts.subjects f "
    "WHERE subject_kind = 'session' AND {0} GROUP BY ALL "
    "HAVING bool_and(status IN ('compliant', 'minor_misses'))"
)
_OF_COURSES = (
    "SELECT f.clinic_id, f.patient_id, f.subject_id, f.protocol, f.protocol_version, f.program, "
    "f.started_at, f.course, f.course_started_at, f.local_date, c.cost_usd, c.billed_usd, "
    "c.allowed_usd, c.payer_paid_usd, c.patient_owed_usd, c.patient_paid_usd, "
    "c.billed_to_patient_on FROM marts.subjects f LEFT JOIN marts.cost_sessions c "
    "ON c.clinic_id = f.clinic_id AND c.session_id = f.subject_id WHERE f.course IS NOT NULL AND "
)
_OUTCOMES = (
    "SELECT clinic_id, patient_id, protocol, course, program, instrument, course_started_at, "
    "is_primary, mature, induction_end, response_at_induction_end, remission_at_induction_end, "
    "responded_at, relapsed_at, treated_until, followed_until FROM marts.outcome_courses "
    "WHERE is_primary AND mature"
)
_COSTS_OF_COURSES = (
    "SELECT clinic_id, patient_id, protocol, course, cost_usd, cost_by_outcome_usd, "
    "time_zone AS _zone FROM marts.cost_courses LEFT JOIN facts.clinics USING (clinic_id)"
)
# Courses end as the cut-off moves on; a charge may name another patient's session.
_DUE = (
    "SELECT clinic_id, patient_id FROM marts.cost_courses JOIN new_cutoffs USING (clinic_id) "
    "WHERE feed = 'sessions' AND NOT ended AND treated_until < cutoff UNION "
    "SELECT clinic_id, patient_id FROM facts.charges SEMI JOIN ("
    "SELECT clinic_id, session_id FROM facts.sessions f WHERE {0} UNION ALL "
    "SELECT clinic_id, session_id FROM touched_rows UNION ALL "
    "SELECT clinic_id, session_id FROM reached) USING (clinic_id, session_id)"
)

_Marts = dict[str, pl.LazyFrame]


def update_costs(
    warehouse: Warehouse,
    protocols: Sequence[Protocol],
    run: Run,
    settings: Settings,
    touched: Touched,
) -> None:
    """Replace the marts of cost; `marts.subjects` and `marts.outcome_courses` must be whole."""
    touch(warehouse, touched, _DUE.format(touched.patients()))
    clear(warehouse, OF_PATIENTS, touched.patients())
    clear(warehouse, OF_MONTHS, touched.months("month"))
    held = costs()
    rates = fetched(warehouse, _RATES)
    zones = fetched(warehouse, "SELECT clinic_id, time_zone AS _zone FROM facts.clinics")
    names = sorted(set(zones["_zone"].to_list())) or ["UTC"]
    delivered = cutoffs(warehouse, run.as_of).with_columns(pl.col("cutoff").cast(INSTANT))
    _cost_sessions(warehouse, run, settings, held, rates, delivered, names, touched)
    _cost_months(warehouse, run, settings, held, rates, names, touched)
    _cost_courses(warehouse, protocols, held, delivered, zones, names, touched)
    _check_charges(warehouse, run, held, delivered, touched)


def _cost_sessions(
    warehouse: Warehouse,
    run: Run,
    settings: Settings,
    held: Costs,
    rates: pl.DataFrame,
    delivered: pl.DataFrame,
    zones: Sequence[str],
    touched: Touched,
) -> None:
    billing = delivered.filter(pl.col("feed") == "charges").select("clinic_id").lazy()

    def facts(share: Share) -> tuple[pl.LazyFrame, ...]:
        mine = touched.patients(share)
        theirs = (
            f"SEMI JOIN (SELECT clinic_id, session_id FROM facts.sessions f WHERE {mine}) "
            "USING (clinic_id, session_id)"
        )
        named = f"SEMI JOIN (FROM facts.charges {theirs}) USING (clinic_id, charge_id)"
        sessions = instants(fetched(warehouse, _SESSIONS + _HELD + mine, as_of=run.as_of))
        return (
            sessions.with_columns(_program(settings)).lazy(),
            fetched(warehouse, f"FROM ({_DOSES}) {theirs}", as_of=run.as_of).lazy(),
            fetched(warehouse, f"FROM ({_CHARGES}) {theirs}", as_of=run.as_of).lazy(),
            fetched(warehouse, f"FROM ({_VERSIONS}) {named}").lazy(),
        )

    def marts(of: tuple[pl.LazyFrame, ...]) -> _Marts:
        sessions, doses, charges, versions = of
        revenue = session_revenue(charges, versions, held)
        rows = cost_sessions(sessions, doses, rates.lazy(), revenue, billing, held, zones)
        return {"cost_sessions": rows.with_columns(pl.col(ANSWERS).fill_null(0))}

    _fill(warehouse, map(facts, touched.shares), marts)


def _cost_months(
    warehouse: Warehouse,
    run: Run,
    settings: Settings,
    held: Costs,
    rates: pl.DataFrame,
    zones: Sequence[str],
    touched: Touched,
) -> None:
    """Months of what `cost_sessions` holds, and of no-shows."""
    month = touched.months("date_trunc('month', f.local_date)::DATE")

    def facts(share: Share) -> tuple[pl.DataFrame, pl.DataFrame]:
        mine = f"{month} AND {share.of_clinics}"
        return fetched(warehouse, _COSTED + mine), fetched(warehouse, _COMPLIANT.format(mine))

    def marts(of: tuple[pl.DataFrame, pl.DataFrame]) -> _Marts:
        rows = _in_millionths(of[0]).lazy()
        return {
            "cost_monthly": cost_monthly(rows, of[1].lazy()),
            "cost_missing": cost_missing(rows),
        }

    _fill(warehouse, map(facts, whole_clinics(touched.shares)), marts)
    month = touched.months(_MISSED_IN)
    no_shows = instants(fetched(warehouse, _SESSIONS + _MISSED + month, as_of=run.as_of))
    missed = no_shows.with_columns(_program(settings)).lazy()
    _insert(warehouse, "cost_no_shows", cost_no_shows(missed, rates.lazy(), held, zones))


def _cost_courses(
    warehouse: Warehouse,
    protocols: Sequence[Protocol],
    held: Costs,
    delivered: pl.DataFrame,
    zones: pl.DataFrame,
    names: Sequence[str],
    touched: Touched,
) -> None:
    """Courses, and the cohorts of those that are mature."""
    seen = delivered.filter(pl.col("feed") == "sessions").select("clinic_id", "cutoff").lazy()

    def facts(share: Share) -> pl.DataFrame:
        return instants(fetched(warehouse, _OF_COURSES + touched.patients(share)))

    def marts(rows: pl.DataFrame) -> _Marts:
        courses = courses_of(rows.lazy(), protocols, zones.lazy())
        costed = _in_millionths(rows).lazy()
        return {"cost_courses": cost_courses(courses, costed, seen, held, names)}

    _fill(warehouse, map(facts, touched.shares), marts)
    clear(warehouse, ("cost_cohorts",))
    outcomes = instants(fetched(warehouse, _OUTCOMES)).lazy()
    costed = _in_millionths(fetched(warehouse, _COSTS_OF_COURSES)).lazy()
    _insert(warehouse, "cost_cohorts", cost_cohorts(outcomes, costed, held, names))


def _check_charges(
    warehouse: Warehouse, run: Run, held: Costs, delivered: pl.DataFrame, touched: Touched
) -> None:
    """Charges against the checks of their codes."""
    dosing = delivered.filter(pl.col("feed") == "doses").select("clinic_id").lazy()
    lost = fetched(
        warehouse,
        "SELECT DISTINCT clinic_id, session_id FROM ops.quarantine WHERE released_run IS NULL "
        "AND feed = 'doses' AND clinic_id IS NOT NULL AND session_id IS NOT NULL",
    ).lazy()

    def facts(share: Share) -> tuple[pl.LazyFrame, ...]:
        mine = touched.patients(share)
        named = (
            f"SEMI JOIN (SELECT clinic_id, session_id FROM facts.charges f WHERE {mine}) "
            "USING (clinic_id, session_id)"
        )
        return (
            fetched(warehouse, f"{_CHARGES} AND {mine}", as_of=run.as_of).lazy(),
            instants(fetched(warehouse, f"{_CHARTED} {named}")).lazy(),
            instants(fetched(warehouse, f"FROM ({_DOSES}) {named}", as_of=run.as_of)).lazy(),
        )

    def marts(of: tuple[pl.LazyFrame, ...]) -> _Marts:
        charges, sessions, doses = of
        found = billing_findings(charges, sessions, doses, dosing, lost, held.checks)
        return {"billing_findings": found}

    _fill(warehouse, map(facts, touched.shares), marts)


def _program(settings: Settings) -> pl.Expr:
    """The programme as protocols call it."""
    return pl.col("own_program").replace(settings.programs).alias("program")


def _in_millionths(rows: pl.DataFrame) -> pl.DataFrame:
    """Dollars of a mart as the metrics count them."""
    usd = [name for name in rows.columns if name.endswith("_usd")]
    return rows.with_columns(millionths(pl.col(name)).alias(name) for name in usd)


def _fill(warehouse: Warehouse, facts: Iterable[Facts], marts: Callable[[Facts], _Marts]) -> None:
    """Millionths as dollars."""
    fill(
        warehouse,
        facts,
        lambda of: {table: in_dollars(rows) for table, rows in marts(of).items()},
    )


def _insert(warehouse: Warehouse, table: str, rows: pl.LazyFrame) -> None:
    """Millionths as dollars."""
    insert(warehouse, table, in_dollars(rows))
