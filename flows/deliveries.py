"""A delivery's way into raw: hashed, its header checked, kept as Parquet, written down."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from checks.contract import Contract, contract
from flows import __version__
from flows.aside import private_files
from flows.intake import StillWritten, keep_file, keep_rows, rows_kept, sha256, watched
from flows.landing import Delivery, Found
from flows.raw import raw_file, withdrawal
from flows.runs import Run, add_notes
from flows.settings import Settings
from flows.sources import CannotOpen, TextSelect, opened
from flows.sources.foreign import ForeignBatch, convert
from flows.sources.foreign_files import UnreadableInput
from flows.warehouse import Warehouse

_DAY = re.compile(r"_(\d{4}-\d{2}-\d{2})(?!\d)")
_SIDE_BY_SIDE = 2
_GROUP = 16
_LOADED = "('landed', 'accepted', 'partial')"


def land(warehouse: Warehouse, found: Found, run: Run, settings: Settings) -> dict[str, str]:
    """Keep each delivery as raw Parquet and write it down as landed, blocked or duplicate.

    Gives a sentence by the name of each file or source that could not be read this time, which
    holds nothing else back. Raises UsageError for the settings of a foreign source.
    """
    left: dict[str, str] = {}
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool, private_files():
        for group in _groups(found.deliveries):
            read = []
            for delivery, told in zip(
                group, pool.map(partial(_try_to_read, warehouse, run, settings), group), strict=True
            ):
                if isinstance(told, str):
                    left[delivery.name] = told
                else:
                    read.append((delivery, told))
            for _, (_, about) in read:
                _tell_purged(warehouse, run, about or {})
            if read:
                with warehouse.transaction():
                    _write_down(warehouse, read)
    for source in settings.source:
        try:
            conversion = convert(source, Path())
        except UnreadableInput as problem:
            left[source.system] = str(problem)
            continue
        with warehouse.transaction():
            for account in conversion.accounts:
                warehouse.db.execute(
                    "INSERT INTO ops.foreign_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [run.run_id, source.system, source.clinic, account.table, account.file,
                     account.rows, account.used, dict(account.skipped), account.quarantined],
                )  # fmt: skip
        for batch in conversion.batches:
            _land_foreign(warehouse, batch, run, source.system)
    return left


def bytes_known(warehouse: Warehouse, delivery: Delivery, settings: Settings) -> bool:
    """Whether a file has the bytes of one that is loaded, at no later time, or was just touched."""
    try:
        with opened(delivery.path) as path:
            digest = sha256(path)
    except CannotOpen:
        return False
    encoding = settings.encoding_of(delivery.clinic_id, delivery.path.name)
    known = _known(warehouse, delivery.name, digest, encoding)
    if known is not None:
        return not known[1]
    about = {
        "clinic_id": delivery.clinic_id, "feed": delivery.feed, "file_sha256": digest,
        "name_day": _name_day(delivery.path.name),
    }  # fmt: skip
    return _duplicate(warehouse, about) is not None


def adopt(warehouse: Warehouse, about: Mapping[str, Any]) -> None:
    """Write a delivery down again from what its raw file says, as landed and not yet loaded, or
    as withdrawn when it was.
    """
    target = raw_file(warehouse, about["clinic_id"], about["feed"], about["batch_id"])
    more: dict[str, Any] = {
        "batch_no": _next_batch(warehouse),
        "state": "landed",
        "rows": rows_kept(warehouse.db, target),
    }
    if withdrawal(target).exists():
        counts = dict.fromkeys(("loaded", "unchanged", "quarantined"), 0)
        more |= {"state": "withdrawn", "reason": "withdrawn by hand", **counts}
    _insert(warehouse, {**about, **more, **_versions(contract(about["feed"]))})


def _groups(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Files that are read side by side and written down together. Whether one has the bytes of
    another is known once that is written down: no two of one clinic, feed and size are in a group.
    """
    group: dict[tuple[str, str, int], Delivery] = {}
    for delivery in deliveries:
        key = (delivery.clinic_id, delivery.feed, delivery.bytes)
        if key in group or len(group) == _GROUP:
            yield list(group.values())
            group = {}
        group[key] = delivery
    if group:
        yield list(group.values())


_Known = tuple[int, bool]
_Read = tuple[_Known | None, dict[str, Any] | None]


def _try_to_read(owner: Warehouse, run: Run, settings: Settings, delivery: Delivery) -> _Read | str:
    """The same, or a sentence why it is left for the next night."""
    encoding = settings.encoding_of(delivery.clinic_id, delivery.path.name)
    try:
        return _read(owner, run, delivery, encoding)
    except StillWritten:
        return f"{delivery.name}: is still being written; the next night reads it."
    except CannotOpen as error:
        why = f"{delivery.name}: cannot be opened ({error.strerror})"
        return f"{why}; mend that, and the next night reads it."


