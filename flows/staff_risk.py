"""Facts of doses, stock entries and supplies for the signals of staff and prescribers."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from flows.runs import Run
from flows.settings import Settings
from flows.warehouse import Warehouse
from protocols.risk import Risk


def staff_observations(
    warehouse: Warehouse, run: Run, settings: Settings, held: Risk
) -> Iterator[pl.LazyFrame]:
    """What was observed of members of staff and of prescribers, among their peers."""
    yield from ()
