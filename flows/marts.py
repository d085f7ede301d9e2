"""Rows of metrics into their mart: what `outcomes`, `costs`, `operations` and `risk` write by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import polars as pl

from flows.beside import beside
from flows.warehouse import Warehouse
from protocols.times import INSTANT

Facts = TypeVar("Facts")


def instants(frame: pl.DataFrame) -> pl.DataFrame:
    """DuckDB's timestamps as the metrics' instants."""
    return frame.with_columns(pl.col(pl.Datetime("us", "*")).cast(INSTANT))


def table_columns(warehouse: Warehouse, table: str) -> list[str]:
    """A mart's columns, in order."""
    return [column[0] for column in warehouse.db.execute(f"FROM marts.{table} LIMIT 0").description]


def clear(warehouse: Warehouse, tables: Iterable[str], rows: str = "true") -> None:
    """Take out of marts the rows `f` of which a condition holds."""
    for table in tables:
        warehouse.db.execute(f"DELETE FROM marts.{table} f WHERE {rows}")


def collected(rows: pl.LazyFrame) -> pl.DataFrame:
    """A bucket's rows, in memory: the streaming engine of Polars 2.1 was once seen to panic."""
    return rows.collect(engine="in-memory")


def all_collected(parts: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
    """The rows of each; what several of them begin with is done once."""
    return list(pl.collect_all(parts, engine="in-memory"))


def fill(
    warehouse: Warehouse,
    facts: Iterable[Facts],
    marts: Callable[[Facts], Mapping[str, pl.LazyFrame]],
) -> None:
    """Insert the rows that `marts` makes of each share's facts, two shares at a time."""

    def made(of: Facts) -> dict[str, pl.DataFrame]:
        tables = marts(of)
        return dict(zip(tables, all_collected(list(tables.values())), strict=True))

    for found in beside(facts, made):
        for table, rows in found.items():
            insert(warehouse, table, rows.lazy())


def insert(warehouse: Warehouse, table: str, rows: pl.LazyFrame, only: str = "true") -> None:
    """Insert by column name what the table has of the rows' columns, sorted; of the rows `f` those
    of which a condition holds.
    """
    frame = collected(rows.select(table_columns(warehouse, table)))
    warehouse.db.execute(
        f"INSERT INTO marts.{table} BY NAME SELECT * FROM frame f WHERE {only} ORDER BY ALL"
    )
    del frame
