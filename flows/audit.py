"""The audit log: acts that someone answers for, each entry chained to the one before it.

An entry's hash is the SHA-256 of the hash before it and the entry's own text, so that an entry that
is changed, moved or taken out of the middle shows. What is cut off the end shows against the copy
in any run that was published since.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import duckdb

    from flows.warehouse import Warehouse

Outcome = Literal["done", "refused"]
_START = "0" * 64
_COLUMNS = "entry_no, acted_at, actor, act, subject, outcome"


def append(warehouse: Warehouse, act: str, subject: str | None, outcome: Outcome) -> None:
    """Write an act down before its result is shown; `subject` is an id or a pseudonym."""
    with warehouse.transaction():
        last = warehouse.db.execute(
            "SELECT entry_no, entry_hash FROM ops.audit_log ORDER BY entry_no DESC LIMIT 1"
        ).fetchone()
        number, previous = last or (0, _START)
        entry = (number + 1, datetime.now(UTC), _actor(), act, subject, outcome)
        warehouse.db.execute(
            f"INSERT INTO ops.audit_log ({_COLUMNS}, previous_hash, entry_hash) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [*entry, previous, _hash(previous, entry)],
        )


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
