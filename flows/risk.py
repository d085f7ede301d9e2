"""Risk, from facts to its marts, made anew each night: what was observed, flags, scores.

Patients in buckets of persons, stock by lot, staff by clinic; what each gives is observations
(`flows.metrics.flags`), which are stored as they come.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from flows.frames import fetched
from flows.marts import insert, table_columns
from flows.metrics.flags import flags, scores
from flows.patient_risk import patient_observations
from flows.people import find_people
from flows.runs import Run
from flows.settings import Settings
from flows.staff_risk import staff_observations
from flows.stock_risk import stock_observations
from flows.warehouse import Warehouse
from protocols.risk import RESTRICTED, Risk, risk

MARTS = ("risk_observations", "risk_flags", "risk_scores", "restricted_flags",
         "restricted_scores", "lot_balance", "patient_exposure")  # fmt: skip
# Of a patient the first row that the flag rests on stands for the subject: nobody can try patients'
# ids against the flag's.
_FLAG_ID = (
    "substr(sha256(concat_ws(chr(31), clinic_id, subject_kind, "
    "CASE WHEN subject_kind = 'patient' THEN row_ids[1] ELSE subject_id END, signal)), 1, 20)"
)


def update_risk(warehouse: Warehouse, run: Run, settings: Settings) -> None:
    """Replace the marts of risk; `marts.subjects`, `marts.findings` and `marts.outcome_courses`
    must be whole by then."""
    held = risk()
    for table in MARTS:
        warehouse.db.execute(f"DELETE FROM marts.{table}")
    find_people(warehouse, held.people)
    for rows in _observed(warehouse, run, settings, held):
        _store(warehouse, rows.collect(), held)
    for kind in ("risk", "restricted"):
        flagged = fetched(warehouse, f"FROM marts.{kind}_flags").lazy()
        insert(warehouse, f"{kind}_scores", scores(flagged, held))


def _observed(
    warehouse: Warehouse, run: Run, settings: Settings, held: Risk
) -> Iterator[pl.LazyFrame]:
    """All observations, a part at a time."""
    yield from patient_observations(warehouse, run, held)
    yield from stock_observations(warehouse, run, settings, held)
    yield from staff_observations(warehouse, run, settings, held)


def _store(warehouse: Warehouse, observations: pl.DataFrame, held: Risk) -> None:
    insert(warehouse, "risk_observations", observations.lazy())
    flagged = flags(observations.lazy(), held).with_columns(flag_id=pl.lit("")).collect()
    restricted = pl.col("subject_kind").is_in(list(RESTRICTED))
    _insert(warehouse, "risk_flags", flagged.filter(~restricted))
    _insert(warehouse, "restricted_flags", flagged.filter(restricted))


def _insert(warehouse: Warehouse, table: str, flagged: pl.DataFrame) -> None:
    frame = flagged.select(table_columns(warehouse, table))
    warehouse.db.execute(
        f"INSERT INTO marts.{table} BY NAME SELECT * REPLACE ({_FLAG_ID} AS flag_id) FROM frame "
        "ORDER BY clinic_id, subject_kind, subject_id, signal"
    )
    del frame
