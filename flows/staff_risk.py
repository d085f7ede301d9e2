"""Facts of doses, stock entries and supplies for the signals of staff and prescribers.

Entries in buckets of clinics; doses and supplies of all together, a few columns of each, as
everybody is compared with peers at every clinic.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from flows.frames import cutoffs, delivered, fetched
from flows.marts import instants
from flows.metrics.flags import since
from flows.metrics.risk_staff import (
    doses_above_peers,
    doses_without_session,
    entries_off_shift,
    entries_out_of_hours,
    late_charting,
    self_witnessed_waste,
    take_home_above_peers,
    unwitnessed_waste,
    waste_above_peers,
)
from flows.runs import Run
from flows.settings import Settings
from flows.shares import number_of_buckets
from flows.warehouse import Warehouse
from protocols.risk import Risk

_ENTRIES = (
    "SELECT f.clinic_id, z.time_zone AS _zone, f.entry_id, f.drug, f.kind, f.amount_mg, "
    "f.occurred_at, f.actor_id, f.witness_id FROM facts.inventory f "
    "LEFT JOIN facts.clinics z USING (clinic_id) "
    "WHERE f.occurred_at <= $as_of AND f.actor_id IS NOT NULL"
)
_SHIFTS = "SELECT f.clinic_id, f.staff_id, f.started_at, f.ended_at FROM facts.shifts f WHERE true"
_DOSES = (
    "SELECT f.clinic_id, f.patient_id, f.dose_id, f.drug, f.amount_mg, f.wasted_mg, f.started_at, "
    "f.recorded_at, f.administered_by, s.program, s.prescriber_id, s.weight_kg "
    "FROM facts.doses f LEFT JOIN facts.sessions s USING (clinic_id, session_id) "
    "WHERE f.started_at <= $as_of"
)
_WITHOUT_SESSION = (
    "SELECT f.clinic_id, f.dose_id, f.drug, f.amount_mg, f.started_at, f.administered_by "
    "FROM facts.doses f ANTI JOIN facts.sessions USING (clinic_id, session_id) "
    "ANTI JOIN (SELECT clinic_id, session_id FROM ops.quarantine WHERE feed = 'sessions' "
    "AND released_run IS NULL) q ON q.clinic_id = f.clinic_id AND q.session_id = f.session_id "
    "WHERE f.started_at <= $as_of"
)
_DISPENSES = (
    "SELECT clinic_id, patient_id, dispense_id, prescriber_id, drug, strength_mg, quantity, "
    "days_supply, dispensed_at FROM facts.dispenses "
    "WHERE dispensed_at <= $as_of AND prescriber_id IS NOT NULL AND days_supply > 0"
)


def staff_observations(
    warehouse: Warehouse, run: Run, settings: Settings, held: Risk
) -> Iterator[pl.LazyFrame]:
    """What was observed of members of staff and of prescribers, among their peers."""
    cut = instants(cutoffs(warehouse, run.as_of)).lazy()
    yield from _of_entries(warehouse, run, held, cut)
    yield from _of_doses(warehouse, run, settings, held, cut)
    signal = held.by_id["take-home-above-peers"]
    dispenses = instants(fetched(warehouse, _DISPENSES, as_of=run.as_of)).lazy()
    yield take_home_above_peers(since(dispenses, signal, run.as_of, "dispensed_at"), signal)


def _of_entries(
    warehouse: Warehouse, run: Run, held: Risk, cut: pl.LazyFrame
) -> Iterator[pl.LazyFrame]:
    """What people wrote into the stock book."""
    signals = held.by_id
    clinics = fetched(
        warehouse,
        "SELECT clinic_id, time_zone AS _zone, NULL::TIMESTAMPTZ AS cutoff FROM facts.clinics",
    )
    clinics = instants(clinics)
    zones = sorted(set(clinics["_zone"].to_list())) or ["UTC"]
    hours = fetched(warehouse, "SELECT * FROM facts.hours").lazy()
    number = number_of_buckets(warehouse)
    for bucket in range(number):
        mine = f" AND hash(f.clinic_id) % {number} = {bucket}" if number > 1 else ""
        entries = instants(fetched(warehouse, _ENTRIES + mine, as_of=run.as_of)).lazy()
        shifts = instants(fetched(warehouse, _SHIFTS + mine)).lazy()

        def recent(signal_id: str, rows: pl.LazyFrame = entries) -> pl.LazyFrame:
            return since(rows, signals[signal_id], run.as_of, "occurred_at")

        yield unwitnessed_waste(recent("unwitnessed-waste"), signals["unwitnessed-waste"])
        yield self_witnessed_waste(recent("self-witnessed-waste"), signals["self-witnessed-waste"])
        yield entries_off_shift(
            delivered(recent("entries-off-shift"), "occurred_at", cut, "shifts"), shifts,
            signals["entries-off-shift"],
        )  # fmt: skip
        yield entries_out_of_hours(
            recent("entries-out-of-hours"), clinics.lazy(), hours, signals["entries-out-of-hours"],
            zones,
        )  # fmt: skip


def _of_doses(
    warehouse: Warehouse, run: Run, settings: Settings, held: Risk, cut: pl.LazyFrame
) -> Iterator[pl.LazyFrame]:
    """Doses by who gave and who prescribed them."""
    signals = held.by_id
    drug = pl.col("drug")
    outside = signals["dose-without-session"]
    without = instants(fetched(warehouse, _WITHOUT_SESSION, as_of=run.as_of)).lazy()
    lost = since(without, outside, run.as_of, "started_at").filter(drug.is_in(outside.kinds))
    yield doses_without_session(delivered(lost, "started_at", cut, "sessions"), outside)
    doses = instants(fetched(warehouse, _DOSES, as_of=run.as_of)).lazy()
    doses = doses.with_columns(pl.col("program").replace(settings.programs))
    waste, late, high = (
        signals[name] for name in ("waste-above-peers", "late-charting", "dose-above-peers")
    )
    wasted = since(doses, waste, run.as_of, "started_at").filter(drug.is_in(waste.kinds))
    yield waste_above_peers(wasted, waste)
    yield late_charting(since(doses, late, run.as_of, "started_at"), late)
    weighed = since(doses, high, run.as_of, "started_at").filter(drug.is_in(high.kinds))
    yield doses_above_peers(weighed.filter(pl.col("weight_kg") > 0), high)
