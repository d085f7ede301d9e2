"""Rows of metrics into their mart: what `outcomes`, `costs` and `operations` write by."""

from __future__ import annotations

import polars as pl

from flows.warehouse import Warehouse
from protocols.times import INSTANT


def instants(frame: pl.DataFrame) -> pl.DataFrame:
    """DuckDB's timestamps as the metrics' instants."""
    return frame.with_columns(pl.col(pl.Datetime("us", "*")).cast(INSTANT))


def table_columns(warehouse: Warehouse, table: str) -> list[str]:
    """A mart's columns, in order."""
    return [column[0] for column in warehouse.db.execute(f"FROM marts.{table} LIMIT 0").description]


def insert(warehouse: Warehouse, table: str, rows: pl.LazyFrame) -> None:
    """Insert by column name what the table has of the rows' columns, sorted."""
    frame = rows.select(table_columns(warehouse, table)).collect()
    warehouse.db.execute(f"INSERT INTO marts.{table} BY NAME SELECT * FROM frame ORDER BY ALL")
    del frame
