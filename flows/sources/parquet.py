"""Parquet: typed columns become the text that a CSV of the same rows would hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.sources import TextSelect, Unreadable, checked_header, identifier, quoted

if TYPE_CHECKING:
    import duckdb

SUFFIXES = (".parquet",)


def text_select(db: duckdb.DuckDBPyConnection, path: str, suffix: str) -> TextSelect:
    """A file's columns as text; instants in ISO 8601 with Z, others as DuckDB writes them.

    Raises Unreadable for what is no Parquet file.
    """
    import duckdb

    relation = f"read_parquet({quoted(path)})"
    try:
        described = db.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error:
        raise Unreadable("it is no Parquet file, or cut off") from None
    header = checked_header([row[0] for row in described])
    columns = ", ".join(
        f"{_as_text(identifier(row[0]), row[1])} AS {identifier(name)}"
        for row, name in zip(described, header, strict=True)
    )
    return TextSelect(header, f"SELECT {columns} FROM {relation}")


def _as_text(column: str, kind: str) -> str:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(timezone('UTC', {column}), '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind == "BLOB":
        return f"decode({column})"
    return f"{column}::VARCHAR"
