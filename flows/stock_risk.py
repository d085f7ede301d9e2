"""Facts of the stock book for the signals of lots and clinics, and the balance of each lot."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from flows.runs import Run
from flows.settings import Settings
from flows.warehouse import Warehouse
from protocols.risk import Risk


def stock_observations(
    warehouse: Warehouse, run: Run, settings: Settings, held: Risk
) -> Iterator[pl.LazyFrame]:
    """What was observed of lots and clinics; fills `marts.lot_balance`."""
    yield from ()
