"""Facts of the stock book for the signals of lots and clinics, and the balance of each lot.

In buckets of clinics, as a lot is one clinic's.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from flows.beside import beside
from flows.frames import cutoffs, delivered, fetched
from flows.marts import all_collected, collected, insert, instants
from flows.metrics.flags import since
from flows.metrics.lot_balance import lot_balance
from flows.metrics.risk_clocks import (
    clinic_counts_overdue,
    loss_forms_late,
    losses_told_late,
    losses_undated,
    lot_counts_overdue,
    possible_losses,
)
from flows.metrics.risk_doses import doses_not_in_stock, stock_not_in_doses, unrecorded_waste
from flows.metrics.risk_stock import (
    lot_variances,
    lots_not_received,
    partial_devices,
    partial_doses,
)
from flows.runs import Run
from flows.settings import Settings
from flows.shares import portions, whole_clinics
from flows.warehouse import Warehouse
from protocols.risk import Risk

_ENTRIES = (
    "SELECT f.clinic_id, z.time_zone AS _zone, f.entry_id, f.lot, f.drug, f.kind, f.amount_mg, "
    "f.occurred_at, f.session_id, f.discovered_at, f.dea_notified_at, f.form106_submitted_at "
    "FROM facts.inventory f LEFT JOIN facts.clinics z USING (clinic_id) "
    "WHERE f.occurred_at <= $as_of AND "
)
_DOSES = (
    "SELECT f.clinic_id, z.time_zone AS _zone, f.dose_id, f.session_id, f.drug, f.lot, "
    "f.amount_mg, f.opened_mg, f.wasted_mg, f.devices, f.started_at "
    "FROM facts.doses f LEFT JOIN facts.clinics z USING (clinic_id) "
    "WHERE f.started_at <= $as_of AND "
)
_QUARANTINED = (
    "SELECT DISTINCT clinic_id, session_id, feed FROM ops.quarantine "
    "WHERE released_run IS NULL AND session_id IS NOT NULL AND feed IN ('inventory', 'doses')"
)


def stock_observations(
    warehouse: Warehouse, run: Run, settings: Settings, held: Risk
) -> Iterator[pl.DataFrame]:
    """What was observed of lots and clinics; fills `marts.lot_balance`."""
    cut = instants(cutoffs(warehouse, run.as_of)).lazy()
    unknown = fetched(warehouse, _QUARANTINED).lazy()

    def facts(mine: str) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        return (
            instants(fetched(warehouse, _ENTRIES + mine, as_of=run.as_of)).lazy(),
            instants(fetched(warehouse, _DOSES + mine, as_of=run.as_of)).lazy(),
        )

    def observed(of: tuple[pl.LazyFrame, pl.LazyFrame]) -> list[pl.DataFrame]:
        entries, doses = of
        balance = collected(lot_balance(entries))
        told = delivered(entries, "occurred_at", cut, "inventory")
        signals = [
            *_of_book(told, balance, run, held),
            *_of_doses(entries, doses, unknown, cut, run, held),
        ]
        return [balance, *all_collected(signals)]

    clinics = (share.of_clinics for share in whole_clinics(portions(warehouse)))
    for balance, *observations in beside(map(facts, clinics), observed):
        insert(warehouse, "lot_balance", balance.lazy())
        yield from observations


def _of_book(
    entries: pl.LazyFrame, balance: pl.DataFrame, run: Run, held: Risk
) -> Iterator[pl.LazyFrame]:
    """What the stock book says alone."""
    signals = held.by_id
    zones = _zones(entries)
    recent = since(entries, signals["partial-device"], run.as_of, "occurred_at")
    losses = possible_losses(entries)
    yield lot_variances(entries, signals["lot-variance"])
    yield lots_not_received(entries, signals["lot-not-received"])
    yield partial_devices(recent, signals["partial-device"])
    yield clinic_counts_overdue(entries, balance.lazy(), signals["count-overdue-biennial"], zones)
    yield lot_counts_overdue(entries, balance.lazy(), signals["count-overdue-monthly"], zones)
    yield losses_told_late(losses, signals["loss-told-late"], zones, held.holidays.days)
    yield loss_forms_late(losses, signals["loss-form-late"], zones)
    yield losses_undated(losses, signals["loss-undated"])


def _of_doses(
    entries: pl.LazyFrame,
    doses: pl.LazyFrame,
    unknown: pl.LazyFrame,
    cut: pl.LazyFrame,
    run: Run,
    held: Risk,
) -> Iterator[pl.LazyFrame]:
    """What doses and the stock book say of one another, and doses of what was opened."""
    signals = held.by_id
    feed, as_of = pl.col("feed"), run.as_of
    yield doses_not_in_stock(
        delivered(doses, "started_at", cut, "inventory"), entries,
        unknown.filter(feed == "inventory"), signals["dose-not-in-stock"], as_of,
    )  # fmt: skip
    yield stock_not_in_doses(
        delivered(entries, "occurred_at", cut, "doses"), doses,
        unknown.filter(feed == "doses"), signals["stock-not-in-doses"], as_of,
    )  # fmt: skip
    waste, partial = signals["unrecorded-waste"], signals["partial-dose"]
    controlled = doses.filter(pl.col("drug").is_in(waste.kinds))
    yield unrecorded_waste(since(controlled, waste, as_of, "started_at"), waste, _zones(doses))
    yield partial_doses(since(doses, partial, as_of, "started_at"), partial)


def _zones(rows: pl.LazyFrame) -> list[str]:
    zones = rows.select(pl.col("_zone").unique()).drop_nulls().collect()
    return sorted(zones["_zone"].to_list()) or ["UTC"]
