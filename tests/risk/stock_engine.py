"""What Keel finds at the stock book and of people in a small network.

The network is written into a warehouse in memory, so that what SQL chooses is tried as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from checks.contract import contracts
from flows.frames import fetched
from flows.metrics.flags import flags
from flows.runs import Run
from flows.settings import Settings
from flows.staff_risk import staff_observations
from flows.stock_risk import stock_observations
from flows.warehouse import Warehouse, no_warehouse
from protocols.risk import risk

Row = dict[str, Any]
TYPES: Mapping[str, Any] = {
    "text": pl.String(), "time": pl.String(), "int": pl.Int64(), "number": pl.Float64(),
    "decimal": pl.Decimal(18, 6), "bool": pl.Boolean(), "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}  # fmt: skip


@dataclass(frozen=True)
class Network:
    """What is known at `as_of`; `quarantined`: clinic, feed and session of rows in quarantine."""

    facts: Mapping[str, list[Row]]
    as_of: datetime
    cutoffs: Mapping[tuple[str, str], datetime]
    quarantined: Sequence[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """Flags on lots and clinics, those on people, and the balance of each lot."""

    stock: list[Row]
    people: list[Row]
    balance: list[Row]


def signals() -> dict[str, dict[str, Any]]:
    """Every signal as plain numbers and words."""
    return {
        signal.id: {
            "about": signal.about,
            "at_least": signal.at_least,
            "days": signal.window.delta.days if signal.window else None,
            "parameters": dict(signal.parameters),
            "kinds": list(signal.kinds),
        }
        for signal in risk().signals
    }


def found(network: Network) -> Found:
    """Everything that is flagged."""
    with no_warehouse() as warehouse:
        warehouse.db.execute("SET threads = 2")
        for feed, rows in network.facts.items():
            _write(warehouse, feed, rows)
        for (clinic, feed), at in network.cutoffs.items():
            _deliver(warehouse, clinic, feed, at)
        for clinic, feed, session in network.quarantined:
            warehouse.db.execute(
                "INSERT INTO ops.quarantine BY NAME SELECT 1 AS batch_no, 'b' AS batch_id, "
                "$clinic AS clinic_id, $feed AS feed, 1 AS row_number, $session AS session_id, "
                "[] AS reasons, 'r' AS quarantined_run",
                {"clinic": clinic, "feed": feed, "session": session},
            )
        run, held = Run("000001", 1, network.as_of, network.as_of), risk()
        stock = list(stock_observations(warehouse, run, Settings(), held))
        people = list(staff_observations(warehouse, run, Settings(), held))
        return Found(
            *(flags(pl.concat(rows).lazy(), held).collect().to_dicts() for rows in (stock, people)),
            fetched(warehouse, "FROM marts.lot_balance ORDER BY ALL").to_dicts(),
        )


def _write(warehouse: Warehouse, feed: str, rows: Sequence[Row]) -> None:
    schema = {"clinic_id": pl.String()} | {
        c.name: TYPES[c.type]
        for c in contracts()[feed].columns
        if c.name not in ("clinic_id", "deleted")
    }
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    warehouse.db.execute(f"INSERT INTO facts.{feed} BY NAME SELECT * FROM frame")
    del frame


def _deliver(warehouse: Warehouse, clinic: str, feed: str, at: datetime) -> None:
    warehouse.db.execute(
        "INSERT INTO ops.batches BY NAME SELECT 'b' AS batch_id, 1 AS batch_no, "
        "$clinic AS clinic_id, $feed AS feed, '' AS path, '' AS file_sha256, 0 AS bytes, "
        "'r' AS first_seen_run, $at AS first_seen_at, $at AS extract_at, "
        "'accepted' AS state, [] AS unknown_columns, '' AS contract_version, "
        "'' AS contract_sha256, '' AS keel_version",
        {"clinic": clinic, "feed": feed, "at": at},
    )
