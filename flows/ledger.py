"""What is written down of deliveries: which bytes are known, and the batch that each became."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from checks.contract import Contract, contract
from flows import __version__
from flows.intake import rows_kept
from flows.raw import raw_file, withdrawal
from flows.runs import Run, add_notes
from flows.warehouse import Warehouse

_LOADED = "('landed', 'accepted', 'partial')"

Known = tuple[int, bool]
"""The number of a batch, and whether its text is worth another try."""


def known_batch(warehouse: Warehouse, path: str, digest: str, encoding: str | None) -> Known | None:
    """The batch of these bytes under this path, and whether its text is worth another try."""
    row = warehouse.db.execute(
        "SELECT batch_no, state = 'blocked' AND judged_under IS NULL, feed, contract_sha256, "
        "keel_version, encoding FROM ops.batches WHERE path = ? AND file_sha256 = ?",
        [path, digest],
    ).fetchone()
    if row is None:
        return None
    number, unreadable, feed, *under = row
    return number, unreadable and under != [contract(feed).sha256, __version__, encoding]


def duplicate(warehouse: Warehouse, about: Mapping[str, Any]) -> dict[str, Any] | None:
    """The outcome of a file that has the bytes of a loaded one of its folder and feed, at no later
    time.

    The same bytes have the same extract times in their rows; only a name can say a later one, and
    only of rows that say none.
    """
    rows = warehouse.db.execute(
        "SELECT path, batch_id, name_day, extract_source, rows FROM ops.batches "
        "WHERE clinic_id = ? AND feed = ? AND file_sha256 = ? "
        f"AND state IN {_LOADED} ORDER BY batch_no",
        [about["clinic_id"], about["feed"], about["file_sha256"]],
    ).fetchall()
    day = date.fromisoformat(about["name_day"]) if about["name_day"] else None
    for path, batch_id, earlier, source, count in rows:
        later = day is not None and (earlier is None or day > earlier)
        if not later or (source == "rows" and _all_rows_dated(warehouse, about, batch_id)):
            return {
                "state": "duplicate",
                "reason": f"its bytes are those of {path}",
                "rows": count,
                "loaded": 0,
                "unchanged": count,
                "quarantined": 0,
            }
    return None


def _all_rows_dated(warehouse: Warehouse, about: Mapping[str, Any], batch_id: str) -> bool:
    """Whether every row of a kept delivery says its own extract time."""
    file = raw_file(warehouse, about["clinic_id"], about["feed"], batch_id)
    undated = warehouse.db.execute(
        "SELECT 1 FROM read_parquet(?) WHERE coalesce(extracted_at, '') = '' LIMIT 1", [str(file)]
    ).fetchone()
    return undated is None


def tell_purged(warehouse: Warehouse, run: Run, about: Mapping[str, Any]) -> None:
    """A note when rows of a delivery were left out, since their patients were purged."""
    if "purged" in about:
        note = (
            f"{about['path']}: {about['purged']:,} rows of patients who were purged are left out; "
            "see `keel purge --help` if one of them has come back."
        )
        add_notes(warehouse, run, [note])


def write_batches(warehouse: Warehouse, *batches: Mapping[str, Any]) -> None:
    """Write batches down, in one INSERT: each takes as long as all together."""
    if not batches:
        return
    names = list(dict.fromkeys(name for batch in batches for name in batch if name != "purged"))
    one = f"({', '.join('?' for _ in names)})"
    warehouse.db.execute(
        f"INSERT INTO ops.batches ({', '.join(names)}) VALUES {', '.join([one] * len(batches))}",
        [batch.get(name) for batch in batches for name in names],
    )
    lost = {batch["batch_no"]: batch.get("purged", 0) for batch in batches}
    warehouse.db.execute("DELETE FROM ops.purged_rows WHERE list_contains(?, batch_no)", [[*lost]])
    for batch_no, purged in lost.items():
        if purged:
            note_purged(warehouse, batch_no, purged)


def note_purged(warehouse: Warehouse, batch_no: int, purged: int) -> None:
    """Write down how many rows a delivery has lost since their patients were purged."""
    warehouse.db.execute("DELETE FROM ops.purged_rows WHERE batch_no = ?", [batch_no])
    if purged:
        warehouse.db.execute("INSERT INTO ops.purged_rows VALUES (?, ?)", [batch_no, purged])


def versions(held: Contract) -> dict[str, Any]:
    """Of the contract and of Keel: what a batch was read under."""
    return {
        "contract_version": held.version,
        "contract_sha256": held.sha256,
        "keel_version": __version__,
    }


def next_batch(warehouse: Warehouse) -> int:
    """The number of the next batch."""
    row = warehouse.db.execute("SELECT 1 + coalesce(max(batch_no), 0) FROM ops.batches").fetchone()
    assert row is not None
    return int(row[0])


def batch_id_of(path: str, digest: str) -> str:
    """The same bytes under the same path are the same batch, in every warehouse."""
    return "b" + hashlib.sha256(json.dumps([path, digest]).encode()).hexdigest()[:12]


def adopt(warehouse: Warehouse, about: Mapping[str, Any]) -> None:
    """Write a delivery down again from what its raw file says, as landed and not yet loaded, or
    as withdrawn when it was.
    """
    target = raw_file(warehouse, about["clinic_id"], about["feed"], about["batch_id"])
    more: dict[str, Any] = {
        "batch_no": next_batch(warehouse),
        "state": "landed",
        "rows": rows_kept(warehouse.db, target),
    }
    if withdrawal(target).exists():
        counts = dict.fromkeys(("loaded", "unchanged", "quarantined"), 0)
        more |= {"state": "withdrawn", "reason": "withdrawn by hand", **counts}
    write_batches(warehouse, {**about, **more, **versions(contract(about["feed"]))})
