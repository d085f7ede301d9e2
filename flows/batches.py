"""`keel batch`: the deliveries, what became of them, and a second chance or an end for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.contract import contract
from checks.quarantine import reason_words
from flows.errors import UsageError
from flows.load import load_feed
from flows.recovery import reset
from flows.runs import finish_run, start_run
from flows.settings import Settings
from flows.warehouse import Warehouse

_COLUMNS = (
    "batch_id", "clinic_id", "feed", "path", "state", "reason", "rows", "loaded", "unchanged",
    "quarantined", "first_seen_at", "extract_at", "contract_version", "keel_version",
)  # fmt: skip


def list_batches(warehouse: Warehouse, state: str | None) -> list[Mapping[str, Any]]:
    """Every delivery, newest first, or those of one state."""
    rows = warehouse.db.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM ops.batches WHERE $state IS NULL OR state = $state "
        "ORDER BY batch_no DESC",
        {"state": state},
    ).fetchall()
    return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


def show_batch(warehouse: Warehouse, batch_id: str) -> Mapping[str, Any]:
    """One delivery, with the rows that are in quarantine: row number, column and reason."""
    batch = _batch(warehouse, batch_id)
    held = contract(batch["feed"])
    rows = warehouse.db.execute(
        "SELECT row_number, reasons, released_run FROM ops.quarantine WHERE batch_id = ? "
        "ORDER BY row_number",
        [batch_id],
    ).fetchall()
    quarantine = [
        {
            "row_number": number,
            "reasons": [reason_words(code, held) for code in codes],
            "released_run": released,
        }
        for number, codes, released in rows
    ]
    return {**batch, "quarantine": quarantine}


def retry_batch(warehouse: Warehouse, batch_id: str, settings: Settings) -> Mapping[str, Any]:
    """Load a blocked delivery, or the quarantined rows of one, again under today's contract.

    Raises UsageError when there is nothing to try again.
    """
    batch = _batch(warehouse, batch_id)
    blocked = batch["state"] == "blocked"
    if not blocked and not batch["quarantined"]:
        raise UsageError(f"{batch_id}: is {batch['state']} in full, so there is nothing to retry.")
    if blocked and batch["rows"] is None:
        with warehouse.transaction():
            warehouse.db.execute(
                "DELETE FROM ops.files WHERE batch_no IN "
                "(SELECT batch_no FROM ops.batches WHERE batch_id = ?)",
                [batch_id],
            )
        raise UsageError(
            f"{batch_id}: could not be read when it came; it is read again by the next nightly, "
            "if it still lies in the landing folder."
        )
    _load_anew(warehouse, batch["feed"], settings)
    return _batch(warehouse, batch_id)


def withdraw_batch(warehouse: Warehouse, batch_id: str, settings: Settings) -> Mapping[str, Any]:
    """Take a delivery back: the facts are as if it had never come; its raw file is kept.

    Raises UsageError when it was withdrawn before.
    """
    batch = _batch(warehouse, batch_id)
    if batch["state"] == "withdrawn":
        raise UsageError(f"{batch_id}: was withdrawn before.")
    with warehouse.transaction():
        warehouse.db.execute(
            "UPDATE ops.batches SET state = 'withdrawn', loaded = 0, unchanged = 0, "
            "quarantined = 0, reason = 'withdrawn by hand' WHERE batch_id = ?",
            [batch_id],
        )
    _load_anew(warehouse, batch["feed"], settings)
    return _batch(warehouse, batch_id)


def _load_anew(warehouse: Warehouse, feed: str, settings: Settings) -> None:
    """The feed from its raw deliveries; verdicts follow with the next nightly."""
    run = start_run(warehouse, settings.now())
    reset(warehouse, feed)
    load_feed(warehouse, feed, run, settings)
    finish_run(warehouse, run, "loaded")


def _batch(warehouse: Warehouse, batch_id: str) -> Mapping[str, Any]:
    for batch in list_batches(warehouse, None):
        if batch["batch_id"] == batch_id:
            return batch
    raise UsageError(f"{batch_id}: there is no such batch; `keel batch list` shows them.")
