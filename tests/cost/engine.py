"""What Keel finds in a small network: its marts of cost as plain rows.

The network is written into a warehouse in memory, so that what SQL chooses is tried as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from checks.contract import contracts
from flows.costs import MARTS, update_costs
from flows.frames import fetched
from flows.runs import Run
from flows.settings import Settings
from flows.touched import Touched
from flows.warehouse import Warehouse, no_warehouse
from protocols.model import Protocol
from tests.outcomes.engine import PROTOCOL

Row = dict[str, Any]
Tables = dict[str, list[Row]]
TYPES: Mapping[str, Any] = {
    "text": pl.String(), "time": pl.String(), "int": pl.Int64(), "number": pl.Float64(),
    "decimal": pl.Decimal(18, 6), "bool": pl.Boolean(), "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}  # fmt: skip
_SUBJECT = {
    "subject_no": 0, "subject_kind": "session", "protocol_version": "1.0.0", "met": 0, "not_met": 0,
    "not_evaluable": 0, "pending": 0, "excluded": 0,
}  # fmt: skip
_COURSE = {
    "protocol_version": "1.0.0", "instrument": "PHQ-9", "is_primary": True, "outcomes": 0,
    "prorated": 0, "sessions": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Network:
    """What is known at `as_of`. `versions` are earlier ones of charges, each with its `said_at`;
    `subjects` and `outcomes` are what judging and outcomes made of the sessions; `lost` are
    sessions with a dose in quarantine; `programs` are the network's names of programmes."""

    facts: Mapping[str, list[Row]]
    as_of: datetime
    cutoffs: Mapping[tuple[str, str], datetime]
    versions: Sequence[Row] = ()
    subjects: Sequence[Row] = ()
    outcomes: Sequence[Row] = ()
    lost: Sequence[tuple[str, str]] = ()
    programs: Mapping[str, str] = field(default_factory=dict)


def found(network: Network) -> Tables:
    """Every mart of cost."""
    with no_warehouse() as warehouse:
        warehouse.db.execute("SET threads = 2")
        for feed, rows in network.facts.items():
            _write(warehouse, feed, rows)
        _write_versions(warehouse, network.versions)
        _insert(warehouse, "marts.subjects", [_SUBJECT | row for row in network.subjects])
        _insert(warehouse, "marts.outcome_courses", [_COURSE | row for row in network.outcomes])
        for (clinic, feed), at in network.cutoffs.items():
            warehouse.db.execute(
                "INSERT INTO ops.batches BY NAME SELECT 'b' AS batch_id, 1 AS batch_no, "
                "$clinic AS clinic_id, $feed AS feed, '' AS path, '' AS file_sha256, 0 AS bytes, "
                "'r' AS first_seen_run, $at AS first_seen_at, $at AS extract_at, "
                "'accepted' AS state, [] AS unknown_columns, '' AS contract_version, "
                "'' AS contract_sha256, '' AS keel_version",
                {"clinic": clinic, "feed": feed, "at": at},
            )
        for clinic, session in network.lost:
            warehouse.db.execute(
                "INSERT INTO ops.quarantine BY NAME SELECT 1 AS batch_no, 'b' AS batch_id, "
                "$clinic AS clinic_id, 'doses' AS feed, 1 AS row_number, $session AS session_id, "
                "[] AS reasons, 'r' AS quarantined_run",
                {"clinic": clinic, "session": session},
            )
        run = Run("000001", 1, network.as_of, network.as_of)
        held = [Protocol.model_validate(PROTOCOL)]
        everything = Touched(everything=True)
        update_costs(warehouse, held, run, Settings(programs=dict(network.programs)), everything)
        return {
            table: fetched(warehouse, f"FROM marts.{table} ORDER BY ALL").to_dicts()
            for table in MARTS
        }


def _write(warehouse: Warehouse, feed: str, rows: Sequence[Row], into: str | None = None) -> None:
    held = contracts()[feed]
    schema = {"clinic_id": pl.String()} | {
        c.name: TYPES[c.type] for c in held.columns if c.name not in ("clinic_id", "deleted")
    }
    if into:
        schema |= {"_extracted_at": TYPES["timestamp"], "_content": pl.UInt64(),
                   "_withdrawn": pl.Boolean(), "_absent": pl.Boolean()}  # fmt: skip
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    warehouse.db.execute(f"INSERT INTO facts.{into or feed} BY NAME SELECT * FROM frame")
    del frame


def _write_versions(warehouse: Warehouse, versions: Sequence[Row]) -> None:
    rows = [
        {"_withdrawn": False, "_absent": False, **row, "_extracted_at": row["said_at"],
         "_content": at}
        for at, row in enumerate(versions)
    ]  # fmt: skip
    _write(warehouse, "charges", rows, "charges_history")


def _insert(warehouse: Warehouse, table: str, rows: Iterable[Row]) -> None:
    for row in rows:
        names = ", ".join(f"${name} AS {name}" for name in row)
        warehouse.db.execute(f"INSERT INTO {table} BY NAME SELECT {names}", row)
