"""Foreign exports: what their SELECTs give is kept as raw Parquet and written down, like files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from checks.contract import contract
from flows.errors import SourceFailed
from flows.intake import keep_rows
from flows.ledger import (
    Known,
    batch_id_of,
    known_batch,
    next_batch,
    tell_purged,
    versions,
    write_batches,
)
from flows.runs import Run
from flows.settings import SourceSettings
from flows.sources import TextSelect
from flows.sources.foreign import Conversion, ForeignBatch, convert
from flows.warehouse import Warehouse


def land_sources(
    warehouse: Warehouse, sources: Sequence[SourceSettings], run: Run, side_by_side: int
) -> dict[str, str]:
    """Keep what each source gives; so many are read side by side, and this thread alone writes.

    Gives a sentence by "<clinic>/<system>" of each source that gives nothing this time. Raises
    UsageError for settings that are wrong.
    """
    left: dict[str, str] = {}
    with warehouse.transaction():
        warehouse.db.execute("DELETE FROM ops.foreign_rows WHERE run_id = ?", [run.run_id])
    with ThreadPoolExecutor(side_by_side) as pool:
        for first in range(0, len(sources), side_by_side):  # few at once: each is held in memory
            some = sources[first : first + side_by_side]
            for source, told in zip(some, pool.map(_try_to_convert, some), strict=True):
                if isinstance(told, str):
                    left[f"{source.clinic}/{source.system}"] = told
                else:
                    _keep(warehouse, source, told, run)
    return left


def _try_to_convert(source: SourceSettings) -> Conversion | str:
    """What it gives, or a sentence why it is left for the next night."""
    try:
        return convert(source, Path())
    except SourceFailed as problem:
        return f"{source.clinic}: nothing of it is loaded this time. {problem}"


def _keep(warehouse: Warehouse, source: SourceSettings, given: Conversion, run: Run) -> None:
    with warehouse.transaction():
        for account in given.accounts:
            warehouse.db.execute(
                "INSERT INTO ops.foreign_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [run.run_id, source.system, source.clinic, account.table, account.file,
                 account.rows, account.used, dict(account.skipped), account.quarantined],
            )  # fmt: skip
    for batch in given.batches:
        _keep_batch(warehouse, batch, run, source.system)


def _keep_batch(warehouse: Warehouse, batch: ForeignBatch, run: Run, system: str) -> None:
    db, held = warehouse.db, contract(batch.feed)
    known = known_batch(warehouse, batch.label, batch.sha256, None)
    if known is not None and not known[1]:
        return
    header = batch.rows.column_names
    missing = [c.name for c in held.columns if c.required and c.name not in header]
    about: dict[str, Any] = {
        "batch_id": batch_id_of(batch.label, batch.sha256),
        "clinic_id": batch.clinic_id,
        "feed": batch.feed,
        "path": batch.label,
        "file_sha256": batch.sha256,
        "bytes": batch.rows.nbytes,
        "first_seen_run": run.run_id,
        "first_seen_at": run.started_at.isoformat(),
        "name_day": None,
        "extract_source": "rows" if "extracted_at" in header else "none",
        "unknown_columns": [],
        "source": system,
        "derived": dict(batch.derived),
    }
    outcome: dict[str, Any] = {"state": "landed"}
    if missing:
        outcome = {
            "state": "blocked",
            "reason": f"its SELECT gives no {missing[0]}",
            "loaded_run": run.run_id,
        }
    else:
        db.register("foreign_rows", batch.rows)
        outcome["rows"] = keep_rows(
            warehouse, TextSelect(tuple(header), "SELECT * FROM foreign_rows"), about
        )
        db.unregister("foreign_rows")
        tell_purged(warehouse, run, about)
    with warehouse.transaction():
        write_batches(warehouse, about | _number(warehouse, known) | versions(held) | outcome)


def _number(warehouse: Warehouse, known: Known | None) -> dict[str, int]:
    """The number a batch is written down under; one that is tried again takes its old place."""
    if known is None:
        return {"batch_no": next_batch(warehouse)}
    warehouse.db.execute("DELETE FROM ops.batches WHERE batch_no = ?", [known[0]])
    return {"batch_no": known[0]}
