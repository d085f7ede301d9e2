"""A file becomes raw Parquet as it is, or is blocked with one sentence that quotes no cell."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from checks.contract import Contract
from flows.raw import NETWORK, keep, raw_file
from flows.sources import (
    CannotOpen,
    TextSelect,
    Unreadable,
    formats,
    identifier,
    shown_name,
    suffix_of,
)
from flows.sources.recoded import in_utf8
from flows.tombstones import without_purged
from flows.warehouse import Warehouse


class StillWritten(Exception):
    """A file that changed while it was read."""


def keep_file(
    warehouse: Warehouse,
    path: str,
    about: dict[str, Any],
    held: Contract,
    unchanged: Callable[[], None],
) -> dict[str, Any]:
    """Keep a file as Parquet; gives its state, and the reason when it is blocked."""
    db, suffix = warehouse.db, suffix_of(about["path"])
    assert suffix is not None
    try:
        with in_utf8(path, suffix, about["encoding"], warehouse.folder / "tmp") as readable:
            text = formats()[suffix].text_select(db, readable, suffix)
            _check_columns(text.header, about["clinic_id"], held)
            known = {*held.names, "clinic_id"}
            about["unknown_columns"] = [
                shown_name(text.header, name) for name in text.header if name not in known
            ]
            about["extract_source"] = _extract_source(db, text.header, text.sql, about["name_day"])

            rows = keep_rows(warehouse, text, about, unchanged)
    except Unreadable as problem:
        return {"state": "blocked", "reason": str(problem)}
    except duckdb.IOException as error:
        if "gzip" not in str(error).lower():
            raise
        return {"state": "blocked", "reason": "it is not gzipped, damaged, or cut off"}
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        return {"state": "blocked", "reason": _csv_problem(str(error))}
    return {"state": "landed", "rows": rows}


def keep_rows(
    warehouse: Warehouse,
    text: TextSelect,
    about: dict[str, Any],
    unchanged: Callable[[], None] = lambda: None,
) -> int:
    """Keep a delivery's rows as Parquet, but none of patients who were purged; gives how many."""
    clinic_id, feed = about["clinic_id"], about["feed"]
    rest, purged = without_purged(warehouse, text.sql, text.header, clinic_id, feed)
    if purged:
        about["purged"] = purged

    def check(kept: str) -> None:
        unchanged()
        text.check(f"({text.sql})" if purged else kept)

    target = raw_file(warehouse, clinic_id, feed, about["batch_id"])
    keep(warehouse.db, rest, target, about, check)
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
    query = "SELECT num_rows FROM parquet_file_metadata(?)"
    ((rows,),) = db.execute(query, [str(target)]).fetchall()
    return int(rows)


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
        return f"{line} is not UTF-8; declare its encoding under [encodings] in keel.toml"
    if "quote" in error.lower():
        return f"{line} has a quote that does not end"
    if "state machine" in error.lower():
        return "its lines do not all end in the same way, or a quote stands where none may"
    return f"{line} cannot be read as its format"


def watched(path: str) -> Callable[[], None]:
    """A look at an open file that raises StillWritten once it is not as it was."""

    def state() -> tuple[int, int]:
        status = Path(path).stat()
        return status.st_size, status.st_mtime_ns

    before = state()

    def unchanged() -> None:
        if state() != before:
            raise StillWritten

    return unchanged


def sha256(path: str) -> str:
    """Of a file's bytes. Raises CannotOpen when not all can be read: a share may be gone."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CannotOpen(error.errno, error.strerror, path) from None
