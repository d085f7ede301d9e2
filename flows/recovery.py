"""What a warehouse mends when it is opened: raw deliveries that the database does not know, and
feeds whose facts do not add up to what their batches brought (a write-ahead log that was cut off
loses its last transactions without a word).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from checks.contract import contract, contracts
from flows.faults import counted
from flows.raw import raw_file, told
from flows.sources import quoted

if TYPE_CHECKING:
    from flows.runs import Run
    from flows.warehouse import Warehouse


def recover(warehouse: Warehouse) -> None:
    """Adopt, forget and reset until the database says what raw holds."""
    _adopt_unknown(warehouse)
    _forget_lost(warehouse)
    for feed in contracts():
        if not adds_up(warehouse, feed):
            reset(warehouse, feed)
            warehouse.notes.append(
                f"{warehouse.folder}: facts of {feed} did not add up to their deliveries and are "
                "loaded anew."
            )


def adds_up(warehouse: Warehouse, feed: str) -> bool:
    """Whether each batch has as many facts, in force or history, as it is said to have loaded."""
    row = warehouse.db.execute(
        "SELECT 1 FROM (SELECT batch_no, loaded FROM ops.batches "
        "WHERE feed = ? AND state IN ('accepted', 'partial') AND loaded > 0) b "
        f"FULL JOIN (SELECT _batch, count(*) AS there FROM (SELECT _batch FROM facts.{feed} "
        f"UNION ALL SELECT _batch FROM facts.{feed}_history) GROUP BY ALL) f "
        "ON f._batch = b.batch_no WHERE b.loaded IS DISTINCT FROM f.there LIMIT 1",
        [feed],
    ).fetchone()
    return row is None


def reset(warehouse: Warehouse, feed: str) -> None:
    """Forget what was loaded of a feed, so that all its raw deliveries are loaded anew."""
    with warehouse.transaction():
        forget(warehouse, feed)


def forget(warehouse: Warehouse, feed: str) -> None:
    """The same within the caller's transaction."""
    from flows.warehouse import create_facts

    db = warehouse.db
    create_facts(db, contract(feed), anew=True)
    db.execute("DELETE FROM ops.quarantine WHERE feed = ?", [feed])
    db.execute("DELETE FROM ops.zones_used WHERE feed = ?", [feed])
    db.execute(
        "DELETE FROM ops.column_counts WHERE batch_no IN "
        "(SELECT batch_no FROM ops.batches WHERE feed = ?)",
        [feed],
    )
    db.execute(
        "UPDATE ops.batches SET state = 'landed', gate = NULL, reason = NULL, loaded = NULL, "
        "unchanged = NULL, quarantined = NULL WHERE feed = ? AND (state IN "
        "('accepted', 'partial') OR (state = 'blocked' AND judged_under IS NOT NULL))",
        [feed],
    )


def block_damaged(warehouse: Warehouse, feed: str, run: Run) -> int:
    """Block what landed of a feed in an earlier run and whose raw file is damaged, so that it is
    not loaded otherwise than it came. Gives how many there are.
    """
    return _block(warehouse, feed, run, "first_seen_run <> ?", [run.run_id], _is_as_written)


def block_unreadable(warehouse: Warehouse, feed: str, run: Run) -> int:
    """The same of all that landed and whose raw file cannot be read, sealed or not, so that it
    holds nothing else back.
    """
    return _block(warehouse, feed, run, "true", [], _can_be_read)


def _block(
    warehouse: Warehouse,
    feed: str,
    run: Run,
    which: str,
    values: list[str],
    is_fit: Callable[[Warehouse, Path], bool],
) -> int:
    """The next night reads what is blocked so again from the landing folder."""
    rows = warehouse.db.execute(
        "SELECT batch_no, clinic_id, feed, batch_id FROM ops.batches "
        f"WHERE state = 'landed' AND feed = ? AND {which}",
        [feed, *values],
    ).fetchall()
    damaged = [no for no, *where in rows if not is_fit(warehouse, raw_file(warehouse, *where))]
    with warehouse.transaction():
        for number in damaged:
            warehouse.db.execute(
                "UPDATE ops.batches SET state = 'blocked', judged_under = NULL, keel_version = '', "
                "loaded_run = ?, reason = 'its raw copy is damaged, so it is read again if it "
                "still lies in the landing folder' WHERE batch_no = ?",
                [run.run_id, number],
            )
    return len(damaged)


def _is_as_written(warehouse: Warehouse, path: Path) -> bool:
    return told(warehouse.db, path) is not None


def _can_be_read(warehouse: Warehouse, path: Path) -> bool:
    """Whether every page of a raw file can be read."""
    import duckdb

    try:
        rows = f"read_parquet({quoted(str(path))})"
        warehouse.db.execute(f"SELECT max(hash(COLUMNS(*))) FROM {rows}").fetchall()
    except duckdb.Error:
        return False
    return True


def _adopt_unknown(warehouse: Warehouse) -> None:
    from flows.ledger import adopt

    known = {row[0] for row in warehouse.db.execute("SELECT batch_id FROM ops.batches").fetchall()}
    unknown = [path for path in warehouse.raw.glob("*/*/*.parquet") if path.stem not in known]
    heard = [(path, told(warehouse.db, path)) for path in unknown]
    said = [about for _, about in heard if about is not None]
    if said:
        warehouse.notes.append(
            f"{warehouse.folder}: {counted(len(said), 'raw delivery', 'raw deliveries')} that the "
            "database did not know; loaded anew."
        )
    warehouse.notes.extend(
        f"{path}: is damaged, so it is not loaded; if its delivery lies in the landing folder no "
        "more, put the file of a backup there, or have it delivered again and remove this one."
        for path, about in heard
        if about is None
    )
    with warehouse.transaction():
        for about in sorted(said, key=lambda about: (about["first_seen_at"], about["path"])):
            adopt(warehouse, about)


def _forget_lost(warehouse: Warehouse) -> None:
    """A delivery noted as landed whose raw file is gone is read again from the landing folder."""
    rows = warehouse.db.execute(
        "SELECT batch_no, clinic_id, feed, batch_id FROM ops.batches WHERE state = 'landed'"
    ).fetchall()
    lost = [no for no, *where in rows if not raw_file(warehouse, *where).exists()]
    with warehouse.transaction():
        for number in lost:
            warehouse.db.execute("DELETE FROM ops.batches WHERE batch_no = ?", [number])
            warehouse.db.execute("DELETE FROM ops.files WHERE batch_no = ?", [number])
