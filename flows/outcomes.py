"""Outcomes, from facts and judged sessions to their marts, for patients whom the night touched.

In buckets of patients, as judging does, so that memory does not grow with the network; cohorts and
curves of the whole network are made anew from what is one row a course.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from flows.frames import cutoffs, fetched
from flows.marts import clear, collected, fill, insert, instants
from flows.metrics.durability import durability, responses
from flows.metrics.outcomes import courses_of, outcome_cohorts, outcome_courses
from flows.metrics.suicidality import suicidality_followup
from flows.runs import Run
from flows.touched import Touched, touch
from flows.warehouse import Warehouse
from protocols.instruments import Instrument, Instruments, instruments
from protocols.model import Protocol
from protocols.scoring import scored
from protocols.times import INSTANT

OF_PATIENTS = (
    "outcome_courses", "outcome_responses", "suicidality_followup", "outcome_warnings",
)  # fmt: skip
OF_THE_NETWORK = ("outcome_cohorts", "durability")
_OUTCOMES = (
    "SELECT clinic_id, outcome_id, patient_id, session_id, instrument, instrument_version, "
    "administered_at AS at, total, items FROM facts.outcomes f WHERE administered_at <= $as_of"
)
# A contact that took place; one without a start is placed where it was scheduled.
_CONTACTS = (
    "SELECT clinic_id, patient_id, kind, coalesce(started_at, scheduled_at) AS at "
    "FROM facts.contacts f WHERE coalesce(started_at, scheduled_at) <= $as_of "
    "AND (status = 'completed' OR (status IS NULL AND started_at IS NOT NULL))"
)
_SUBJECTS = (
    "SELECT clinic_id, patient_id, subject_id, protocol, protocol_version, program, started_at, "
    "course, course_started_at FROM marts.subjects f WHERE course IS NOT NULL"
)


_MATURE = (
    "SELECT f.*, time_zone AS _zone FROM marts.outcome_courses f LEFT JOIN facts.clinics "
    "USING (clinic_id) WHERE is_primary AND mature"
)
# Courses that mature, and screens whose answer is awaited, change with the cut-offs alone.
_DUE = (
    "SELECT clinic_id, patient_id FROM marts.outcome_courses JOIN new_cutoffs USING (clinic_id) "
    "WHERE feed = 'outcomes' AND NOT mature AND matures_at <= cutoff UNION "
    "SELECT clinic_id, patient_id FROM marts.suicidality_followup WHERE status = 'pending'"
)


def update_outcomes(
    warehouse: Warehouse, protocols: Sequence[Protocol], run: Run, touched: Touched
) -> None:
    """Replace the marts of outcomes; `marts.subjects` must be whole by then."""
    held = instruments()
    touch(warehouse, touched, _DUE)
    clear(warehouse, OF_PATIENTS, touched.patients())
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

    def marts(facts: _Facts) -> dict[str, pl.LazyFrame]:
        scores = collected(scored(facts.outcomes.lazy(), _charted(facts.outcomes, held))).lazy()
        courses = collected(courses_of(facts.subjects, protocols, zones.lazy())).lazy()
        rows = collected(outcome_courses(courses, scores, of["outcomes"], held, names)).lazy()
        answers = suicidality_followup(scores, facts.contacts, of["contacts"], lost, held)
        return {
            "outcome_courses": rows,
            "outcome_responses": responses(rows, facts.contacts, held, names),
            "suicidality_followup": answers,
            "outcome_warnings": _warnings(scores),
        }

    fill(warehouse, _facts(warehouse, run.as_of, touched), marts)
    _update_network(warehouse, held, names)


@dataclass(frozen=True)
class _Facts:
    """Of the patients of a share: outcomes and contacts up to as_of, and subjects in courses."""

    outcomes: pl.DataFrame
    contacts: pl.LazyFrame
    subjects: pl.LazyFrame


def _facts(warehouse: Warehouse, as_of: datetime, touched: Touched) -> Iterator[_Facts]:
    for share in touched.shares:
        mine = f" AND {touched.patients(share)}"
        yield _Facts(
            instants(fetched(warehouse, _OUTCOMES + mine, as_of=as_of)),
            instants(fetched(warehouse, _CONTACTS + mine, as_of=as_of)).lazy(),
            instants(fetched(warehouse, _SUBJECTS + mine)).lazy(),
        )


def _update_network(warehouse: Warehouse, held: Instruments, zones: Sequence[str]) -> None:
    clear(warehouse, OF_THE_NETWORK)
    cohorts = outcome_cohorts(instants(fetched(warehouse, _MATURE)).lazy(), zones)
    insert(warehouse, "outcome_cohorts", cohorts)
    lasting = fetched(warehouse, "FROM marts.outcome_responses").lazy()
    insert(warehouse, "durability", durability(lasting, held))


def _charted(outcomes: pl.DataFrame, held: Instruments) -> tuple[Instrument, ...]:
    """The scales that were charted at all: planning for each takes longer than reading few rows."""
    names = set(outcomes["instrument"].to_list())
    return tuple(scale for scale in held.instruments if scale.instrument in names)


def _warnings(scores: pl.LazyFrame) -> pl.LazyFrame:
    return scores.filter(pl.col("warning").is_not_null()).select(
        "clinic_id", "outcome_id", "patient_id", "session_id", "instrument", "warning", "score",
        administered_at="at", charted="total",
    )  # fmt: skip
