"""The audit log: acts that someone answers for, each entry chained to the one before it.

An entry's hash is the SHA-256 of the hash before it and the entry's own text, so that an entry that
is changed, moved or taken out of the middle shows. What is cut off the end, and a log that was
written anew with hashes that fit, show against the head that each published run keeps in its
manifest and prints in its report.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import duckdb

    from flows.warehouse import Warehouse

Outcome = Literal["done", "refused"]
_START = "0" * 64
_COLUMNS = "entry_no, acted_at, actor, act, subject, outcome"


@dataclass(frozen=True)
class Head:
    """The last entry of a log: its number and hash; 0 and 64 zeros while there is none."""

    entry_no: int
    hash: str


def head(db: duckdb.DuckDBPyConnection) -> Head:
    """Where the log ends. `db` is a warehouse's or that of a published run."""
    last = db.execute(
        "SELECT entry_no, entry_hash FROM ops.audit_log ORDER BY entry_no DESC LIMIT 1"
    ).fetchone()
    return Head(*last) if last else Head(0, _START)


def append(warehouse: Warehouse, act: str, subject: str | None, outcome: Outcome) -> None:
    """Write an act down before its result is shown; `subject` is an id or a pseudonym."""
    with warehouse.transaction():
        enter(warehouse, act, subject, outcome)


def enter(warehouse: Warehouse, act: str, subject: str | None, outcome: Outcome) -> None:
    """The same within the caller's transaction, for an act that changes the warehouse itself."""
    last = head(warehouse.db)
    entry = (last.entry_no + 1, datetime.now(UTC), _actor(), act, subject, outcome)
    warehouse.db.execute(
        f"INSERT INTO ops.audit_log ({_COLUMNS}, previous_hash, entry_hash) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [*entry, last.hash, _hash(last.hash, entry)],
    )


def verify(db: duckdb.DuckDBPyConnection, kept: Mapping[str, Head]) -> str | None:
    """What is wrong with the log, in the rest of a sentence; None when it is as it was written.

    `kept` is the head that each published run has in its manifest (`manifest.head_kept`).
    """
    broken = first_broken(db)
    if broken is not None:
        return f"entry {broken} is not as it was written: it was changed, moved or taken out"
    hashes = dict(db.execute("SELECT entry_no, entry_hash FROM ops.audit_log").fetchall())
    hashes[0] = _START
    for run_id, then in sorted(kept.items()):
        if then.entry_no not in hashes:
            return (
                f"it ends at entry {max(hashes)}, but had {then.entry_no} when run {run_id} was "
                "published: its end was cut off"
            )
        if hashes[then.entry_no] != then.hash:
            return (
                f"entry {then.entry_no} is not the one that run {run_id} was published with: it "
                "was written anew"
            )
    return None


def first_broken(db: duckdb.DuckDBPyConnection) -> int | None:
    """The number that the first entry which does not fit its place should have; None when all do.

    `db` is a warehouse's or that of a published run.
    """
    rows = db.execute(
        f"SELECT {_COLUMNS}, previous_hash, entry_hash FROM ops.audit_log ORDER BY entry_no"
    ).fetchall()
    expected = _START
    for number, (*entry, previous, own) in enumerate(rows, start=1):
        if entry[0] != number or previous != expected or own != _hash(previous, tuple(entry)):
            return number
        expected = own
    return None


def _hash(previous: str, entry: tuple[object, ...]) -> str:
    number, at, *rest = entry
    assert isinstance(at, datetime)
    text = json.dumps([number, at.astimezone(UTC).isoformat(), *rest], ensure_ascii=False)
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def _actor() -> str:
    """The account on this machine; its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
