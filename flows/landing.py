"""What is new under the landing folder, and its way into raw Parquet.

Nothing there is moved or changed. A file is known by its path, size and time of change; a new or
changed one is hashed and kept as Parquet, all text, before anything is loaded from it.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb

from checks.contract import Contract, contract, contracts
from flows import __version__
from flows.errors import UsageError
from flows.raw import NETWORK, raw_file
from flows.runs import Run
from flows.settings import Settings
from flows.sources import Unreadable, formats, identifier, opened, quoted, suffix_of
from flows.sources.foreign import ForeignBatch, convert
from flows.warehouse import Warehouse

UNKNOWN_CLINIC = "its folder is no clinic that a clinics file names"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+@=()-]*")
_DAY = re.compile(r"_(\d{4}-\d{2}-\d{2})(?!\d)")


@dataclass(frozen=True)
class Delivery:
    """One file of the landing folder that is new, changed, or worth another try."""

    clinic_id: str
    feed: str
    path: Path
    name: str
    bytes: int
    modified_ns: int
    batch_no: int | None = None


@dataclass(frozen=True)
class Found:
    """What a look at the landing folder gave; `notes` are sentences about what was left aside."""

    deliveries: tuple[Delivery, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def nothing(cls) -> Found:
        """Before anybody looked."""
        return cls()


def discover(
    settings: Settings, warehouse: Warehouse, feeds: Sequence[str], clinics: Sequence[str]
) -> Found:
    """Look through the landing folder, only at the feeds and clinics named, if any are.

    Raises UsageError when there is nothing to look at or a named clinic has no folder.
    """
    folders = _clinic_folders(settings, clinics)
    known = _ledger(warehouse)
    deliveries: list[Delivery] = []
    notes: list[str] = []
    seen = 0
    for folder in folders:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            seen += 1
            relative = f"{folder.name}/{entry.name}"
            feed = _feed_of(entry, relative, notes)
            if feed is None or (feeds and feed not in feeds):
                continue
            status = entry.stat(follow_symlinks=False)
            was = known.get(relative)
            if was is not None and was[:2] == (status.st_size, status.st_mtime_ns) and not was[3]:
                continue
            again = was[2] if was is not None and was[3] else None
            deliveries.append(
                Delivery(
                    folder.name,
                    feed,
                    Path(entry.path),
                    relative,
                    status.st_size,
                    status.st_mtime_ns,
                    again,
                )  # fmt: skip
            )
    if not seen and not settings.source:
        raise UsageError(
            f"{settings.landing}: no export is there; put files at "
            f"{settings.landing}/<clinic_id>/<feed>.csv, or try `keel demo`."
        )
    return Found(tuple(deliveries), tuple(notes))


def land(warehouse: Warehouse, found: Found, run: Run, settings: Settings) -> None:
    """Keep each delivery as raw Parquet and write it down as landed, blocked or duplicate."""
    for delivery in found.deliveries:
        _land_file(warehouse, delivery, run)
    for source in settings.source:
        conversion = convert(source, Path())
        with warehouse.transaction():
            for account in conversion.accounts:
                warehouse.db.execute(
                    "INSERT INTO ops.foreign_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [run.run_id, source.system, source.clinic, account.table, account.file,
                     account.rows, account.used, dict(account.skipped), account.quarantined],
                )  # fmt: skip
        for batch in conversion.batches:
            _land_foreign(warehouse, batch, run, source.system)


def _clinic_folders(settings: Settings, clinics: Sequence[str]) -> list[Path]:
    landing = settings.landing
    if not landing.is_dir():
        if settings.source:
            return []
        raise UsageError(
            f"{landing}: there is no such landing folder; name it with --landing or in keel.toml, "
            "or try `keel demo`."
        )
    folders = sorted(
        entry for entry in landing.iterdir() if entry.is_dir() and not entry.is_symlink()
    )
    folders = [entry for entry in folders if not entry.name.startswith(".")]
    for clinic in clinics:
        if clinic not in {entry.name for entry in folders}:
            near = difflib.get_close_matches(clinic, [entry.name for entry in folders], n=1)
            hint = f"did you mean {near[0]}?" if near else "see the folders there."
            raise UsageError(f"{landing}: there is no clinic {clinic}; {hint}")
    return [entry for entry in folders if not clinics or entry.name in (*clinics, NETWORK)]


def _feed_of(entry: os.DirEntry[str], relative: str, notes: list[str]) -> str | None:
    """The feed that a file's name says, or a note why it is left aside."""
    shown = relative if relative.isprintable() else relative.encode("unicode_escape").decode()
    if not entry.is_file(follow_symlinks=False):
        notes.append(f"{shown}: is no plain file, so it is left aside.")
        return None
    clinic = relative.split("/")[0]
    if not _NAME.fullmatch(entry.name) or not (_NAME.fullmatch(clinic) or clinic == NETWORK):
        notes.append(f"{shown}: its name has characters that are refused; rename it.")
        return None
    suffix = suffix_of(entry.name)
    if suffix is None:
        notes.append(f"{shown}: is none of {', '.join(formats())}, so it is left aside.")
        return None
    stem = entry.name[: -len(suffix)]
    feed = next((f for f in contracts() if stem == f or stem.startswith(f"{f}_")), None)
    if feed is None:
        near = difflib.get_close_matches(stem.split("_")[0], contracts(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"feeds are {', '.join(contracts())}."
        notes.append(f"{shown}: its name starts with no feed; {hint}")
    return feed


def _ledger(warehouse: Warehouse) -> dict[str, tuple[int, int, int, bool]]:
    """Path -> size, time of change, batch, and whether that was blocked and deserves a retry.

    A blocked file is tried again when its contract or Keel changed, or its clinic became known.
    """
    now = {feed: held.sha256 for feed, held in contracts().items()}
    rows = warehouse.db.execute(
        "SELECT f.path, f.bytes, f.modified_ns, f.batch_no, b.state, b.feed, b.contract_sha256, "
        f"b.keel_version, b.reason = '{UNKNOWN_CLINIC}' "
        "FROM ops.files f JOIN ops.batches b USING (batch_no)"
    ).fetchall()
    found = {}
    for path, size, modified, batch_no, state, feed, sha, version, unknown in rows:
        changed = (sha, version) != (now[feed], __version__)
        found[path] = (size, modified, batch_no, state == "blocked" and (changed or unknown))
    return found


def _land_file(warehouse: Warehouse, delivery: Delivery, run: Run) -> None:
    db, held = warehouse.db, contract(delivery.feed)
    batch_no = delivery.batch_no or _next_batch(warehouse)
    batch_id = f"b{batch_no:07d}"
    target = raw_file(warehouse, delivery.clinic_id, delivery.feed, batch_id)
    state, reason, header = "landed", None, tuple[str, ...]()
    with opened(delivery.path) as path:
        digest = _sha256(path)
        try:
            header = _to_parquet(db, path, delivery, held, target)
        except Unreadable as problem:
            state, reason = "blocked", str(problem)
    if state == "landed":
        stated = _states_extract(warehouse, target, header)
        if _is_duplicate(warehouse, delivery, digest, stated):
            state, reason = "duplicate", "its bytes were delivered before"
            target.unlink()
    unknown = [name for name in header if name not in (*held.names, "clinic_id")]
    with warehouse.transaction():
        if delivery.batch_no is not None:
            db.execute("DELETE FROM ops.batches WHERE batch_no = ?", [batch_no])
        db.execute("DELETE FROM ops.files WHERE path = ?", [delivery.name])
        db.execute(
            "INSERT INTO ops.files VALUES (?, ?, ?, ?)",
            [delivery.name, delivery.bytes, delivery.modified_ns, batch_no],
        )
        if state == "landed" and _same_as_before(warehouse, delivery, digest):
            return
        _write_down(
            warehouse, run, held, batch_no=batch_no, clinic_id=delivery.clinic_id,
            path=delivery.name, file_sha256=digest, bytes=delivery.bytes,
            name_day=_name_day(delivery.name), state=state, reason=reason,
            unknown_columns=unknown,
        )  # fmt: skip


def _same_as_before(warehouse: Warehouse, delivery: Delivery, digest: str) -> bool:
    """The same path with the same bytes was only touched: nothing is new."""
    row = warehouse.db.execute(
        "SELECT batch_no FROM ops.batches WHERE path = ? AND file_sha256 = ? "
        "AND state IN ('accepted', 'partial', 'landed') ORDER BY batch_no DESC LIMIT 1",
        [delivery.name, digest],
    ).fetchone()
    if row is None:
        return False
    warehouse.db.execute(
        "UPDATE ops.files SET batch_no = ? WHERE path = ?", [row[0], delivery.name]
    )
    return True


def _land_foreign(warehouse: Warehouse, batch: ForeignBatch, run: Run, system: str) -> None:
    db, held = warehouse.db, contract(batch.feed)
    known = db.execute(
        "SELECT 1 FROM ops.batches WHERE clinic_id = ? AND feed = ? AND file_sha256 = ? AND "
        "state IN ('landed', 'accepted', 'partial')",
        [batch.clinic_id, batch.feed, batch.sha256],
    ).fetchone()
    if known:
        return
    batch_no = _next_batch(warehouse)
    target = raw_file(warehouse, batch.clinic_id, batch.feed, f"b{batch_no:07d}")
    db.register("foreign_rows", batch.rows)
    _copy(db, "SELECT * FROM foreign_rows", target)
    db.unregister("foreign_rows")
    header = tuple(batch.rows.column_names)
    missing = [c.name for c in held.columns if c.required and c.name not in header]
    with warehouse.transaction():
        _write_down(
            warehouse, run, held, batch_no=batch_no, clinic_id=batch.clinic_id, path=batch.label,
            file_sha256=batch.sha256, bytes=batch.rows.nbytes, name_day=None,
            state="blocked" if missing else "landed",
            reason=f"its SELECT gives no {missing[0]}" if missing else None,
            unknown_columns=[], source=system, derived=dict(batch.derived),
        )  # fmt: skip


def _write_down(warehouse: Warehouse, run: Run, held: Contract, **values: object) -> None:
    values |= {
        "batch_id": f"b{values['batch_no']:07d}",
        "feed": held.feed,
        "first_seen_run": run.run_id,
        "first_seen_at": run.started_at,
        "contract_version": held.version,
        "contract_sha256": held.sha256,
        "keel_version": __version__,
    }
    if values["state"] != "landed":
        values |= {"loaded_run": run.run_id}
    names = ", ".join(values)
    marks = ", ".join("?" for _ in values)
    warehouse.db.execute(
        f"INSERT INTO ops.batches ({names}) VALUES ({marks})", list(values.values())
    )


def _next_batch(warehouse: Warehouse) -> int:
    row = warehouse.db.execute(
        "SELECT 1 + greatest((SELECT coalesce(max(batch_no), 0) FROM ops.batches), "
        "(SELECT coalesce(max(batch_no), 0) FROM ops.files))"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _to_parquet(
    db: duckdb.DuckDBPyConnection, path: str, delivery: Delivery, held: Contract, target: Path
) -> tuple[str, ...]:
    suffix = suffix_of(delivery.name)
    assert suffix is not None
    text = formats()[suffix].text_select(db, path, suffix)
    _check_columns(text.header, delivery, held)
    try:
        _copy(db, text.sql, target)
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise Unreadable(_csv_problem(str(error))) from None
    return text.header


def _check_columns(header: tuple[str, ...], delivery: Delivery, held: Contract) -> None:
    needed = [column.name for column in held.columns if column.required]
    if delivery.clinic_id == NETWORK and "clinic_id" not in needed:
        needed.append("clinic_id")
    for name in needed:
        if name not in header:
            near = difflib.get_close_matches(name, header, n=1)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise Unreadable(f"its header has no column {name}{hint}")


def _csv_problem(error: str) -> str:
    """DuckDB's complaint without the line that it quotes."""
    where = re.search(r"CSV Error on Line: (\d+)", error)
    line = f"line {where[1]}" if where else "a line"
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", error)
    if counts:
        return f"{line} has {counts[2]} fields where the header has {counts[1]}"
    if "unicode" in error.lower() or "utf" in error.lower():
        return f"{line} is not UTF-8"
    if "quote" in error.lower():
        return f"{line} has a quote that does not end"
    return f"{line} cannot be read as its format"


def _copy(db: duckdb.DuckDBPyConnection, select: str, target: Path) -> None:
    """Write to another name, flush, rename: a raw file is whole or is not there."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_suffix(".tmp")
    previous = os.umask(0o077)
    try:
        db.execute(
            f"COPY ({select}) TO {quoted(str(temporary))} (FORMAT parquet, COMPRESSION zstd)"
        )
    finally:
        os.umask(previous)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)


def _states_extract(warehouse: Warehouse, target: Path, header: tuple[str, ...]) -> bool:
    """Whether a row says itself when it was extracted."""
    if "extracted_at" not in header:
        return False
    row = warehouse.db.execute(
        f"SELECT bool_or(extracted_at <> '') FROM read_parquet({quoted(str(target))})"
    ).fetchone()
    return bool(row and row[0])


def _is_duplicate(warehouse: Warehouse, delivery: Delivery, digest: str, stated: bool) -> bool:
    """The bytes of an accepted file of the same clinic and feed, at no later extract time.

    The same bytes have the same extract times in their rows; only a name can say a later one.
    """
    rows = warehouse.db.execute(
        "SELECT name_day FROM ops.batches WHERE clinic_id = ? AND feed = ? "
        "AND file_sha256 = ? AND path <> ? AND state IN ('accepted', 'partial', 'landed')",
        [delivery.clinic_id, delivery.feed, digest, delivery.name],
    ).fetchall()
    day = _name_day(delivery.name)
    later = [day is not None and (earlier is None or day > earlier) for (earlier,) in rows]
    return bool(rows) and (stated or not all(later))


def _name_day(name: str) -> date | None:
    for text in reversed(_DAY.findall(name)):
        try:
            return date.fromisoformat(text)
        except ValueError:
            continue
    return None


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blocked_notes(warehouse: Warehouse, run: Run) -> Iterator[str]:
    """One sentence for each file that this run blocked."""
    rows = warehouse.db.execute(
        "SELECT path, reason FROM ops.batches WHERE state = 'blocked' AND loaded_run = ? "
        "ORDER BY path",
        [run.run_id],
    ).fetchall()
    for path, reason in rows:
        yield f"{path} is blocked: {reason}; mend it and deliver it again."
