"""Parquet: typed columns become the text that a CSV of the same rows would hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.sources import TextSelect, Unreadable, checked_header, identifier, quoted
from flows.sources.examined import ANYWAY, MOST_BYTES, require_bounded

if TYPE_CHECKING:
    import duckdb

SUFFIXES = (".parquet",)


def text_select(db: duckdb.DuckDBPyConnection, path: str, suffix: str) -> TextSelect:
    """A file's columns as text; instants in ISO 8601 with Z, others as DuckDB writes them.

    Raises Unreadable for what is no Parquet file, or unpacks to more than an export would.
    """
    import duckdb

    relation = f"read_parquet({quoted(path)})"
    try:
        described = db.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        require_bounded(_unpacked(db, path, described), Path(path).stat().st_size)
    except duckdb.Error:
        raise Unreadable("it is no Parquet file, or cut off") from None
    header = checked_header([row[0] for row in described])
    columns = ", ".join(
        f"{_as_text(identifier(row[0]), row[1])} AS {identifier(name)}"
        for row, name in zip(described, header, strict=True)
    )
    return TextSelect(header, f"SELECT {columns} FROM {relation}")


def _unpacked(db: duckdb.DuckDBPyConnection, path: str, described: list[tuple[str, ...]]) -> int:
    """Bytes of its texts, a byte for every other cell, since a dictionary or a run makes many of
    one; its rows are counted only where they may be too many.
    """
    row = db.execute(
        "SELECT count(DISTINCT path_in_schema) * sum(num_values) FILTER (column_id = 0), "
        "sum(num_values * total_uncompressed_size) FROM parquet_metadata(?)",
        [path],
    ).fetchone()
    cells, most = (row[0] or 0, row[1] or 0) if row else (0, 0)
    if most <= ANYWAY or cells > MOST_BYTES:
        return int(cells)
    texts = [identifier(name) for name, kind, *_ in described if kind in ("VARCHAR", "BLOB")]
    if not texts:
        return int(cells)
    sums = " + ".join(f"coalesce(sum(octet_length({name}::BLOB)), 0)" for name in texts)
    row = db.execute(f"SELECT {sums} FROM read_parquet({quoted(path)})").fetchone()
    return int(cells + (row[0] if row else 0))


def _as_text(column: str, kind: str) -> str:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(timezone('UTC', {column}), '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind == "BLOB":
        return f"decode({column})"
    return f"{column}::VARCHAR"
