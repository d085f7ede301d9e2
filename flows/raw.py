"""The deliveries as they came: Parquet, all text, one file a batch. Everything is rebuilt from it.

A raw file tells in its own metadata what delivery it is, so that it outlives the database.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from checks.contract import Contract
from flows import seal
from flows.aside import sync
from flows.sources import identifier, quoted

if TYPE_CHECKING:
    import duckdb

    from flows.warehouse import Warehouse

NETWORK = "_network"
# In a raw file that lost rows: the number that each of the others has in the delivery, from 1.
KEPT_ROW = "_kept_row"
_ABOUT = "keel"


def raw_file(warehouse: Warehouse, clinic_id: str, feed: str, batch_id: str) -> Path:
    """Where a delivery is kept as Parquet."""
    return warehouse.raw / clinic_id / feed / f"{batch_id}.parquet"


def withdrawal(raw: Path) -> Path:
    """The mark beside a raw file that somebody withdrew it: it outlives the database."""
    return raw.with_suffix(".withdrawn")


def keep(
    db: duckdb.DuckDBPyConnection,
    select: str,
    target: Path,
    about: Mapping[str, object],
    check: Callable[[str], None] = lambda _: None,
) -> None:
    """Write a SELECT's rows as a raw file, sealed, with what it tells of itself.

    It is written under another name, checked (as a relation), flushed and renamed: a file is whole
    or not there. Raises what DuckDB raises for a SELECT that cannot be read, and what `check`
    raises.
    """
    temporary = target.with_suffix(".tmp")
    text = json.dumps(dict(about))
    previous = os.umask(0o077)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        db.execute(
            f"COPY ({select}) TO {quoted(str(temporary))} (FORMAT parquet, COMPRESSION zstd, "
            f"PARQUET_VERSION v2, KV_METADATA {{{_ABOUT}: {quoted(seal.to_be_sealed(text))}}})"
        )
        check(f"read_parquet({quoted(str(temporary))})")
        seal.put(temporary, text)
        sync(temporary)
        temporary.replace(target)
        sync(target.parent)
    finally:
        os.umask(previous)
        temporary.unlink(missing_ok=True)


def state_of(db: duckdb.DuckDBPyConnection, path: Path) -> Literal["whole", "damaged", "unsealed"]:
    """Whether a raw file's bytes are those that were written; what an earlier Keel kept, or is none
    of ours, is not sealed, and can be held to nothing."""
    import duckdb

    try:
        text = _text(db, path)
    except duckdb.Error:
        return "damaged"
    holds = None if text is None else seal.holds(path, text)
    return "unsealed" if holds is None else "whole" if holds else "damaged"


def told(db: duckdb.DuckDBPyConnection, path: Path) -> dict[str, Any] | None:
    """What a raw file says about its delivery; None when it is damaged or none of ours."""
    text = None if state_of(db, path) == "damaged" else _text(db, path)
    if text is None:
        return None
    try:
        found: dict[str, Any] = json.loads(seal.unsealed(text))
    except ValueError:
        return None
    return found


def is_sealed(db: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """Whether a raw file that is not damaged carries a seal; its rows are not read."""
    return seal.is_sealed(_text(db, path) or "{")


def _text(db: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    row = db.execute(
        "SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = ?",
        [str(path), _ABOUT],
    ).fetchone()
    return None if row is None else str(row[0])


def row_number(columns: Collection[str]) -> str:
    """SQL for the number of a raw row `r` in its delivery, from 1."""
    position = "r.file_row_number + 1"
    return f"coalesce(r.{KEPT_ROW}, {position})" if KEPT_ROW in columns else position


def raw_columns(db: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    """The columns that raw files have, in their order."""
    return [row[0] for row in db.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]


def raw_select(warehouse: Warehouse, held: Contract, batches: str) -> str:
    """A SELECT of the raw rows of the batches listed in a table, for `typed_select`.

    The table has batch_no, clinic_id and file.
    """
    db = warehouse.db
    files = [
        row[0] for row in db.execute(f"SELECT file FROM {batches} ORDER BY batch_no").fetchall()
    ]
    listed = ", ".join(quoted(file) for file in files)
    relation = (
        f"read_parquet([{listed}], union_by_name = true, filename = true, file_row_number = true)"
    )
    there = raw_columns(db, relation)
    columns = ", ".join(
        f"r.{identifier(name)}" if name in there else f"NULL::VARCHAR AS {identifier(name)}"
        for name in held.names
        if name != "clinic_id"
    )
    stated = "nullif(r.clinic_id, '')" if "clinic_id" in there else "NULL::VARCHAR"
    mine = f"CASE WHEN p.clinic_id = '{NETWORK}' THEN {stated} ELSE p.clinic_id END"
    own = f", {stated} AS clinic_id" if held.feed == "clinics" else ""
    zone = "z.time_zone"
    if held.feed == "clinics" and "time_zone" in there:
        zone = "coalesce(nullif(r.time_zone, ''), z.time_zone)"
    return (
        f"SELECT {mine} AS _clinic_id, {stated} AS _stated_clinic, {zone} AS _zone, "
        f"p.batch_no AS _batch, {row_number(there)} AS _row, {columns}{own} FROM {relation} r "
        f"JOIN {batches} p ON p.file = r.filename "
        f"LEFT JOIN facts.clinics z ON z.clinic_id = {mine}"
    )
