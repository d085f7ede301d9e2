"""Facts of doses, stock entries and supplies for the signals of staff and prescribers.

Of each only what lies in the signals' windows. Entries in buckets of clinics; doses and supplies of
all together, a few columns of each, as everybody is compared with peers at every clinic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from flows.beside import beside
from flows.frames import cutoffs, delivered, fetched
from flows.marts import all_collected, collected, instants
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
from flows.shares import portions, whole_clinics
from flows.sources import quoted
from flows.warehouse import Warehouse
from protocols.risk import Risk, Signal

_ENTRIES = (
    "SELECT f.clinic_id, z.time_zone AS _zone, f.entry_id, f.drug, f.kind, f.amount_mg, "
    "f.occurred_at, f.actor_id, f.witness_id FROM facts.inventory f "
    "LEFT JOIN facts.clinics z USING (clinic_id) "
    "WHERE f.occurred_at <= $as_of AND f.actor_id IS NOT NULL"
)
_SHIFTS = "SELECT f.clinic_id, f.staff_id, f.started_at, f.ended_at FROM facts.shifts f WHERE "
_OF_ENTRIES = (
    "unwitnessed-waste", "self-witnessed-waste", "entries-off-shift", "entries-out-of-hours",
)  # fmt: skip
_AMONG_PEERS = ("waste-above-peers", "late-charting", "dose-above-peers")
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
    "days_supply, dispensed_at FROM facts.dispenses f "
    "WHERE dispensed_at <= $as_of AND prescriber_id IS NOT NULL AND days_supply > 0"
)


def staff_observations(
    warehouse: Warehouse, run: Run, settings: Settings, held: Risk
) -> Iterator[pl.DataFrame]:
    """What was observed of members of staff and of prescribers, among their peers."""
    cut = instants(cutoffs(warehouse, run.as_of)).lazy()
    yield from _of_entries(warehouse, run, held, cut)
    yield from all_collected([*_of_doses(warehouse, run, settings, held, cut)])
    signal = held.by_id["take-home-above-peers"]
    recent = _DISPENSES + _within([signal], run, "f.dispensed_at")
    dispenses = instants(fetched(warehouse, recent, as_of=run.as_of)).lazy()
    handed_out = since(dispenses, signal, run.as_of, "dispensed_at")
    yield collected(take_home_above_peers(handed_out, signal))


def _within(signals: Sequence[Signal], run: Run, at: str) -> str:
    """SQL: what none of the signals looks at any more need not be read."""
    windows = [signal.window for signal in signals]
    oldest = max((window.delta for window in windows if window), default=None)
    if oldest is None or None in windows:
        return ""
    return f" AND {at} >= {quoted((run.as_of - oldest).isoformat())}::TIMESTAMPTZ"


def _of_entries(
    warehouse: Warehouse, run: Run, held: Risk, cut: pl.LazyFrame
) -> Iterator[pl.DataFrame]:
    """What people wrote into the stock book."""
    signals = held.by_id
    clinics = fetched(
        warehouse,
        "SELECT clinic_id, time_zone AS _zone, NULL::TIMESTAMPTZ AS cutoff FROM facts.clinics",
    )
    clinics = instants(clinics)
    zones = sorted(set(clinics["_zone"].to_list())) or ["UTC"]
    hours = fetched(warehouse, "SELECT * FROM facts.hours").lazy()
    looked_at = _within([signals[name] for name in _OF_ENTRIES], run, "f.occurred_at")

    def facts(mine: str) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        entries = fetched(warehouse, f"{_ENTRIES}{looked_at} AND {mine}", as_of=run.as_of)
        return instants(entries).lazy(), instants(fetched(warehouse, _SHIFTS + mine)).lazy()

    def observed(of: tuple[pl.LazyFrame, pl.LazyFrame]) -> list[pl.DataFrame]:
        entries, shifts = of
        unseen, own, off, closed = (signals[name] for name in _OF_ENTRIES)

        def recent(signal: Signal) -> pl.LazyFrame:
            return since(entries, signal, run.as_of, "occurred_at")

        on_time = delivered(recent(off), "occurred_at", cut, "shifts")
        return all_collected(
            [
                unwitnessed_waste(recent(unseen), unseen),
                self_witnessed_waste(recent(own), own),
                entries_off_shift(on_time, shifts, off),
                entries_out_of_hours(recent(closed), clinics.lazy(), hours, closed, zones),
            ]
        )

    parts = (share.of_clinics for share in whole_clinics(portions(warehouse)))
    for observations in beside(map(facts, parts), observed):
        yield from observations


def _of_doses(
    warehouse: Warehouse, run: Run, settings: Settings, held: Risk, cut: pl.LazyFrame
) -> Iterator[pl.LazyFrame]:
    """Doses by who gave and who prescribed them."""
    signals = held.by_id
    drug = pl.col("drug")
    outside = signals["dose-without-session"]
    recent = _WITHOUT_SESSION + _within([outside], run, "f.started_at")
    without = instants(fetched(warehouse, recent, as_of=run.as_of)).lazy()
    lost = since(without, outside, run.as_of, "started_at").filter(drug.is_in(outside.kinds))
    yield doses_without_session(delivered(lost, "started_at", cut, "sessions"), outside)
    waste, late, high = (signals[name] for name in _AMONG_PEERS)
    recent = _DOSES + _within([waste, late, high], run, "f.started_at")
    doses = instants(fetched(warehouse, recent, as_of=run.as_of)).lazy()
    doses = doses.with_columns(pl.col("program").replace(settings.programs))
    wasted = since(doses, waste, run.as_of, "started_at").filter(drug.is_in(waste.kinds))
    yield waste_above_peers(wasted, waste)
    yield late_charting(since(doses, late, run.as_of, "started_at"), late)
    weighed = since(doses, high, run.as_of, "started_at").filter(drug.is_in(high.kinds))
    yield doses_above_peers(weighed.filter(pl.col("weight_kg") > 0), high)
