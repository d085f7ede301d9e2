"""Risk, from facts to its marts: what was observed, flags, scores.

Patients whom the night touched, in buckets of persons; stock by lot and staff by clinic, made anew
each night. What each gives is observations (`flows.metrics.flags`), which are stored as they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from flows.frames import fetched
from flows.marts import clear, collected, insert, table_columns
from flows.metrics.flags import OBSERVATION, flags, scores
from flows.patient_risk import patient_observations
from flows.runs import Run
from flows.settings import Settings
from flows.staff_risk import staff_observations
from flows.stock_risk import stock_observations
from flows.touched import Touched
from flows.warehouse import Warehouse
from protocols.risk import RESTRICTED, Risk, risk

_STORED_AT_ONCE = 100_000
# Of a patient the first row that the flag rests on stands for the subject: nobody can try patients'
# ids against the flag's.
_FLAG_ID = (
    "substr(sha256(concat_ws(chr(31), clinic_id, subject_kind, "
    "CASE WHEN subject_kind = 'patient' THEN row_ids[1] ELSE subject_id END, signal)), 1, 20)"
)


def update_risk(warehouse: Warehouse, run: Run, settings: Settings, touched: Touched) -> None:
    """Replace the marts of risk; `marts.subjects`, `marts.findings` and `marts.outcome_courses`
    must be whole by then."""
    held = risk()
    clear(warehouse, ("risk_scores", "restricted_flags", "restricted_scores", "lot_balance"))
    clear(warehouse, ("risk_observations", "risk_flags"), "f.subject_kind <> 'patient'")
    for observations in _together(_observed(warehouse, run, settings, held, touched)):
        _store(warehouse, observations, held)
    for kind in ("risk", "restricted"):
        flagged = fetched(warehouse, f"FROM marts.{kind}_flags").lazy()
        insert(warehouse, f"{kind}_scores", scores(flagged, held))


def _observed(
    warehouse: Warehouse, run: Run, settings: Settings, held: Risk, touched: Touched
) -> Iterator[pl.DataFrame]:
    """All observations, a part at a time."""
    yield from patient_observations(warehouse, run, held, touched)
    yield from stock_observations(warehouse, run, settings, held)
    yield from staff_observations(warehouse, run, settings, held)


def _together(parts: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Many at a time: to store a few takes as long."""
    held: list[pl.DataFrame] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= _STORED_AT_ONCE:
            yield pl.concat(held)
            held = []
    yield pl.concat([OBSERVATION.to_frame(), *held])


def _store(warehouse: Warehouse, observations: pl.DataFrame, held: Risk) -> None:
    insert(warehouse, "risk_observations", observations.lazy())
    flagged = collected(flags(observations.lazy(), held).with_columns(flag_id=pl.lit("")))
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