def _read(owner: Warehouse, run: Run, delivery: Delivery, encoding: str) -> _Read:
    """Keep a file as raw, unless it is known; gives the batch it is known as, and the one to write
    down, if any. Of the database it only reads, by a cursor of its own."""
    held = contract(delivery.feed)
    with owner.db.cursor() as db, opened(delivery.path) as path:
        warehouse = replace(owner, db=db)
        unchanged = watched(path)
        digest = sha256(path)
        known = _known(warehouse, delivery.name, digest, encoding)
        if known is not None and not known[1]:
            return known, None
        about: dict[str, Any] = {
            "batch_id": _batch_id(delivery.name, digest),
            "clinic_id": delivery.clinic_id,
            "feed": delivery.feed,
            "path": delivery.name,
            "file_sha256": digest,
            "bytes": delivery.bytes,
            "encoding": encoding,
            "first_seen_run": run.run_id,
            "first_seen_at": run.started_at.isoformat(),
            "name_day": _name_day(delivery.path.name),
            "extract_source": None,
            "unknown_columns": [],
            "source": None,
            "derived": {},
        }
        outcome = _duplicate(warehouse, about) or keep_file(warehouse, path, about, held, unchanged)
        if outcome["state"] != "landed":  # what is kept was looked at before it got its name
            unchanged()
    decided = {} if outcome["state"] == "landed" else {"loaded_run": run.run_id}
    return known, about | _versions(held) | outcome | decided


def _write_down(
    warehouse: Warehouse,
    read: Sequence[tuple[Delivery, _Read]],
) -> None:
    """A group as batches and in the ledger; a batch that is tried again takes its old place."""
    following = itertools.count(_next_batch(warehouse))
    batches: list[dict[str, Any]] = []
    ledger: list[tuple[Any, ...]] = []
    again: list[int] = []
    for delivery, (known, about) in read:
        number = next(following) if known is None else known[0]
        ledger.append((delivery.name, delivery.bytes, delivery.modified_ns, number))
        if about is not None:
            batches.append(about | {"batch_no": number})
            again += [known[0]] if known is not None else []
    db = warehouse.db
    db.execute("DELETE FROM ops.batches WHERE list_contains(?, batch_no)", [again])
    _insert(warehouse, *batches)
    db.execute("DELETE FROM ops.files WHERE list_contains(?, path)", [[row[0] for row in ledger]])
    db.execute(
        f"INSERT INTO ops.files VALUES {', '.join(['(?, ?, ?, ?)'] * len(ledger))}",
        [value for row in ledger for value in row],
    )


def _land_foreign(warehouse: Warehouse, batch: ForeignBatch, run: Run, system: str) -> None:
    db, held = warehouse.db, contract(batch.feed)
    known = _known(warehouse, batch.label, batch.sha256, None)
    if known is not None and not known[1]:
        return
    header = batch.rows.column_names
    missing = [c.name for c in held.columns if c.required and c.name not in header]
    about: dict[str, Any] = {
        "batch_id": _batch_id(batch.label, batch.sha256),
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
        _tell_purged(warehouse, run, about)
    with warehouse.transaction():
        _insert(warehouse, about | _number(warehouse, known) | _versions(held) | outcome)


def _number(warehouse: Warehouse, known: tuple[int, bool] | None) -> dict[str, int]:
    """The number a batch is written down under; one that is tried again takes its old place."""
    if known is None:
        return {"batch_no": _next_batch(warehouse)}
    warehouse.db.execute("DELETE FROM ops.batches WHERE batch_no = ?", [known[0]])
    return {"batch_no": known[0]}


def _known(
    warehouse: Warehouse, path: str, digest: str, encoding: str | None
) -> tuple[int, bool] | None:
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


def _duplicate(warehouse: Warehouse, about: Mapping[str, Any]) -> dict[str, Any] | None:
    """Whether it has the bytes of a loaded file of the same folder and feed, at no later time.

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


def _tell_purged(warehouse: Warehouse, run: Run, about: Mapping[str, Any]) -> None:
    if "purged" in about:
        note = (
            f"{about['path']}: {about['purged']:,} rows of patients who were purged are left out; "
            "see `keel purge --help` if one of them has come back."
        )
        add_notes(warehouse, run, [note])


def _insert(warehouse: Warehouse, *batches: Mapping[str, Any]) -> None:
    """In one INSERT: each takes as long as all together."""
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


def _versions(held: Contract) -> dict[str, Any]:
    return {
        "contract_version": held.version,
        "contract_sha256": held.sha256,
        "keel_version": __version__,
    }


def _next_batch(warehouse: Warehouse) -> int:
    row = warehouse.db.execute("SELECT 1 + coalesce(max(batch_no), 0) FROM ops.batches").fetchone()
    assert row is not None
    return int(row[0])


def _batch_id(path: str, digest: str) -> str:
    """The same bytes under the same path are the same batch, in every warehouse."""
    return "b" + hashlib.sha256(json.dumps([path, digest]).encode()).hexdigest()[:12]


def _name_day(name: str) -> str | None:
    for text in reversed(_DAY.findall(name)):
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            continue
    return None
