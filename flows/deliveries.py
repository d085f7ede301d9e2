"""A delivery's way into raw: hashed, its header checked, kept as Parquet, written down."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

from checks.contract import contract
from flows.aside import private_files
from flows.errors import UsageError
from flows.foreign_deliveries import land_sources
from flows.intake import StillWritten, keep_file, sha256, watched
from flows.landing import Delivery, Found
from flows.ledger import (
    Known,
    batch_id_of,
    duplicate,
    known_batch,
    next_batch,
    tell_purged,
    versions,
    write_batches,
)
from flows.runs import Run
from flows.settings import Settings
from flows.sources import CannotOpen, opened
from flows.warehouse import Warehouse

SIDE_BY_SIDE = 2
_DAY = re.compile(r"_(\d{4}-\d{2}-\d{2})(?!\d)")
_GROUP = 16


def land(warehouse: Warehouse, found: Found, run: Run, settings: Settings) -> dict[str, str]:
    """Keep each delivery as raw Parquet and write it down as landed, blocked or duplicate: files
    are read side by side, and this thread alone writes.

    Gives a sentence by the name of each file or source that could not be read this time, which
    holds nothing else back. Raises UsageError for the settings of a foreign source, and for one
    that gives nothing while nothing at all was ever delivered.
    """
    with private_files():
        left = _land_files(warehouse, found.deliveries, run, settings)
        without = land_sources(warehouse, found.sources, run, SIDE_BY_SIDE)
    if without and warehouse.db.execute("SELECT 1 FROM ops.batches LIMIT 1").fetchone() is None:
        raise UsageError(" ".join(without.values()))
    return left | without


def _land_files(
    warehouse: Warehouse, deliveries: Sequence[Delivery], run: Run, settings: Settings
) -> dict[str, str]:
    left: dict[str, str] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for group in _groups(deliveries):
            read = []
            for delivery, told in zip(
                group, pool.map(partial(_try_to_read, warehouse, run, settings), group), strict=True
            ):
                if isinstance(told, str):
                    left[delivery.name] = told
                else:
                    read.append((delivery, told))
            for _, (_, about) in read:
                tell_purged(warehouse, run, about or {})
            if read:
                with warehouse.transaction():
                    _write_down(warehouse, read)
    return left


def bytes_known(warehouse: Warehouse, delivery: Delivery, settings: Settings) -> bool:
    """Whether a file has the bytes of one that is loaded, at no later time, or was just touched."""
    try:
        with opened(delivery.path) as path:
            digest = sha256(path)
    except CannotOpen:
        return False
    encoding = settings.encoding_of(delivery.clinic_id, delivery.path.name)
    known = known_batch(warehouse, delivery.name, digest, encoding)
    if known is not None:
        return not known[1]
    about = {
        "clinic_id": delivery.clinic_id, "feed": delivery.feed, "file_sha256": digest,
        "name_day": _name_day(delivery.path.name),
    }  # fmt: skip
    return duplicate(warehouse, about) is not None


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


_Read = tuple[Known | None, dict[str, Any] | None]


def _try_to_read(owner: Warehouse, run: Run, settings: Settings, delivery: Delivery) -> _Read | str:
    """The same, or a sentence why it is left for the next night."""
    encoding = settings.encoding_of(delivery.clinic_id, delivery.path.name)
    try:
        return _read(owner, run, delivery, encoding)
    except StillWritten:
        return f"{delivery.name}: is still being written; the next night reads it."
    except CannotOpen as error:
        why = f"{delivery.name}: cannot be read ({error.strerror})"
        return f"{why}; mend that, and the next night reads it."


def _read(owner: Warehouse, run: Run, delivery: Delivery, encoding: str) -> _Read:
    """Keep a file as raw, unless it is known; gives the batch it is known as, and the one to write
    down, if any. Of the database it only reads, by a cursor of its own."""
    held = contract(delivery.feed)
    with owner.db.cursor() as db, opened(delivery.path) as path:
        warehouse = replace(owner, db=db)
        unchanged = watched(path)
        digest = sha256(path)
        known = known_batch(warehouse, delivery.name, digest, encoding)
        if known is not None and not known[1]:
            return known, None
        about: dict[str, Any] = {
            "batch_id": batch_id_of(delivery.name, digest),
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
        outcome = duplicate(warehouse, about) or keep_file(warehouse, path, about, held, unchanged)
        if outcome["state"] != "landed":  # what is kept was looked at before it got its name
            unchanged()
    decided = {} if outcome["state"] == "landed" else {"loaded_run": run.run_id}
    return known, about | versions(held) | outcome | decided


def _write_down(
    warehouse: Warehouse,
    read: Sequence[tuple[Delivery, _Read]],
) -> None:
    """A group as batches and in the ledger; a batch that is tried again takes its old place."""
    following = itertools.count(next_batch(warehouse))
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
    write_batches(warehouse, *batches)
    db.execute("DELETE FROM ops.files WHERE list_contains(?, path)", [[row[0] for row in ledger]])
    db.execute(
        f"INSERT INTO ops.files VALUES {', '.join(['(?, ?, ?, ?)'] * len(ledger))}",
        [value for row in ledger for value in row],
    )


def _name_day(name: str) -> str | None:
    for text in reversed(_DAY.findall(name)):
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            continue
    return None
