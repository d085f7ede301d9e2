"""Rows of metrics into their mart: what `outcomes` and `costs` write by."""

from __future__ import annotations

import polars as pl

from flows.warehouse import Warehouse
from protocols.times import INSTANT


def instants(frame: pl.DataFrame) -> pl.DataFrame:
    """DuckDB's timestamps as the metrics' instants."""
    return frame.with_columns(pl.col(pl.Datetime("us", "*")).cast(INSTANT))


def table_columns(warehouse: Warehouse, table: str) -> list[str]:
    """A mart's columns, in order."""
    found = warehouse.db.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = 'marts' AND table_name = ? AND table_catalog = current_database() "
        "ORDER BY ordinal_position",
        [table],
    ).fetchall()
    return [name for (name,) in found]


def insert(warehouse: Warehouse, table: str, rows: pl.LazyFrame) -> None:
    """Insert by column name what the table has of the rows' columns, sorted."""
    frame = rows.select(table_columns(warehouse, table)).collect()
    warehouse.db.execute(f"INSERT INTO marts.{table} BY NAME SELECT * FROM frame ORDER BY ALL")
    del frame
