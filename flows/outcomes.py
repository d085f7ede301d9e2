"""Outcomes, from facts and judged sessions to their marts, made anew each night.

In buckets of patients, as judging does, so that memory does not grow with the network; only what
is one row a course is held together, for curves and cohorts.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flows.frames import cutoffs, fetched, number_of_buckets
from flows.marts import insert, instants
from flows.metrics.durability import durability, responses
from flows.metrics.outcomes import courses_of, outcome_cohorts, outcome_courses
from flows.metrics.suicidality import suicidality_followup
from flows.runs import Run
from flows.warehouse import Warehouse
from protocols.instruments import Instrument, Instruments, instruments
from protocols.model import Protocol
from protocols.scoring import scored
from protocols.times import INSTANT

MARTS = ("outcome_courses", "outcome_cohorts", "durability", "suicidality_followup",
         "outcome_warnings")  # fmt: skip
_OUTCOMES = (
    "SELECT clinic_id, outcome_id, patient_id, session_id, instrument, instrument_version, "
    "administered_at AS at, total, items FROM facts.outcomes WHERE administered_at <= $as_of"
)
# A contact that took place; one without a start is placed where it was scheduled.
_CONTACTS = (
    "SELECT clinic_id, patient_id, kind, coalesce(started_at, scheduled_at) AS at "
    "FROM facts.contacts WHERE coalesce(started_at, scheduled_at) <= $as_of "
    "AND (status = 'completed' OR (status IS NULL AND started_at IS NOT NULL))"
)
_SUBJECTS = (
    "SELECT clinic_id, patient_id, subject_id, protocol, protocol_version, program, started_at, "
    "course, course_started_at FROM marts.subjects WHERE course IS NOT NULL"
)


def update_outcomes(warehouse: Warehouse, protocols: Sequence[Protocol], run: Run) -> None:
    """Replace the marts of outcomes; `marts.subjects` must be whole by then."""
    held = instruments()
    for table in MARTS:
        warehouse.db.execute(f"DELETE FROM marts.{table}")
    zones = fetched(warehouse, "SELECT clinic_id, time_zone AS _zone FROM facts.clinics")
    names = sorted(set(zones["_zone"].to_list())) or ["UTC"]
    known = cutoffs(warehouse, run.as_of).with_columns(pl.col("cutoff").cast(INSTANT)).lazy()
    of = {
        feed: known.filter(pl.col("feed") == feed).select("clinic_id", "cutoff")
        for feed in ("outcomes", "contacts")
    }
    lost = fetched(
        warehouse,
        "SELECT DISTINCT clinic_id, patient_id FROM ops.quarantine WHERE released_run IS NULL "
        "AND feed = 'contacts' AND clinic_id IS NOT NULL AND patient_id IS NOT NULL",
    ).lazy()
    rows: list[pl.DataFrame] = []
    lasting: list[pl.DataFrame] = []
    number = number_of_buckets(warehouse)
    for bucket in range(number):
        mine = f" AND hash(clinic_id, patient_id) % {number} = {bucket}" if number > 1 else ""
        outcomes = instants(fetched(warehouse, _OUTCOMES + mine, as_of=run.as_of))
        contacts = instants(fetched(warehouse, _CONTACTS + mine, as_of=run.as_of)).lazy()
        subjects = instants(fetched(warehouse, _SUBJECTS + mine)).lazy()
        scores = scored(outcomes.lazy(), _charted(outcomes, held)).collect().lazy()
        courses = courses_of(subjects, protocols, zones.lazy()).collect().lazy()
        rows.append(outcome_courses(courses, scores, of["outcomes"], held, names).collect())
        lasting.append(responses(rows[-1].lazy(), contacts, held, names).collect())
        insert(
            warehouse,
            "suicidality_followup",
            suicidality_followup(scores, contacts, of["contacts"], lost, held),
        )
        insert(warehouse, "outcome_warnings", _warnings(scores))
    every = pl.concat(rows).lazy()
    insert(warehouse, "outcome_courses", every)
    insert(warehouse, "outcome_cohorts", outcome_cohorts(every, names))
    insert(warehouse, "durability", durability(pl.concat(lasting).lazy(), held))


def _charted(outcomes: pl.DataFrame, held: Instruments) -> tuple[Instrument, ...]:
    """The scales that were charted at all: planning for each takes longer than reading few rows."""
    names = set(outcomes["instrument"].to_list())
    return tuple(scale for scale in held.instruments if scale.instrument in names)


def _warnings(scores: pl.LazyFrame) -> pl.LazyFrame:
    return scores.filter(pl.col("warning").is_not_null()).select(
        "clinic_id", "outcome_id", "patient_id", "session_id", "instrument", "warning", "score",
        administered_at="at", charted="total",
    )  # fmt: skip
