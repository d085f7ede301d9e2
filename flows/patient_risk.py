"""Facts of patients for their risk signals, in buckets of persons, so that memory does not grow
with the network."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from flows.frames import fetched, number_of_buckets
from flows.marts import instants
from flows.metrics.risk_supply import early_refills
from flows.runs import Run
from flows.settings import Settings
from flows.warehouse import Warehouse
from protocols.risk import Risk

# Whose row it is: records of one person are told apart from others' by the separator.
_PERSON = "coalesce(p.person::VARCHAR, concat_ws(chr(31), f.clinic_id, f.patient_id))"
_OF_PERSON = (
    "JOIN facts.clinics z USING (clinic_id) "
    "LEFT JOIN marts.people p ON p.clinic_id = f.clinic_id AND p.patient_id = f.patient_id "
)
_DISPENSES = (
    f"SELECT f.clinic_id, f.patient_id, {_PERSON} AS person, z.time_zone AS _zone, dispense_id, "
    "prescriber_id, rx_id, drug, form, (strength_mg * quantity)::DOUBLE AS amount_mg, days_supply, "
    f"dispensed_at FROM facts.dispenses f {_OF_PERSON} WHERE dispensed_at <= $as_of"
)


def patient_observations(
    warehouse: Warehouse, run: Run, settings: Settings, held: Risk
) -> Iterator[pl.LazyFrame]:
    """What was observed of patients, bucket by bucket."""
    zones = _zones(warehouse)
    number = number_of_buckets(warehouse)
    for bucket in range(number):
        mine = f" AND hash({_PERSON}) % {number} = {bucket}" if number > 1 else ""
        dispenses = instants(fetched(warehouse, _DISPENSES + mine, as_of=run.as_of)).lazy()
        yield early_refills(dispenses, held.by_id["early-refill"], run.as_of, zones)


def _zones(warehouse: Warehouse) -> list[str]:
    rows = warehouse.db.execute("SELECT DISTINCT time_zone FROM facts.clinics ORDER BY 1")
    return [zone for (zone,) in rows.fetchall()] or ["UTC"]
