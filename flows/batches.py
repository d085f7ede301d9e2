"""`keel batch`: the deliveries, what became of them, and a second chance or an end for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from checks.contract import contract
from checks.quarantine import reason_words
from flows.deliveries import land
from flows.errors import UsageError
from flows.faults import Fault
from flows.landing import Delivery, Found
from flows.load import load_anew, load_feed
from flows.raw import raw_file, told, withdrawal
from flows.raw_damage import write_anew
from flows.runs import Run, finish_run, start_run
from flows.settings import Settings
from flows.warehouse import Warehouse

STATES = ("accepted", "partial", "blocked", "duplicate", "withdrawn", "landed")
_COLUMNS = (
    "batch_id", "clinic_id", "feed", "path", "state", "reason", "rows", "loaded", "unchanged",
    "quarantined", "first_seen_at", "extract_at", "unknown_columns", "source",
    "contract_version", "keel_version",
)  # fmt: skip
_COPIES = (
    "state = 'duplicate' AND (clinic_id, feed, file_sha256) IN "
    "(SELECT (clinic_id, feed, file_sha256) FROM ops.batches WHERE batch_id = ?)"
)


@dataclass(frozen=True)
class Outcome:
    """What a retry or a withdrawal did: the delivery, others of its feed whose state changed with
    it (all are judged anew, under today's settings), and paths of files with the bytes of one that
    was withdrawn, which the next nightly reads in its stead."""

    batch: Mapping[str, Any]
    others: tuple[Mapping[str, Any], ...]
    copies: tuple[str, ...] = ()


def list_batches(
    warehouse: Warehouse,
    state: str | None = None,
    feed: str | None = None,
    clinic: str | None = None,
) -> list[Mapping[str, Any]]:
    """Every delivery, newest first, or those of one state, feed or clinic's folder.

    Raises UsageError for a state, CheckError for a feed that does not exist.
    """
    if state is not None and state not in STATES:
        raise UsageError(f"--state: {state} is no state; use one of {', '.join(STATES)}.")
    if feed is not None:
        contract(feed)
    rows = warehouse.db.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM ops.batches WHERE ($state IS NULL OR state = $state) "
        "AND ($feed IS NULL OR feed = $feed) AND ($clinic IS NULL OR clinic_id = $clinic) "
        "ORDER BY batch_no DESC",
        {"state": state, "feed": feed, "clinic": clinic},
    ).fetchall()
    return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


def find_batch(warehouse: Warehouse, batch_id: str) -> Mapping[str, Any]:
    """One delivery; UsageError when there is none of that id."""
    for batch in list_batches(warehouse):
        if batch["batch_id"] == batch_id:
            return batch
    raise UsageError(f"{batch_id}: there is no such batch; `keel batch list` shows them.")


def quarantined_rows(warehouse: Warehouse, batch: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A delivery's rows in quarantine: row number (in a foreign export also that of its input),
    reasons, and the run in which a later delivery released it."""
    held = contract(batch["feed"])
    rows = warehouse.db.execute(
        "SELECT row_number, source_file, source_row, reasons, released_run FROM ops.quarantine "
        "WHERE batch_id = ? ORDER BY row_number",
        [batch["batch_id"]],
    ).fetchall()
    return [
        {
            "row_number": number,
            "source_file": file,
            "source_row": row,
            "reasons": [reason_words(code, held) for code in codes],
            "released_run": released,
        }
        for number, file, row, codes, released in rows
    ]


def open_faults(warehouse: Warehouse, batch: Mapping[str, Any], most: int) -> list[Fault]:
    """Why rows of a delivery are in quarantine, those released by a later one left out."""
    held = contract(batch["feed"])
    rows = warehouse.db.execute(
        "SELECT problem, count(*), min(row_number, $most) FROM (SELECT row_number, "
        "unnest(reasons) AS problem FROM ops.quarantine WHERE batch_id = $batch_id "
        "AND released_run IS NULL) GROUP BY ALL ORDER BY min(row_number), problem",
        {"batch_id": batch["batch_id"], "most": most},
    ).fetchall()
    return [Fault.of_problem(problem, count, first, held) for problem, count, first in rows]


def retry_batch(warehouse: Warehouse, batch_id: str, settings: Settings) -> Outcome:
    """Load a blocked or withdrawn delivery, or the quarantined rows of one, under today's
    contract and settings; a damaged raw file of any is written anew first.

    Raises UsageError when there is nothing to try again.
    """
    batch = find_batch(warehouse, batch_id)
    kept = raw_file(warehouse, batch["clinic_id"], batch["feed"], batch_id)
    damaged = kept.exists() and told(warehouse.db, kept) is None
    if damaged:
        write_anew(warehouse, batch_id, settings)
    if batch["state"] not in ("blocked", "withdrawn", "partial"):
        if damaged:
            return Outcome(batch, ())
        raise UsageError(f"{batch_id}: is {batch['state']}, so there is nothing to retry.")
    if not kept.exists():
        return Outcome(_read_again(warehouse, batch, settings), ())
    before = _states(warehouse, batch["feed"])

    def bring_back() -> None:
        warehouse.db.execute(
            "UPDATE ops.batches SET state = 'landed', reason = NULL, loaded = NULL, "
            "unchanged = NULL, quarantined = NULL WHERE batch_id = ? AND (state = 'withdrawn' "
            "OR (state = 'blocked' AND judged_under IS NULL))",
            [batch_id],
        )

    with _run(warehouse, settings) as run:
        load_anew(warehouse, batch["feed"], run, settings, bring_back)
    withdrawal(kept).unlink(missing_ok=True)
    return Outcome(find_batch(warehouse, batch_id), _changed(warehouse, batch, before))


def withdraw_batch(warehouse: Warehouse, batch_id: str, settings: Settings) -> Outcome:
    """Take a delivery back: the facts are as if it had never come; its raw file is kept.

    Raises UsageError when it was withdrawn before.
    """
    batch = find_batch(warehouse, batch_id)
    if batch["state"] == "withdrawn":
        raise UsageError(
            f"{batch_id}: was withdrawn before; `keel batch retry {batch_id}` brings it back."
        )
    copies, before = _copies(warehouse, batch), _states(warehouse, batch["feed"])

    def take_back() -> None:
        for path in copies:
            warehouse.db.execute("DELETE FROM ops.files WHERE path = ?", [path])
        if copies:
            warehouse.db.execute(f"DELETE FROM ops.batches WHERE {_COPIES}", [batch_id])
        warehouse.db.execute(
            "UPDATE ops.batches SET state = 'withdrawn', gate = NULL, loaded = 0, unchanged = 0, "
            "quarantined = 0, reason = 'withdrawn by hand' WHERE batch_id = ?",
            [batch_id],
        )

    mark = withdrawal(raw_file(warehouse, batch["clinic_id"], batch["feed"], batch_id))
    if mark.with_suffix(".parquet").exists():
        mark.touch(mode=0o600)
    try:
        with _run(warehouse, settings) as run:
            load_anew(warehouse, batch["feed"], run, settings, take_back)
    except BaseException:
        mark.unlink(missing_ok=True)
        raise
    others = _changed(warehouse, batch, before)
    return Outcome(find_batch(warehouse, batch_id), others, tuple(copies))


def _states(warehouse: Warehouse, feed: str) -> Mapping[str, str]:
    return {item["batch_id"]: item["state"] for item in list_batches(warehouse, feed=feed)}


def _changed(
    warehouse: Warehouse, batch: Mapping[str, Any], before: Mapping[str, str]
) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        item
        for item in list_batches(warehouse, feed=batch["feed"])
        if item["batch_id"] != batch["batch_id"] and item["state"] != before[item["batch_id"]]
    )


