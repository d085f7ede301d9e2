"""Raw files that are not as they were written: found, told in one sentence each, written anew."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from checks.contract import contract
from flows.aside import private_files
from flows.errors import KeelError, UsageError
from flows.intake import keep_file, sha256, watched
from flows.raw import raw_file, state_of, told
from flows.settings import Settings
from flows.sources import CannotOpen, opened
from flows.tombstones import tombstones
from flows.warehouse import Warehouse

_ABOUT = (
    "batch_id", "clinic_id", "feed", "path", "file_sha256", "bytes", "encoding", "first_seen_run",
    "first_seen_at", "name_day", "extract_source", "unknown_columns", "source", "derived",
)  # fmt: skip


def raw_files(warehouse: Warehouse) -> list[Path]:
    """Every delivery that is kept."""
    return sorted(warehouse.raw.glob("*/*/*.parquet"))


def damaged_files(warehouse: Warehouse) -> list[Path]:
    """Raw files, the list of those purged with them, whose bytes are not those written."""
    db, purged = warehouse.db, tombstones(warehouse)
    damaged = [path for path in raw_files(warehouse) if told(db, path) is None]
    lost = purged.exists() and state_of(db, purged) == "damaged"
    return [*damaged, purged] if lost else damaged


def damage_words(path: Path) -> str:
    """What is wrong with a raw file, and what to do."""
    return f"{path}: is damaged, its bytes are not those that were written; {mending(path)}."


def mending(path: Path) -> str:
    """What to do about a damaged raw file."""
    if path.parent.name == "raw":
        return "put the file of the newest backup there, then run `keel purge` again"
    return (
        f"`keel batch retry {path.stem}` writes it anew from the landing folder; if its delivery "
        "lies there no more, put the file of a backup there"
    )


def refuse_damaged(warehouse: Warehouse, paths: list[Path]) -> None:
    """Raise KeelError for the first of the raw files that is damaged."""
    for path in paths:
        if told(warehouse.db, path) is None:
            raise KeelError(damage_words(path))


def write_anew(warehouse: Warehouse, batch_id: str, settings: Settings) -> None:
    """Write a delivery's raw file anew from the landing folder.

    Raises UsageError when the file lies there no more with the bytes that came.
    """
    about = _about(warehouse, batch_id)
    kept = raw_file(warehouse, about["clinic_id"], about["feed"], batch_id)
    source = settings.landing / about["path"]
    lost = UsageError(
        f"{kept}: is damaged, and {source} does not hold what was delivered; put the file of a "
        f"backup there, or run `keel batch withdraw {batch_id}` and have it delivered again under "
        "another name."
    )
    try:
        with opened(source) as path, private_files():
            unchanged = watched(path)
            if sha256(path) != about["file_sha256"]:
                raise lost
            done = keep_file(warehouse, path, about, contract(about["feed"]), unchanged)
    except CannotOpen:
        raise lost from None
    if done["state"] != "landed":
        raise lost


def _about(warehouse: Warehouse, batch_id: str) -> dict[str, Any]:
    """What a raw file tells of its delivery, as the database knows it."""
    (row,) = warehouse.db.execute(
        f"SELECT {', '.join(_ABOUT)} FROM ops.batches WHERE batch_id = ?", [batch_id]
    ).fetchall()
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in zip(_ABOUT, row, strict=True)
    }
