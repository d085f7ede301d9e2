"""The deliveries as they came: Parquet, all text, one file a batch. Everything is rebuilt from it."""

from __future__ import annotations

from pathlib import Path

from checks.contract import Contract
from flows.sources import identifier, quoted
from flows.warehouse import Warehouse

NETWORK = "_network"


def raw_file(warehouse: Warehouse, clinic_id: str, feed: str, batch_id: str) -> Path:
    """Where a delivery is kept as Parquet."""
    return warehouse.raw / clinic_id / feed / f"{batch_id}.parquet"


def raw_select(warehouse: Warehouse, held: Contract, pending: str) -> str:
    """A SELECT of the raw rows of the batches listed in a table, for `typed_select`.

    The table has batch_no, clinic_id, file and `again`: whether only the batch's rows that are in
    quarantine are wanted.
    """
    db = warehouse.db
    files = [
        row[0] for row in db.execute(f"SELECT file FROM {pending} ORDER BY batch_no").fetchall()
    ]
    listed = ", ".join(quoted(file) for file in files)
    relation = (
        f"read_parquet([{listed}], union_by_name = true, filename = true, file_row_number = true)"
    )
    there = {row[0] for row in db.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    columns = ", ".join(
        f"r.{identifier(name)}" if name in there else f"NULL::VARCHAR AS {identifier(name)}"
        for name in held.names
        if name != "clinic_id"
    )
    stated = "nullif(r.clinic_id, '')" if "clinic_id" in there else "NULL::VARCHAR"
    mine = f"CASE WHEN p.clinic_id = '{NETWORK}' THEN {stated} ELSE p.clinic_id END"
    own = f", {stated} AS clinic_id" if held.feed == "clinics" else ""
    number = "r.file_row_number + 1"
    zone = "z.time_zone"
    if held.feed == "clinics":
        zone = "coalesce(nullif(r.time_zone, ''), z.time_zone)" if "time_zone" in there else zone
    return (
        f"SELECT {mine} AS _clinic_id, {stated} AS _stated_clinic, {zone} AS _zone, "
        f"p.batch_no AS _batch, {number} AS _row, {columns}{own} FROM {relation} r "
        f"JOIN {pending} p ON p.file = r.filename "
        f"LEFT JOIN facts.clinics z ON z.clinic_id = {mine} "
        "WHERE NOT p.again OR EXISTS (SELECT 1 FROM ops.quarantine q WHERE q.batch_no = p.batch_no "
        f"AND q.row_number = {number} AND q.released_run IS NULL)"
    )