def _copies(warehouse: Warehouse, batch: Mapping[str, Any]) -> list[str]:
    """Files that are only duplicates of this delivery."""
    if batch["state"] not in ("accepted", "partial", "landed"):
        return []
    rows = warehouse.db.execute(
        f"SELECT path FROM ops.batches WHERE {_COPIES} ORDER BY path", [batch["batch_id"]]
    ).fetchall()
    return [path for (path,) in rows]


def _read_again(
    warehouse: Warehouse, batch: Mapping[str, Any], settings: Settings
) -> Mapping[str, Any]:
    """A file whose text could not be kept, as it lies in the landing folder now."""
    if batch["source"] is not None:
        raise UsageError(
            f"{batch['batch_id']}: is what a SELECT of the source {batch['source']} gave; mend "
            "that SELECT, and the next nightly reads the export again."
        )
    path = settings.landing / batch["path"]
    if not path.is_file() or path.is_symlink():
        raise UsageError(
            f"{path}: could not be read when it came and lies there no more; deliver it again, or "
            "name its landing folder with --landing."
        )
    status = path.stat()
    delivery = Delivery(
        batch["clinic_id"], batch["feed"], path, batch["path"], status.st_size, status.st_mtime_ns
    )
    with warehouse.transaction():
        for table in ("ops.files", "ops.batches"):
            warehouse.db.execute(
                f"DELETE FROM {table} WHERE batch_no IN "
                "(SELECT batch_no FROM ops.batches WHERE batch_id = ?)",
                [batch["batch_id"]],
            )
    with _run(warehouse, settings) as run:
        for sentence in land(warehouse, Found((delivery,)), run, settings).values():
            raise UsageError(sentence)
        load_feed(warehouse, batch["feed"], run, settings)
    return next(item for item in list_batches(warehouse) if item["path"] == batch["path"])


@contextmanager
def _run(warehouse: Warehouse, settings: Settings) -> Iterator[Run]:
    run = start_run(warehouse, settings.now())
    try:
        yield run
    except BaseException:
        with suppress(Exception):  # the failure itself counts
            finish_run(warehouse, run, "failed")
        raise
    finish_run(warehouse, run, "loaded")
