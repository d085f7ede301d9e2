"""A file's rows as raw Parquet: its header checked, those of purged patients left out."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import duckdb

from checks.contract import Contract
from flows.raw import NETWORK, keep, raw_file
from flows.sources import Unreadable, formats, identifier, shown_name, suffix_of
from flows.tombstones import without_purged
from flows.warehouse import Warehouse


def keep_file(
    warehouse: Warehouse, path: str, about: dict[str, Any], held: Contract
) -> dict[str, Any]:
    """Keep a file as Parquet, and add to `about` what its header and rows say; gives its state, and
    the reason when it is blocked."""
    db, suffix = warehouse.db, suffix_of(about["path"])
    assert suffix is not None
    try:
        text = formats()[suffix].text_select(db, path, suffix)
        _check_columns(text.header, about["clinic_id"], held)
        known = {*held.names, "clinic_id"}
        about["unknown_columns"] = [
            shown_name(text.header, name) for name in text.header if name not in known
        ]
        about["extract_source"] = _extract_source(db, text.header, text.sql, about["name_day"])
        rows = keep_rows(warehouse, text.sql, text.header, about)
    except Unreadable as problem:
        return {"state": "blocked", "reason": str(problem)}
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        return {"state": "blocked", "reason": _csv_problem(str(error))}
    return {"state": "landed", "rows": rows}


def keep_rows(
    warehouse: Warehouse, select: str, header: tuple[str, ...], about: dict[str, Any]
) -> int:
    """Keep a delivery's rows as Parquet, but none of patients who were purged; gives how many."""
    clinic_id, feed = about["clinic_id"], about["feed"]
    rest, purged = without_purged(warehouse, select, header, clinic_id, feed)
    if purged:
        about["purged"] = purged
    target = raw_file(warehouse, clinic_id, feed, about["batch_id"])
    keep(warehouse.db, rest, target, about)
    return rows_kept(warehouse.db, target)


def _extract_source(
    db: duckdb.DuckDBPyConnection, header: tuple[str, ...], select: str, day: str | None
) -> str:
    """rows, when any of them says its extract time; else name or none."""
    if "extracted_at" in header:
        stated = db.execute(
            f"SELECT 1 FROM ({select}) WHERE {identifier('extracted_at')} <> '' LIMIT 1"
        ).fetchone()
        if stated:
            return "rows"
    return "name" if day else "none"


def rows_kept(db: duckdb.DuckDBPyConnection, target: Path) -> int:
    """How many rows a raw file has."""
    row = db.execute("SELECT num_rows FROM parquet_file_metadata(?)", [str(target)]).fetchone()
    assert row is not None
    return int(row[0])


def _check_columns(header: tuple[str, ...], clinic_id: str, held: Contract) -> None:
    needed = [column.name for column in held.columns if column.required]
    if clinic_id == NETWORK and "clinic_id" not in needed:
        needed.append("clinic_id")
    for name in needed:
        if name not in header:
            near = difflib.get_close_matches(name, header, n=1)
            hint = f"; the nearest is {shown_name(header, near[0])}" if near else ""
            raise Unreadable(f"its header has no column {name}{hint}")


def _csv_problem(error: str) -> str:
    """DuckDB's complaint without the line that it quotes."""
    where = re.search(r"CSV Error on Line: (\d+)", error)
    line = f"line {where[1]}" if where else "a line"
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", error)
    if counts:
        return f"{line} has {counts[2]} fields where the header has {counts[1]}"
    if "unicode" in error.lower() or "utf" in error.lower():
        return f"{line} is not UTF-8"
    if "quote" in error.lower():
        return f"{line} has a quote that does not end"
    return f"{line} cannot be read as its format"
