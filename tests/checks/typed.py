"""Rows of text, typed by the shipped SQL: what the tests of `checks` share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from checks.contract import Contract
from checks.typing_sql import prepare_zones, typed_select

NEW_YORK = "America/New_York"
Text = Mapping[str, str | None]


def connect() -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    return db


def stage(
    db: duckdb.DuckDBPyConnection,
    held: Contract,
    rows: Sequence[Text],
    clinic: str | None = "north",
    zones: Iterable[str | None] | None = None,
) -> None:
    """The table `typed` of rows of text, all of one clinic, each in its zone."""
    listed = [NEW_YORK] * len(rows) if zones is None else list(zones)
    schema = pa.schema([(name, pa.string()) for name in held.names])
    raw = pa.Table.from_pylist([{**row} for row in rows], schema)
    for name, values, kind in (
        ("_clinic_id", [clinic] * len(rows), pa.string()),
        ("_stated_clinic", [row.get("_stated_clinic") for row in rows], pa.string()),
        ("_zone", listed, pa.string()),
        ("_batch", [1] * len(rows), pa.int32()),
        ("_row", list(range(1, len(rows) + 1)), pa.int64()),
    ):
        raw = raw.append_column(name, pa.array(values, kind))
    prepare_zones(db, {zone for zone in listed if zone})
    db.register("raw", raw)
    db.execute(f"CREATE OR REPLACE TEMP TABLE typed AS {typed_select(held, 'raw')}")
    db.unregister("raw")


def typed(held: Contract, rows: Sequence[Text], **given: Any) -> list[dict[str, Any]]:
    """Each row typed, in order."""
    with connect() as db:
        stage(db, held, rows, **given)
        return db.sql("FROM typed ORDER BY _row").fetch_arrow_table().to_pylist()


def vital(**values: str | None) -> dict[str, str | None]:
    """A good row of vitals but for what is given."""
    return {"vital_id": "v1", "session_id": "s1", "measured_at": "2026-05-04T10:00:00Z", **values}
